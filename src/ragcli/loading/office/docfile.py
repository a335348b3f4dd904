"""The structures of DOC files (Word 97 to 2003): text, paragraphs, styles, lists, notes.

The text lies in pieces; which character ends a cell or a row, and which style a paragraph has, stands in pages of 512
bytes, by the place of the character in the file. Names are those of the specification, [MS-DOC].
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ragcli.errors import LoadError
from ragcli.loading.office.compound import OlderError
from ragcli.loading.office.wordstyles import Level, Numbering, inherit
from ragcli.loading.rtf.symbols import symbol

_WORD_97 = 0xC1  # nFib: from here on the text may be Unicode
_PAGE = 512
_MOST_CHARACTERS = 1 << 27
_STORIES = ("text", "footnotes", "headers", "macros", "comments", "endnotes", "boxes", "header boxes")
_NUMBERS = {0: "decimal", 1: "upperRoman", 2: "lowerRoman", 3: "upperLetter", 4: "lowerLetter", 22: "decimalZero",
            18: "decimalEnclosedCircle", 23: "bullet", 255: "none", **dict.fromkeys((10, 11, 16, 17, *range(33, 41)),
            "chineseCounting")}  # fmt: skip
_OPERANDS = {0: 1, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2, 7: 3}
_TITLE = 62
_HEADINGS = range(1, 10)
_DELETED, _SYMBOL = 0x0800, 0x6A09  # sprmCFRMarkDel, sprmCSymbol
_CODEPAGES = {0x04: "gb18030", 0x11: "cp932", 0x12: "cp949", 0x19: "cp1251", 0x08: "cp1253", 0x1F: "cp1254",
              0x0D: "cp1255", 0x01: "cp1256", 0x15: "cp1250", 0x05: "cp1250", 0x0E: "cp1250"}  # fmt: skip
_SPRMS = re.compile(rb"\x00\x08|\x09\x6a")
_PAIRS = re.compile(rb"[\xd8-\xdf]")


class Properties(NamedTuple):
    """What is known of a paragraph: its style, the list and the depth in it, and its place in a table.

    ``edges`` are those of the cells of a row, in twentieths of a point, at the paragraph that ends it.
    """

    style: int = 0
    outline: int = 9
    item: int = 0
    depth: int = 0
    in_table: bool = False
    ends_row: bool = False
    edges: tuple[int, ...] = ()


class _Piece(NamedTuple):
    start: int  # in characters
    end: int
    offset: int  # in bytes of the stream
    width: int  # bytes a character


class WordFile:
    """A DOC file in memory.

    Args:
        container: the compound file.

    Raises:
        LoadError: it is encrypted, or no text can be found in it.
        struct.error: it is broken.
    """

    def __init__(self, container: Any) -> None:
        self.lost: list[str] = []
        self._data: bytes = container.openstream("WordDocument").read()
        magic, self.version = struct.unpack_from("<HH", self._data)
        if magic not in (0xA5EC, 0xA5DC):
            raise LoadError("not readable as DOC: its text does not begin as that of Word files.")
        (flags,) = struct.unpack_from("<H", self._data, 0x0A)
        if flags & 0x100:
            raise LoadError("this Word file needs a password.", hint="Pass --password.")
        if self.version < _WORD_97:
            self._old(flags)
            return
        name = "1Table" if flags & 0x200 else "0Table"
        if not container.exists(name):
            name = "1Table" if name == "0Table" else "0Table"
        self._table: bytes = container.openstream(name).read() if container.exists(name) else b""
        self._more: bytes = container.openstream("Data").read() if container.exists("Data") else b""
        self._lengths = [max(0, length) for length in struct.unpack_from("<8i", self._data, 0x4C)]
        self._pieces = list(self._find_pieces())
        self.text = self._join()
        self.styles = self.guarded(self._read_styles, {}, "its styles")
        self.numbering = self.guarded(self._read_lists, Numbering({}, {}, {}), "its lists")
        self._runs = self.guarded(self._read_paragraphs, [], "what its paragraphs are")
        self._starts = [run[0] for run in self._runs]
        self.marks: dict[int, str] = self.guarded(self._read_marks, {}, "its notes")
        self._change()

    def guarded(self, read: Callable[[], Any], default: Any, what: str) -> Any:
        """Return what a function reads; the default, and a note of the loss, where the structure is broken."""
        try:
            return read()
        except (struct.error, ValueError, IndexError):
            self.lost.append(what)
            return default

    def _old(self, flags: int) -> None:
        """Word 6 and 95: one run of text in the encoding of the language, without its structures."""
        language, first, last = *struct.unpack_from("<H", self._data, 6), *struct.unpack_from("<II", self._data, 0x18)
        if flags & 4 or not first < last <= len(self._data):
            raise OlderError("Word 6 or 95 saved it in pieces")
        self.text = self._data[first:last].decode(_CODEPAGES.get(language & 0x3FF, "cp1252"), "replace")
        self._lengths = [len(self.text), *[0] * 7]
        self._pieces, self._runs, self._starts, self.styles, self.marks = [], [], [], {}, {}
        self.numbering = Numbering({}, {}, {})
        self._table = self._more = b""
        self.lost.append("its headings, lists and tables (it is from Word 6 or 95)")

    def block(self, index: int) -> bytes:
        """A structure in the table stream, by its place in the list of them."""
        at, size = struct.unpack_from("<II", self._data, 154 + 8 * index)
        return self._table[at : at + size]

    def _find_pieces(self) -> Iterator[_Piece]:
        clx = self.block(33)
        at = 0
        while at < len(clx) and clx[at] == 1:
            at += 3 + struct.unpack_from("<H", clx, at + 1)[0]
        if at >= len(clx) or clx[at] != 2:
            raise LoadError("not readable as DOC: the list of its pieces of text is missing.")
        (size,) = struct.unpack_from("<I", clx, at + 1)
        plc = clx[at + 5 : at + 5 + size]
        count = (len(plc) - 4) // 12
        ends = struct.unpack_from(f"<{count + 1}I", plc)
        for number in range(count):
            (where,) = struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * number + 2)
            compressed = bool(where & 0x40000000)
            offset = (where & 0x3FFFFFFF) // 2 if compressed else where & 0x3FFFFFFF
            start, end = ends[number], ends[number + 1]
            if not start < end <= _MOST_CHARACTERS:
                continue
            yield _Piece(start, end, offset, 1 if compressed else 2)

    def _join(self) -> str:
        """The text of all pieces; a piece that is cut off is filled up, as all places count characters."""
        out: list[str] = []
        at = 0
        for start, end, offset, width in self._pieces:
            if start != at:
                raise LoadError("not readable as DOC: its pieces of text do not follow one another.")
            data = self._data[offset : offset + (end - start) * width]
            if len(data) < (end - start) * width:
                self.lost.append("the end of its text (the file is cut off)")
                out.append(self._decoded(data, width))
                break
            out.append(self._decoded(data, width))
            at = end
        return "".join(out)

    @staticmethod
    def _decoded(data: bytes, width: int) -> str:
        if width == 1:
            return data.decode("cp1252", "replace")
        # places count units of 16 bits: halves of a pair stay apart, and are put together at the end
        return (
            data.decode("utf-16-le", "surrogatepass")
            if _is_plain(data)
            else "".join(map(chr, struct.unpack(f"<{len(data) // 2}H", data[: len(data) // 2 * 2])))
        )

    def _offset(self, at: int) -> int:
        """Where a character lies in the stream."""
        number = bisect_right(self._pieces, at, key=lambda piece: piece.start) - 1
        piece = self._pieces[number]
        return piece.offset + (at - piece.start) * piece.width

    def _read_styles(self) -> dict[int, int]:
        """Style to level of heading: by its own name, or that of the style it is based on."""
        block = self.block(1)
        head, count = struct.unpack_from("<HH", block)
        at = 2 + head
        levels: dict[int, int] = {}
        based: dict[int, int] = {}
        for style in range(count):
            if at + 2 > len(block):
                break
            (size,) = struct.unpack_from("<H", block, at)
            if size >= 10:
                kind, parent = struct.unpack_from("<HH", block, at + 2)
                based[style] = parent >> 4
                if kind & 0xFFF in _HEADINGS:
                    levels[style] = min(kind & 0xFFF, 6)
                elif kind & 0xFFF == _TITLE:
                    levels[style] = 1
            at += 2 + size
        inherit(levels, based)
        return levels

    def _read_lists(self) -> Numbering:
        plain = self.block(73)
        at, size = struct.unpack_from("<II", self._data, 154 + 8 * 73)
        lists: dict[int, dict[int, Level]] = {}
        if not plain:
            return Numbering({}, {}, {})
        (count,) = struct.unpack_from("<H", plain)
        place = at + size  # the levels lie behind the lists
        for number in range(count):
            (key,) = struct.unpack_from("<i", plain, 2 + 28 * number)
            simple = plain[2 + 28 * number + 26] & 1
            lists[key] = {}
            for depth in range(1 if simple else 9):
                start, kind = struct.unpack_from("<iB", self._table, place)
                characters, paragraph = struct.unpack_from("<BB", self._table, place + 24)
                place += 28 + characters + paragraph
                (length,) = struct.unpack_from("<H", self._table, place)
                raw = self._table[place + 2 : place + 2 + 2 * length].decode("utf-16-le", "replace")
                place += 2 + 2 * length
                text = "".join(f"%{ord(char) + 1}" if ord(char) < 9 else char for char in raw)
                lists[key][depth] = Level(_NUMBERS.get(kind, "decimal"), text, max(start, 0))
        uses = self.block(74)
        (count,) = struct.unpack_from("<I", uses) if uses else (0,)
        keys = [struct.unpack_from("<i", uses, 4 + 16 * number)[0] for number in range(min(count, len(uses) // 16))]
        named = {str(number): lists.get(key, {}) for number, key in enumerate(keys, 1)}
        return Numbering(named, {str(number): str(key) for number, key in enumerate(keys, 1)}, {})

    def _pages(self, index: int) -> Iterator[bytes]:
        """The pages that a list of them names."""
        plc = self.block(index)
        count = (len(plc) - 4) // 8
        seen = set()
        for (number,) in struct.iter_unpack("<I", plc[4 * (count + 1) : 4 * (count + 1) + 4 * count]):
            page = self._data[(number & 0x3FFFFF) * _PAGE : ((number & 0x3FFFFF) + 1) * _PAGE]
            if len(page) == _PAGE and number not in seen:
                seen.add(number)
                yield page

    def _read_paragraphs(self) -> list[tuple[int, int, Properties]]:
        """Where paragraphs begin and end in the stream, and what they are."""
        found = []
        for page in self._pages(13):
            count = min(page[511], 29)
            places = struct.unpack_from(f"<{count + 1}I", page)
            for number in range(count):
                at = page[4 * (count + 1) + 13 * number] * 2
                data = b""
                if at:
                    size = page[at]
                    data = page[at + 1 : at + 2 * size] if size else page[at + 2 : at + 2 + 2 * page[at + 1]]
                found.append((places[number], places[number + 1], self._properties(data)))
        return sorted(found, key=lambda run: run[0])

    def _properties(self, data: bytes) -> Properties:
        if len(data) < 2:
            return Properties()
        (style,) = struct.unpack_from("<H", data)
        outline, item, depth, in_table, ends_row = 9, 0, 0, False, False
        edges: tuple[int, ...] = ()
        for code, operand in self._operations(data[2:]):
            if code == 0x2640:
                outline = operand[0]
            elif code == 0x260A:
                depth = operand[0]
            elif code == 0x460B:
                item = int.from_bytes(operand, "little", signed=True)
            elif code == 0x2416:
                in_table = bool(operand[0])
            elif code == 0x2417:
                ends_row = bool(operand[0])
            elif code == 0xD608 and len(operand) >= 3 + 2 * (operand[2] + 1):
                edges = struct.unpack_from(f"<{operand[2] + 1}h", operand, 3)
        return Properties(style, outline, item, depth, in_table, ends_row, edges)

    def _operations(self, data: bytes, deep: bool = False) -> Iterator[tuple[int, bytes]]:
        """The operations of a run (sprm) with their operands; those that lie in the Data stream too."""
        at = 0
        while at + 3 <= len(data):
            (code,) = struct.unpack_from("<H", data, at)
            at += 2
            kind = code >> 13
            if kind == 6:
                size = data[at] + 1 if code != 0xD608 else int.from_bytes(data[at : at + 2], "little") + 1
            else:
                size = _OPERANDS[kind]
            operand = data[at : at + size]
            at += size
            if len(operand) < size:
                return
            if code in (0x6645, 0x6646) and not deep:
                (place,) = struct.unpack("<I", operand)
                (length,) = struct.unpack_from("<H", self._more, place) if place + 2 <= len(self._more) else (0,)
                yield from self._operations(self._more[place + 2 : place + 2 + length], True)
            else:
                yield code, operand

    def _read_changes(self) -> dict[int, str]:
        """Characters that are not what they seem: deleted ones, and those of symbol fonts; by their place."""
        found: list[tuple[int, int, str]] = []
        fonts = self.guarded(self._read_fonts, [], "the names of its fonts")
        for page in self._pages(12):
            count = min(page[511], 101)
            places = struct.unpack_from(f"<{count + 1}I", page)
            for number in range(count):
                at = page[4 * (count + 1) + number] * 2
                if not at or _SPRMS.search(page, at, at + 1 + page[at]) is None:
                    continue
                for code, operand in self._operations(page[at + 1 : at + 1 + page[at]]):
                    if code == _DELETED and operand[0] & 1:
                        found.append((places[number], places[number + 1], ""))
                    elif code == _SYMBOL:
                        font, char = struct.unpack("<HH", operand)
                        shown = symbol(f"{char:04X}", fonts[font] if font < len(fonts) else None)
                        found.append((places[number], places[number + 1], shown))
        changed: dict[int, str] = {}
        for start, end, char in found:
            for piece in self._pieces:
                first = max(start, piece.offset)
                last = min(end, piece.offset + (piece.end - piece.start) * piece.width)
                if first < last:
                    begin = piece.start + (first - piece.offset) // piece.width
                    stop = piece.start + -(-(last - piece.offset) // piece.width)
                    for at in range(begin, min(stop, len(self.text))):
                        if char or self.text[at] not in "\r\x07":
                            changed[at] = char or "\0"
        return changed

    def _read_fonts(self) -> list[str]:
        block = self.block(15)
        (count,) = struct.unpack_from("<H", block)
        found, at = [], 4
        for _ in range(count):
            raw = block[at + 40 : at + 1 + block[at]]  # the name follows 39 bytes of what the font looks like
            found.append(raw.decode("utf-16-le", "replace").partition("\0")[0])
            at += 1 + block[at]
        return found

    def _read_marks(self) -> dict[int, str]:
        """What stands where a note is called, by its place."""
        marks = {}
        for index, sign in ((2, ""), (46, "e")):
            width = 2
            plc = self.block(index)
            count = (len(plc) - 4) // (4 + width)
            for number in range(max(count, 0)):
                marks[struct.unpack_from("<I", plc, 4 * number)[0]] = f"[^{sign}{number + 1}]"
        return marks

    def _change(self) -> None:
        """Leave deleted characters out, as NUL, and show symbols; places stay."""
        changed = self.guarded(self._read_changes, {}, "which of its characters were deleted")
        if changed:
            parts = list(self.text)
            for at, char in changed.items():
                parts[at] = char
            self.text = "".join(parts)

    def stories(self) -> dict[str, tuple[int, int]]:
        """Return where the parts of the text begin and end: the body, notes, headers."""
        places, at = {}, 0
        for story, length in zip(_STORIES, self._lengths, strict=True):
            places[story] = (min(at, len(self.text)), min(at + length, len(self.text)))
            at += length
        return places

    def properties(self, at: int) -> Properties:
        """Return what the paragraph is that a character lies in."""
        if not self._runs:
            return Properties()
        offset = self._offset(at)
        number = bisect_right(self._starts, offset) - 1
        if number >= 0 and offset < self._runs[number][1]:
            found: Properties = self._runs[number][2]
            return found
        return Properties()

    def read_authors(self) -> list[str]:
        """Return the names of those who commented."""
        block = self.block(36)
        found, at = [], 0
        while at + 2 <= len(block):
            (length,) = struct.unpack_from("<H", block, at)
            found.append(block[at + 2 : at + 2 + 2 * length].decode("utf-16-le", "replace"))
            at += 2 + 2 * length
        return found


def _is_plain(data: bytes) -> bool:
    """Whether no character takes two units of 16 bits."""
    return _PAIRS.search(data[1::2]) is None
