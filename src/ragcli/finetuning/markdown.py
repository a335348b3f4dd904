"""Markdown of strings that are not ours: tables, code and YAML front matter that nothing in them can break."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ragcli.jsonl import clean, dumps

_SPACE = re.compile(r"\s+")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#&!$])")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*\Z")
_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}  # lines of YAML end there, not those of JSON
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n"}


def text(value: object) -> str:
    """Return a value as text of one line that is shown as it is."""
    return _SPECIAL.sub(r"\\\1", _SPACE.sub(" ", clean(str(value))).strip())


def code(value: object) -> str:
    """Return a value as code within a line, fenced by more backticks than stand in it."""
    given = _SPACE.sub(" ", clean(str(value))).strip()
    if not given:
        return ""
    fence = "`" * (_longest(given) + 1)
    space = " " if given.startswith("`") or given.endswith("`") else ""
    return f"{fence}{space}{given}{space}{fence}"


def block(value: str, language: str = "") -> str:
    """Return lines as a block of code."""
    fence = "`" * max(3, _longest(value) + 1)
    return f"{fence}{language}\n{clean(value)}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return a table of cells that are Markdown already.

    Args:
        head: of the columns.
        rows: cells.
        right: columns that are aligned to the right.
    """
    lines = [_row(head), _row(["---:" if at in right else "---" for at in range(len(head))])]
    return "\n".join([*lines, *map(_row, rows)])


def _row(cells: Sequence[str]) -> str:
    # A bar ends a cell also within code, unless there is a backslash before it.
    shown = (re.sub(r"(?<!\\)\|", r"\\|", cell.replace("\n", " ")) for cell in cells)
    return f"| {' | '.join(shown)} |"


def front_matter(values: Mapping[str, str | Sequence[str] | None]) -> str:
    """Return YAML between ``---``; what is empty is left out."""
    lines = ["---"]
    for key, value in values.items():
        if isinstance(value, str):
            lines.append(f"{key}: {_scalar(value)}")
        elif value:
            lines += [f"{key}:", *(f"- {_scalar(one)}" for one in value)]
    return "\n".join([*lines, "---"])


def _scalar(value: str) -> str:
    """Return a string as YAML: plain where that is safe, otherwise as JSON, which YAML takes."""
    if _PLAIN.match(value) and value.lower() not in _RESERVED:
        return value
    return dumps(clean(value)).decode().translate(_BREAKS)


def _longest(value: str) -> int:
    return max((len(run) for run in re.findall("`+", value)), default=0)
