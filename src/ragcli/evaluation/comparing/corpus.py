"""The documents and questions of a comparison: loaded once, sampled so that what is asked for stays in.

What is right is said of whole documents, before any splitter cuts them, so that every row is measured by the same
judgements. A sample holds all documents that hold an answer or that a case names, and as many others as fit, drawn by
a digest of their ids: the same ones in any order and on any machine. They are the distractors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ragcli.errors import InputError, UsageError
from ragcli.evaluation.cases import cases as read_cases
from ragcli.evaluation.comparing.grid import _URL, Grid
from ragcli.evaluation.comparing.watching import Watch
from ragcli.evaluation.comparing.work import Work, file_digest, key_of
from ragcli.evaluation.judging import from_qrels
from ragcli.evaluation.qrels import Qrels, read_qrels
from ragcli.evaluation.relevance import Answering, Collection
from ragcli.jsonl import dumps, loads, records
from ragcli.questions import Question, read_questions
from ragcli.records import Case, Document, Json, content_id
from ragcli.report import Report
from ragcli.trec import document_name

_SEED = "ragcli-compare-1"
_CORPUS = (
    "path", "key", "gold", "total", "used", "needed", "characters", "unheld", "unanswerable", "unjudged",
)  # fmt: skip
_SAID = ("failed", "partial", "warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The questions, and where what is right for them is read from; ``key`` is a digest of it all."""

    key: str
    questions: list[Question]
    cases: list[Case]
    qrels: Qrels


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Documents and questions that are ready.

    Args:
        path: the sample, as document records.
        key: a digest of it.
        questions: those that are measured.
        gold: the documents that are right for each.
        total: documents that there are.
        used: those of the sample.
        needed: those of them that hold an answer or are named.
        characters: of the sample's texts.
        unheld: cases whose answers no document holds; they count as not found.
        unanswerable: how many cases were left out because nothing is right for them.
        unjudged: how many questions were left out because no judgement names them.
    """

    path: Path
    key: str
    questions: list[Question]
    gold: Qrels
    total: int
    used: int
    needed: int
    characters: int
    unheld: list[str]
    unanswerable: int
    unjudged: int

    def documents(self) -> Iterator[Document]:
        """Yield the documents of the sample."""
        with self.path.open("rb") as stream:
            yield from records(stream, Document, name=str(self.path))


def read_asked(grid: Grid) -> Asked:
    """Return the questions of a comparison.

    Raises:
        InputError: a line is no case, question or judgement; or there is no question.
    """
    if grid.cases is not None:
        with grid.cases.open("rb") as stream:
            cases = list(read_cases(stream, name=str(grid.cases)))
        asked = [Question(id=case.id, text=case.question) for case in cases if case.answers]
        if not asked:
            raise InputError(f"{grid.cases}: no case has an answer that could be found.")
        return Asked(key=key_of("cases", file_digest(grid.cases)), questions=asked, cases=cases, qrels={})
    assert grid.queries is not None
    assert grid.qrels is not None
    with grid.queries.open("rb") as stream:
        questions = list(read_questions(stream, name=str(grid.queries)))
    qrels = read_qrels(grid.qrels)
    key = key_of("qrels", file_digest(grid.queries), file_digest(grid.qrels))
    return Asked(key=key, questions=questions, cases=[], qrels=qrels)


def prepare(grid: Grid, asked: Asked, work: Work, report: Report, watch: Watch) -> Corpus:
    """Return the documents and questions of a comparison, loaded and sampled, or as they were kept.

    Raises:
        InputError: a line is no document; a case or a judgement names what is not there; nothing could be loaded.
    """
    path, digest = _source(grid, work, report, watch)
    key = key_of("corpus", digest, asked.key, grid.sample)
    kept = work.kept("corpora", key, *_CORPUS)
    if kept is None or not Path(kept["path"]).is_file():
        kept = work.keep("corpora", key, _sampled(grid, asked, path, digest, key, work, report, watch))
    judged = set(kept["gold"])
    return Corpus(
        path=Path(kept["path"]), key=kept["key"], gold=kept["gold"],
        questions=[one for one in asked.questions if one.id in judged],
        total=kept["total"], used=kept["used"], needed=kept["needed"], characters=kept["characters"],
        unheld=kept["unheld"], unanswerable=kept["unanswerable"], unjudged=kept["unjudged"],
    )  # fmt: skip


def _source(grid: Grid, work: Work, report: Report, watch: Watch) -> tuple[Path, str]:
    """Return a file of all documents and a digest of them; what cannot be loaded is told the report each time."""
    if len(grid.inputs) == 1 and _holds_records(path := grid.folder / Path(grid.inputs[0]).expanduser()):
        return path, file_digest(path)
    key = None if any(_URL.match(one) for one in grid.inputs) else key_of("load", _files(grid))
    kept = work.kept("documents", key, "documents", "digest", "losses") if key is not None else None
    path = work.path("documents", f"{key or key_of('load', grid.inputs)}.jsonl")
    if kept is None or not path.is_file():
        kept = _load(grid, path, work, watch)
        if key is not None:
            work.keep("documents", key, kept)
    for loss in kept["losses"]:
        report.lose(**loss)
    if not kept["documents"]:
        raise InputError(f"{grid.path}: documents: no document came out of {', '.join(grid.inputs)}.")
    return path, kept["digest"]


def _holds_records(path: Path) -> bool:
    """Whether a file holds document records, as `ragcli load` writes them."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        first = stream.readline(1 << 24)
    try:
        value = loads(first)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("type") == Document.type


def _left_out(grid: Grid) -> list[Path]:
    """Return the files of the comparison itself, which are no documents where they lie among them."""
    return [path for path in (grid.path, grid.cases, grid.queries, grid.qrels) if path is not None]


def _places(grid: Grid) -> dict[str, str]:
    """Return the paths of the documents, and how they are written in the file."""
    return {str(grid.folder / Path(one).expanduser()): one for one in grid.inputs if not _URL.match(one)}


def _files(grid: Grid) -> Json:
    """Return what decides the documents: the files with their digests, and how they are loaded."""
    from ragcli.loading.discovery import Discovery
    from ragcli.loading.reading import how
    from ragcli.loading.source import Options

    finder = Discovery(
        include=(), exclude=(), gitignore=True, hidden=False, report=Report("load", keep=False), outputs=_left_out(grid)
    )
    found = {}
    places = _places(grid)
    for place in places:
        for one in finder.find(place):
            name = _named(one.name, places)
            try:
                found[name] = file_digest(Path(one.path)) if one.lost is None and one.regular else str(one.lost)
            except OSError as error:
                found[name] = str(error.strerror)
    return {"inputs": list(grid.inputs), "how": how(Options()), "files": found}


def _load(grid: Grid, path: Path, work: Work, watch: Watch) -> Json:
    from ragcli.loading import load

    places = _places(grid)
    inputs = [one if _URL.match(one) else str(grid.folder / Path(one).expanduser()) for one in grid.inputs]
    counts = Report("load")
    total = 0
    with work.writing(path) as temporary, temporary.open("wb") as stream, watch("loading documents") as advance:
        for document in load(inputs, outputs=_left_out(grid), report=counts):
            source = _named(document.source, places)
            if source != document.source:
                document = replace(document, source=source, id=content_id(source, document.text))
            stream.write(dumps(document.to_dict()) + b"\n")
            total += 1
            advance(1)
    losses = [{**loss, "source": _named(loss["source"], places)} for loss in counts.losses if loss["kind"] in _SAID]
    return {"documents": total, "digest": file_digest(path), "losses": losses, "counts": dict(counts.counts)}


def _named(source: str, places: dict[str, str]) -> str:
    """Return what a source is called where the grid's file lies, so that its name is the same wherever one stands."""
    for place, given in places.items():
        rest = source.removeprefix(Path(place).as_posix())
        if rest != source and rest[:1] in ("", "/", "#") and not given.startswith("~"):
            return Path(given).as_posix() + rest
    return source


class _Names:
    """The names of documents, as rows for a `Collection` without texts."""

    def __init__(self, documents: Iterable[Document], advance: object) -> None:
        self.rows: list[Json] = []
        assert callable(advance)
        for one in documents:
            self.rows.append({"id": one.id, "document_id": one.id, "source": one.source, "metadata": one.metadata})
            advance(1)

    def scan(self, columns: list[str]) -> Iterator[Json]:
        """Yield the rows."""
        yield from self.rows


def _sampled(
    grid: Grid, asked: Asked, path: Path, digest: str, key: str, work: Work, report: Report, watch: Watch
) -> Json:
    """Say what is right for each question, and take the sample."""
    all_ids: dict[str, None] = {}
    unheld: list[str] = []
    unanswerable = unjudged = 0
    with path.open("rb") as stream, watch("looking for the answers in the documents") as advance:
        documents = records(stream, Document, name=str(path))
        if asked.cases:
            answering = Answering(asked.cases)
            for document in documents:
                all_ids[document.id] = None
                answering.see(document)
                advance(1)
            gold, needed = answering.gold()
            right, unheld, unanswerable = gold.documents, gold.unheld, len(gold.unanswerable)
        else:
            names = _Names(documents, advance)
            counts = Report("eval", keep=False)
            judged = from_qrels(asked.questions, asked.qrels, Collection(names, texts=False), counts, "document")
            right, unjudged = judged.levels["document"], counts.counts["unjudged"]
            graded = {name for grades in right.values() for name, grade in grades.items() if grade > 0}
            all_ids = dict.fromkeys(row["id"] for row in names.rows)
            needed = {row["id"] for row in names.rows if document_name(row["source"], row["metadata"]) in graded}
    if not all_ids:
        raise InputError(f"{path} holds no documents.")
    chosen: set[str] | None = None
    if grid.sample is not None and grid.sample < len(all_ids):
        others = sorted((one for one in all_ids if one not in needed), key=lambda one: content_id(_SEED, one))
        chosen = needed | set(others[: max(0, grid.sample - len(needed))])
    out = path if chosen is None else work.path("corpora", f"{key}.jsonl")
    characters = _write_sample(path, out, chosen, work)
    return {
        "path": str(out.resolve()),
        "key": digest if chosen is None else file_digest(out),
        "gold": right,
        "total": len(all_ids),
        "used": len(all_ids) if chosen is None else len(chosen),
        "needed": len(needed),
        "characters": characters,
        "unheld": unheld,
        "unanswerable": unanswerable,
        "unjudged": unjudged,
    }


def _write_sample(path: Path, out: Path, chosen: set[str] | None, work: Work) -> int:
    """Write the documents that were chosen, where not all are; return their characters."""
    characters = 0
    with path.open("rb") as stream:
        documents = records(stream, Document, name=str(path))
        if chosen is None:
            return sum(len(document.text) for document in documents)
        with work.writing(out) as temporary, temporary.open("wb") as target:
            for document in documents:
                if document.id in chosen:
                    target.write(dumps(document.to_dict()) + b"\n")
                    characters += len(document.text)
    return characters


def check_work(grid: Grid, folder: Path) -> None:
    """Refuse a work folder among the documents, which would be loaded with them.

    Raises:
        UsageError: it lies in a folder of documents.
    """
    place = folder.resolve()
    for given in grid.inputs:
        if not _URL.match(given):
            inside = (grid.folder / Path(given).expanduser()).resolve()
            if not inside.is_dir() or (inside != place and inside not in place.parents):
                continue
            if not any(part.startswith(".") for part in place.relative_to(inside).parts):  # hidden ones are not loaded
                raise UsageError(
                    f"--work {folder} lies in {given!r}, among the documents.", hint="Name a folder elsewhere."
                )
