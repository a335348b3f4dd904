"""Docstrings of functions: what the function does, and what is said of each argument.

Three forms are read: Google's (``Args:`` and indented ``name: text``; also under a Chinese heading ``参数：``), numpy's
(``Parameters`` underlined) and reST's (``:param name: text``). What stands outside of them is the description.
"""

from __future__ import annotations

import inspect
import re

_GOOGLE = re.compile(r"^(?:Args|Arguments|Parameters|Params|参数|參數)\s*[:：]\s*$", re.IGNORECASE)
_NUMPY = re.compile(r"^(?:Other )?Parameters\s*$", re.IGNORECASE)
_RULE = re.compile(r"^\s*-{3,}\s*$")
_REST = re.compile(r"^\s*:(?:param|parameter|arg|argument)\s+(?:[^:]*?\s)?\*{0,2}(\w+)\s*:\s*(.*)$")
_REST_OTHER = re.compile(r"^\s*:\w[^:]*:")
_REST_TYPE = re.compile(r"^\s*:type\s")
_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:[(（][^)）]*[)）])?\s*[:：]\s*(.*)$")
_NUMPY_ENTRY = re.compile(r"^\*{0,2}(\w+(?:\s*,\s*\w+)*)\s*(?::.*)?$")


def parse(docstring: str | None) -> tuple[str, dict[str, str]]:
    """Return the description and the text of each argument."""
    lines = inspect.cleandoc(docstring or "").split("\n")
    kept: list[str] = []
    texts: dict[str, list[str]] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        if _GOOGLE.match(line):
            at = _google(lines, at + 1, texts)
        elif _NUMPY.match(line) and at + 1 < len(lines) and _RULE.match(lines[at + 1]):
            at = _numpy(lines, at + 2, texts)
        elif match := _REST.match(line):
            at = _rest(lines, at, match, texts)
        else:
            if not _REST_TYPE.match(line):
                kept.append(line)
            at += 1
    description = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return description, {name: " ".join(filter(None, text)) for name, text in texts.items() if any(text)}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _google(lines: list[str], at: int, texts: dict[str, list[str]]) -> int:
    """Read indented entries; return where they end."""
    own: list[str] = []
    entry = 0  # the indent of the entries; what is indented more goes on with one
    while at < len(lines) and (not lines[at].strip() or _indent(lines[at])):
        line = lines[at]
        if line.strip():
            entry = entry or _indent(line)
            match = _ENTRY.match(line.strip()) if _indent(line) <= entry else None
            if match:
                own = texts.setdefault(match[1], [])
            own.append(match[2].strip() if match else line.strip())
        at += 1
    return at


def _numpy(lines: list[str], at: int, texts: dict[str, list[str]]) -> int:
    """Read entries at the margin, each with its text indented below; return where they end."""
    own: list[list[str]] = []
    while at < len(lines):
        line = lines[at]
        if at + 1 < len(lines) and _RULE.match(lines[at + 1]):  # the next section
            break
        if line.strip() and not _indent(line):
            match = _NUMPY_ENTRY.match(line)
            if not match:
                break
            own = [texts.setdefault(name.strip(), []) for name in match[1].split(",")]
        elif line.strip():
            for text in own:
                text.append(line.strip())
        at += 1
    return at


def _rest(lines: list[str], at: int, match: re.Match[str], texts: dict[str, list[str]]) -> int:
    """Read one field and the lines that go on with it; return where it ends."""
    own = texts.setdefault(match[1], [])
    own.append(match[2].strip())
    margin = _indent(lines[at])
    at += 1
    while at < len(lines) and lines[at].strip() and _indent(lines[at]) > margin and not _REST_OTHER.match(lines[at]):
        own.append(lines[at].strip())
        at += 1
    return at
