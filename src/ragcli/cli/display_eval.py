"""What people see of an evaluation on a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from ragcli.cli.display import View
from ragcli.cli.streams import visible
from ragcli.evaluation.gates import ALPHA, Change, Comparison
from ragcli.evaluation.stage import Evaluated
from ragcli.evaluation.statistics import Interval


def show(made: Evaluated, comparison: Comparison | None = None) -> None:
    """Show each measure with its interval, and beside a baseline how it changed."""
    console = View()
    about = made.record.settings
    kind = ", ".join(str(about[name]) for name in ("mode", "model", "rerank") if name in about)
    title = f"{about.get('table', '')}: {made.record.questions} questions, {about.get('rows', 0)} chunks ({kind})"
    console.print(Text(visible(title), style="bold"), soft_wrap=True)
    changes = {(one.level, one.measure): one for one in comparison.changes} if comparison is not None else {}
    grid = Table("measure", box=None, pad_edge=False)
    for level in made.intervals:
        grid.add_column(level, justify="right", no_wrap=True)
        grid.add_column("95 %", style="dim", no_wrap=True)
        if comparison is not None:
            grid.add_column("change", justify="right", no_wrap=True)
    for name in next(iter(made.intervals.values())):
        cells: list[str | Text] = [name]
        for level, by_name in made.intervals.items():
            cells += _cells(by_name[name])
            if comparison is not None:
                cells.append(_change(changes.get((level, name))))
        grid.add_row(*cells)
    console.print(grid)
    if any(made.paired.difference and made.p >= ALPHA for made in changes.values()):
        console.print(Text("≈ no more than chance makes on these questions", style="dim"), soft_wrap=True)


def _cells(one: Interval) -> list[str | Text]:
    return [f"{one.value:.4f}", f"{one.low:.3f}-{one.high:.3f}"]


def _change(change: Change | None) -> Text:
    if change is None:
        return Text("")
    made = change.paired
    style = "dim" if change.p >= ALPHA else "red" if change.lost else "green"
    return Text(("≈ " if made.difference and change.p >= ALPHA else "") + f"{made.difference:+.4f}", style=style)
