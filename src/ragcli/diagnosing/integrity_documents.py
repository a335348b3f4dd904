"""What one pass over the rows says: of the rows themselves, of their documents, and of the files they come from."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ragcli.diagnosing.integrity_commands import Commands
from ragcli.diagnosing.integrity_files import Files, look
from ragcli.diagnosing.integrity_model import files_of
from ragcli.diagnosing.integrity_rows import SHOWN, Rows, Tally
from ragcli.embedding.stage import passage_text
from ragcli.records import Check
from ragcli.store import Table, chunk_of

_BEGINNING = 100  # characters: a document that begins with more white space than that is none that people write
_MANY = 0.01  # of the rows
_COMPARED = 400  # characters of a text
_COMPARED_PAIRS = 5_000


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def check_readable(table: Table, rows: Rows, commands: Commands) -> Check:
    """Say whether every fragment was read."""
    lost = rows.unreadable
    fragments = len(table.dataset.get_fragments())
    if not lost.count and not len(rows):
        message = "the table is empty: the run that made it was ended before its first commit, or all was removed"
        return Check(name="readable", status="warn", message=message, mend=commands.index([]))
    if not lost.count:
        message = f"{_plural(len(rows), 'row')} in {_plural(fragments, 'fragment')}"
        return Check(name="readable", status="pass", message=message)
    missing = len(table) - len(rows)
    return Check(
        name="readable",
        status="fail",
        message=f"{_plural(lost.count, 'data file')} cannot be read; {missing} of {len(table)} rows are lost",
        count=lost.count,
        examples=lost.examples,
        mend=commands.rebuild(rows.files),
    )


def check_rows(rows: Rows, commands: Commands) -> Check:
    """Say whether every row is as it was written."""
    wrong = rows.wrong
    if not wrong.count:
        return Check(name="rows", status="pass", message="every row is as it was written")
    again = commands.index(files_of(wrong.sources, rows))
    return Check(
        name="rows",
        status="fail",
        message=f"rows {wrong.words()}",
        count=wrong.count,
        examples=wrong.examples,
        mend=f"{commands.mend()} ; {again}",
    )


def _examples(table: Table, rowids: Sequence[int]) -> list[str]:
    read = table.rows(list(rowids))
    return list(dict.fromkeys(f"{read[row]['source']} (chunk {read[row]['id']})" for row in rowids if row in read))


def doubles(rows: Rows) -> list[int]:
    """Return the row ids of the rows whose id another row has, too, all but the last written of each with a vector."""
    columns = rows.columns
    if not len(columns["id"]):
        return []
    bad = np.isin(columns["rowid"], np.array(rows.bad_vectors, np.uint64))
    order = np.lexsort((columns["rowid"], ~bad, columns["id"]))  # of one id the last has a good vector
    ids = columns["id"][order]
    same_as_next = np.append(ids[1:] == ids[:-1], False)
    return columns["rowid"][order][same_as_next].tolist()  # type: ignore[no-any-return]


def check_ids(table: Table, rows: Rows, commands: Commands) -> Check:
    """Say whether every id is that of one row."""
    found = doubles(rows)
    if not found:
        return Check(name="ids", status="pass", message="every id is that of one row")
    return Check(
        name="ids",
        status="fail",
        message=f"{_plural(len(found), 'row')} with an id that another row has, too",
        count=len(found),
        examples=_named(table, rows, found),
        mend=commands.mend(),
    )


def _named(table: Table, rows: Rows, found: Sequence[int]) -> list[str]:
    if rows.unreadable.count:
        return []
    return _examples(table, found[:SHOWN])


def check_vectors(rows: Rows, commands: Commands) -> Check:
    """Say whether every row has a vector that can be searched."""
    wrong = rows.vectors
    if not wrong.count:
        return Check(name="vectors", status="pass", message="every vector is finite and of the length it should have")
    return Check(
        name="vectors",
        status="fail",
        message=f"vectors {wrong.words()}",
        count=wrong.count,
        examples=wrong.examples,
        mend=commands.mend(),
    )


def check_same_vectors(table: Table, rows: Rows, commands: Commands) -> Check:
    """Say whether different texts have different vectors."""
    name = "same_vectors"
    columns = rows.columns
    there = columns["vector"] != 0
    vectors, texts, rowids = (columns[one][there] for one in ("vector", "given", "rowid"))
    order = np.lexsort((texts, vectors))
    again = (vectors[order][1:] == vectors[order][:-1]) & (texts[order][1:] != texts[order][:-1])
    pairs = list(zip(rowids[order][:-1][again].tolist(), rowids[order][1:][again].tolist(), strict=True))
    found = _different(table, rows, pairs)
    count = len(found)
    if not count:
        return Check(name=name, status="pass", message="different texts have different vectors")
    return Check(
        name=name,
        status="fail" if count > max(2, _MANY * len(rows)) else "warn",
        message=f"{_plural(count, 'row')} with the vector of another row of another text: the model did not read them",
        count=count,
        examples=_named(table, rows, found),
        mend=commands.mend(),
    )


def _different(table: Table, rows: Rows, pairs: list[tuple[int, int]]) -> list[int]:
    """Return the second row of the pairs whose texts differ in what a model can tell apart.

    White space, width and case are no difference to many a tokenizer, nor is what a model does not read to the end.
    """
    if rows.unreadable.count:
        return []
    headings = bool(table.contract.get("headings"))
    out = [other for _, other in pairs[_COMPARED_PAIRS:]]
    for start in range(0, min(len(pairs), _COMPARED_PAIRS), 500):
        some = pairs[start : start + 500]
        read = table.rows(list({row for pair in some for row in pair}))
        texts = {row: _normal(passage_text(chunk_of(values), headings=headings)) for row, values in read.items()}
        out += [other for one, other in some if texts[one] != texts[other]]
    return out


def _normal(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text[: 2 * _COMPARED]).casefold()
    return "".join(folded.split())[:_COMPARED]


def check_copies(table: Table, rows: Rows, commands: Commands) -> Check:
    """Say whether the same text is there more than once."""
    columns = rows.columns
    doubled = np.isin(columns["rowid"], np.array(doubles(rows), np.uint64))
    texts, rowids = columns["text"][~doubled], columns["rowid"][~doubled]
    order = np.argsort(texts, kind="stable")
    again = np.append(False, texts[order][1:] == texts[order][:-1])[: len(texts)]
    count = int(again.sum())
    if not count:
        return Check(name="copies", status="pass", message="no text is there twice")
    whole = _copied_documents(rows, ~doubled)
    documents = f", among them {_plural(whole, 'whole document')}" if whole else ""
    return Check(
        name="copies",
        status="warn",
        message=f"the text of {_plural(count, 'row')} is that of another row{documents}: copies take the places of"
        " other hits",
        count=count,
        examples=_named(table, rows, rowids[order][again].tolist()),
        mend=commands.without(_sources_of(table, rows, rowids[order][again][:SHOWN].tolist())),
    )


def _sources_of(table: Table, rows: Rows, rowids: list[int]) -> list[str]:
    if rows.unreadable.count:
        return []
    return files_of([row["source"] for row in table.rows(rowids).values()], rows)


def _copied_documents(rows: Rows, there: np.ndarray[Any, Any]) -> int:
    """Return how many documents hold the same texts in the same places as another."""
    columns = rows.columns
    documents, texts, starts = (columns[name][there] for name in ("document", "text", "start"))
    with np.errstate(over="ignore"):
        mixed = (texts.astype(np.uint64) ^ (starts.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(
            0xBF58476D1CE4E5B9
        )
        keys, places = np.unique(documents, return_inverse=True)
        sums = np.zeros(len(keys), np.uint64)
        np.add.at(sums, places, mixed)
    return len(sums) - len(np.unique(sums))


def check_text(rows: Rows, commands: Commands) -> Check:
    """Say whether the texts can be read."""
    wrong = rows.garbled
    if not wrong.count:
        return Check(name="text", status="pass", message="no chunk is blank or garbled, as far as can be told")
    return Check(
        name="text",
        status="warn",
        message=f"chunks: {wrong.words()}",
        count=wrong.count,
        examples=wrong.examples,
        mend=commands.encoding(files_of(wrong.sources, rows)),
    )


def check_sources(table: Table, rows: Rows, commands: Commands) -> Iterator[Check]:
    """Say whether the files are as they were, and whether every document is there from beginning to end."""
    found = look(table, rows)
    yield _files(rows, found, commands)
    yield _documents(table, rows, found, commands)


def _files(rows: Rows, found: Files, commands: Commands) -> Check:
    elsewhere = f"; {_plural(rows.elsewhere, 'row')} not of files were not looked at" if rows.elsewhere else ""
    if not found.looked_at:
        return Check(name="files", status="skipped", message=f"no row comes from a file{elsewhere}")
    if found.gone.count == found.looked_at:
        folder = "the one file" if found.looked_at == 1 else f"all {found.looked_at} files"
        return Check(
            name="files",
            status="warn",
            message=f"{folder} of the table cannot be found from here: run it where their paths begin{elsewhere}",
            count=found.gone.count,
            examples=found.gone.examples,
            mend=commands.check_from_elsewhere(),
        )
    gone = {name: None for name in found.gone.sources if name not in found.moved}
    words = [
        f"{count} {word}"
        for count, word in (
            (found.changed.count, "changed"),
            (found.gone.count - len(found.moved), "deleted"),
            (len(found.moved), "moved"),
        )
        if count
    ]
    if words:
        moved = [f"{old} -> {new}" for old, new in found.moved.items()]
        read = [*found.changed.sources, *found.moved.values()]
        roots = _roots(list(found.gone.sources), rows)
        marked = bool(rows.marks) and not found.moved
        mend = commands.index(read, new=marked, prune=roots) if read else commands.prune(roots)
        return Check(
            name="files",
            status="fail",
            message=f"files are not as the table has them: {', '.join(words)}{elsewhere}",
            count=found.changed.count + found.gone.count,
            examples=[*found.changed.examples, *moved[:SHOWN], *list(gone)[:SHOWN]],
            mend=mend,
        )
    if found.maybe.count:
        return Check(
            name="files",
            status="warn",
            message=f"{_plural(found.maybe.count, 'file')} changed after the table was written, maybe in content"
            f"{elsewhere}",
            count=found.maybe.count,
            examples=found.maybe.examples,
            mend=commands.index(found.maybe.sources),
        )
    by_time = f", {found.by_time} of them judged by their time alone" if found.by_time else ""
    other = f", {found.other.count} of them loaded with other options" if found.other.count else ""
    message = f"{_plural(found.looked_at, 'file')} as the table has them{by_time}{other}{elsewhere}"
    return Check(name="files", status="pass", message=message)


def _roots(gone: Sequence[str], rows: Rows) -> list[str]:
    """Return folders that are there, and hold files of the table that are, too, above all files that are gone."""
    here = [name for name in rows.files if name not in set(gone)]
    out: dict[str, None] = {}
    for name in gone:
        folder = name.rpartition("/")[0]
        while folder and not any(one.startswith(folder + "/") for one in here):
            folder = folder.rpartition("/")[0]
        out[folder or ("/" if name.startswith("/") else ".")] = None
    return [one for one in out if not any(other == "." or one.startswith(other + "/") for other in out if other != one)]


def _documents(table: Table, rows: Rows, found: Files, commands: Commands) -> Check:
    lacking = Tally()
    for source, reasons in _gaps(table, rows).items():
        lacking.add(source, source, reasons)
    for source in found.lacking.sources:
        lacking.sources[source] = None
    for reason, count in found.lacking.reasons.items():
        lacking.reasons[reason] = lacking.reasons.get(reason, 0) + count
    lacking.count += found.lacking.count
    lacking.examples += [one for one in found.lacking.examples if one not in lacking.examples]
    states = _two_states(table, rows)
    for source in states:
        lacking.add(source, source, "in two states, the old beside the new")
    if not lacking.count:
        return Check(name="documents", status="pass", message=f"{_count(rows)} from beginning to end")
    return Check(
        name="documents",
        status="fail",
        message=f"documents are not whole: {lacking.words()}",
        count=lacking.count,
        examples=lacking.examples[:SHOWN],
        mend=commands.index(files_of(lacking.sources, rows)),
    )


def _count(rows: Rows) -> str:
    return _plural(len(np.unique(rows.columns["document"])), "document")


def _gaps(table: Table, rows: Rows) -> dict[str, str]:
    """Return the sources of documents that lack chunks, each with what is missing."""
    out: dict[str, str] = {}
    cut = rows.columns["cut"]  # what another program cut may leave out what it likes
    if rows.unreadable.count or not cut.any():
        return out
    columns = {name: values[cut] for name, values in rows.columns.items()}
    order = np.lexsort((columns["end"], columns["start"], columns["document"]))
    documents, starts, ends, after = (columns[name][order] for name in ("document", "start", "end", "after"))
    rowids = columns["rowid"][order]
    same = documents[1:] == documents[:-1]
    gap = np.append(same & (starts[1:] > ends[:-1] + after[:-1]), False)
    last, first = np.append(~same, True), np.append(True, ~same)
    for places, reason in (
        (gap, "with a gap between two chunks"),
        (last & (after > 0), "without their end"),
        (first & (starts > _BEGINNING), "without their beginning"),
    ):
        chosen = rowids[places].tolist()
        for start in range(0, len(chosen), 1000):
            for row in table.rows(chosen[start : start + 1000]).values():
                out.setdefault(row["source"], reason)
    return out


def _two_states(table: Table, rows: Rows) -> list[str]:
    """Return the sources that have rows of two documents; rows of one file may share a given id, and do not count."""
    if rows.unreadable.count:
        return []
    columns = rows.columns
    alone = ~columns["part"] & (columns["file"] >= 0)
    sources, documents, rowids = (columns[name][alone] for name in ("source", "document", "rowid"))
    order = np.lexsort((documents, sources))
    other = (sources[order][1:] == sources[order][:-1]) & (documents[order][1:] != documents[order][:-1])
    chosen = rowids[order][1:][other].tolist()
    out: dict[str, None] = {}
    for start in range(0, len(chosen), 1000):
        for row in table.rows(chosen[start : start + 1000]).values():
            out[row["source"]] = None
    return list(out)
