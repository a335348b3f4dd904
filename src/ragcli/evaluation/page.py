"""An evaluation as a page: measures with their intervals, the change against a baseline, and the worst questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ragcli.evaluation.gates import ALPHA, Change, Comparison
from ragcli.evaluation.judging import Judged, Level
from ragcli.evaluation.stage import Evaluated
from ragcli.evaluation.statistics import Interval
from ragcli.pages import (
    Cell,
    Column,
    Given,
    Html,
    Mark,
    facts,
    figure,
    intervals,
    notice,
    page,
    paragraph,
    section,
    table,
    write_page,
)

_WORST = 50
_NAMES = 3  # of what is right, and of what was found


def write_evaluation(path: Path, judged: Judged, made: Evaluated, comparison: Comparison | None) -> None:
    """Write the page of an evaluation.

    Raises:
        UsageError: the file cannot be written.
    """
    record = made.record
    about = record.settings
    changes = {(one.level, one.measure): one for one in comparison.changes} if comparison is not None else {}
    what = ", ".join(str(about[name]) for name in ("mode", "model", "rerank") if name in about)
    parts = [_losses(judged, made), *(_level(level, made, changes) for level in made.intervals)]
    if comparison is not None:
        parts.append(_baseline(comparison))
    parts.append(_worst(judged, made))
    parts.append(section("What was searched", facts((name, str(value)) for name, value in about.items())))
    write_page(
        path,
        page(
            f"Evaluation of {about.get('table', 'a table')}",
            *(one for one in parts if one is not None),
            lead=f"{record.questions} questions, {about.get('rows', 0)} chunks ({what})",
        ),
    )


def _losses(judged: Judged, made: Evaluated) -> Html | None:
    said = []
    if judged.unheld:
        said.append(
            f"The answers of {len(judged.unheld)} of {len(judged.questions)} cases are in no chunk, and count 0."
        )
    for name, why in (("unanswerable", "that cannot be answered"), ("unjudged", "without a judgement")):
        if made.record.extra.get(name):
            said.append(f"{made.record.extra[name]} questions {why} were left out.")
    return notice(*said, kind="warning", heading="Not all questions count") if said else None


def _level(level: Level, made: Evaluated, changes: dict[tuple[str, str], Change]) -> Html:
    """Return the measures of a level, drawn and as a table."""
    rows = made.intervals[level]
    marks = [
        Mark(name=name, value=one.value, low=one.low, high=one.high, shown=f"{one.value:.3f}")
        for name, one in rows.items()
    ]
    drawn = figure(
        f"Measures of {level}s", intervals(marks, low=0.0, high=1.0),
        explained="The mean over all questions, and the interval in which that of all such questions lies (95 %).",
    )  # fmt: skip
    columns = [Column("measure"), Column("mean", number=True), Column("95 %", number=True)]
    if changes:
        columns += [Column("before", number=True), Column("change", number=True), Column("p", number=True),
                    Column("better", number=True), Column("worse", number=True), Column("what it means")]  # fmt: skip
    body = [_row(name, one, changes.get((level, name)), len(columns)) for name, one in rows.items()]
    return section(f"{level.capitalize()}s", drawn, table(columns, body, caption=f"Measures of {level}s"))


def _row(name: str, one: Interval, change: Change | None, width: int) -> Sequence[Cell | str | None]:
    cells: list[Cell | str | None] = [name, f"{one.value:.4f}", f"{one.low:.3f} to {one.high:.3f}"]
    if change is not None:
        made = change.paired
        means = "no more than chance makes" if change.p >= ALPHA else "lost" if change.lost else "gained"
        cells += [f"{change.before:.4f}", f"{made.difference:+.4f}", f"{change.p:.4f}", str(made.better),
                  str(made.worse), means if made.difference else "the same"]  # fmt: skip
    return [*cells, *[None] * (width - len(cells))]


def _baseline(comparison: Comparison) -> Html:
    lost = [one for one in comparison.changes if one.lost]
    only = ""
    if comparison.only_before or comparison.only_after:
        only = (
            f" {comparison.only_before} questions of the baseline are not in this evaluation, and"
            f" {comparison.only_after} not in the baseline; the others were compared."
        )
    if not lost:
        return notice(f"No measure fell by more than chance makes.{only}", kind="good", heading="Baseline")
    said = ", ".join(f"{one.measure} ({one.level}) by {-one.paired.difference:.4f}" for one in lost)
    return notice(f"Fell by more than chance makes: {said}.{only}", kind="bad", heading="Baseline")


def _worst(judged: Judged, made: Evaluated) -> Html:
    """Return the questions with the lowest values of the first measure."""
    level = next(iter(made.intervals))
    measure, values = next(iter(made.values[level].items()))
    order = sorted(judged.questions, key=lambda one: values[one.id])
    shown = [one for one in order if values[one.id] < 1][:_WORST]
    if not shown:
        return section("Worst questions", paragraph(f"{measure} is 1 on every question."))
    unheld = set(judged.unheld)
    named: Level = "document" if "document" in made.rankings else level  # ids of chunks tell people little
    rows: list[list[Given]] = []
    for one in shown:
        right = set(_right(judged, level, one.id))
        found = made.rankings[level].get(one.id, [])
        rank = next((at for at, name in enumerate(found, 1) if name in right), None)
        why = "no chunk holds an answer" if one.id in unheld else "not found" if rank is None else str(rank)
        rows.append([
            Cell(one.text, one.text), Cell(f"{values[one.id]:.3f}", values[one.id]),
            Cell(why, 10**9 if rank is None else rank), _some(_right(judged, named, one.id)),
            _some(made.rankings[named].get(one.id, [])),
        ])  # fmt: skip
    columns = [
        Column("question", wide=True), Column(measure, number=True), Column("first right rank", number=True),
        Column(f"right {named}s", wide=True), Column(f"found {named}s", wide=True),
    ]  # fmt: skip
    below = sum(values[one.id] < 1 for one in judged.questions)
    caption = f"The {len(rows)} lowest of {below} questions whose {measure} ({level}) is below 1"
    return section("Worst questions", table(columns, rows, caption=caption, sortable=True))


def _right(judged: Judged, level: Level, query: str) -> list[str]:
    return sorted(name for name, grade in judged.levels[level][query].items() if grade > 0)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {more} more" if more > 0 else "") if names else "–"
