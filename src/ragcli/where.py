"""The ``--where`` filter: SQL on the table's columns, with ``metadata.key`` for the documents' own fields.

Metadata are stored as one JSON column; ``metadata.year >= 2020`` becomes the call that reads that key as the
type of what it is compared to.
"""

from __future__ import annotations

import re

from ragcli.errors import UsageError

# String literals are matched first, so that a path inside one is left alone.
_LITERAL = r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`"""
_PATH = r"metadata(?:\.\w+|\['[^']+'\])+"
_TOKEN = re.compile(rf"(?P<literal>{_LITERAL})|(?P<path>{_PATH})", re.IGNORECASE)
_STEP = re.compile(r"\.(\w+)|\['([^']+)'\]")
_AFTER = re.compile(
    r"(?:\s*(?:[=!<>]|not\b|between\b|in\b|\())+\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<bool>true|false)\b)",
    re.IGNORECASE,
)
_RESERVED = re.compile(r"(?<![\w.'\"`])(end|start)(?![\w'\"`(])", re.IGNORECASE)


def rewrite(where: str) -> str:
    """Return the filter as Lance understands it.

    Raises:
        UsageError: the filter is empty.
    """
    if not where.strip():
        raise UsageError("--where is empty.", hint='Give a condition, such as --where "metadata.year >= 2020".')
    if ";" in _TOKEN.sub("", where):
        raise UsageError(f"--where {where!r}: ';' is no part of a condition.", hint="Join conditions with AND or OR.")
    out: list[str] = []
    place = 0
    for match in _TOKEN.finditer(where):
        out.append(_columns(where[place : match.start()]))
        if match["literal"] is not None:
            out.append(match["literal"])
        else:
            out.append(_accessor(match["path"], where[match.end() :]))
        place = match.end()
    out.append(_columns(where[place:]))
    return "".join(out)


def metadata_paths(where: str) -> dict[str, str]:
    """Return the metadata keys that a filter names, and the condition that a row has each."""
    return {
        match["path"]: f"{_accessor(match['path'], '')} IS NOT NULL"
        for match in _TOKEN.finditer(where)
        if match["path"] is not None
    }


def _columns(sql: str) -> str:
    """Quote the columns whose names are SQL keywords."""
    return _RESERVED.sub(lambda m: f"`{m[1].lower()}`", sql)


def _accessor(path: str, rest: str) -> str:
    steps = [a or b for a, b in _STEP.findall(path[len("metadata") :])]
    compared = _AFTER.match(rest)
    kind = None
    if compared and compared["number"]:
        kind = "DOUBLE"
    elif compared and compared["bool"]:
        kind = "BOOLEAN"
    column = "metadata"
    for step in steps[:-1]:
        column = f"json_get({column}, {literal(step)})"
    value = f"json_get_string({column}, {literal(steps[-1])})"
    # A cast that gives NULL where the value is of another type, instead of ending the search.
    return value if kind is None else f"TRY_CAST({value} AS {kind})"


def literal(text: str) -> str:
    """Return the text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def one_of(column: str, values: list[str]) -> str:
    """Return the condition that a column holds one of the values."""
    return f"{column} IN ({', '.join(literal(value) for value in values)})"
