"""``ragcli ask --calibrate FILE``: search every question, choose and keep the threshold, show the trade-off."""

from __future__ import annotations

from pathlib import Path

from ragcli.answering.calibrating import Calibration, calibrate, is_answerable, to_json
from ragcli.answering.evidence import gather, read_question
from ragcli.answering.refusing import THRESHOLD, is_comparable, support
from ragcli.cli.searching import SearchSettings, results
from ragcli.cli.streams import note, opened, output
from ragcli.errors import OK
from ragcli.jsonl import OnBad, dumps
from ragcli.questions import read_questions

RULES = ("heading", "cloze")  # made_by of questions that no model made


def calibrate_table(path: Path, settings: SearchSettings, as_table: bool, bad: OnBad | None = None) -> int:
    """Set the threshold of a table from a file of questions; return the exit code.

    Raises:
        UsageError: the file cannot be read.
        InputError: a line is no question, or does not say whether it can be answered.
    """
    from ragcli.store import Table

    with opened(path) as stream:
        found = results(read_questions(stream, name=str(path), on_bad=bad), settings)
        supports: list[tuple[float, bool]] = []
        foreign = by_rules = 0
        for one in found:
            answerable = is_answerable(one)
            by_rules += answerable and one.extra.get("made_by") in RULES
            if one.hits and not is_comparable(one.query, one.hits):
                foreign += 1  # never refused by its support
            else:
                supports.append((support(gather(read_question(one.query), one.hits)), answerable))
    made = calibrate(supports, THRESHOLD, raises=not by_rules)
    record = to_json(made, settings.table)
    Table.open(settings.db, settings.table).keep_refusal(record)
    if as_table:
        _show(made, settings.table)
    else:
        with output() as out:
            out.line(dumps(record))
    if by_rules:
        note(
            f"ragcli ask: {by_rules} of the answerable questions were made by rules, with the words of their sentences,"
            " unlike people's: a threshold from them may be below the default, and not above it."
        )
    if foreign:
        note(
            f"ragcli ask: {foreign} questions in another language than their passages were left out: whether they are"
            " answered is for the model to say."
        )
    if made.answerable < 20 or made.unanswerable < 20:
        note(
            f"ragcli ask: {made.answerable} answerable and {made.unanswerable} unanswerable questions are few; 50 of"
            " each make a threshold that holds."
        )
    return OK


def _show(made: Calibration, table: str) -> None:
    from rich.table import Table as Grid

    from ragcli.cli.display import View

    console = View()
    grid = Grid("threshold", "lost of the answerable", "refused of the unanswerable", "", box=None, pad_edge=False)
    seen = set()
    for point in sorted((*made.others, made.chosen, made.default), key=lambda point: point.threshold):
        if point.threshold in seen:
            continue
        seen.add(point.threshold)
        mark = "kept in the table" if point == made.chosen else "default" if point == made.default else ""
        style = "bold" if point == made.chosen else None
        grid.add_row(f"{point.threshold:.3f}", f"{point.lost:.1%}", f"{point.refused:.1%}", mark, style=style)
    console.print(f"{table}: {made.answerable} answerable and {made.unanswerable} unanswerable questions")
    console.print(grid)
