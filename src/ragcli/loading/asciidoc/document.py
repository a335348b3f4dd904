"""AsciiDoc as Markdown: sections, blocks, lists, tables and the marks in a line.

Files that a text includes are never read; they are named in the report. Where a condition decides over a text, the
text stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ragcli.loading.asciidoc.inline import Inline, Style
from ragcli.loading.asciidoc.tables import cells_of
from ragcli.loading.markup import fenced, flowed, item, paragraph, spread, table
from ragcli.loading.source import Source
from ragcli.records import Document

_DEEPEST = 20  # blocks in each other; what lies deeper is text
_TITLE = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+\1)?$")
_ATTRIBUTE = re.compile(r":(!?[\w][\w-]*!?):(?:[ \t]+(.*))?$")
_ATTRIBUTES = re.compile(r"\[(?:[\w.#%\"'*,:=+{].*)?\]$|\[\[[^\[\]]+\]\]$")
_BLOCK_TITLE = re.compile(r"\.(?![ .])(\S.*)$")
_DELIMITER = re.compile(r"(-{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|\.{4,}|/{4,}|--|```+\w*|~{4,}|[|,:!]={3,})$")
_TABLE = re.compile(r"[|,:!]={3,}$")
_ITEM = re.compile(r"[ \t]*(\*{1,8}|-|\.{1,8}|•|\d{1,4}\.|[a-zA-Z]\.|[ivxIVX]{2,5}\)|<[\d.]+>)[ \t]+(\S.*)$")
_TERM = re.compile(r"[ \t]*(\S.{0,400}?)(:{2,4}|;;)(?:[ \t]+(.*))?$")
_ADMONITION = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION):[ \t]+(.*)$")
_CONDITION = re.compile(r"(ifn?def|ifeval|endif)::(\S*?)\[(.*)\]$")
_INCLUDE = re.compile(r"include::(\S.*?)\[.*\]$")
_MACRO = re.compile(r"(image|video|audio|toc|stem|latexmath|asciimath)::(\S*?)\[(.*)\]$")
_UNDERLINED = re.compile(r"(=|-|~|\^|\+){3,}$")
_UNDERLINES = "=-~^+"
_CALLOUTS = re.compile(r"(?<![ \t])[ \t]*(?:(?://|#|--|;;)[ \t]*)?(?:<(?:\d+|\.)>[ \t]*)+$")
_BREAK = re.compile(r"(?:'{3,}|<{3,}|-{3}|\*{3}|- - -|\* \* \*)$")
_AUTHOR = re.compile(r"([^<;:\[\]]{1,80}?)(?:[ \t]+<([^<>]+)>)?(?:;.*)?$")
_REVISION = re.compile(r"(?:v?(\d[\w.]*),?)?\s*(\d{4}[-/.年]\S*|\w+ \d{1,2},? \d{4})?(?::.*)?$")
_LABELS = {"NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION"}
_DRAWN = {"plantuml", "mermaid", "graphviz", "ditaa", "a2s", "blockdiag", "svgbob", "vega", "dot"}


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document.

    Raises:
        LoadError: it is not text.
    """
    found = source.text()
    if not found.text.strip():
        return
    with source.parsing("AsciiDoc"):
        reader = _Reader(source, found.text)
        text = reader.written()
    encoding = None if found.encoding == "utf-8" else found.encoding
    if text.strip():
        metadata = {**reader.facts, "encoding": encoding}
        yield source.document(text, format="asciidoc", title=reader.title, metadata=metadata)


class _Reader:
    def __init__(self, source: Source, text: str) -> None:
        self._source = source
        self._lines = [line.rstrip() for line in text.split("\n")]
        self._inline = Inline()
        self.title: str | None = None
        self.facts: dict[str, Any] = {}

    def written(self) -> str:
        lines = list(self._preprocessed())
        start = self._header(lines)
        head = [f"# {self.title}"] if self.title else []
        blocks = [*head, *self._blocks(lines[start:], 0)]
        return "\n\n".join([*blocks, *self._inline.notes])

    def _preprocessed(self) -> Iterator[str]:
        """The lines without comments, conditions and includes."""
        comment = literal = ""
        for line in self._lines:
            if comment:
                comment = "" if line == comment else comment
                continue
            if literal:
                literal = "" if line == literal else literal
            elif line.startswith("////") and not line.strip("/"):
                comment = line
                continue
            elif re.match(r"(?:-{4,}|\.{4,}|\+{4,})$|```", line):
                literal = line if line[0] != "`" else "```"
            elif line.startswith("//") and not line.startswith("///"):
                continue
            if line.startswith(("ifdef::", "ifndef::", "ifeval::", "endif::")) and (found := _CONDITION.match(line)):
                if found[3] and found[1] in ("ifdef", "ifndef"):
                    yield found[3]
                continue
            if line.startswith("include::") and (found := _INCLUDE.match(line)):
                name = self._inline.substituted(found[1])
                self._source.lose(f"it includes {name}, which is another file and was not read", kind="warning")
                continue
            yield line[1:] if line.startswith(("\\include::", "\\ifdef::", "\\ifndef::", "\\endif::")) else line

    def _header(self, lines: list[str]) -> int:
        """Read title, author, revision and attributes; return the line after them."""
        at = 0
        while at < len(lines) and (not lines[at] or self._attribute(lines, at)):
            at += 1
        while at < len(lines) and _ATTRIBUTES.match(lines[at]):
            at += 1
        if at >= len(lines):
            return 0
        found = _TITLE.match(lines[at])
        if found and len(found[1]) == 1:
            title, at = found[2], at + 1
        elif at + 1 < len(lines) and self._is_underlined(lines, at) == 1:
            title, at = lines[at], at + 2
        else:
            return at
        number = 0
        while at < len(lines) and lines[at]:
            if not self._attribute(lines, at):
                number += 1
                author, revision = _AUTHOR.match(lines[at]), _REVISION.match(lines[at])
                if number == 1 and author and not _ITEM.match(lines[at]):
                    self.facts["author"] = "; ".join(
                        re.sub(r"(?<!\s)\s*<[^<>]*>", "", one).strip().replace("_", " ") for one in lines[at].split(";")
                    )
                elif number == 2 and revision:
                    self.facts |= {"version": revision[1], "date": revision[2]}
                else:
                    break
            at += 1
        for key, name in (("author", "author"), ("revdate", "date"), ("revnumber", "version"), ("lang", "language"),
                          ("keywords", "keywords"), ("description", "description")):  # fmt: skip
            if self._inline.attributes.get(key):
                self.facts[name] = self._inline.attributes[key]
        self._inline.attributes.setdefault("doctitle", title)
        self.title = self._inline.marked(title)
        return at

    def _attribute(self, lines: list[str], at: int) -> bool:
        """Whether a line sets an attribute; it is set then, with the lines that go on from it."""
        found = _ATTRIBUTE.match(lines[at])
        if found is None:
            return False
        value = found[2] or ""
        while value.endswith("\\") and at + 1 < len(lines):
            at += 1
            value = f"{value[:-1].rstrip(' +')} {lines[at].strip()}"
            lines[at] = ""
        name = found[1].strip("!").lower()
        if "!" in found[1]:
            self._inline.attributes.pop(name, None)
        else:
            self._inline.define(name, value)
        return True

    def _blocks(self, lines: list[str], depth: int) -> list[str]:
        if depth > _DEEPEST:
            text = flowed("\n".join(lines))
            return [text] if text else []
        out: list[str] = []
        at = 0
        style = Style()
        while at < len(lines):
            line = lines[at]
            if not line.strip() or line == "+":
                at += 1
            elif line[0] == "[" and line[-1] == "]" and _ATTRIBUTES.match(line) and not line.startswith("[["):
                style.read(line)
                at += 1
            elif line.startswith("[[") and _ATTRIBUTES.match(line):
                at += 1
            elif line[0] == "." and (found := _BLOCK_TITLE.match(line)) and not _DELIMITER.match(line):
                style.title = self._inline.marked(found[1])
                at += 1
            elif self._attribute(lines, at):
                at += 1
            else:
                start = len(out)
                at = self._block(lines, at, out, style, depth)
                if style.title and len(out) > start:
                    out.insert(start, f"**{style.title}**")
                style = Style()
        return out

    def _block(self, lines: list[str], at: int, out: list[str], style: Style, depth: int) -> int:
        line = lines[at]
        if _DELIMITER.match(line):
            end = self._closing(lines, at)
            inner = lines[at + 1 : end]
            if _TABLE.match(line):
                self._table(inner, line, out, style, depth)
            else:
                self._delimited(inner, line, out, style, depth)
            return end + 1
        if (found := _TITLE.match(line)) and (line[0] == "=" or found[1] != "#" or " " in line):
            self._heading(found[2], len(found[1]), out, style)
            return at + 1
        level = self._is_underlined(lines, at)
        if level:
            self._heading(line, level, out, style)
            return at + 2
        if _BREAK.match(line):
            return at + 1
        if "::" in line and (found := _MACRO.match(line)):
            self._macro(found, out)
            return at + 1
        if _ITEM.match(line) or (("::" in line or ";;" in line) and _TERM.match(line)):
            return self._list(lines, at, out, style, depth)
        if line[0] in " \t" and style.name not in ("normal", "verse", "quote"):
            end = at
            while end < len(lines) and lines[end].strip():
                end += 1
            out.append(fenced("\n".join(_dedented(lines[at:end])), style.options.get("language", "")))
            return end
        return self._paragraph(lines, at, out, style, depth)

    def _heading(self, title: str, level: int, out: list[str], style: Style) -> None:
        text = self._inline.marked(title)
        if style.name in ("discrete", "float") or level > 1 or self.title:
            out.append(f"{'#' * min(level, 6)} {text}")
        else:
            self.title = text
            out.append(f"# {text}")

    def _is_underlined(self, lines: list[str], at: int) -> int:
        """The level of a title with a line under it, or 0."""
        if at + 1 >= len(lines) or not _UNDERLINED.match(lines[at + 1]):
            return 0
        title, rule = lines[at], lines[at + 1]
        wide = sum(2 if "\u1100" <= char <= "\uffdc" else 1 for char in title)
        if not re.search(r"\w", title) or not (len(title) - 2 <= len(rule) <= wide + 2) or _ATTRIBUTES.match(title):
            return 0
        return _UNDERLINES.index(rule[0]) + 1

    def _closing(self, lines: list[str], at: int) -> int:
        """The line that closes a delimited block, or the end."""
        mark = lines[at] if lines[at][0] != "`" else "```"
        try:
            return lines.index(mark, at + 1)
        except ValueError:
            return len(lines)

    def _delimited(self, inner: list[str], mark: str, out: list[str], style: Style, depth: int) -> None:
        name = style.name
        if name in ("stem", "latexmath", "asciimath"):
            out.append("$$\n" + "\n".join(inner).strip() + "\n$$")
        elif name in ("verse",):
            out.append("\n".join(self._inline.marked(line) for line in inner if line.strip()))
        elif (mark[0] in "-.`~" and mark != "--") or name in ("source", "listing", "literal") or name in _DRAWN:
            language = style.options.get("language", "") or (style.names[1] if len(style.names) > 1 else "")
            if mark[0] == "`":
                language = mark.strip("`") or language
            elif name in _DRAWN or (name not in ("source", "listing", "literal", "") and not language):
                language = name
            code = [_CALLOUTS.sub("", line) for line in inner]
            if any(line.strip() for line in code):
                out.append(fenced("\n".join(code).strip("\n"), self._inline.substituted(language)))
        elif mark[0] == "+":
            text = "\n".join(inner).strip()
            plain = flowed(re.sub(r"<[^<>]*>", " ", text))
            if plain:
                out.append(plain)
        elif mark[0] != "/" and name != "comment":
            blocks = self._blocks(inner, depth + 1)
            label = name.capitalize() if name.upper() in _LABELS else ""
            if label and blocks and not blocks[0].startswith(("```", "- ", "|", "#")):
                blocks[0] = f"{label}: {blocks[0]}"
            elif label:
                blocks.insert(0, f"{label}:")
            out += blocks
            said = [self._inline.marked(one) for one in style.names[1:] if one] if name in ("quote", "verse") else []
            if said:
                out.append(f"— {', '.join(said)}")

    def _table(self, inner: list[str], mark: str, out: list[str], style: Style, depth: int) -> None:
        rows = []
        for row in cells_of(inner, mark[0], style.options):
            cells = []
            for cell in row:
                if cell.style == "a":
                    text = " ".join(self._blocks(cell.text.split("\n"), depth + 2))
                else:
                    text = self._inline.marked(cell.text)
                cells.append((text, cell.columns, cell.rows))
            rows.append(cells)
        drawn = table(spread(rows))
        if drawn:
            out.append(drawn)

    def _macro(self, found: re.Match[str], out: list[str]) -> None:
        kind, target, said = found.groups()
        if kind == "image":
            out.append(self._inline.image(target, said))
        elif kind in ("stem", "latexmath", "asciimath"):
            out.append(f"$$\n{said}\n$$")
        elif kind != "toc":
            out.append(f"[{said or target}]({self._inline.substituted(target)})")

    def _paragraph(self, lines: list[str], at: int, out: list[str], style: Style, depth: int) -> int:
        end = at
        while end < len(lines) and lines[end].strip() and lines[end] != "+":
            if end > at and (_DELIMITER.match(lines[end]) or (lines[end][0] == "[" and _ATTRIBUTES.match(lines[end]))):
                break
            end += 1
        said = lines[at:end]
        if style.name in ("source", "listing", "literal"):
            out.append(fenced("\n".join(said), style.names[1] if len(style.names) > 1 else ""))
        elif style.name in ("stem", "latexmath", "asciimath"):
            out.append("$$\n" + "\n".join(said) + "\n$$")
        elif style.name == "verse":
            out.append("\n".join(self._inline.marked(line) for line in said))
        elif style.name not in ("comment", "pass"):
            text = "\n".join(said)
            label = style.name.capitalize() if style.name.upper() in _LABELS else ""
            if found := _ADMONITION.match(said[0]):
                label, text = found[1].capitalize(), "\n".join([found[2], *said[1:]])
            text = self._inline.marked(text)
            if text:
                out.append(f"{label}: {text}" if label else paragraph(text))
        return end

    def _list(self, lines: list[str], at: int, out: list[str], style: Style, depth: int) -> int:
        """Write a list with the lists in it; the marks say how deep an item lies."""
        marks: list[str] = []
        numbers: list[int] = []
        items: list[str] = []
        while at < len(lines):
            line = lines[at]
            found = _ITEM.match(line)
            term = None if found else _TERM.match(line) if "::" in line or ";;" in line else None
            if found is None and term is None:
                break
            mark = _kind(found[1]) if found else term[2] if term else ""
            if mark in marks:
                del marks[marks.index(mark) + 1 :], numbers[marks.index(mark) + 1 :]
            elif len(marks) < _DEEPEST:
                marks.append(mark)
                numbers.append(int(style.options.get("start", "1")) - 1 if style.options.get("start", "1").isdecimal()
                               and len(style.options.get("start", "1")) < 9 else 0)  # fmt: skip
            numbers[-1] += 1
            body, at = self._item_body(lines, at + 1)
            first = found[2] if found else (term[3] or "") if term else ""
            text = [first] if first else []
            while body and body[0].strip() and body[0] != "+" and not _DELIMITER.match(body[0]):
                text.append(body.pop(0))
            ordered = mark == "." or mark.startswith("..") or mark == "<>"
            prefix = f"{numbers[-1]}. " if ordered else "- "
            said = self._inline.marked("\n".join(text))
            said = re.sub(r"^\[([ xX*])\] ", lambda m: "[ ] " if m[1] == " " else "[x] ", said)
            if term:
                name = self._inline.marked(term[1])
                said = f"{name}: {said}".rstrip()
            blocks = [said, *self._blocks(body, depth + 1)]
            indent = "  " * (len(marks) - 1)
            items.append(item(indent + prefix, [block for block in blocks if block]))
        out.append("\n".join(items))
        return at

    def _item_body(self, lines: list[str], at: int) -> tuple[list[str], int]:
        """The lines that belong to an item: its paragraph, and blocks that a ``+`` joins to it."""
        body: list[str] = []
        while at < len(lines):
            line = lines[at]
            if line == "+" and at + 1 < len(lines):
                body.append("")
                at += 1
                while at < len(lines) and (
                    (lines[at].startswith("[") and _ATTRIBUTES.match(lines[at])) or _BLOCK_TITLE.match(lines[at])
                ):
                    body.append(lines[at])
                    at += 1
                if at < len(lines) and _DELIMITER.match(lines[at]):
                    end = self._closing(lines, at)
                    body += lines[at : end + 1]
                    at = end + 1
                else:
                    while at < len(lines) and lines[at].strip() and lines[at] != "+" and not _ITEM.match(lines[at]):
                        body.append(lines[at])
                        at += 1
                continue
            if not line.strip():
                after = at
                while after < len(lines) and not lines[after].strip():
                    after += 1
                if after < len(lines) and (_ITEM.match(lines[after]) or _is_term(lines[after])):
                    return body, after
                if after < len(lines) and lines[after] == "+":
                    at = after
                    continue
                if after < len(lines) and lines[after][0] in " \t" and not body:
                    at = after  # an indented paragraph of the item
                    body.append("")
                    while at < len(lines) and lines[at].strip() and not _ITEM.match(lines[at]):
                        body.append(lines[at].strip())
                        at += 1
                    continue
                return body, at
            if _ITEM.match(line) or _is_term(line) or _DELIMITER.match(line) or _ATTRIBUTES.match(line):
                return body, at
            body.append(line.strip())
            at += 1
        return body, at


def _kind(mark: str) -> str:
    """The mark of an item as its list has it: numbers and letters are one kind each."""
    if mark[0] == "<":
        return "<>"
    if mark[0].isdigit():
        return ".."[:1]
    return mark if mark[0] in "*-.•" else ".a" if mark[0].islower() else ".A"


def _is_term(line: str) -> bool:
    return ("::" in line or ";;" in line) and _TERM.match(line) is not None and _MACRO.match(line) is None


def _dedented(lines: list[str]) -> list[str]:
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[indent:] for line in lines]
