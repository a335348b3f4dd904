"""A comparison as a page: what to take, quality against speed, differences question by question, all rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ragcli.evaluation.comparing.differences import Difference
from ragcli.evaluation.comparing.rows import Row, counted
from ragcli.evaluation.comparing.run import Compared
from ragcli.pages import (
    Cell,
    Column,
    Given,
    Html,
    Mark,
    Point,
    bullets,
    details,
    differences,
    element,
    facts,
    figure,
    fragment,
    intervals,
    notice,
    page,
    paragraph,
    scatter,
    section,
    table,
    write_page,
)

_KINDS = ("full text", "vector", "hybrid", "with a reranker")
_DRAWN = 8  # rows whose differences are unfolded
_QUESTIONS = 25  # that are listed for each


def write_comparison(path: Path, made: Compared) -> None:
    """Write the page of a comparison.

    Raises:
        UsageError: the file cannot be written.
    """
    corpus = made.corpus
    of = f" of {corpus.total:,}" if corpus.used != corpus.total else ""
    parts = [_advice(made), _quality(made), _differences(made), _all(made), _how(made)]
    lead = f"{counted(len(corpus.questions))}, {corpus.used:,}{of} documents, {len(made.rows)} rows"
    write_page(path, page("Comparison of retrieval", *parts, lead=lead))


def _advice(made: Compared) -> Html:
    advice = made.advice
    first, *reasons = advice.reasons
    commands = [element("p", element("code", one)) for one in advice.commands]
    parts = [notice(*reasons, *commands, kind="good" if advice.row else "bad", heading=first)]
    if advice.alternatives:
        parts.append(notice(*advice.alternatives, kind="note", heading="Otherwise"))
    if advice.warnings:
        parts.append(notice(bullets(advice.warnings), kind="warning", heading="What this does not say"))
    failed = [row for row in made.rows if row.failed]
    if failed:
        lines = bullets(f"Row {row.number}, {row.name}: {row.error}" for row in failed)
        parts.append(notice(lines, kind="bad", heading="Rows that failed"))
    return section("What to take", *parts)


def _ordered(made: Compared) -> list[Row]:
    """Return the rows that were measured, best first."""
    measure = made.grid.measures[0]
    measured = [row for row in made.rows if not row.failed]
    return sorted(measured, key=lambda row: (-row.intervals[measure].value, row is not made.best, row.number))


def _kind(row: Row) -> int:
    return 3 if row.reranker else {"text": 0, "vector": 1, "hybrid": 2}[row.mode]


def _sub(row: Row, made: Compared) -> str | None:
    said = [text for text, one in (("best mean", made.best), ("recommended", made.advice.row)) if one is row]
    return ", ".join(said) or None


def _quality(made: Compared) -> Html:
    measure, rows = made.grid.measures[0], _ordered(made)
    marks, points = [], []
    for row in rows:
        assert row.latency is not None
        one, strong = row.intervals[measure], row is made.advice.row
        marks.append(
            Mark(
                name=f"{row.number}. {row.name}", value=one.value, low=one.low, high=one.high,
                shown=f"{one.value:.3f}", sub=_sub(row, made), kind=_kind(row), strong=strong,
            )
        )  # fmt: skip
        points.append(
            Point(
                label=str(row.number), name=f"{row.name}: {measure} {one.value:.3f}, {_ms(row.latency.p50)} ms",
                x=1000 * row.latency.p50, y=one.value, low=one.low, high=one.high, kind=_kind(row), strong=strong,
            )
        )  # fmt: skip
    said = "; ".join(f"row {point.label}, {point.name}" for point in points)
    used = max(map(_kind, rows)) + 1
    return section(
        "Quality and speed",
        figure(
            f"{measure} of each row", intervals(marks),
            explained="The mean over all questions, and its interval (95 %). Intervals that overlap do not say that"
            " rows are alike: the questions are the same, and are compared one by one below.",
        ),
        figure(
            f"{measure} against the time that a question takes",
            scatter(
                points, title=f"{measure} against milliseconds a question.", description=f"{said}.",
                x_axis="ms a question (median)", y_axis=measure, kinds=_KINDS[:used],
            ),
            explained="Up and left is better. Numbers are those of the rows; the one with a ring is recommended.",
        ),
    )  # fmt: skip


def _differences(made: Compared) -> Html:
    best, measure = made.best, made.grid.measures[0]
    rows = [row for row in _ordered(made) if row is not best]
    if not rows:
        return section("Question by question", paragraph("There is only one row."))
    same = [row for row in rows if list(row.values[measure]) == list(best.values[measure])]
    drawn = [_difference(best, row, row.against_best, made) for row in rows if row not in same]
    texts = {row.number: row for row in made.rows}
    text = texts[best.against_text.than] if best.against_text else None
    about = paragraph(
        f"Each question is a bar: its {measure} with the best row ({best.number}, {best.name}) less that with another."
        " Blue and up: the best row is better; orange and down: the other is. Questions on which both are equal are"
        " the empty middle."
    )
    more = drawn[_DRAWN:]
    return section(
        "Question by question",
        about,
        *drawn[:_DRAWN],
        details(f"{len(more)} more rows", *more) if more else None,
        paragraph("The same as the best row on every question:") if same else None,
        bullets(f"Row {row.number}: {row.name}" for row in same) if same else None,
        paragraph(f"Full text with the same splitter is row {text.number}.") if text else None,
    )


def _difference(best: Row, row: Row, made: Difference | None, compared: Compared) -> Html:
    assert made is not None
    measure, pair = compared.grid.measures[0], made.paired
    values = [one - other for one, other in zip(best.values[measure], row.values[measure], strict=True)]
    equal = pair.n - pair.better - pair.worse
    what = "more than chance" if made.distinguishable else f"not distinguishable on {counted(pair.n)}"
    counts = f"{counted(pair.worse)} better with row {best.number}, {pair.better} with row {row.number}, {equal} equal."
    said = f"{measure} {pair.difference:+.4f} ({pair.low:+.3f} to {pair.high:+.3f}), p {made.p:.4f}: {what}. {counts}"
    title = f"Row {row.number}: {row.name}"
    return figure(
        title,
        differences(values, title=title, description=counts),
        _most_different(best, row, values, compared),
        explained=said,
    )


def _most_different(best: Row, row: Row, values: Sequence[float], made: Compared) -> Html | None:
    """Return the questions on which two rows differ most, folded away."""
    order = sorted((at for at, value in enumerate(values) if value), key=lambda at: (-abs(values[at]), at))
    if not order:
        return None
    measure, questions = made.grid.measures[0], made.corpus.questions
    columns = [Column("question", wide=True), Column(f"row {best.number}", number=True),
               Column(f"row {row.number}", number=True), Column("difference", number=True)]  # fmt: skip
    rows: list[list[Given]] = [
        [questions[at].text, *(Cell(f"{one:.3f}", one) for one in (best.values[measure][at], row.values[measure][at])),
         Cell(f"{values[at]:+.3f}", values[at])]
        for at in order[:_QUESTIONS]
    ]  # fmt: skip
    caption = f"{measure} of {counted(len(rows))} with the largest differences, of {len(order)} that differ"
    return details("The questions", table(columns, rows, caption=caption, sortable=True))


def _all(made: Compared) -> Html:
    measures = made.grid.measures
    columns = [
        Column("row"), Column("number", number=True), Column(measures[0], number=True), Column("95 %", number=True),
        Column("to best", number=True, explained="difference of the means; ≈ is not distinguishable from chance"),
        Column("to text", number=True, explained="to full text with the same splitter"),
        Column("ms", number=True, explained="a question alone, its embedding included, median"),
        Column("ms, 95 %", number=True, explained="95 of 100 questions take no longer"),
        Column("chunks/s", number=True, explained="at which the model embeds"),
        Column("characters/s", number=True), Column("chunks", number=True), Column("bytes a chunk", number=True),
        Column("index s", number=True, explained="embedding, writing and indexing"),
        *(Column(name, number=True) for name in measures[1:]),
    ]  # fmt: skip
    ordered = _ordered(made)
    strong = [at for at, row in enumerate(ordered) if row is made.advice.row]
    return section(
        "All rows",
        table(columns, [_cells(row, measures) for row in ordered], caption="All rows that were measured, best first",
              strong=strong, sortable=True),
    )  # fmt: skip


def _cells(row: Row, measures: Sequence[str]) -> list[Given]:
    assert row.latency is not None
    assert row.indexed is not None
    one, kept = row.intervals[measures[0]], row.indexed
    bytes_a_chunk = kept.bytes / max(1, kept.chunks)
    return [
        row.name, row.number, Cell(f"{one.value:.4f}", one.value), Cell(f"{one.low:.3f}–{one.high:.3f}", one.low),
        _cell(row.against_best), _cell(row.against_text),
        Cell(_ms(row.latency.p50), row.latency.p50), Cell(_ms(row.latency.p95), row.latency.p95),
        _speed(kept.chunks_a_second), _speed(kept.characters_a_second),
        kept.chunks, Cell(f"{bytes_a_chunk:,.0f}", bytes_a_chunk), Cell(f"{kept.seconds:.1f}", kept.seconds),
        *(Cell(f"{row.intervals[name].value:.4f}", row.intervals[name].value) for name in measures[1:]),
    ]  # fmt: skip


def _speed(value: float | None) -> Cell | None:
    return None if value is None else Cell(f"{value:,.1f}" if value < 100 else f"{value:,.0f}", value)


def _cell(made: Difference | None) -> Cell | None:
    if made is None:
        return None
    sign = "" if made.distinguishable else "≈ "
    return Cell(f"{sign}{made.paired.difference:+.4f}", made.paired.difference)


def _how(made: Compared) -> Html:
    corpus, grid = made.corpus, made.grid
    timed = max((row.latency.questions for row in made.rows if row.latency), default=0)
    level = (
        "a document is found where its best chunk stands; it is right where its whole text holds an answer, or where"
        " the judgements say so, whatever the splitter"
        if grid.level == "document"
        else "a chunk is right that holds an answer, so that what is right differs from splitter to splitter"
    )
    smallest = made.advice.smallest
    pairs: list[tuple[str, Html | str]] = [
        ("documents", f"{corpus.used:,} of {corpus.total:,}, {corpus.needed:,} of them with answers or named"),
        ("questions", f"{len(corpus.questions)} measured, {corpus.unanswerable + corpus.unjudged} left out"),
        ("level", f"{grid.level}: {level}"),
        ("intervals", "95 %, percentile bootstrap, 10,000 samples, a fixed seed"),
        ("differences", "sign-flip randomisation, 5 %, Holm's correction over all rows"),
        ("smallest difference that would be seen", "–" if smallest is None else f"{smallest:.3f} (in 4 of 5 cases)"),
        ("time of a question", f"{timed} questions one by one, embedding included, model and table open"),
        ("bytes a chunk", "the table on disk, indexes included; full text alone holds no vectors"),
        ("settings", str(grid.path)),
    ]
    return section("How it was measured", fragment(facts(pairs)))


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
