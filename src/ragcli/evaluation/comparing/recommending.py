"""What to take, in words: the cheapest row of those that the questions cannot tell from the best.

Cheaper is what needs less to answer: no model, then an embedding model, then a reranker; of the same need, what is
quicker. Rows as quick as the quickest, within a quarter or a millisecond, are taken by their mean, then by their bytes.
Timings are rougher than that. What the questions are too few to show is said with it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from ragcli.evaluation.comparing.corpus import Corpus
from ragcli.evaluation.comparing.differences import Difference, can_show, smallest_seen
from ragcli.evaluation.comparing.grid import Grid
from ragcli.evaluation.comparing.rows import Row, counted
from ragcli.evaluation.judging import Level
from ragcli.evaluation.measures import DIGITS
from ragcli.jsonl import dumps
from ragcli.records import Recommendation
from ragcli.splitting.parser import parser_words

_AS_QUICK = 1.25
_A_MILLISECOND = 0.001
_COARSE = 0.03  # a difference in the mean that people care about: above it the questions are too few
_EASY = 0.97


@dataclass(slots=True, kw_only=True)
class Advice:
    """What to take, and what to know about it.

    Args:
        row: the row; None where no row finds anything.
        best: the row with the highest mean.
        reasons: why, in sentences; the first says what to take.
        alternatives: what else may be wanted, and what it costs.
        warnings: what these questions and documents do not say.
        commands: how the row is run.
        smallest: the smallest difference that the questions would show; None where they show none, or no row differs.
    """

    row: Row | None
    best: Row
    reasons: list[str] = field(default_factory=list)
    alternatives: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    smallest: float | None = None

    def record(self, grid: Grid, corpus: Corpus) -> Recommendation:
        """Return the advice as it is written."""
        return Recommendation(
            row=self.row.number if self.row else None,
            name=self.row.name if self.row else "",
            best=self.best.number,
            text=" ".join(self.reasons),
            alternatives=self.alternatives,
            warnings=self.warnings,
            commands=self.commands,
            measure=grid.measures[0],
            level=grid.level,
            questions=len(corpus.questions),
            smallest_difference=None if self.smallest is None else round(self.smallest, DIGITS),
            documents={"all": corpus.total, "used": corpus.used, "needed": corpus.needed},
        )


def choose(rows: Sequence[Row], measure: str) -> Row:
    """Return the cheapest of rows that cannot be told apart."""
    level = min(row.level_of_cost for row in rows)
    alike = [row for row in rows if row.level_of_cost == level]
    quickest = min(_p50(row) for row in alike)
    quick = [row for row in alike if _p50(row) <= max(quickest * _AS_QUICK, quickest + _A_MILLISECOND)]
    return min(quick, key=lambda row: (-round(row.intervals[measure].value, DIGITS), _bytes(row), row.number))


def recommend(rows: Sequence[Row], best: Row, measure: str, level: Level, corpus: Corpus) -> Advice:
    """Return what to take of rows that were compared with the best one; rows that failed are none.

    Args:
        rows: all rows.
        best: the one with the highest mean.
        measure: by which they were compared.
        level: at which.
        corpus: on which documents and questions.
    """
    measured = [row for row in rows if not row.failed]
    alike = [row for row in measured if row is best or (row.against_best and not row.against_best.distinguishable)]
    n = len(corpus.questions)
    if best.intervals[measure].value <= 0:
        none = Advice(row=None, best=best, reasons=[f"No row finds what is right for any of {counted(n)}."])
        none.warnings = _warnings(none, rows, measured, measure, level, corpus)
        return none
    row = choose(alike, measure)
    made = Advice(row=row, best=best)
    made.reasons.append(f"Take {row.name} (row {row.number}).")
    made.reasons += _why(row, best, measured, alike, measure, n)
    made.reasons.append(_price(row))
    made.alternatives = _alternatives(row, best, measured, measure, n)
    made.smallest = _smallest(row, best, alike, measure, len(measured) - 1)
    made.warnings = _warnings(made, rows, measured, measure, level, corpus)
    made.commands = _commands(row)
    return made


def _why(row: Row, best: Row, measured: Sequence[Row], alike: Sequence[Row], measure: str, n: int) -> list[str]:
    mean = row.intervals[measure]
    its = f"{mean.value:.3f} ({mean.low:.3f} to {mean.high:.3f}, 95 %) on {counted(n)}"
    worse = len(measured) - len(alike)
    if row is not best:
        assert row.against_best is not None
        return [
            f"Its {measure} is {its}.",
            f"The highest mean is that of {best.name} (row {best.number}), {best.intervals[measure].value:.3f};"
            f" {_difference(row.against_best, n)}.",
            f"Of the {len(alike)} rows that these questions cannot tell from the best, it is the cheapest.",
        ]
    if len(measured) == 1:
        return [f"It is the only row that was measured; its {measure} is {its}."]
    out = [f"Its {measure} is the highest: {its}."]
    if worse == len(measured) - 1:
        out.append(f"All {worse} other rows are worse by more than chance." if worse > 1 else
                   "The other row is worse by more than chance.")  # fmt: skip
    else:
        others, which = len(measured) - 1, len(alike) - 1
        some = (
            f"{which} of the {others} other rows cannot" if which < others else f"None of the {others} other rows can"
        )
        out.append(
            f"{some if others > 1 else 'The other row cannot'} be told from it on these questions, and none that"
            " cannot is cheaper by more than timings vary."
        )
    return out


def _difference(made: Difference, n: int) -> str:
    """Return in words how a row differs from another."""
    pair = made.paired
    if not pair.better and not pair.worse:
        return f"on {counted(n)} they are the same"
    how = "lower" if pair.difference < 0 else "higher"
    size = f"it is {abs(pair.difference):.3f} {how} ({pair.low:+.3f} to {pair.high:+.3f})"
    if pair.difference == 0:
        size = f"their means are equal ({pair.low:+.3f} to {pair.high:+.3f})"
    count = f"{counted(pair.better)} better, {pair.worse} worse, p {made.p:.3f}"
    if made.distinguishable:
        return f"{size}, more than chance ({count})"
    return f"{size}, which is not distinguishable from chance on {counted(n)} ({count})"


def _price(row: Row) -> str:
    assert row.indexed is not None
    assert row.latency is not None
    needs = ("It needs no model", "It needs an embedding model", "It needs a reranker")[row.level_of_cost]
    table = row.indexed
    speed = f", at {table.chunks_a_second:.1f} chunks a second" if table.chunks_a_second else ""
    without = " (without vectors, which ragcli embed makes all the same)" if row.mode == "text" else ""
    return (
        f"{needs}: a question takes {_ms(row.latency.p50)} (median; 95 % within {_ms(row.latency.p95)}), a chunk"
        f" {table.bytes / max(1, table.chunks):,.0f} bytes, and indexing took {table.seconds:.1f} s{speed}{without}."
    )


def _alternatives(row: Row, best: Row, measured: Sequence[Row], measure: str, n: int) -> list[str]:
    out = []
    if row is not best:
        out.append(
            f"For the highest mean, whatever it costs: {best.name} (row {best.number}), {_ms(_p50(best))} a question."
        )
    for level, what in ((0, "Without a model"), (1, "Without a reranker")):
        cheaper = [one for one in measured if one.level_of_cost == level < row.level_of_cost]
        if cheaper:
            other = max(cheaper, key=lambda one: (one.intervals[measure].value, -one.number))
            if other.against_best is None:
                continue
            out.append(
                f"{what}: {other.name} (row {other.number}), {_ms(_p50(other))} a question;"
                f" beside the best {_difference(other.against_best, n)}."
            )
    return out


def _smallest(row: Row, best: Row, alike: Sequence[Row], measure: str, comparisons: int) -> float | None:
    """Return the smallest difference that would be seen between the row and the best, or the best and its like."""
    if row is not best:
        return smallest_seen(row.values[measure], best.values[measure], comparisons)
    seen = [smallest_seen(one.values[measure], best.values[measure], comparisons) for one in alike if one is not best]
    return max((one for one in seen if one is not None), default=None)


def _warnings(
    made: Advice, rows: Sequence[Row], measured: Sequence[Row], measure: str, level: Level, corpus: Corpus
) -> list[str]:
    n, comparisons = len(corpus.questions), len(measured) - 1
    out = []
    if comparisons and not can_show(n, comparisons):
        least = next(number for number in range(2, 64) if can_show(number, comparisons))
        out.append(
            f"{counted(n)} {'are' if n != 1 else 'is'} too few to show any difference between {len(measured)} rows;"
            f" at least {least}, and for small differences hundreds, are needed."
        )
    elif made.smallest is not None and made.smallest > _COARSE:
        needed = int(n * (made.smallest / _COARSE) ** 2) + 1
        out.append(
            f"{n} questions show differences in {measure} of about {made.smallest:.3f} or more; smaller ones stay"
            f" unseen. For {_COARSE:g}, about {needed:,} are needed."
        )
    pair = made.row.against_best.paired if made.row and made.row.against_best else None
    if pair is not None and pair.low < -_COARSE:
        out.append(f"The row that is recommended may be up to {-pair.low:.3f} worse than the best.")
    if len(measured) > 1 and min(row.intervals[measure].value for row in measured) >= _EASY:
        out.append("All rows find nearly everything: harder questions, or more documents, would tell them apart.")
    if level == "document" and len({row.splitter for row in measured}) > 1:
        out.append(
            "Splitters are compared by the documents that are found, not by whether a hit holds the answer:"
            ' level = "chunk" does that, with cases, and may favour another size.'
        )
    if corpus.used < corpus.total:
        out.append(
            f"{corpus.used:,} of {corpus.total:,} documents were searched ({corpus.needed:,} that hold answers or are"
            " named, the others by chance): among all of them less is found."
        )
        if corpus.used == corpus.needed:
            out.append("The sample has no documents beside those: raise sample, so that there is something to confuse.")
    if corpus.unheld:
        out.append(f"The answers of {len(corpus.unheld)} of {n} questions are in no document: no row can find them.")
    cut = {row.splitter.name: row.unheld - len(corpus.unheld) for row in measured}
    if any(cut.values()):
        said = ", ".join(f"{count} with {name}" for name, count in cut.items())
        count = "they count as not found" if level == "chunk" else "at the level of documents that does not count"
        out.append(f"Answers that a document holds and no single chunk of it: {said}; {count}.")
    out += _truncated(measured)
    failed = len(rows) - len(measured)
    if failed:
        out.append(f"{failed} of {len(rows)} rows failed, and nothing is known of them.")
    return out


def _truncated(measured: Sequence[Row]) -> list[str]:
    """Say what models did not read to the end, once for each model."""
    said: dict[str, None] = {}
    for row in measured:
        for what, count in row.truncated.items():
            model = row.reranker if what == "hits" else row.model
            of = f" of {row.splitter.name}" if what == "chunks" else f" of {row.name}" if what == "hits" else ""
            said[f"{count} {what}{of} are longer than {model} reads, which knows only their beginning."] = None
    return list(said)


def _commands(row: Row) -> list[str]:
    splitter = row.splitter
    split = ["ragcli", "split"]
    for name, value in (("--size", splitter.size), ("--overlap", splitter.overlap)):
        split += [name, str(value)] if value is not None else []
    if splitter.unit == "tokens":
        split += ["--unit", "tokens", *(["-m", splitter.model] if splitter.model else [])]
    if splitter.parser is not None:
        split += parser_words(splitter.parser, dumps(splitter.shown_options).decode())
    model = ["-m", row.model] if row.model not in (None, "builtin") else []
    query = ["ragcli", "query", "-t", "kb", "--mode", row.mode, *(["--rerank", row.reranker] if row.reranker else [])]
    return [
        f"ragcli load … | {_line(split)} | {_line(['ragcli', 'embed', '-t', 'kb', *map(str, model)])}",
        _line(query),
    ]


def _line(words: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))


def _p50(row: Row) -> float:
    assert row.latency is not None
    return row.latency.p50


def _bytes(row: Row) -> int:
    assert row.indexed is not None
    return row.indexed.bytes


def _ms(seconds: float) -> str:
    value = 1000 * seconds
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"
