"""What people see of a table's check on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from ragcli.cli.display import View
from ragcli.cli.streams import visible
from ragcli.records import Check

_STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}
_WIDTH = 15  # of the longest name


def show(looks: Iterable[Check], table: str) -> None:
    """Show each look as it comes: what was found, a few examples, and the command that mends it."""
    console = View()
    console.print(Text(visible(table), style="bold"), soft_wrap=True)
    counts = dict.fromkeys(_STYLES, 0)
    for look in looks:
        counts[look.status] += 1
        style = _STYLES[look.status]
        line = Text.assemble((f"{look.status:<8}", style), (f"{look.name:<{_WIDTH}} ", ""), visible(look.message))
        if look.status in ("pass", "skipped"):
            line.stylize("dim", 8)
        console.print(line, soft_wrap=True)
        for example in look.examples:
            console.print(Text(f"          {visible(example)}"), soft_wrap=True)
        if look.mend:
            console.print(Text(f"          {visible(look.mend)}", style="cyan"), soft_wrap=True)
    words = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    console.print(Text(words, style="bold"), soft_wrap=True)
