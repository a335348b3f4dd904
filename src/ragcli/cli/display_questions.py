"""What people see of questions on a terminal."""

from __future__ import annotations

from rich.text import Text

from ragcli.cli.display import View, short
from ragcli.cli.streams import visible
from ragcli.records import Case


class QuestionView:
    """Shows each question as it is made: its answer below it, and where that stands."""

    def __init__(self) -> None:
        self._console = View()

    def case(self, case: Case) -> None:
        """Show one question."""
        self._console.print(Text(visible(case.question), style="bold"), soft_wrap=True)
        made_by = str(case.extra.get("made_by", ""))
        part = f", {case.extra['part']}" if "part" in case.extra else ""
        if case.answers:
            line = Text("  ").append(short(case.answers[0]))
            source = case.source or ", ".join(case.extra.get("sources", ()))
            line.append(f"  {visible(source)} ({made_by}{part})", style="dim")
        else:
            line = Text(f"  not answered ({case.extra.get('kind', '')}: {made_by}{part})", style="dim")
        self._console.print(line, soft_wrap=True)
