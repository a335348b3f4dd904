"""The offline stages of a comparison: each splitter's chunks, a table of each splitter and model, questions' vectors.

Each is made once and kept. A table that a killed run left is gone on with, as `ragcli embed` does; the seconds that it
took before are kept beside it while it grows. A table without a model, for full text, holds one number as its vector.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

import numpy as np

from ragcli.embedding.stage import embed
from ragcli.errors import RagcliError
from ragcli.evaluation.comparing.corpus import Corpus
from ragcli.evaluation.comparing.grid import Splitter
from ragcli.evaluation.comparing.models import Array, Model, Timed
from ragcli.evaluation.comparing.watching import Advance, Watch
from ragcli.evaluation.comparing.work import Work, key_of
from ragcli.indexing import Writer, maintain
from ragcli.jsonl import dumps, loads, records
from ragcli.questions import Question
from ragcli.records import Chunk, Json, Vector
from ragcli.report import Report
from ragcli.splitting import split
from ragcli.store import FORMAT, Table

_BATCH = 64  # questions that are embedded together
_LOSSES = {
    "documents_failed": "documents that it fails on",
    "nodes_lost": "nodes that are not text of their document",
    "characters_lost": "characters that are in no chunk",
}
_NO_MODEL = {"id": "", "hash": "", "dimension": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """The chunks of a splitter: the file of their records, a digest of what they were made from, and how many.

    ``lost`` says what a node parser left out: it is the kind of loss and its words, or None where that is nothing.
    """

    path: Path
    key: str
    count: int
    splitter: str  # as the chunks say it
    lost: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """A table that is ready.

    Args:
        name: of the table in the work folder's database.
        chunks: its rows.
        bytes: on disk, indexes included.
        seconds: that embedding, writing and indexing took, without loading and splitting.
        chunks_a_second: at which the model embedded; None without a model.
        characters_a_second: likewise.
        truncated: chunks that are longer than the model reads.
    """

    name: str
    chunks: int
    bytes: int
    seconds: float
    chunks_a_second: float | None
    characters_a_second: float | None
    truncated: int


def split_once(corpus: Corpus, splitter: Splitter, work: Work, watch: Watch) -> Chunks:
    """Return the chunks of a splitter, cut or kept.

    Raises:
        RagcliError: the splitter fails, or no chunk comes out.
    """
    options = splitter.options()
    parser = options.get("parser")
    how = {name: value for name, value in options.items() if name not in ("count", "parser")}
    if parser is not None:
        how["parser"] = parser.name
    counter = splitter.model if splitter.unit == "tokens" else None
    key = key_of("chunks", corpus.key, how, counter and _counter_hash(counter))
    path = work.path("chunks", f"{key}.jsonl")
    kept = work.kept("chunks", key, "count", "splitter")
    if kept is None or not path.is_file():
        counts = Report("split", keep=False)
        name = ""
        with (
            work.writing(path) as temporary,
            temporary.open("wb") as stream,
            watch(f"splitting, {splitter.name}", corpus.used) as advance,
        ):
            before = 0
            for chunk in split(corpus.documents(), report=counts, **options):
                stream.write(dumps(chunk.to_dict()) + b"\n")
                name = chunk.splitter
                advance(counts.counts["documents_in"] - before)
                before = counts.counts["documents_in"]
        kept = work.keep("chunks", key, {
            "count": counts.counts["chunks_out"], "splitter": name,
            "lost": {name: counts.counts[name] for name in _LOSSES if counts.counts[name]},
        })  # fmt: skip
    if not kept["count"]:
        raise RagcliError("the documents gave no chunks: they hold no text.")
    return Chunks(
        path=path, key=key, count=kept["count"], splitter=kept["splitter"], lost=_lost(kept.get("lost") or {})
    )


def _lost(counts: Json) -> tuple[str, str] | None:
    """Return what a node parser left out of the documents: whether something failed, and in words."""
    said = ", ".join(f"{counts[name]:,} {what}" for name, what in _LOSSES.items() if counts.get(name))
    return ("partial" if set(counts) - {"characters_lost"} else "warning", f"it leaves out {said}") if said else None


def _counter_hash(model: str) -> str:
    from ragcli.models.folder import resolve

    return resolve(model).hash


def index_once(chunks: Chunks, model: Model | None, work: Work, what: str, watch: Watch) -> Indexed:
    """Return the table of a splitter's chunks, embedded with a model or with none, made, gone on with, or kept.

    Args:
        chunks: the chunks.
        model: the model; None for a table that only full text searches.
        work: the work folder.
        what: the step's name.
        watch: is told the progress.

    Raises:
        RagcliError: the model fails, or the table cannot be written.
    """
    key = key_of("table", chunks.key, FORMAT, None if model is None else [model.hash, model.place])
    kept = work.kept("tables", key, "chunks", "bytes", "seconds", "truncated")
    if kept is None or not Table.exists(work.db, key):
        part = work.path("tables", f"{key}.part.json")
        if Table.exists(work.db, key) and (model is None or not part.is_file()):
            shutil.rmtree(Path(work.db, f"{key}.lance"))  # nobody knows how long it took
        with watch(what, chunks.count) as advance:
            kept = work.keep("tables", key, _index(chunks, model, work, key, advance))
        part.unlink(missing_ok=True)
    return Indexed(
        name=key, chunks=kept["chunks"], bytes=kept["bytes"], seconds=kept["seconds"],
        chunks_a_second=kept.get("chunks_a_second"), characters_a_second=kept.get("characters_a_second"),
        truncated=kept["truncated"],
    )  # fmt: skip


class _Spent:
    """What a table has cost so far, in this run and in those before that were killed."""

    def __init__(self, work: Work, key: str, timed: Timed) -> None:
        self._work, self._name, self._timed = work, f"{key}.part.json", timed
        self._before: Json = {}
        try:
            self._before = loads(work.path("tables", self._name).read_bytes())
        except (OSError, ValueError):
            pass
        self._began = time.perf_counter()

    def _of(self, name: str) -> float:
        return float(self._before.get(name, 0))

    def now(self, truncated: int) -> Json:
        """Return texts and characters that were embedded, the seconds of that and of all, and what was truncated."""
        return {
            "texts": self._of("texts") + self._timed.texts,
            "characters": self._of("characters") + self._timed.characters,
            "embedding": self._of("embedding") + self._timed.seconds,
            "seconds": self._of("seconds") + time.perf_counter() - self._began,
            "truncated": self._of("truncated") + truncated,
        }

    def keep(self, truncated: int) -> None:
        """Write it down, before what it was spent on is committed."""
        self._work.write("tables", self._name, dumps(self.now(truncated)))


def _index(chunks: Chunks, model: Model | None, work: Work, key: str, advance: Advance) -> Json:
    counts = Report("embed", keep=False)
    made = {"model": model.contract if model is not None else _NO_MODEL, "metric": "cosine"}
    timed = Timed(model) if model is not None else None
    if model is not None:
        model.open()  # which is not counted
    began = time.perf_counter()
    spent = _Spent(work, key, timed) if timed is not None else None
    if spent is not None:
        spent.keep(0)
    if Table.exists(work.db, key):
        table = Table.open(work.db, key)
    else:
        table = Table.create(work.db, key, {**made, "splitter": chunks.splitter or None, "headings": False})
    writer = Writer(table, counts)
    passed = texts = 0
    with chunks.path.open("rb") as stream:
        fresh = writer.fresh(records(stream, Chunk, name=str(chunks.path)))
        for vector in embed(fresh, timed, report=counts) if timed is not None else map(_without_model, fresh):
            if timed is not None and spent is not None and timed.texts != texts:
                texts = timed.texts
                spent.keep(counts.counts["chunks_truncated"])
            writer.add(vector)
            advance(counts.counts["chunks_in"] - passed)
            passed = counts.counts["chunks_in"]
        advance(counts.counts["chunks_in"] - passed)
    writer.finish()
    rows = len(table)
    out: Json = {"chunks": rows, "bytes": _bytes(table), "seconds": time.perf_counter() - began, "truncated": 0}
    if spent is not None:
        cost = spent.now(counts.counts["chunks_truncated"])
        # What a killed run embedded and did not commit was embedded twice, and is no part of what a table costs.
        out["seconds"] = cost["seconds"] * min(1.0, rows / max(1.0, cost["texts"]))
        out["truncated"] = int(cost["truncated"])
        out["embedded"] = int(cost["texts"])
        if cost["embedding"] > 0:
            out["chunks_a_second"] = cost["texts"] / cost["embedding"]
            out["characters_a_second"] = cost["characters"] / cost["embedding"]
    return out


def _without_model(chunk: Chunk) -> Vector:
    return Vector(**{one.name: getattr(chunk, one.name) for one in fields(Chunk)}, vector=[1.0])


def _bytes(table: Table) -> int:
    """Return the bytes of a table on disk: of its last version only, as a table is that was written in one go."""
    maintain(table)
    table.dataset.optimize.compact_files()
    table.refresh()
    table.dataset.optimize.optimize_indices()
    table.refresh()
    table.dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)  # nobody else is at work here
    table.refresh()
    folder = Path(table.db, f"{table.name}.lance")
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def questions_once(
    questions: Sequence[Question], key: str, model: Model, work: Work, watch: Watch
) -> tuple[Array, int]:
    """Return the vectors (n, dimension) of the questions, embedded or kept, and how many the model did not read whole.

    Raises:
        RagcliError: the model fails.
    """
    made_from = key_of("questions", key, model.hash)
    path = work.path("questions", f"{made_from}.npy")
    kept = work.kept("questions", made_from, "truncated")
    if kept is not None:
        try:
            found = np.load(path, allow_pickle=False)
            if found.shape == (len(questions), model.contract["dimension"]):
                return found, kept["truncated"]
        except (OSError, ValueError):
            pass
    timed = Timed(model)
    parts = []
    longer: list[int] = []
    with watch(f"embedding questions, {model.shown}", len(questions)) as advance:
        for some in _batches(questions):
            parts.append(
                timed.encode([one.text for one in some], "query", on_truncated=lambda place, lost: longer.append(place))
            )
            advance(len(some))
    made = np.concatenate(parts)
    with work.writing(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, made)
    work.keep("questions", made_from, {"truncated": len(longer)})
    return made, len(longer)


def _batches(questions: Sequence[Question]) -> Iterator[Sequence[Question]]:
    for start in range(0, len(questions), _BATCH):
        yield questions[start : start + _BATCH]
