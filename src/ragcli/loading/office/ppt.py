"""PPT (PowerPoint 97 to 2003): the text of each slide with its notes and comments, out of the file's own records.

Names are those of the specification, [MS-PPT]. A record is a head of 8 bytes (version and instance, type, length) and
its content; where the version is 15, the content is records.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from ragcli.errors import LoadError
from ragcli.loading.markup import table
from ragcli.loading.office.compound import compound

_DOCUMENT, _SLIDE, _NOTES, _SLIDE_ATOM = 0x03E8, 0x03EE, 0x03F0, 0x03EF
_PERSIST, _LIST, _EDIT, _DIRECTORY = 0x03F3, 0x0FF0, 0x0FF5, 0x1772
_CHARACTERS, _BYTES, _HEADER, _REFERENCE, _STYLE = 0x0FA0, 0x0FA8, 0x0F9F, 0x0F9E, 0x0FA1
_STRING, _COMMENT, _PLACEHOLDER = 0x0FBA, 0x2EE0, 0x0BC3
_TEXTBOX, _SHAPE, _GROUP, _ANCHOR, _MORE_OPTIONS = 0xF00D, 0xF004, 0xF003, 0xF00F, 0xF122
_TABLE_OPTION = 0x039F
_OBJECT = 0x1011
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LARGEST = 1 << 28  # bytes of an embedded object
_TITLES, _BODIES, _OF_NOTES, _OTHER = (0, 6), (1, 5, 7, 8), 2, 4
_FURNITURE = (0x07, 0x08, 0x09, 0x0A)  # placeholders of date, number, footer, header
_ENCRYPTED = 0xF3D1C4DF
_MOST_DEEP = 40
_MOST_EDITS = 10_000


class _Record(NamedTuple):
    kind: int
    instance: int
    container: bool
    start: int
    end: int


class _Run(NamedTuple):
    characters: int
    depth: int
    bullet: bool | None  # None: as the master says


class _Text(NamedTuple):
    kind: int
    text: str
    runs: list[_Run]


class Slides:
    """A presentation in memory.

    Args:
        stream: the stream ``PowerPoint Document``.
        current: the stream ``Current User``, which says where the newest state begins.

    Raises:
        LoadError: it is encrypted, or no slides can be found in it.
    """

    def __init__(self, stream: bytes, current: bytes) -> None:
        self._data = stream
        if len(current) >= 20 and struct.unpack_from("<I", current, 12)[0] == _ENCRYPTED:
            raise LoadError("this PowerPoint file needs a password.", hint="Pass --password.")
        self._places, document = self._directory(current)
        found = self._record(self._places.get(document, -1))
        if found is None or found.kind != _DOCUMENT:
            found = next((one for one in self._children(0, len(stream)) if one.kind == _DOCUMENT), None)
        if found is None:
            raise LoadError("not readable as PPT: it has no list of slides.")
        self._slides: list[tuple[int, list[_Text]]] = []
        self._notes: dict[int, int] = {}
        for one in self._children(found.start, found.end):
            if one.kind == _LIST and one.instance == 0:
                self._slides += ((place, texts) for place, _, texts in self._listed(one))
            elif one.kind == _LIST and one.instance == 2:
                self._notes |= {key: place for place, key, _ in self._listed(one)}

    def __len__(self) -> int:
        return len(self._slides)

    def _record(self, at: int) -> _Record | None:
        if not 0 <= at <= len(self._data) - 8:
            return None
        head, kind, length = struct.unpack_from("<HHI", self._data, at)
        end = min(at + 8 + length, len(self._data))
        return _Record(kind, head >> 4, head & 15 == 15, at + 8, end)

    def _children(self, start: int, end: int) -> Iterator[_Record]:
        while start < end and (one := self._record(start)) is not None:
            yield one
            start = one.end

    def _walk(self, one: _Record, depth: int = 0) -> Iterator[_Record]:
        """A record and those in it, in their order."""
        yield one
        if (one.container or one.kind == _TEXTBOX) and depth < _MOST_DEEP:
            for child in self._children(one.start, one.end):
                yield from self._walk(child, depth + 1)

    def _directory(self, current: bytes) -> tuple[dict[int, int], int]:
        """Where the objects of the newest state lie, and which of them is the document."""
        places: dict[int, int] = {}
        document = 0
        at = struct.unpack_from("<I", current, 16)[0] if len(current) >= 20 else -1
        seen: set[int] = set()
        while at not in seen and len(seen) < _MOST_EDITS:
            seen.add(at)
            edit = self._record(at)
            if edit is None or edit.kind != _EDIT or edit.end - edit.start < 20:
                break
            before, directory, first = struct.unpack_from("<III", self._data, edit.start + 8)
            document = document or first
            if (one := self._record(directory)) is not None and one.kind == _DIRECTORY:
                entries = struct.unpack(
                    f"<{(one.end - one.start) // 4}I", self._data[one.start : one.end - (one.end - one.start) % 4]
                )
                number = 0
                while number < len(entries):
                    first, count = entries[number] & 0xFFFFF, entries[number] >> 20
                    for key, place in enumerate(entries[number + 1 : number + 1 + count], first):
                        places.setdefault(key, place)
                    number += 1 + count
            at = before if before else -1
        return places, document

    def _listed(self, one: _Record) -> Iterator[tuple[int, int, list[_Text]]]:
        """Place, id and outline texts of the slides, or notes, of a list."""
        place, key, texts = None, 0, list[_Record]()
        for child in self._children(one.start, one.end):
            if child.kind == _PERSIST and child.end - child.start >= 16:
                if place is not None:
                    yield place, key, list(self._texts(texts))
                reference, _, _, key = struct.unpack_from("<IIII", self._data, child.start)
                place, texts = self._places.get(reference, -1), []
            else:
                texts.append(child)
        if place is not None:
            yield place, key, list(self._texts(texts))

    def _texts(self, records: list[_Record]) -> Iterator[_Text]:
        """The texts among records that follow one another: a head with the kind, the text, its style."""
        kind, text = 4, None
        runs: list[_Run] = []
        for one in records:
            data = self._data[one.start : one.end]
            if one.kind == _HEADER:
                if text is not None:
                    yield _Text(kind, text, runs)
                kind, text, runs = int.from_bytes(data[:4], "little"), "", []
            elif one.kind == _CHARACTERS:
                text = data[: len(data) // 2 * 2].decode("utf-16-le", "replace")
            elif one.kind == _BYTES:
                text = data.decode("latin-1")
            elif one.kind == _STYLE and text is not None:
                runs = _runs(data, len(text))
        if text is not None:
            yield _Text(kind, text, runs)

    def markdown(self, number: int) -> str:
        """Return a slide as Markdown, its title first.

        Args:
            number: from 0.

        Raises:
            LoadError: the slide is missing.
        """
        place, outline = self._slides[number]
        slide = self._record(place)
        if slide is None or slide.kind != _SLIDE:
            words = [_written(text) for text in outline]
            if not any(words):
                raise LoadError("it is missing.")
            return "\n\n".join(filter(None, words))
        title = ""
        blocks: list[str] = []
        for text in self._shown(slide, outline):
            if text.kind in _TITLES and not title:
                title = " ".join(text.text.split())
            elif written := _written(text):
                blocks.append(written)
        notes = self._said_in_notes(slide)
        found = [f"# {title}", *blocks] if title else blocks
        return "\n\n".join([*found, *([f"Notes: {notes}"] if notes else []), *self._comments(slide)])

    def objects(self) -> Iterator[bytes]:
        """Yield the embedded objects, each a compound file."""
        for place in sorted(set(self._places.values())):
            one = self._record(place)
            if one is None or one.kind != _OBJECT:
                continue
            data = self._data[one.start : one.end]
            if one.instance == 1:  # packed, behind the length
                try:
                    data = zlib.decompressobj().decompress(data[4:], _LARGEST)
                except zlib.error:
                    continue
            if data.startswith(_OLE):
                yield data

    def _shown(self, slide: _Record, outline: list[_Text]) -> Iterator[_Text]:
        used: set[int] = set()
        for shape in self._shapes(slide):
            if shape.kind == _GROUP:
                if rows := self._table(shape):
                    yield _Text(_OTHER, table(rows), [])
                continue
            inside = list(self._walk(shape))
            role = next((self._data[one.start + 4] for one in inside
                         if one.kind == _PLACEHOLDER and one.end - one.start >= 5), 0)  # fmt: skip
            if role in _FURNITURE:
                continue
            for box in inside:
                if box.kind != _TEXTBOX:
                    continue
                records = list(self._children(box.start, box.end))
                for one in records:
                    if one.kind == _REFERENCE and one.end - one.start >= 4:
                        (which,) = struct.unpack_from("<I", self._data, one.start)
                        if which < len(outline) and which not in used:
                            used.add(which)
                            yield outline[which]
                yield from self._texts(records)
        yield from (text for at, text in enumerate(outline) if at not in used)

    def _shapes(self, one: _Record, depth: int = 0) -> Iterator[_Record]:
        """The shapes in a record; a table, which is a group, as one."""
        for child in self._children(one.start, one.end):
            if child.kind == _SHAPE or (child.kind == _GROUP and self._is_table(child)):
                yield child
            elif child.container and depth < _MOST_DEEP:
                yield from self._shapes(child, depth + 1)

    def _is_table(self, group: _Record) -> bool:
        first = next(self._children(group.start, group.end), None)
        for one in self._children(first.start, first.end) if first is not None else ():
            if one.kind == _MORE_OPTIONS:
                for at in range(one.start, min(one.start + 6 * one.instance, one.end - 5), 6):
                    code, value = struct.unpack_from("<HI", self._data, at)
                    if code & 0x3FFF == _TABLE_OPTION and value & 1:
                        return True
        return False

    def _table(self, group: _Record) -> list[list[str]]:
        """The cells of a table by where they stand."""
        cells: dict[tuple[int, int], str] = {}
        for shape in self._children(group.start, group.end):
            inside = list(self._children(shape.start, shape.end)) if shape.kind == _SHAPE else []
            anchor = next((one for one in inside if one.kind == _ANCHOR and one.end - one.start >= 16), None)
            box = next((one for one in inside if one.kind == _TEXTBOX), None)
            if anchor is None or box is None:
                continue
            left, top = struct.unpack_from("<ii", self._data, anchor.start)
            said = (" ".join(text.text.split()) for text in self._texts(list(self._children(box.start, box.end))))
            cells[top, left] = " ".join(said)
        columns = {left: at for at, left in enumerate(sorted({left for _, left in cells}))}
        rows: dict[int, list[str]] = {top: [""] * len(columns) for top in sorted({top for top, _ in cells})}
        for (top, left), text in cells.items():
            rows[top][columns[left]] = text
        return list(rows.values())

    def _said_in_notes(self, slide: _Record) -> str:
        atom = next((one for one in self._children(slide.start, slide.end) if one.kind == _SLIDE_ATOM), None)
        if atom is None or atom.end - atom.start < 20:
            return ""
        (key,) = struct.unpack_from("<I", self._data, atom.start + 16)
        notes = self._record(self._notes.get(key, -1))
        if notes is None or notes.kind != _NOTES:
            return ""
        return "\n".join(
            written for text in self._shown(notes, []) if text.kind == _OF_NOTES and (written := _written(text))
        )

    def _comments(self, slide: _Record) -> Iterator[str]:
        for one in self._walk(slide):
            if one.kind == _COMMENT:
                said = {child.instance: self._data[child.start : child.end].decode("utf-16-le", "replace")
                        for child in self._children(one.start, one.end) if child.kind == _STRING}  # fmt: skip
                text, author = (" ".join(said.get(key, "").split()) for key in (1, 0))
                if text:
                    yield f"Comment ({author}): {text}" if author else f"Comment: {text}"


def _runs(data: bytes, characters: int) -> list[_Run]:
    """The runs of paragraphs of one style, of which only the first fields are needed."""
    found: list[_Run] = []
    at, seen = 0, 0
    while at + 10 <= len(data) and seen <= characters:
        count, depth, mask = struct.unpack_from("<IHI", data, at)
        bullet = bool(data[at + 10] & 1) if mask & 1 and at + 10 < len(data) else None
        found.append(_Run(count, min(depth, 4), bullet))
        at += 10 + _paragraph_size(mask, data, at + 10)
        seen += count
    return found


def _paragraph_size(mask: int, data: bytes, at: int) -> int:
    """The bytes of a paragraph's style that its mask says are there."""
    size = 2 if mask & 0xF else 0
    for bit, width in ((7, 2), (4, 2), (6, 2), (5, 4), (11, 2), (12, 2), (13, 2), (14, 2), (8, 2), (10, 2), (15, 2)):
        if mask >> bit & 1:
            size += width
    if mask >> 20 & 1:
        tabs = int.from_bytes(data[at + size : at + size + 2], "little")
        size += 2 + 4 * tabs
    return size + (2 if mask >> 16 & 1 else 0) + (2 if mask & 0xE0000 else 0) + (2 if mask >> 21 & 1 else 0)


def _written(text: _Text) -> str:
    """A text as paragraphs; those with bullets, and those of a body, as a list."""
    if text.text.startswith("| "):  # a table
        return text.text
    lines: list[tuple[int, bool, str]] = []
    at = end = 0
    run = _Run(0, 0, None)
    runs = iter(text.runs)
    for paragraph in text.text.split("\r"):
        while at >= end and (following := next(runs, None)) is not None:
            run, end = following, end + following.characters
        words = " ".join(paragraph.replace("\v", " ").split())
        if words:
            bullet = text.kind in _BODIES if run.bullet is None else run.bullet
            lines.append((run.depth, bullet and text.kind not in _TITLES, words))
        at += len(paragraph) + 1
    if len(lines) == 1:
        return lines[0][2]
    return "\n".join(f"{'  ' * depth}- {words}" if bullet else words for depth, bullet, words in lines)


def slides(data: bytes) -> Slides:
    """Open a PPT file.

    Raises:
        LoadError: it is encrypted, or no slides can be found in it.
        Exception: it is broken: whatever reading its structures raises.
    """
    with compound(data, "PPT") as container:
        if not container.exists("PowerPoint Document"):
            raise LoadError("not readable as PPT: it holds no slides.")
        current = container.openstream("Current User").read() if container.exists("Current User") else b""
        return Slides(container.openstream("PowerPoint Document").read(), current)
