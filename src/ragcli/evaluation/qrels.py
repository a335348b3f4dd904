"""Relevance judgements from files: which documents (or chunks) answer which question, and how well.

Two forms are read: TREC's (``query iteration document grade``, by white space) and BEIR's (``query-id``, ``corpus-id``,
``score``, by tabs, with or without a header line).
"""

from __future__ import annotations

from pathlib import Path

from ragcli.errors import InputError, UsageError

Qrels = dict[str, dict[str, int]]  # query -> document -> grade; 0 is not relevant

_HEADER = ("query-id", "corpus-id")
_FORMS = "Lines are TREC's (query 0 document grade) or BEIR's (query-id, corpus-id and score between tabs)."


def read_qrels(path: Path) -> Qrels:
    """Return the judgements of a file.

    Raises:
        UsageError: the file cannot be read.
        InputError: a line has neither form, a grade is no whole number, or a pair has two grades.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--qrels {path} cannot be read: {error.strerror}.") from error
    qrels: Qrels = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        where = f"{path}, line {number}"
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n ")
        except UnicodeDecodeError as error:
            raise InputError(f"{where}: it is not UTF-8 (byte {error.start + 1}).") from error
        if not text.strip() or (number == 1 and tuple(text.split("\t")[:2]) == _HEADER):
            continue
        query, document, grade = _fields(text, where)
        known = qrels.setdefault(query, {})
        if known.get(document, grade) != grade:
            raise InputError(f"{where}: {document} has two grades for {query}: {known[document]} and {grade}.")
        known[document] = grade
    if not qrels:
        raise InputError(f"{path} holds no judgements.", hint=_FORMS)
    return qrels


def _fields(text: str, where: str) -> tuple[str, str, int]:
    tabbed = text.split("\t")
    if len(tabbed) == 3:
        query, document, grade = (part.strip() for part in tabbed)
    else:
        parts = text.split()
        if len(parts) == 3:
            query, document, grade = parts
        elif len(parts) == 4:
            query, _, document, grade = parts
        else:
            raise InputError(f"{where}: it has {len(parts)} columns: {text[:60]!r}.", hint=_FORMS)
    try:
        return query, document, int(grade)
    except ValueError as error:
        raise InputError(f"{where}: the grade {grade!r} is no whole number.", hint=_FORMS) from error
