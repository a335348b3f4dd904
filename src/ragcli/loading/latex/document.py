"""LaTeX as Markdown: headings, lists, tables, notes; formulas stay LaTeX between dollar signs.

Read here: pylatexenc lays tables and lists out as lines, writes no headings, and knows no macros of a file's own.
Files that a text includes are never read; they are named in the report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragcli.loading.latex.names import SECTIONS
from ragcli.loading.latex.text import KEPT, Writer
from ragcli.loading.source import Source
from ragcli.records import Document

_DECLARED = re.compile(
    rb"\\usepackage\s*\[([\w-]+)\]\s*\{inputenc\}|%\s*!\s*TEX\s+encoding\s*=\s*([-\w ]+)"
    rb"|\\begin\{CJK\*?\}\{(\w+)\}|%[^\n]{0,80}coding:\s*([-\w]+)",
    re.I,
)
_CODECS = {"latin1": "iso-8859-1", "ansinew": "cp1252", "applemac": "mac_roman", "latin2": "iso8859-2",
           "latin5": "iso8859-9", "latin9": "iso8859-15", "utf8x": "utf-8", "bg5": "big5", "macosroman": "mac_roman",
           "isolatin": "iso-8859-1", "windowslatin1": "cp1252", "sjis": "shift_jis", "cp1251": "cp1251"}  # fmt: skip
_COMMAND = re.compile(r"\\([a-zA-Z]+)")


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document.

    Raises:
        LoadError: it is not text.
    """
    found = source.text(declared=_declared(source.head))
    if not found.text.strip():
        return
    from ragcli.loading.latex.source import prepared

    with source.parsing("LaTeX"):
        ready = prepared(found.text, KEPT)
        used = set(_COMMAND.findall(ready.body))
        if "{frame}" in ready.body:
            used.add("frametitle")
        writer = Writer(source, ready, levels(used))
        text = writer.written()
    encoding = None if found.encoding == "utf-8" else found.encoding
    if text.strip():
        metadata = {"author": writer.author, "date": writer.date, "encoding": encoding}
        yield source.document(text, format="latex", title=writer.title or writer.first, metadata=metadata)
    else:  # definitions and settings, or parts that lie in other files: nothing but its source says anything
        yield source.document(found.text, format="code", metadata={"language": "tex", "encoding": encoding})


def _declared(head: bytes) -> str | None:
    found = _DECLARED.search(head)
    if found is None:
        return None
    name = next(part for part in found.groups() if part).decode("ascii", "replace").strip().lower().replace(" ", "")
    return _CODECS.get(name, name)


def levels(used: set[str]) -> dict[str, int]:
    """The level of each sectioning macro that a text uses, the highest of them on level 1."""
    ranks = sorted({SECTIONS[name] for name in used if name in SECTIONS})
    found = {name: ranks.index(rank) + 1 for name, rank in SECTIONS.items() if rank in ranks}
    found["frametitle"] = len([rank for rank in ranks if rank <= SECTIONS["subsubsection"]]) + 1
    return found
