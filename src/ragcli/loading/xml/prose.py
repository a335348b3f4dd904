"""XML that holds prose: DocBook, JATS, TEI, DITA, NITF and what is built like them, as Markdown.

One table of names serves them all: what they call a title, a paragraph, a list or a table differs little. An element
that no table names is a block where its siblings are, and a part of the sentence where text stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ragcli.loading.markup import fenced, flowed, paragraph, spread, table
from ragcli.loading.source import Source
from ragcli.loading.xml import names as xml_names
from ragcli.loading.xml.data import lines, local

_DEEPEST = 100  # levels; what lies deeper is written as one paragraph
_SHORT = 60  # characters: a value, not a sentence


def is_prose(root: Any) -> bool:
    """Whether an XML tree is a text: a sentence has elements in it, or its paragraphs are named as such."""
    prose = leaves = 0
    for seen, element in enumerate(root.iter()):
        name = local(element)
        if len(element):
            inside = bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)
            prose += 5 * inside
        elif name in ("p", "para", "simpara"):
            prose += 5
        else:
            leaves += 1
        if seen > 20_000:
            break
    return prose > 0 and prose * 4 >= leaves


def written(source: Source, root: Any) -> tuple[str | None, str, dict[str, Any]]:
    """Return title, text and metadata."""
    writer = _Writer()
    title = _title(root)
    writer.main = title
    level = 0
    if title is not None and title.getparent() is not root:
        writer.heading(title, 1)
        level = 1
    writer.element(root, level, 0)
    writer.end()
    said = flowed("".join(map(str, title.itertext()))) if title is not None else None
    return said, writer.text(), _facts(root)


def _title(root: Any) -> Any:
    """The element that holds the title of the whole."""
    at, depth = [root], 0
    while at and depth < 6:
        for element in at:
            for child in element:
                if local(child) in ("title", "article-title", "titlePart", "hl1", "head") and len(
                    "".join(map(str, child.itertext())).strip()
                ):
                    return child
        at = [
            child for element in at for child in element if local(child) in xml_names.HEADS or local(child) == "hedline"
        ]
        depth += 1
    return None


def _facts(root: Any) -> dict[str, Any]:
    head = next((child for child in root if local(child) in xml_names.HEADS), root)
    names: list[str] = []
    for person in head.iter("{*}contrib", "{*}author", "{*}creator"):
        if local(person) == "contrib" and person.get("contrib-type", "author") != "author":
            continue
        surname = next(person.iter("{*}surname"), None)
        given = next(person.iter("{*}given-names", "{*}firstname", "{*}forename"), None)
        if surname is not None:
            parts = [given.text if given is not None else "", surname.text]
            said = " ".join(part for part in parts if part)
        else:
            said = "" if len(person) > 3 else "".join(map(str, person.itertext()))
        said = flowed(said)
        if said and len(said) < 100 and said not in names:
            names.append(said)
    facts: dict[str, Any] = {"author": ", ".join(names[:50])}
    for identifier in head.iter("{*}article-id"):
        if identifier.get("pub-id-type") == "doi":
            facts["doi"] = identifier.text
    return facts


class _Writer:
    """Writes elements as blocks; ``main`` is the title of the whole, which may be written ahead."""

    def __init__(self) -> None:
        self.main: Any = None
        self._blocks: list[str] = []
        self._line: list[str] = []
        self._indent = ""
        self._mark = ""
        self._notes: list[str] = []
        self._done: set[Any] = set()

    def text(self) -> str:
        """What was written, list items without a blank line between them."""
        out: list[str] = []
        item = False
        for block in self._blocks:
            is_item = block.lstrip()[:2] == "- " or block.lstrip().split(". ", 1)[0].isdigit()
            if out:
                out.append("\n" if item and is_item else "\n\n")
            out.append(block)
            item = is_item
        return "".join(out)

    def end(self) -> None:
        """Close the last paragraph and write the notes."""
        self._flush()
        self._blocks += self._notes

    def heading(self, element: Any, level: int) -> None:
        """Write a title as a heading."""
        self._done.add(element)
        self._flush()
        self._inline(element, 0)
        text = flowed("".join(self._line))
        self._line.clear()
        if text:
            self._blocks.append(f"{'#' * min(level, 6)} {text}" if not self._indent else f"{self._indent}**{text}**")

    def _flush(self) -> None:
        text = flowed("".join(self._line))
        self._line.clear()
        if text:
            self._put(paragraph(text))

    def _put(self, text: str) -> None:
        prefix = self._mark or self._indent
        self._mark = ""
        if prefix.endswith(": ") and text.startswith(("```", "| ")):  # of an admonition
            self._blocks.append(prefix.rstrip())
            prefix = self._indent
        if "\n" in text:
            text = text.replace("\n", "\n" + self._indent)
        self._blocks.append(prefix + text)

    def element(self, element: Any, level: int, depth: int) -> None:
        """Write a block element."""
        name = local(element)
        if not name or name in xml_names.LEFT_OUT or element in self._done:
            return
        self._flush()
        if depth > _DEEPEST:
            self._line.append(" ".join(map(str, element.itertext())))
        elif name in xml_names.TABLES and any(local(one) in xml_names.ROWS for one in element.iter()):
            self._table(element, level, depth)
            return
        elif name in xml_names.CODE or _is_code(element, name):
            self._code(element)
            return
        elif name in xml_names.GLOSSED:
            self._gloss(element, level, depth)
            return
        elif name in xml_names.KEYWORDS:
            label = "关键词：" if _is_chinese(element) else "Keywords: "
            said = (
                flowed("".join(map(str, child.itertext()))) for child in element if local(child) not in xml_names.TITLES
            )
            self._line.append(label + ", ".join(text for text in said if text))
        elif _is_record(element, name):
            self._put("\n".join(lines(element, 0, named=True)))
        else:
            if name == "abstract" and not any(local(child) in xml_names.TITLES for child in element):
                level = min(level + 1, 6)
                self._blocks.append(f"{'#' * level} {'摘要' if _is_chinese(element) else 'Abstract'}")
            if name in xml_names.ADMONITIONS:
                self._mark = f"{self._mark or self._indent}{element.get('type', name).capitalize()}: "
            self._children(element, level, depth, name)
        self._flush()

    def _children(self, element: Any, level: int, depth: int, name: str) -> None:
        listed = name in xml_names.LISTS
        indent, number = self._indent, 0
        ordered = name in xml_names.ORDERED or element.get("list-type", element.get("type")) in ("order", "ordered")
        if (
            not len(element)
            and name not in xml_names.PLAIN
            and name not in xml_names.INLINE
            and name not in xml_names.TITLES
        ):
            value = flowed(element.text or "")
            if value:
                self._line.append(f"{name}: {value}" if len(value) < _SHORT and value[-1] not in ".。！？" else value)
            self._media(element)
            return
        flat = (
            _is_mixed(element)
            or name in xml_names.TITLES
            or (name in xml_names.PARAGRAPHS and not _holds_blocks(element))
        )
        deeper = level
        for child in element:
            if local(child) in xml_names.TITLES and name not in xml_names.UNTITLED and not flat:
                deeper = min(level + 1, 6)
                break
            if local(child) in xml_names.HEADS and (found := _title(child)) is not None and found not in self._done:
                self.heading(found, min(level + 1, 6))
                deeper = min(level + 1, 6)
                break
        self._line.append(element.text or "")
        self._media(element)
        number_label = ""
        for child in element:
            kind = local(child)
            if not kind or kind in xml_names.LEFT_OUT or child in self._done:
                pass
            elif kind == "label" and not flat and deeper > level:
                number_label = flowed("".join(map(str, child.itertext())))
            elif listed and (kind not in xml_names.TITLES or kind == "head") and kind not in ("title", "label"):
                number += 1
                self._flush()
                self._mark = f"{indent}{number}. " if ordered else f"{indent}- "
                self._indent = indent + ("   " if ordered else "  ")
                self.element(child, deeper, depth + 1)
                self._flush()
                self._indent, self._mark = indent, ""
            elif kind in xml_names.TITLES and not flat:
                if name in xml_names.UNTITLED:
                    self._flush()
                    self._inline(child, depth + 1)
                    self._flush()
                else:
                    if number_label:
                        child.text = f"{number_label} {child.text or ''}"
                        number_label = ""
                    self.heading(child, deeper)
            elif self._is_block(child, flat) or (not flat and _is_code(child, kind)):
                self.element(child, deeper, depth + 1)
            else:
                self._inline(child, depth + 1)
                if kind == "label" or not _is_mixed(element):
                    self._line.append(" ")
            self._line.append(child.tail or "")

    def _is_block(self, element: Any, flat: bool) -> bool:
        kind = local(element)
        if kind in xml_names.LISTS or kind in xml_names.TABLES or kind in xml_names.GLOSSED or kind in xml_names.CODE:
            return True
        if not flat:
            return kind not in xml_names.INLINE
        if kind == "note":  # of TEI: a footnote; of others: something to heed
            return any(local(child) in ("p", "para", "simpara") for child in element)
        return kind in xml_names.FLOATS or kind in xml_names.ADMONITIONS

    def _inline(self, element: Any, depth: int) -> None:
        """Write an element as part of a sentence."""
        name = local(element)
        if not name or name in xml_names.LEFT_OUT:
            return
        if name in xml_names.NOTES or name == "note":
            self._note(element)
            return
        if name in xml_names.NAMES and (said := _person(element)):
            self._line.append(said)
            return
        if depth > _DEEPEST:
            self._line += map(str, element.itertext())
            return
        start = len(self._line)
        if name == "tex-math":
            self._line.append(f"${_formula(''.join(map(str, element.itertext())))}$")
            return
        if name == "alternatives" and (tex := next(element.iter("{*}tex-math"), None)) is not None:
            self._inline(tex, depth + 1)
            return
        apart = len(element) > 1 and not _is_mixed(element)  # as the parts of a name
        self._line.append(element.text or "")
        for child in element:
            if local(child):
                if self._is_block(child, True):
                    self.element(child, 6, depth + 1)
                else:
                    self._inline(child, depth + 1)
            self._line.append(" " if apart and child is not element[-1] else child.tail or "")
        self._media(element)
        address = element.get("url") or element.get("{http://www.w3.org/1999/xlink}href") or element.get("href") or ""
        address = address or element.get("target") or ""
        if address.startswith(("http://", "https://", "ftp://", "mailto:")):
            shown = flowed("".join(self._line[start:]))
            if not shown or shown == address:
                self._line[start:] = [address]
            else:
                self._line[start:] = [f"[{shown}]({address})"]

    def _media(self, element: Any) -> None:
        said = element.get("alt") or ""
        if said:
            self._line.append(f" {said} ")

    def _note(self, element: Any) -> None:
        number = len(self._notes) + 1
        label = next((child for child in element if local(child) == "label"), None)
        pieces = (str(piece) for child in [element] for piece in child.itertext())
        text = flowed("".join(pieces))
        if label is not None and label.text and text.startswith(label.text.strip()):
            text = text[len(label.text.strip()) :].strip()
        self._line.append(f"[^{number}]")
        self._notes.append(f"[^{number}]: {text}")

    def _gloss(self, element: Any, level: int, depth: int) -> None:
        names, _ = xml_names.GLOSSED[local(element)]
        terms = [flowed("".join(map(str, child.itertext()))) for child in element if local(child) == names]
        indent = self._indent
        self._mark, self._indent = f"{indent}- ", indent + "  "
        self._line.append(f"{', '.join(terms)}: ")
        first = True
        for child in element:
            if local(child) and local(child) != names:
                if first and not _is_mixed(child) and len(child) and self._only_text(child[0]):
                    self._inline(child[0], depth + 2)
                    self._done.add(child[0])
                    self._flush()
                elif first and (not len(child) or _is_mixed(child)):
                    self._inline(child, depth + 1)
                    self._flush()
                    first = False
                    continue
                first = False
                self.element(child, level, depth + 1)
        self._flush()
        self._indent, self._mark = indent, ""

    def _only_text(self, element: Any) -> bool:
        return local(element) in xml_names.PARAGRAPHS and not any(self._is_block(one, True) for one in element)

    def _code(self, element: Any) -> None:
        text = "".join(map(str, element.itertext())).strip("\n").rstrip()
        language = next((value for key in xml_names.LANGUAGES if (value := element.get(key))), "")
        if text.strip():
            self._put(fenced(text, language.removeprefix("language-").split()[0] if language.strip() else ""))

    def _table(self, element: Any, level: int, depth: int) -> None:
        rows: list[list[tuple[str, int, int]]] = []
        for child in element.iter():
            kind = local(child)
            if kind in ("title", "caption") and not any(local(up) in xml_names.CELLS for up in child.iterancestors()):
                self._inline(child, depth + 1)
                self._flush()
            elif kind in xml_names.ROWS and next(_up(child), None) is element:
                rows.append([self._cell(cell) for cell in child if local(cell) in xml_names.CELLS])
        written = table(spread(rows))
        if written:
            self._put(written)

    def _cell(self, cell: Any) -> tuple[str, int, int]:
        inner = _Writer()
        inner._notes = self._notes
        inner._children(cell, 6, 1, "entry")
        inner._flush()
        text = " ".join(inner._blocks)
        first, last = cell.get("namest"), cell.get("nameend")
        columns = 1
        if first and last:
            order = [spec.get("colname") for group in cell.iterancestors("{*}tgroup") for spec in group
                     if local(spec) == "colspec"][:1000]  # fmt: skip
            if first in order and last in order:
                columns = order.index(last) - order.index(first) + 1
        return (
            text,
            _number(cell.get("colspan"), columns),
            _number(cell.get("morerows"), -1) + 1 or _number(cell.get("rowspan"), 1),
        )


def _person(element: Any) -> str:
    """A name of a person, the given name first; "" where its parts are not said."""
    surname = next((child for child in element if local(child) == "surname"), None)
    given = next((child for child in element if local(child) in xml_names.GIVEN), None)
    if surname is None or given is None or _is_mixed(element):
        return ""
    return flowed(f"{''.join(map(str, given.itertext()))} {''.join(map(str, surname.itertext()))}")


def _is_chinese(element: Any) -> bool:
    return any("\u4e00" <= char <= "\u9fff" for piece in element.itertext() for char in str(piece)[:100])


def _is_record(element: Any, name: str) -> bool:
    """Whether it holds nothing but short values under names that say nothing of a text: a date, a publisher."""
    known = (
        xml_names.PLAIN
        | xml_names.LISTS
        | xml_names.TITLES
        | xml_names.INLINE
        | xml_names.HEADS
        | xml_names.NOTES
        | xml_names.FLOATS
        | xml_names.ADMONITIONS
    )
    if not 1 < len(element) < 20 or name in known or name in xml_names.UNTITLED or _is_mixed(element):
        return False
    return all(
        not len(child) and local(child) not in known - {"date", "name", "num"} and len(child.text or "") < _SHORT
        for child in element
        if local(child)
    )


def _holds_blocks(element: Any) -> bool:
    """Whether a paragraph by its name holds others."""
    return any(
        local(child) in xml_names.FLOATS or local(child) in xml_names.TITLES or local(child) in xml_names.HEADS
        for child in element
    )


def _is_code(element: Any, name: str) -> bool:
    """Whether an element of another use holds lines of code: ``code`` of JATS, ``ab`` of TEI."""
    if name not in ("code", "ab", "literal", "monospace"):
        return False
    return "\n" in (element.text or "") and (name != "ab" or "code" in element.get("type", ""))


def _up(element: Any) -> Iterator[Any]:
    return (up for up in element.iterancestors() if local(up) in xml_names.TABLES)


def _number(value: str | None, default: int) -> int:
    return int(value) if value and value.isdecimal() and len(value) < 6 else default


def _formula(text: str) -> str:
    found = text.partition(r"\begin{document}")[2].partition(r"\end{document}")[0] or text
    return found.strip().strip("$").strip()


def _is_mixed(element: Any) -> bool:
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)
