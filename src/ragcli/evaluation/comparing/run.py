"""The whole comparison: each stage once, each row measured on the same questions, what fails named and gone past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragcli.errors import RagcliError
from ragcli.evaluation.comparing.corpus import Asked, Corpus, check_work, prepare, read_asked
from ragcli.evaluation.comparing.differences import against
from ragcli.evaluation.comparing.grid import Grid, Splitter
from ragcli.evaluation.comparing.indexing import Chunks, Indexed, index_once, questions_once, split_once
from ragcli.evaluation.comparing.models import Array, Guarded, Model, Rerankers, place_of
from ragcli.evaluation.comparing.recommending import Advice, choose, recommend
from ragcli.evaluation.comparing.rows import Row
from ragcli.evaluation.comparing.searching import Found, search_once
from ragcli.evaluation.comparing.watching import Watch, silent
from ragcli.evaluation.comparing.work import Work, at_work, key_of
from ragcli.evaluation.judging import from_cases
from ragcli.evaluation.measures import DIGITS, per_query
from ragcli.evaluation.qrels import Qrels
from ragcli.evaluation.relevance import Collection
from ragcli.evaluation.statistics import interval
from ragcli.records import ComparisonRow, Recommendation
from ragcli.report import Report
from ragcli.store import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A comparison that was made.

    Args:
        grid: what was asked for.
        corpus: on which documents and questions.
        rows: all rows, those that failed, too.
        best: the row with the highest mean of the first measure.
        advice: what to take.
        reused: results that the work folder had.
        made: results that were computed.
    """

    grid: Grid
    corpus: Corpus
    rows: Sequence[Row]
    best: Row
    advice: Advice
    reused: int
    made: int

    @property
    def records(self) -> Iterator[ComparisonRow | Recommendation]:
        """A record for each row, then the recommendation."""
        queries = [one.id for one in self.corpus.questions]
        for row in self.rows:
            yield row.record(self.grid.measures, queries, self.grid.level, self.best.number)
        yield self.advice.record(self.grid, self.corpus)


def compare_grid(
    grid: Grid, work: Path, *, device: str = "auto", report: Report | None = None, watch: Watch = silent
) -> Compared:
    """Compare what a grid asks for; what was computed before is taken from the work folder.

    Args:
        grid: what is asked for.
        work: a folder that keeps what each stage gave.
        device: where models run.
        report: is told files that could not be loaded, and rows that failed.
        watch: is told the progress.

    Raises:
        InputError: the documents, cases or judgements are not what they should be.
        RagcliError: no row could be measured.
    """
    check_work(grid, work)
    asked = read_asked(grid)
    counts = Report("eval", keep=False) if report is None else report
    with at_work(work) as kept:
        return _Run(grid, kept, device, counts, watch).compared(asked)


class _Run:
    def __init__(self, grid: Grid, work: Work, device: str, report: Report, watch: Watch) -> None:
        self.grid, self.work, self.report, self.watch = grid, work, report, watch
        self.models = [
            Model(name, "builtin" if name is None else grid.shown.get(name, name), device, work) for name in grid.models
        ]
        self.device = device
        self.rerankers = Rerankers(device)
        self.rows = self._rows()
        self.steps = len(grid.splitters) * (2 + len(self.models)) + len(self.models) + len(self.rows) + 1
        self.step = 0
        self.gold: dict[str, tuple[Qrels, int]] = {}  # of each splitter, with how many cases no chunk answers

    def _rows(self) -> list[Row]:
        rows: list[Row] = []
        for splitter in self.grid.splitters:
            searches: list[tuple[str | None, str]] = [(None, "text")]
            searches += [(model.shown, mode) for model in self.models for mode in self.grid.modes]
            for model, mode in searches:
                for reranker in self.grid.rerankers:
                    shown = None if reranker is None else self.grid.shown.get(reranker, reranker)
                    rows.append(
                        Row(
                            number=len(rows) + 1, splitter=splitter, model=model, reranker=shown,
                            mode="text" if mode == "text" else "vector" if mode == "vector" else "hybrid",
                        )
                    )  # fmt: skip
        return rows

    def _watch(self) -> Watch:
        """Return what is told the next step, with its number; steps that were kept are passed over."""
        self.step += 1
        number = f"{self.step}/{self.steps}"
        return lambda what, total=None: self.watch(f"{number} {what}", total)

    def compared(self, asked: Asked) -> Compared:
        corpus = prepare(self.grid, asked, self.work, self.report, self._watch())
        cut: dict[Splitter, Chunks] = {}
        for splitter in self.grid.splitters:
            rows = [row for row in self.rows if row.splitter == splitter]
            with self._failing(rows):
                cut[splitter] = split_once(corpus, splitter, self.work, self._watch())
                lost = cut[splitter].lost
                if lost is not None:
                    self.report.lose(lost[0], splitter.name, lost[1])
        for model in (None, *self.models):
            shown = None if model is None else model.shown
            if not any(row.model == shown for row in self.rows):
                continue
            tables: dict[Splitter, Indexed] = {}
            for splitter, chunks in cut.items():
                rows = [row for row in self.rows if row.splitter == splitter and row.model == shown]
                what = f"indexing, {shown or 'full text'}, {splitter.name}"
                with self._failing(rows):
                    tables[splitter] = index_once(chunks, model, self.work, what, self._watch())
            self._search(corpus, asked, model, [row for row in self.rows if row.model == shown], tables)
            if model is not None:
                model.close()
        return self._finished(corpus, asked)

    def _failing(self, rows: Sequence[Row]) -> _Failing:
        return _Failing(rows, self.report)

    def _search(
        self, corpus: Corpus, asked: Asked, model: Model | None, rows: Sequence[Row], tables: Mapping[Splitter, Indexed]
    ) -> None:
        """Search and measure the rows of one model, those of one reranker after those of another."""
        rows = [row for row in rows if not row.failed]
        key = key_of("asked", asked.key, [one.id for one in corpus.questions])
        vectors: Array | None = None
        longer = 0
        if model is not None and rows:
            with self._failing(rows):
                vectors, longer = questions_once(corpus.questions, key, model, self.work, self._watch())
        for name in self.grid.rerankers:
            shown = None if name is None else self.grid.shown.get(name, name)
            for row in rows:
                if row.failed or row.reranker != shown:
                    continue
                with self._failing([row]):
                    row.indexed = tables[row.splitter]
                    found = search_once(
                        corpus.questions, key, row.indexed, row.mode, self.work, f"searching, {row.name}",
                        self._watch(), model=model, vectors=vectors, reranker=self._reranker(name),
                    )  # fmt: skip
                    cut = {"chunks": row.indexed.truncated, "questions": longer, "hits": found.truncated}
                    row.truncated = {what: count for what, count in cut.items() if count}
                    self._measure(corpus, asked, row, found)

    def _reranker(self, name: str | None) -> tuple[str, Guarded] | None:
        if name is None:
            return None
        from ragcli.models.folder import resolve

        return f"{resolve(name).hash} {place_of(self.device)}", Guarded(name, lambda: self.rerankers.open(name))

    def _measure(self, corpus: Corpus, asked: Asked, row: Row, found: Found) -> None:
        gold = corpus.gold
        assert row.indexed is not None
        if asked.cases:
            chunks, row.unheld = self._chunk_gold(asked, row.splitter, row.indexed)
            gold = chunks if self.grid.level == "chunk" else gold
        values = per_query(found.rankings[self.grid.level], gold, self.grid.measures)
        queries = [one.id for one in corpus.questions]
        row.values = {name: [by_query[query] for query in queries] for name, by_query in values.items()}
        row.intervals = {name: interval(one) for name, one in row.values.items()}
        row.latency = found.latency

    def _chunk_gold(self, asked: Asked, splitter: Splitter, indexed: Indexed) -> tuple[Qrels, int]:
        """Return the chunks of a splitter that hold each case's answers, and how many cases have none."""
        if splitter.name not in self.gold:
            key = key_of("gold", indexed.name, asked.key)
            kept = self.work.kept("gold", key, "right", "unheld")
            if kept is None:
                collection = Collection(Table.open(self.work.db, indexed.name))
                judged = from_cases(asked.cases, collection, Report("eval", keep=False), "chunk")
                kept = self.work.keep("gold", key, {"right": judged.levels["chunk"], "unheld": len(judged.unheld)})
            self.gold[splitter.name] = kept["right"], kept["unheld"]
        return self.gold[splitter.name]

    def _finished(self, corpus: Corpus, asked: Asked) -> Compared:
        measured = [row for row in self.rows if not row.failed]
        if not measured:
            raise RagcliError("no row of the comparison could be measured; see above.")
        main = self.grid.measures[0]
        highest = max(round(row.intervals[main].value, DIGITS) for row in measured)
        best = choose([row for row in measured if round(row.intervals[main].value, DIGITS) == highest], main)
        values = {row.number: row.values[main] for row in measured}
        texts = {row.splitter: row.number for row in measured if row.mode == "text" and row.reranker is None}
        to_best = against(values, {row.number: best.number for row in measured if row is not best})
        to_text = against(
            values,
            {
                row.number: texts[row.splitter]
                for row in measured
                if row.splitter in texts and texts[row.splitter] != row.number
            },
        )
        for row in measured:
            row.against_best, row.against_text = to_best.get(row.number), to_text.get(row.number)
        advice = recommend(self.rows, best, main, self.grid.level, corpus)
        return Compared(
            grid=self.grid, corpus=corpus, rows=self.rows, best=best, advice=advice,
            reused=self.work.reused, made=self.work.made,
        )  # fmt: skip


class _Failing:
    """Turns an error in its block into the rows' own, and tells the report each row that is lost by it."""

    def __init__(self, rows: Sequence[Row], report: Report) -> None:
        self._rows, self._report = rows, report

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, RagcliError):
            return False
        for row in self._rows:
            if not row.failed:
                row.error = error.message
                row.indexed = row.latency = None
                hint = {"hint": error.hint} if error.hint else {}
                self._report.lose("failed", f"row {row.number}, {row.name}", error.message, **hint)
        return True
