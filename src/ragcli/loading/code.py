"""Source code: the text as it is, with its language in the metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragcli.loading.languages import BY_NAME, BY_SUFFIX
from ragcli.loading.source import Source
from ragcli.records import Document

_CODING = re.compile(rb"coding[:=][ \t]*([-\w.]+?)(?:-(?:unix|dos|mac))?(?![-\w.])")  # PEP 263, Emacs and Vim
_CHARSET = re.compile(rb"\s*@charset\s+[\"']([-\w.]+)[\"']")
_SHEBANG = re.compile(rb"#![ \t]*(\S+)(.*)")
_INTERPRETERS = {
    "sh": "shell", "bash": "shell", "dash": "shell", "ash": "shell", "zsh": "shell", "ksh": "shell",
    "node": "javascript", "nodejs": "javascript", "deno": "typescript", "bun": "javascript", "pypy": "python",
    "rscript": "r", "gawk": "awk", "mawk": "awk", "tclsh": "tcl", "wish": "tcl", "pwsh": "powershell",
    "make": "makefile", "runghc": "haskell", "guile": "lisp", "racket": "lisp", "octave": "matlab",
}  # fmt: skip


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document; nothing where it is blank.

    Raises:
        LoadError: it is not text.
    """
    found = source.text(declared=_declared(source.head))
    if found.text.strip():
        encoding = None if found.encoding == "utf-8" else found.encoding
        metadata = {"language": _language(source), "encoding": encoding}
        yield source.document(found.text, format="code", metadata=metadata)


def _declared(head: bytes) -> str | None:
    """The encoding that one of the first two lines names."""
    found = _CHARSET.match(head)
    for line in head.split(b"\n", 2)[:2]:
        found = found or _CODING.search(line[:1000])
    return found[1].decode("ascii", "replace") if found else None


def _language(source: Source) -> str | None:
    """The language by suffix, by name, or by the interpreter that the first line names."""
    name = (source.called or source.name).rpartition("/")[2].lower()
    known = BY_SUFFIX.get(source.suffix) or BY_NAME.get(name)
    shebang = None if known else _SHEBANG.match(source.head)
    if shebang is None:
        return known
    words = [shebang[1].decode("ascii", "replace"), *shebang[2].decode("ascii", "replace").split()]
    if words[0].endswith("/env"):
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word] or words
    program = words[0].rpartition("/")[2].lower().rstrip("0123456789.-")
    return _INTERPRETERS.get(program, program) or None
