"""Whether a search sees every row: the full-text index, what it holds, an index of vectors, and words looked up."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ragcli.diagnosing.integrity_commands import Commands
from ragcli.diagnosing.integrity_model import sample_rows
from ragcli.diagnosing.integrity_rows import SHOWN, Rows, short
from ragcli.errors import TableError
from ragcli.indexing import search_text
from ragcli.language import STOP_WORDS
from ragcli.lexical import TOKENIZER, fold, fold_question, tokens
from ragcli.records import Check, Json
from ragcli.store import TEXT_INDEX, Table, chunk_of, lance_errors, of_rows

_READ = 400  # rows that words are taken from, and whose search_text is made again
_WORDS = 5  # words of a language that are looked up
_LIMIT = 100
_HAN = re.compile("[\u4e00-\u9fff]{2,6}")
_ENGLISH = re.compile(r"(?<![\w'’-])[A-Za-z]{5,20}(?![\w'’-])", re.ASCII)
_NEEDED = 100_000  # rows from which an index of vectors is worth its loss of exactness
_SETTINGS = {**TOKENIZER, "with_position": True}


def check_index(table: Table, rows: Rows, commands: Commands) -> Check:
    """Say whether the full-text index is there, made as it should be, and of all rows."""
    name = "index"
    try:
        found = {one.name: one for one in table.dataset.describe_indices()}
        if TEXT_INDEX not in found:
            message = "there is no full-text index: a search by words scans every row, or fails"
            return Check(name=name, status="fail", message=message, count=len(rows), mend=commands.mend())
        wrong = wrong_settings(found[TEXT_INDEX].details)
        if wrong:
            message = f"the full-text index was made with other settings than questions are read with ({wrong})"
            return Check(name=name, status="fail", message=message, count=len(rows), mend=commands.mend())
        behind = {one: unindexed(table, one) for one in found if "vector" not in found[one].field_names}
    except (OSError, ValueError, RuntimeError) as error:
        message = f"the indexes cannot be read: {short(str(error))}"
        return Check(name=name, status="fail", message=message, mend=commands.mend())
    outdated = _outdated(table, rows)
    if outdated:
        count, examples, of = outdated
        message = f"the indexed text of {count} of {of} rows looked at is not what this version of ragcli would index"
        return Check(name=name, status="fail", message=message, count=count, examples=examples, mend=commands.mend())
    late = {one: count for one, count in behind.items() if count}
    if late:
        words = ", ".join(f"{count} rows are not in {one}" for one, count in late.items())
        return Check(
            name=name,
            status="warn",
            message=f"{words}: they are found all the same, by a scan that takes longer",
            count=max(late.values()),
            mend=commands.mend(),
        )
    return Check(name=name, status="pass", message=f"the full-text index holds all {len(rows)} rows")


def wrong_settings(details: Any) -> str:
    """Return in what an index differs from `ragcli.lexical.TOKENIZER`."""
    if not isinstance(details, dict):
        return ""
    names = [one for one, value in _SETTINGS.items() if one in details and details[one] != value]
    return "; ".join(f"{one}: {details[one]}, not {_SETTINGS[one]}" for one in names)


def unindexed(table: Table, name: str) -> int:
    """Return how many rows an index does not hold."""
    return int(table.dataset.stats.index_stats(name).get("num_unindexed_rows", 0))


def _outdated(table: Table, rows: Rows) -> tuple[int, list[str], int] | None:
    chosen = sample_rows(rows, _READ)
    with lance_errors(f"cannot read the table {table.name!r}"):
        found = (
            table.dataset.scanner(columns=["id", "search_text"], filter=of_rows(chosen)).to_table() if chosen else None
        )
    if found is None:
        return None
    held = dict(zip(found["id"].to_pylist(), found["search_text"].to_pylist(), strict=True))
    read = [chunk_of(row) for row in table.rows(chosen).values()]
    wrong = [chunk for chunk in read if held.get(chunk.id) != search_text(chunk)]
    if not wrong:
        return None
    return len(wrong), [f"{chunk.source} (chunk {chunk.id})" for chunk in wrong[:SHOWN]], len(read)


def check_vector_index(table: Table, rows: Rows, commands: Commands) -> Check:
    """Say whether an index of vectors, where there is one, holds all rows."""
    name = "vector_index"
    try:
        found = [one for one in table.dataset.describe_indices() if "vector" in one.field_names]
        behind = sum(unindexed(table, one.name) for one in found)
    except (OSError, ValueError, RuntimeError) as error:
        message = f"the index of vectors cannot be read: {short(str(error))}"
        return Check(name=name, status="fail", message=message, mend=commands.mend())
    if not found:
        words = "none, and none is needed" if len(rows) < _NEEDED else "none"
        return Check(name=name, status="pass", message=f"{words}: every vector is compared, and the result is exact")
    if behind:
        message = f"{behind} rows are not in the index of vectors: they are found all the same, by a scan"
        return Check(name=name, status="warn", message=message, count=behind, mend=commands.mend())
    return Check(name=name, status="pass", message=f"the index of vectors holds all {len(rows)} rows")


def check_words(table: Table, rows: Rows, commands: Commands) -> list[Check]:
    """Look up rare Chinese and English words of the table's own chunks; each must find its chunk."""
    read = table.rows(sample_rows(rows, _READ))
    return [
        _looked_up(table, "keyword_chinese", "Chinese", read, _HAN, _is_chinese, commands),
        _looked_up(table, "keyword_english", "English", read, _ENGLISH, _is_english, commands),
    ]


def _is_english(word: str) -> bool:
    return word.lower() not in STOP_WORDS


def _is_chinese(word: str) -> bool:
    return len(tokens(word)) == 1


def _looked_up(
    table: Table,
    name: str,
    language: str,
    read: dict[int, Json],
    pattern: re.Pattern[str],
    is_word: Callable[[str], bool],
    commands: Commands,
) -> Check:
    words = _rare(read, pattern, is_word)
    if not words:
        return Check(name=name, status="skipped", message=f"the table has no {language} text, as far as was looked")
    lost = []
    try:
        for word, row in words:
            if not _finds(table, word, row):
                lost.append((word, row))
    except TableError as error:
        return Check(
            name=name, status="fail", message=error.message.rstrip("."), count=len(words), mend=commands.mend()
        )
    said = ", ".join(word for word, _ in words)
    if not lost:
        return Check(name=name, status="pass", message=f"{language} words find their chunks: {said}")
    return Check(
        name=name,
        status="fail",
        message=f"{len(lost)} of {len(words)} {language} words do not find the chunk that they stand in",
        count=len(lost),
        examples=[f"{word}: {read[row]['source']} (chunk {read[row]['id']})" for word, row in lost[:SHOWN]],
        mend=commands.mend(),
    )


def _finds(table: Table, word: str, row: int) -> bool:
    folded = fold_question(word)
    found = table.text_search(folded, _LIMIT)
    if any(one.row == row for one in found):
        return True
    return len(found) == _LIMIT and bool(table.text_search(folded, 1, of_rows([row])))


def _rare(read: dict[int, Json], pattern: re.Pattern[str], is_word: Callable[[str], bool]) -> list[tuple[str, int]]:
    """Return words that stand in the fewest of these rows, of different rows as far as there are, with their rows."""
    places: dict[str, list[int]] = {}
    for row, values in sorted(read.items(), key=lambda one: str(one[1]["id"])):
        for word in set(_words(values["text"], pattern)):
            places.setdefault(word, []).append(row)
    out: list[tuple[str, int]] = []
    used: set[int] = set()
    for word in sorted(places, key=lambda word: (len(places[word]), -len(word), word)):
        row = places[word][0]
        if row in used or not is_word(word):
            continue
        used.add(row)
        out.append((word, row))
        if len(out) == _WORDS:
            break
    return out


def _words(text: str, pattern: re.Pattern[str]) -> list[str]:
    if pattern is _ENGLISH:
        return pattern.findall(text)
    import lance

    return [one.text for one in lance.tokenize(fold(text), **TOKENIZER) if pattern.fullmatch(one.text)]
