"""The directives of reStructuredText and Sphinx, as Markdown. One that is not known keeps its text."""

from __future__ import annotations

import csv
import re
from html import unescape
from typing import TYPE_CHECKING

from ragcli.loading.markup import fenced, flowed, table
from ragcli.loading.rst.tables import GRID, SIMPLE

if TYPE_CHECKING:
    from ragcli.loading.rst.document import Reader

_OPTION = re.compile(r":([\w-]+):(?: +(.*)|$)")
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1>|\Z)|</?[a-zA-Z][^<>]*>", re.S)
_ADMONITIONS = {"note", "warning", "tip", "hint", "important", "caution", "danger", "error", "attention", "seealso",
                "todo", "versionadded", "versionchanged", "versionremoved", "deprecated"}  # fmt: skip
_SAID = {"seealso": "See also", "versionadded": "New in version", "versionchanged": "Changed in version",
         "versionremoved": "Removed in version", "deprecated": "Deprecated since version"}  # fmt: skip
_TITLED = {"topic", "sidebar", "admonition", "rubric", "centered", "dropdown", "card", "grid-item-card", "tab-item",
           "tab", "details", "collapse", "confval-title", "code-tab"}  # fmt: skip
_CODE = {"code-block", "code", "sourcecode", "parsed-literal", "testcode", "testoutput", "testsetup", "testcleanup",
         "doctest", "ipython", "prompt", "productionlist", "literal", "console", "code-cell", "jupyter-execute",
         "plot", "graphviz", "digraph", "graph", "uml", "plantuml", "mermaid", "blockdiag", "aafig", "ditaa",
         "inheritance-diagram-source", "pyodide", "exec-code", "command-output-source"}  # fmt: skip
_PYTHON = {"testcode", "testsetup", "testcleanup", "doctest", "ipython", "plot", "jupyter-execute", "code-cell"}
_DRAWN = {"graphviz", "uml", "plantuml", "mermaid", "blockdiag", "aafig", "ditaa", "digraph", "graph"}
_OBJECTS = {"function", "method", "class", "classmethod", "staticmethod", "attribute", "data", "exception", "decorator",
            "decoratormethod", "property", "option", "cmdoption", "envvar", "confval", "macro", "type", "var", "member",
            "struct", "enum", "enum-class", "enumerator", "union", "describe", "object", "directive", "role", "opcode",
            "pdbcommand", "setting", "templatetag", "templatefilter", "django-admin", "get", "post", "put", "delete",
            "patch", "concept", "alias", "namespace-push", "monitoring-event", "program-option"}  # fmt: skip
_NO_ARGUMENT = {"only", "ifconfig", "container", "class", "rst-class", "compound", "grid", "tab-set", "tabs", "margin",
                "cssclass", "card-carousel", "header", "footer", "hlist", "highlights", "epigraph", "pull-quote",
                "grid-item", "ifnotebook", "versionextended"}  # fmt: skip
_WITHOUT_TEXT = {"contents", "sectnum", "section-numbering", "role", "index", "tabularcolumns", "currentmodule",
                 "target-notes", "default-domain", "currentclass", "restructuredtext-test-directive", "raw-latex",
                 "py:currentmodule", "program", "namespace", "namespace-pop", "acks-none", "sectionnumber"}  # fmt: skip
_SHOWN = ("caption", "title", "alt", "synopsis", "subtitle")


def written(reader: Reader, name: str, argument: str, body: list[str], depth: int) -> list[str]:
    """Return a directive as blocks of Markdown.

    Args:
        reader: that reads the blocks in it.
        name: of the directive, with the domain of Sphinx where it has one.
        argument: what stands on its line.
        body: the lines under it, without their indentation.
        depth: how many blocks it lies in.
    """
    kind = name.rpartition(":")[2].lower()
    head, options, content = _parts(argument, body)
    files = [options[key] for key in ("file", "url") if options.get(key)]
    if kind in ("include", "literalinclude", "mdinclude", "command-output", "program-output") or files:
        reader.source.lose(
            f"it includes {flowed(files[0] if files else ' '.join(head))}, which is another file and was not read",
            kind="warning",
        )
        return [reader.names.marked("\n".join(head))] if kind == "csv-table" and head else []
    if kind == "highlight":
        reader.language = head[0].split()[0] if head else ""
        return []
    if kind == "default-role":
        reader.names.default_role = head[0].strip() if head else ""
        return []
    if kind == "title":
        reader.title = flowed(" ".join(head))
        return []
    if kind == "meta":
        return _meta(reader, body)
    if kind in _WITHOUT_TEXT or name in _WITHOUT_TEXT:
        return []
    if kind == "toctree":
        entries = [entry.rpartition("<")[0].strip() for line in content if (entry := line.strip()).endswith(">")]
        return ["\n".join(f"- {entry}" for entry in entries if entry)] if entries else []
    if kind in _ADMONITIONS:
        return _admonition(reader, kind, argument, body, depth)
    if kind in _CODE:
        return _code(reader, kind, head, options, content)
    if kind == "raw":
        return _raw(head, content)
    if kind == "math":
        text = "\n".join([*head, *content]).strip()
        return [f"$$\n{text}\n$$"] if text else []
    if kind in ("image", "figure"):
        picture = f"![{flowed(options.get('alt', ''))}]({''.join(''.join(head).split())})"
        return [picture, *reader.blocks(content, depth + 1)]
    if kind in ("list-table", "csv-table", "table", "flat-table"):
        return _table(reader, kind, head, options, content, depth)
    if kind in _OBJECTS and (":" in name or content or head):
        return _object(reader, head, options, content, depth)
    if kind == "glossary":
        reader.glossary += 1
        found = reader.blocks(content if not head else [*head, *content], depth + 1)
        reader.glossary -= 1
        return found
    return _unknown(reader, kind, head, options, content, depth)


def _parts(argument: str, body: list[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """The argument's lines, the options, and the content."""
    head = [argument] if argument.strip() else []
    at = 0
    while at < len(body) and body[at].strip() and not _OPTION.match(body[at]):
        head.append(body[at])
        at += 1
    options: dict[str, str] = {}
    key = ""
    while at < len(body) and body[at].strip():
        found = _OPTION.match(body[at])
        if found:
            key = found[1]
            options[key] = found[2] or ""
        elif key and body[at][0] == " ":
            options[key] += "\n" + body[at].strip()
        else:
            break
        at += 1
    return head, options, body[at:]


def _meta(reader: Reader, body: list[str]) -> list[str]:
    for line in body:
        found = re.match(r":(description|keywords|author|date)[^:]*: *(.+)", line)
        if found:
            reader.facts.setdefault(found[1], found[2].strip())
    return []


def _admonition(reader: Reader, kind: str, argument: str, body: list[str], depth: int) -> list[str]:
    label = _SAID.get(kind, kind.capitalize())
    while body and _OPTION.match(body[0]):
        body = body[1:]
    if kind in _SAID and kind != "seealso":
        version, _, argument = argument.partition(" ")
        label = f"{label} {version.rstrip('.:')}".strip()
    blocks = reader.blocks([argument, *body] if argument else body, depth + 1)
    if not blocks:
        return [label] if kind in _SAID else []
    if blocks[0].startswith(("```", "- ", "|", "#")):
        return [f"{label}:", *blocks]
    return [f"{label}: {blocks[0]}", *blocks[1:]]


def _code(reader: Reader, kind: str, head: list[str], options: dict[str, str], content: list[str]) -> list[str]:
    caption = [reader.names.marked(options["caption"])] if options.get("caption") else []
    named = kind in ("code-block", "code", "sourcecode", "code-cell", "prompt", "parsed-literal", "console", "literal")
    if kind in _DRAWN and not any(line.strip() for line in content) and len(head) == 1 and kind != "digraph":
        reason = f"it includes {head[0].strip()}, which is another file and was not read"
        reader.source.lose(reason, kind="warning")
        return caption
    language = "python" if kind in _PYTHON else kind if kind in _DRAWN else reader.language
    if named and head and len(head[0].split()) == 1:
        language, head = head[0].strip(), head[1:]
    lines = [*head, *content]
    while lines and not lines[0].strip():
        lines = lines[1:]
    return [*caption, fenced("\n".join(lines).rstrip(), language)] if lines else caption


def _raw(head: list[str], content: list[str]) -> list[str]:
    text = "\n".join(content).strip()
    if not text:
        return []
    language = head[0].strip().lower() if head else ""
    if "html" not in language:
        return [fenced(text, language)]
    plain = [flowed(part) for part in unescape(_TAG.sub("\n\n", text)).split("\n\n")]
    return [part for part in plain if part]


def _table(
    reader: Reader, kind: str, head: list[str], options: dict[str, str], content: list[str], depth: int
) -> list[str]:
    lines = [line for line in content if line.strip()]
    if kind == "table":
        if head and (GRID.match(head[0]) or SIMPLE.match(head[0])):  # no blank line above
            return reader.blocks([*head, *content], depth + 1)
        return [*_paragraph(reader, head), *reader.blocks(content, depth + 1)]
    rows: list[list[str]] = []
    if kind == "csv-table":
        mark = {"tab": "\t", "space": " "}.get(options.get("delim", ","), options.get("delim", ",")) or ","
        quote = options.get("quote", '"')
        try:
            for part in ([options["header"]] if options.get("header") else [], lines):
                rows += csv.reader(part, delimiter=mark[0], quotechar=quote[:1] or '"', skipinitialspace=True)
        except csv.Error:
            return [*_paragraph(reader, head), fenced("\n".join(lines))]
        rows = [[reader.flat(cell.split("\n"), depth) for cell in row] for row in rows]
    else:
        start = next((at for at, line in enumerate(content) if line.strip()), 0)
        for _, row, _ in reader.items(content, start) if lines else ():
            first = next((at for at, line in enumerate(row) if line.strip()), None)
            if first is not None:
                rows.append([reader.flat(cell, depth) for _, cell, _ in reader.items(row, first)])
        if not any(map(len, rows)):
            return [*_paragraph(reader, head), *reader.blocks(content, depth + 1)]
    drawn = table(rows)
    return [*_paragraph(reader, head), *([drawn] if drawn else [])]


def _object(reader: Reader, head: list[str], options: dict[str, str], content: list[str], depth: int) -> list[str]:
    signatures = [line.strip().rstrip("\\").replace("\\", "") for line in head]
    fields = [f":{key}: {value}" for key, value in options.items() if key in ("param", "returns", "return", "rtype",
                                                                             "raises", "type", "value")]  # fmt: skip
    blocks = reader.blocks([*fields, "", *content] if fields else content, depth + 1)
    return ["\n".join(f"`{line}`" for line in signatures if line), *blocks] if signatures else blocks


def _unknown(
    reader: Reader, kind: str, head: list[str], options: dict[str, str], content: list[str], depth: int
) -> list[str]:
    said = [] if kind in _NO_ARGUMENT and len(head) < 2 else head
    if kind in _TITLED and said:
        blocks = [f"**{reader.names.marked(said[0])}**", *_paragraph(reader, said[1:])]
    elif kind in _NO_ARGUMENT and len(head) > 1:
        blocks = reader.blocks(head[1:] if kind in ("only", "class", "container", "rst-class") else head, depth + 1)
    else:
        blocks = _paragraph(reader, said)
    shown = [reader.names.marked(options[key]) for key in _SHOWN if options.get(key)]
    return [*blocks, *shown, *reader.blocks(content, depth + 1)]


def _paragraph(reader: Reader, lines: list[str]) -> list[str]:
    text = reader.names.marked("\n".join(lines))
    return [text] if text else []
