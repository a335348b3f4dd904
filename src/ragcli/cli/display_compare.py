"""What people see of a comparison on a terminal: a line a row, and the recommendation in words."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from ragcli.cli.display import View
from ragcli.cli.streams import visible
from ragcli.evaluation.comparing.differences import Difference
from ragcli.evaluation.comparing.rows import Row, counted
from ragcli.evaluation.comparing.run import Compared

_COLUMNS = ("95 %", "to best", "ms", "bytes", "to text", "ms, 95 %", "chunks/s", "chunks", "index s")
_WIDE = 120  # characters across: in less only the first columns have room


def show(made: Compared) -> None:
    """Show the rows, best first, then those that failed, then what to take."""
    console = View()
    corpus, measure = made.corpus, made.grid.measures[0]
    of = f" of {corpus.total:,}" if corpus.used != corpus.total else ""
    title = f"{counted(len(corpus.questions))}, {corpus.used:,}{of} documents, {made.grid.level} level"
    console.print(Text(title, style="bold"), soft_wrap=True)
    grid = Table("#", box=None, pad_edge=False)
    grid.add_column("row", min_width=18)
    columns = _COLUMNS if console.width >= _WIDE else _COLUMNS[:4]
    for name in (measure, *columns):
        grid.add_column(name, justify="right", no_wrap=True)
    measured = sorted(
        (row for row in made.rows if not row.failed),
        key=lambda row: (-row.intervals[measure].value, row is not made.best),
    )
    for row in measured:
        grid.add_row(*_cells(row, measure)[: 3 + len(columns)], style="green" if row is made.advice.row else None)
    console.print(grid)
    if any(row.against_best and not row.against_best.distinguishable for row in measured):
        said = f"≈ not distinguishable on {counted(len(corpus.questions))}"
        console.print(Text(said, style="dim"), soft_wrap=True)
    for row in made.rows:
        if row.failed:
            console.print(Text(visible(f"{row.number} {row.name}: failed: {row.error}"), style="red"), soft_wrap=True)
    console.print()
    console.print(Text(visible(" ".join(made.advice.reasons))))
    for line in made.advice.alternatives:
        console.print(Text(visible(line)))
    for line in made.advice.warnings:
        console.print(Text(visible(f"! {line}"), style="yellow"))
    for line in made.advice.commands:
        console.print(Text(visible(f"  {line}"), style="bold"), soft_wrap=True)


def _cells(row: Row, measure: str) -> list[str | Text]:
    assert row.latency is not None
    assert row.indexed is not None
    one, table = row.intervals[measure], row.indexed
    speed = "" if table.chunks_a_second is None else f"{table.chunks_a_second:.1f}"
    return [
        str(row.number),
        visible(row.name),
        f"{one.value:.4f}",
        f"{one.low:.3f}-{one.high:.3f}",
        _difference(row.against_best),
        f"{1000 * row.latency.p50:.1f}",
        f"{table.bytes / max(1, table.chunks):.0f}",
        _difference(row.against_text),
        f"{1000 * row.latency.p95:.1f}",
        speed,
        str(table.chunks),
        f"{table.seconds:.1f}",
    ]


def _difference(made: Difference | None) -> str:
    if made is None:
        return ""
    return ("" if made.distinguishable else "≈ ") + f"{made.paired.difference:+.4f}"
