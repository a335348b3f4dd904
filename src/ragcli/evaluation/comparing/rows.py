"""The rows of a comparison: what was tried, how it did, and how one is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ragcli.evaluation.comparing.differences import Difference
from ragcli.evaluation.comparing.grid import Splitter
from ragcli.evaluation.comparing.indexing import Indexed
from ragcli.evaluation.comparing.searching import Latency
from ragcli.evaluation.measures import DIGITS
from ragcli.evaluation.statistics import Interval
from ragcli.records import ComparisonRow, Json
from ragcli.retrieval import Mode

LEVELS_OF_COST = ("no model", "an embedding model", "a reranker")


def counted(questions: int) -> str:
    """Return a number of questions in words: 1 question, 2 questions."""
    return f"{questions:,} question{'s' * (questions != 1)}"


@dataclass(slots=True, kw_only=True)
class Row:
    """A row: a splitter, a mode, a model and a reranker, with what was measured, or with why it failed.

    Args:
        number: from 1, as it is called in tables and drawings.
        splitter: how documents are cut.
        mode: how the table is searched.
        model: as it is shown; None for full text.
        reranker: likewise; None for none.
        error: why it failed; nothing is measured then.
        indexed: its table.
        latency: of its questions.
        values: measure -> the value of each question, in their order.
        intervals: measure -> the mean with its interval.
        unheld: how many cases' answers no single chunk of the splitter holds.
        truncated: what its models did not read to the end: chunks, questions, hits.
        against_best: how it differs from the best row.
        against_text: how it differs from full text with the same splitter.
    """

    number: int
    splitter: Splitter
    mode: Mode
    model: str | None
    reranker: str | None
    error: str | None = None
    indexed: Indexed | None = None
    latency: Latency | None = None
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    unheld: int = 0
    truncated: dict[str, int] = field(default_factory=dict)
    against_best: Difference | None = None
    against_text: Difference | None = None

    @property
    def search(self) -> str:
        """What searches: the mode, the model and the reranker."""
        parts: list[str] = ["full text" if self.mode == "text" else self.mode]
        parts += [one for one in (self.model, f"reranked by {self.reranker}" if self.reranker else None) if one]
        return ", ".join(parts)

    @property
    def name(self) -> str:
        """What the row is called: with the splitter."""
        return f"{self.search}, {self.splitter.name}"

    @property
    def failed(self) -> bool:
        """Whether nothing was measured."""
        return self.error is not None

    @property
    def level_of_cost(self) -> int:
        """What it needs when it is asked: its place in `LEVELS_OF_COST`."""
        return 2 if self.reranker else 0 if self.mode == "text" else 1

    def record(self, measures: Sequence[str], queries: Sequence[str], level: str, best: int | None) -> ComparisonRow:
        """Return the row as it is written."""
        shown: Json = {}
        if self.indexed is not None and self.latency is not None:
            table, took = self.indexed, self.latency
            shown = {
                "measures": {name: _rounded(self.intervals[name]) for name in measures},
                "queries": list(queries),
                "values": {name: [round(one, DIGITS) for one in self.values[name]] for name in measures},
                "latency": {
                    "p50_ms": round(1000 * took.p50, 3), "p95_ms": round(1000 * took.p95, 3),
                    "questions": took.questions,
                },
                "chunks": table.chunks,
                "bytes_per_chunk": round(table.bytes / max(1, table.chunks), 1),
                "index_seconds": round(table.seconds, 3),
                "embedding": {
                    "chunks_per_second": _few(table.chunks_a_second),
                    "characters_per_second": _few(table.characters_a_second),
                } if table.chunks_a_second is not None else None,
            }  # fmt: skip
        return ComparisonRow(
            row=self.number,
            name=self.name,
            mode=self.mode,
            splitter={
                "name": self.splitter.name, "size": self.splitter.size, "overlap": self.splitter.overlap,
                "unit": self.splitter.unit if self.splitter.parser is None else None, "model": self.splitter.model,
                "parser": self.splitter.parser, "options": self.splitter.shown_options,
            },
            model=self.model,
            reranker=self.reranker,
            error=self.error,
            level=level,
            questions=0 if self.failed else len(queries),
            best=self.number == best,
            against_best=self.against_best.to_json() if self.against_best else None,
            against_text=self.against_text.to_json() if self.against_text else None,
            unheld=self.unheld,
            truncated=self.truncated,
            **shown,
        )  # fmt: skip


def _rounded(made: Interval) -> Json:
    return {"value": round(made.value, DIGITS), "low": round(made.low, DIGITS), "high": round(made.high, DIGITS)}


def _few(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
