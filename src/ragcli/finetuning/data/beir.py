"""A folder in BEIR's form as pairs: corpus.jsonl, queries.jsonl and qrels/{train,dev,test}.tsv.

The corpus stays on disk: of each document that is judged only its place is kept. A passage is its text, without the
title, as ``ragcli embed`` has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ragcli.errors import InputError
from ragcli.evaluation.qrels import read_qrels
from ragcli.finetuning.data.rows import Place, RowError
from ragcli.finetuning.data.sources import CORPUS, QUERIES, Source
from ragcli.jsonl import loads
from ragcli.questions import ID_KEYS, TEXT_KEYS
from ragcli.records import Json


def beir_items(source: Source) -> Iterator[tuple[Place, Json | RowError]]:
    """Yield an object ``{"query", "pos", "neg"}`` for each judged query, with its place in queries.jsonl.

    Passages with a grade above 0 are positive; judged ones with grade 0 are negative.

    Raises:
        InputError: the judgements cannot be read.
    """
    folder, said = source.place, source.path
    qrels = read_qrels(source.judgements())
    wanted = {document for grades in qrels.values() for document in grades}
    queries = _places(folder / QUERIES, f"{said}/{QUERIES}", set(qrels))
    passages = _places(folder / CORPUS, f"{said}/{CORPUS}", wanted)
    judged = source.judgements().relative_to(folder).as_posix()
    with (folder / QUERIES).open("rb") as asked, (folder / CORPUS).open("rb") as corpus:
        for query, grades in qrels.items():
            if query not in queries:
                yield (
                    Place(f"{said}/{judged}", 1),
                    RowError(f"{said}/{judged}: the query {query!r} is not in {QUERIES}.", "json"),
                )
                continue
            line, at = queries[query]
            place = Place(f"{said}/{QUERIES}", line)
            missing = next((document for document in grades if document not in passages), None)
            if missing is not None:
                yield place, RowError(f"{place}: its document {missing!r} of {judged} is not in {CORPUS}.", "json")
                continue
            asked_for = _object(asked, at)
            texts = {document: _text(_object(corpus, passages[document][1])) for document in grades}
            yield (
                place,
                {
                    "query": _text(asked_for),
                    "pos": [texts[document] for document, grade in grades.items() if grade > 0],
                    "neg": [texts[document] for document, grade in grades.items() if grade <= 0],
                    "answers": asked_for.get("answers"),
                },
            )


def _places(path: Path, name: str, wanted: set[str]) -> dict[str, tuple[int, int]]:
    """Return the line, from 1, and the byte at which each wanted object of a file begins."""
    out: dict[str, tuple[int, int]] = {}
    at = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                try:
                    value = loads(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
                except ValueError as error:
                    raise InputError(f"{name}:{number}: expected a JSON object ({error}).") from error
                given = (
                    next((str(value[key]) for key in ID_KEYS if key in value), "") if isinstance(value, dict) else ""
                )
                if given in wanted:
                    out.setdefault(given, (number, at))
            at += len(line)
    return out


def _object(stream: IO[bytes], at: int) -> Json:
    """Return the object that begins at a byte."""
    stream.seek(at)
    value: Json = loads(stream.readline().removeprefix(b"\xef\xbb\xbf"))
    return value


def _text(value: Json) -> str:
    """Return the text of an object; its title, where it has no text."""
    return next((one for key in (*TEXT_KEYS, "title") if isinstance(one := value.get(key), str) and one.strip()), "")
