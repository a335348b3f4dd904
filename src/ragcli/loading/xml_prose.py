"""XML that holds prose: DocBook, JATS, TEI, DITA, NITF and what is built like them, as Markdown.

One table of names serves them all: what they call a title, a paragraph, a list or a table differs little. An element
that no table names is a block where its siblings are, and a part of the sentence where text stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ragcli.loading.markup import fenced, flowed, paragraph, spread, table
from ragcli.loading.source import Source
from ragcli.loading.xml_data import local

_DEEPEST = 100  # levels; what lies deeper is written as one paragraph
_TITLES = {"title", "head", "article-title", "subtitle", "bridgehead", "heading", "hedline"}
_PARAGRAPHS = {
    "p", "para", "simpara", "shortdesc", "cmd", "stepresult", "ab", "l", "speaker", "attribution", "caption",
    "term", "dt", "dlterm", "label", "primary", "glossterm", "line", "verse", "lb", "member", "entry", "td", "th",
    "disp-formula", "disp-quote", "hl1", "hl2", "byline", "stage", "bibl", "biblStruct", "ref", "mixed-citation",
    "element-citation", "citation", "nlm-citation", "li", "item", "subtitle", "kwd", "question", "answer", "dd", "def",
}  # fmt: skip
_LISTS = {"itemizedlist", "orderedlist", "list", "ul", "ol", "simplelist", "procedure", "steps", "substeps", "sl",
          "steps-unordered", "calloutlist", "ref-list", "listBibl", "stepalternatives", "choices",
          "steps-informal", "bibliolist", "segmentedlist"}  # fmt: skip
_ORDERED = {"orderedlist", "ol", "procedure", "steps", "substeps"}
_GLOSSED = {"varlistentry": ("term", "listitem"), "dlentry": ("dt", "dd"), "def-item": ("term", "def"),
            "glossentry": ("glossterm", "glossdef"), "glossBody": ("glossterm", "glossdef")}  # fmt: skip
_TABLES = {"table", "informaltable", "simpletable", "properties", "choicetable"}
_ROWS = {"row", "tr", "strow", "sthead", "property", "prophead", "chrow", "chhead"}
_CELLS = {"entry", "td", "th", "stentry", "cell", "proptype", "propvalue", "propdesc", "choption", "chdesc",
          "choptionhd", "chdeschd", "proptypehd", "propvaluehd", "propdeschd"}  # fmt: skip
_CODE = {"programlisting", "screen", "codeblock", "literallayout", "pre", "synopsis", "msgblock", "eg", "egXML",
         "code-block", "preformat", "listing", "funcsynopsisinfo", "lines", "classsynopsis"}  # fmt: skip
_NOTES = {"footnote", "fn"}
_INLINE = {
    "emphasis", "bold", "italic", "b", "i", "u", "em", "strong", "sub", "sup", "subscript", "superscript", "xref",
    "link", "ulink", "ext-link", "hi", "ph", "keyword", "literal", "code", "filename", "command", "codeph", "option",
    "a", "abbrev", "abbr", "acronym", "quote", "q", "phrase", "span", "uicontrol", "tt", "sc", "monospace", "inline",
    "named-content", "styled-content", "inline-formula", "inlineequation", "tex-math", "alternatives", "date", "num",
    "persName", "placeName", "name", "surname", "given-names", "forename", "firstname", "othername", "foreName", "title-abbrev", "email", "uri",
}  # fmt: skip
_ADMONITIONS = {"note", "tip", "warning", "caution", "important", "danger", "attention", "remember", "notice"}
_UNTITLED = _ADMONITIONS | _TABLES | _LISTS | {
    "figure", "fig", "informalfigure", "example", "formalpara", "sidebar", "blockquote", "table-wrap", "variablelist",
    "equation", "boxed-text", "disp-quote", "def-list", "dl", "qandaset", "biblioentry", "bibliomixed", "note",
    "mixed-citation", "element-citation", "citation", "nlm-citation", "bibl", "biblStruct", "monogr", "analytic",
    "series", "product", "related-article", "media-group", "supplementary-material", "statement", "refbody",
    "glossary-entry", "step", "citetitle", "verse-group", "lg", "sp", "quote",
}  # fmt: skip
_HEADS = {"info", "bookinfo", "articleinfo", "chapterinfo", "sectioninfo", "partinfo", "titleblock", "title-group",
          "setinfo", "blockinfo", "titleStmt", "fileDesc", "teiHeader", "front", "article-meta", "docTitle",
          "titlePart", "titlealts", "body.head", "refmeta", "refnamediv"}  # fmt: skip
_LEFT_OUT = {"indexterm", "titleabbrev", "navtitle", "searchtitle", "alt-title", "anchor", "index-terms", "object-id",
             "journal-id", "article-id", "permissions-id", "custom-meta-group", "counts", "xs",
             "revhistory", "colspec", "remark", "draft-comment", "toc", "lot", "index", "self-uri"}  # fmt: skip
_LANGUAGES = ("language", "outputclass", "lang", "role")


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
        at = [child for element in at for child in element if local(child) in _HEADS or local(child) == "hedline"]
        depth += 1
    return None


def _facts(root: Any) -> dict[str, Any]:
    head = next((child for child in root if local(child) in _HEADS), root)
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
        if not name or name in _LEFT_OUT or element in self._done:
            return
        self._flush()
        if depth > _DEEPEST:
            self._line.append(" ".join(map(str, element.itertext())))
        elif name in _TABLES and any(local(one) in _ROWS for one in element.iter()):
            self._table(element, level, depth)
            return
        elif name in _CODE or _is_code(element, name):
            self._code(element)
            return
        elif name in _NOTES:
            self._note(element)
        elif name in _GLOSSED:
            self._gloss(element, level, depth)
            return
        else:
            if name in _ADMONITIONS:
                self._mark = f"{self._mark or self._indent}{element.get('type', name).capitalize()}: "
            self._children(element, level, depth, name)
        self._flush()

    def _children(self, element: Any, level: int, depth: int, name: str) -> None:
        listed = name in _LISTS
        indent, number = self._indent, 0
        ordered = name in _ORDERED or element.get("list-type", element.get("type")) in ("order", "ordered")
        flat = name in _PARAGRAPHS or name in _TITLES or _is_mixed(element)
        if not len(element) and not flat and name not in _INLINE and name not in _ADMONITIONS:
            value = flowed(element.text or "")
            if value:
                self._line.append(f"{name}: {value}")
            self._media(element)
            return
        deeper = level
        for child in element:
            if local(child) in _TITLES | {"label"} and name not in _UNTITLED and not flat and local(child) != "label":
                deeper = min(level + 1, 6)
                break
            if local(child) in _HEADS and (found := _title(child)) is not None and found not in self._done:
                self.heading(found, min(level + 1, 6))
                deeper = min(level + 1, 6)
                break
        self._line.append(element.text or "")
        self._media(element)
        number_label = ""
        for child in element:
            kind = local(child)
            if not kind or kind in _LEFT_OUT or child in self._done:
                pass
            elif kind == "label" and not flat and deeper > level:
                number_label = flowed("".join(map(str, child.itertext())))
            elif listed and (kind not in _TITLES or kind == "head") and kind not in ("title", "label"):
                number += 1
                self._flush()
                self._mark = f"{indent}{number}. " if ordered else f"{indent}- "
                self._indent = indent + ("   " if ordered else "  ")
                self.element(child, deeper, depth + 1)
                self._flush()
                self._indent, self._mark = indent, ""
            elif kind in _TITLES and not flat:
                if name in _UNTITLED:
                    self._flush()
                    self._inline(child, depth + 1)
                    self._flush()
                else:
                    if number_label:
                        child.text = f"{number_label} {child.text or ''}"
                        number_label = ""
                    self.heading(child, deeper)
            elif self._is_block(kind, flat) or (not flat and _is_code(child, kind)):
                self.element(child, deeper, depth + 1)
            else:
                self._inline(child, depth + 1)
                if not flat and name not in ("contrib", "author", "name", "citation"):
                    self._line.append(" ")
            self._line.append(child.tail or "")

    def _is_block(self, kind: str, flat: bool) -> bool:
        if kind in _LISTS or kind in _TABLES or kind in _GLOSSED:
            return True
        if kind in _CODE:
            return True
        if flat:
            return kind in ("p", "para", "simpara", "figure", "fig", "table-wrap", "variablelist", "dl", "def-list",
                            "blockquote", "informalfigure", "example", "note") or kind in _ADMONITIONS  # fmt: skip
        return kind not in _INLINE

    def _inline(self, element: Any, depth: int) -> None:
        """Write an element as part of a sentence."""
        name = local(element)
        if not name or name in _LEFT_OUT:
            return
        if name in _NOTES:
            self._note(element)
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
                if self._is_block(local(child), True):
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
        names, _ = _GLOSSED[local(element)]
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
        return local(element) in _PARAGRAPHS and not any(self._is_block(local(one), True) for one in element)

    def _code(self, element: Any) -> None:
        text = "".join(map(str, element.itertext())).strip("\n").rstrip()
        language = next((value for key in _LANGUAGES if (value := element.get(key))), "")
        if text.strip():
            self._put(fenced(text, language.removeprefix("language-").split()[0] if language.strip() else ""))

    def _table(self, element: Any, level: int, depth: int) -> None:
        rows: list[list[tuple[str, int, int]]] = []
        for child in element.iter():
            kind = local(child)
            if kind in ("title", "caption") and not any(local(up) in _CELLS for up in child.iterancestors()):
                self._inline(child, depth + 1)
                self._flush()
            elif kind in _ROWS and next(_up(child), None) is element:
                rows.append([self._cell(cell) for cell in child if local(cell) in _CELLS])
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


def _is_code(element: Any, name: str) -> bool:
    """Whether an element of another use holds lines of code: ``code`` of JATS, ``ab`` of TEI."""
    if name not in ("code", "ab", "literal", "monospace"):
        return False
    return "\n" in (element.text or "") and (name != "ab" or "code" in element.get("type", ""))


def _up(element: Any) -> Iterator[Any]:
    return (up for up in element.iterancestors() if local(up) in _TABLES)


def _number(value: str | None, default: int) -> int:
    return int(value) if value and value.isdecimal() and len(value) < 6 else default


def _formula(text: str) -> str:
    found = text.partition(r"\begin{document}")[2].partition(r"\end{document}")[0] or text
    return found.strip().strip("$").strip()


def _is_mixed(element: Any) -> bool:
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)
