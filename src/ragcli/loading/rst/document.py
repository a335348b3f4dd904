"""reStructuredText as Markdown: headings, lists, tables, code, notes and Sphinx's directives.

Read here, not with docutils: it takes far longer, and what Sphinx adds, which most real files use, it reports as an
error and leaves out. Files that a text includes are never read; they are named in the report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ragcli.loading.markup import fenced, flowed, item, paragraph, spread, table
from ragcli.loading.rst.inline import Names
from ragcli.loading.rst.tables import GRID, SIMPLE, Cell, grid, simple, width
from ragcli.loading.source import Source
from ragcli.records import Document

_DEEPEST = 30  # blocks in each other; what lies deeper is text
_RULE = re.compile(r"([!-/:-@\[-`{-~])\1* *$")
_BULLET = re.compile(r"([-*+•‣⁃])(?: +|$)")
_NUMBER = re.compile(r"(\(?)(\d{1,9}|#|[a-zA-Z]|[ivxlcdm]{2,8}|[IVXLCDM]{2,8})([.)])(?: +|$)")
_FIELD = re.compile(r":(?! )((?:\\.|[^\\:`]|:(?=\S))+?):(?: +(.*)|$)")
_FLAG = r"(?:-\w|--\w[\w-]*|/\w+)[^\s,]*(?: [A-Z<][^\s,]*)?"
_OPTION = re.compile(rf"({_FLAG}(?:, {_FLAG})*)(?:  +(\S.*)|$)")
_EXPLICIT = re.compile(r"\.\.(?: |$)")
_NOTE = re.compile(r"\.\. \[([^\]]+)\](?: (.*)|$)")
_TARGET = re.compile(r"\.\. _|\.\. __:|__ ")
_SUBSTITUTION = re.compile(r"\.\. \|[^|]+\| ")
_DIRECTIVE = re.compile(r"\.\. +(\w[\w:.+-]*?) ?::(?: +(.*)|$)")
_QUOTED = re.compile(r"([!-/:-@\[-`{-~])")
_ABOUT_FILE = {"orphan", "tocdepth", "nocomments", "nosearch", "no-search", "hide-toc", "html_theme"}
_FACTS = {"author": "author", "authors": "author", "date": "date", "version": "version", "revision": "version",
          "作者": "author", "日期": "date", "版本": "version"}  # fmt: skip


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document.

    Raises:
        LoadError: it is not text.
    """
    found = source.text()
    if not found.text.strip():
        return
    with source.parsing("reStructuredText"):
        reader = Reader(source, found.text)
        text = reader.written()
    encoding = None if found.encoding == "utf-8" else found.encoding
    if text.strip():
        yield source.document(text, format="rst", title=reader.title, metadata={**reader.facts, "encoding": encoding})


class Reader:
    """Reads the blocks of a text, one in the other."""

    def __init__(self, source: Source, text: str) -> None:
        self.source = source
        self.names = Names(text)
        self.title: str | None = None
        self.facts: dict[str, Any] = {}
        self.language = ""
        self.glossary = 0
        self._lines = text.expandtabs(8).split("\n")
        self._styles: list[str] = []

    def written(self) -> str:
        """The whole text as Markdown."""
        blocks = self.blocks(self._lines, 0)
        unused = self.names.unused()
        return "\n\n".join([*blocks, *(["\n".join(unused)] if unused else [])])

    def blocks(self, lines: list[str], depth: int) -> list[str]:
        """Return the blocks of some lines, each as Markdown."""
        if depth > _DEEPEST:
            text = flowed("\n".join(lines))
            return [text] if text else []
        out: list[str] = []
        at = 0
        while at < len(lines):
            at = self._block(lines, at, out, depth)
        return out

    def flat(self, lines: list[str], depth: int) -> str:
        """Return the blocks of some lines on one line, as in a cell."""
        return " ".join(" ".join(self.blocks(dedented(lines), depth + 1)).split())

    def _block(self, lines: list[str], at: int, out: list[str], depth: int) -> int:
        line = lines[at]
        if not line.strip():
            return at + 1
        if line[0] == " ":
            inner, after = indented(lines, at)
            out += self.blocks(inner, depth + 1)
            return after
        if _EXPLICIT.match(line):
            return self._explicit(lines, at, out, depth)
        if line.startswith("__ "):
            return at + 1
        drawn = grid(lines, at) if GRID.match(line) else simple(lines, at) if SIMPLE.match(line) else None
        if drawn is not None:
            written = self.table(drawn[0], depth)
            if written:
                out.append(written)
            return drawn[1]
        if _RULE.match(line) and (after := self._overlined(lines, at, out)):
            return after
        if line.startswith(">>> "):
            after = at
            while after < len(lines) and lines[after].strip():
                after += 1
            out.append(fenced("\n".join(lines[at:after]), "python"))
            return after
        if line.startswith("| ") or line.rstrip() == "|":
            return self._line_block(lines, at, out)
        if _BULLET.match(line) or self._is_numbered(lines, at):
            return self._list(lines, at, out, depth)
        if _FIELD.match(line):
            return self._fields(lines, at, out, depth)
        option = _OPTION.match(line)
        if option and (option[2] or (at + 1 < len(lines) and lines[at + 1].startswith("  "))):
            return self._options(lines, at, out, depth)
        return self._text(lines, at, out, depth)

    # Headings

    def _overlined(self, lines: list[str], at: int, out: list[str]) -> int:
        """A title between two rules, or a rule alone; 0 where it is neither."""
        rule = lines[at].rstrip()
        if at + 2 < len(lines) and lines[at + 1].strip() and len(rule) > 1:
            under = lines[at + 2].rstrip()
            title = lines[at + 1].strip()
            if under and under[0] == rule[0] and _RULE.match(under) and (len(rule) >= 4 or len(rule) >= width(title)):
                self._heading(title, rule[0] * 2, out)
                return at + 3
        blank_after = at + 1 >= len(lines) or not lines[at + 1].strip()
        return at + 1 if len(rule) >= 4 and blank_after else 0

    def _heading(self, title: str, style: str, out: list[str]) -> None:
        if style not in self._styles:
            self._styles.append(style)
        text = self.names.marked(title)
        self.title = self.title or text
        out.append(f"{'#' * min(self._styles.index(style) + 1, 6)} {text}")

    # Paragraphs, definitions, literal blocks

    def _text(self, lines: list[str], at: int, out: list[str], depth: int) -> int:
        following = lines[at + 1] if at + 1 < len(lines) else ""
        rule = following.rstrip()
        if rule and _RULE.match(following) and (len(rule) >= 4 or len(rule) >= width(lines[at].strip())):
            self._heading(lines[at].strip(), rule[0], out)
            return at + 2
        after = at
        while after < len(lines) and lines[after].strip() and lines[after][0] != " ":
            after += 1
        is_indented = after < len(lines) and bool(lines[after].strip())
        text = "\n".join(line.rstrip() for line in lines[at:after])
        if is_indented and not text.endswith("::") and (after == at + 1 or self.glossary):
            return self._definitions(lines, at, out, depth)
        if not text.endswith("::"):
            out.append(paragraph(self.names.marked(text)))
            return after
        text = text[:-2].rstrip() if text[-3:-2] in ("", " ", "\n") else text[:-1]
        if text:
            out.append(paragraph(self.names.marked(text)))
        return self._literal(lines, after, out)

    def _literal(self, lines: list[str], at: int, out: list[str]) -> int:
        start = at
        while start < len(lines) and not lines[start].strip():
            start += 1
        if start >= len(lines):
            return at
        if lines[start][0] == " ":
            inner, after = indented(lines, start)
        elif quote := _QUOTED.match(lines[start]):
            after = start
            while after < len(lines) and lines[after].startswith(quote[1]):
                after += 1
            inner = lines[start:after]
        else:
            return at
        out.append(fenced("\n".join(inner), self.language))
        return after

    def _definitions(self, lines: list[str], at: int, out: list[str], depth: int) -> int:
        items: list[str] = []
        while at < len(lines) and lines[at].strip() and lines[at][0] != " ":
            first = at
            while at < len(lines) and lines[at].strip() and lines[at][0] != " ":
                at += 1
            if at >= len(lines) or not lines[at].strip() or (at - first > 1 and not self.glossary):
                at = first
                break
            if items and (_EXPLICIT.match(lines[first]) or lines[first].rstrip().endswith("::")):
                at = first
                break
            term, *classes = self.names.marked(", ".join(line.strip() for line in lines[first:at])).split(" : ")
            inner, at = indented(lines, at)
            said = f"{term} ({', '.join(classes)})" if classes else term
            items.append(item(f"- {said}: ", self.blocks(inner, depth + 1), indent="  "))
            while at < len(lines) and not lines[at].strip():
                at += 1
            if at < len(lines) and not self._is_plain(lines, at):
                break
        if items:
            out.append("\n".join(items))
        return at

    def _is_plain(self, lines: list[str], at: int) -> bool:
        """Whether a line can be a term: nothing else begins there."""
        line = lines[at]
        marks = (_EXPLICIT, _BULLET, _FIELD, GRID, SIMPLE)
        return not any(mark.match(line) for mark in marks) and not self._is_numbered(lines, at)

    # Lists

    def _is_numbered(self, lines: list[str], at: int) -> bool:
        found = _NUMBER.match(lines[at])
        if found is None or (found[1] and found[3] != ")"):
            return False
        following = lines[at + 1] if at + 1 < len(lines) else ""
        return not following.strip() or following[0] == " " or bool(_NUMBER.match(following))

    def _list(self, lines: list[str], at: int, out: list[str], depth: int) -> int:
        items: list[str] = []
        number = 0
        for mark, body, after in self.items(lines, at):
            if mark in ("-", ""):
                prefix = "- "
            else:
                label = mark.strip("().")
                number = number + 1 if label == "#" else int(label) if label.isdecimal() else number + 1
                prefix = f"{number}. " if label == "#" or label.isdecimal() else f"{mark} "
            items.append(item(prefix, self.blocks(body, depth + 1)))
            at = after
        out.append("\n".join(items))
        return at

    def items(self, lines: list[str], at: int) -> Iterator[tuple[str, list[str], int]]:
        """Yield mark, lines and end of each item of a list."""
        bullet = _BULLET.match(lines[at]) is not None
        while at < len(lines):
            found = _BULLET.match(lines[at]) if bullet else _NUMBER.match(lines[at])
            if found is None:
                return
            indent = found.end() if found.end() < len(lines[at]) else found.end() + 1
            body = [lines[at][found.end() :]]
            after = at + 1
            while after < len(lines) and (not lines[after].strip() or lines[after][0] == " "):
                line = lines[after]
                body.append(line[min(indent, len(line) - len(line.lstrip())) :])
                after += 1
            mark = "-" if bullet else found[0].strip()
            at = after
            yield mark, body, after

    def _fields(self, lines: list[str], at: int, out: list[str], depth: int) -> int:
        said: list[str] = []
        top = depth == 0 and len(out) <= 2 and all(block.startswith("#") for block in out)
        while at < len(lines) and (found := _FIELD.match(lines[at])):
            inner, after = indented(lines, at + 1) if at + 1 < len(lines) else ([], at + 1)
            name = found[1].replace("\\", "")
            body = [found[2] or "", *inner]
            at = after
            if top and name in _ABOUT_FILE:
                continue
            blocks = self.blocks(body, depth + 1)
            if top and name.lower() in _FACTS and blocks:
                self.facts.setdefault(_FACTS[name.lower()], flowed(blocks[0]))
            said.append(item(f"{name}: ", blocks, indent="  "))
            while at < len(lines) and not lines[at].strip():
                at += 1
        if said:
            out.append("\n".join(said))
        return at

    def _options(self, lines: list[str], at: int, out: list[str], depth: int) -> int:
        items: list[str] = []
        while at < len(lines) and (found := _OPTION.match(lines[at])):
            inner, after = indented(lines, at + 1) if at + 1 < len(lines) else ([], at + 1)
            items.append(item(f"- `{found[1]}`: ", self.blocks([found[2] or "", *inner], depth + 1), indent="  "))
            at = after
            while at < len(lines) and not lines[at].strip():
                at += 1
        out.append("\n".join(items))
        return at

    def _line_block(self, lines: list[str], at: int, out: list[str]) -> int:
        said: list[str] = []
        while at < len(lines) and lines[at][:1] in ("|", " ") and lines[at].strip():
            line = lines[at]
            if line[0] == "|":
                said.append(line[1:].strip())
            else:
                said[-1] += f" {line.strip()}"
            at += 1
        text = "\n".join(self.names.marked(line) for line in said if line)
        if text:
            out.append(text)
        return at

    # Tables and what begins with two dots

    def table(self, rows: list[list[Cell]], depth: int) -> str:
        """Write the cells of a drawn table."""
        flat = ([(self.flat(lines, depth), columns, deep) for lines, columns, deep in row] for row in rows)
        return table(spread(flat))

    def _explicit(self, lines: list[str], at: int, out: list[str], depth: int) -> int:
        line = lines[at].rstrip()
        if line == ".." and (at + 1 >= len(lines) or not lines[at + 1].strip()):
            return at + 1
        body, after = indented(lines, at + 1) if at + 1 < len(lines) else ([], at + 1)
        if note := _NOTE.match(line):
            label = note[1]
            is_note = label.isdecimal() or label[0] in "#*"
            mark = f"[^{self.names.note(label, defined=True)}]: " if is_note else f"[{label}]: "
            out.append(item(mark, self.blocks([note[2] or "", *body], depth + 1), indent="  "))
        elif _TARGET.match(line) or _SUBSTITUTION.match(line):
            pass
        elif directive := _DIRECTIVE.match(line):
            from ragcli.loading.rst.directives import written

            out += written(self, directive[1], directive[2] or "", body, depth)
        return after


def indented(lines: list[str], at: int) -> tuple[list[str], int]:
    """Return the lines from ``at`` on that are indented, without their indentation, and where they end."""
    end = at
    while end < len(lines) and (not lines[end].strip() or lines[end][0] == " "):
        end += 1
    last = end
    while last > at and not lines[last - 1].strip():
        last -= 1
    return dedented(lines[at:last]), end


def dedented(lines: list[str]) -> list[str]:
    """Return lines without the indentation that all of them have."""
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[indent:].rstrip() for line in lines]
