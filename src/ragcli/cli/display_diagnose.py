"""What people see of a diagnosis on a terminal: the funnel, what was lost where, the worst cases, what mends them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ragcli.cli.display import View
from ragcli.cli.streams import visible
from ragcli.diagnosing.steps import LOST, STEPS, WORDS, tried_words
from ragcli.records import Diagnoses, Diagnosis, Json

_BAR = 24
_CASES, _ADVICE = 10, 6


def show(diagnoses: Sequence[Diagnosis], whole: Diagnoses) -> None:
    """Show the funnel of many cases with the worst of them, or one case step by step."""
    console = View()
    if len(diagnoses) == 1:
        _one(console, diagnoses[0])
        return
    console.print(_funnel(whole))
    lost = [one for one in diagnoses if one.lost_at is not None]
    if lost:
        console.print()
        console.print(_cases(lost))
    _advice(console, whole.advice)
    for name, count in whole.warnings.items():
        console.print(Text(f"! {count} right all the same: {name.replace('_', ' ')}", style="yellow"), soft_wrap=True)


def _funnel(whole: Diagnoses) -> Table:
    about = whole.settings
    title = f"{about['table']}: {whole.questions} questions ({about['mode']}, k {about['k']}, {about['model']})"
    grid = Table(title=visible(title), title_justify="left", box=None, pad_edge=False)
    grid.add_column("step")
    grid.add_column("left", justify="right")
    grid.add_column("", no_wrap=True, overflow="crop")
    grid.add_column("lost", style="red")
    for step in STEPS:
        causes = whole.causes.get(step, {})
        if step == "gold" and not causes:
            continue
        left = int(whole.left[step])
        bar = "█" * round(_BAR * left / max(1, whole.questions))
        names = ", ".join(f"{count} {cause.replace('_', ' ')}" for cause, count in causes.items())
        grid.add_row(WORDS[step], str(left), Text(bar, style="red" if causes else "green"), names)
    return grid


def _cases(lost: Sequence[Diagnosis]) -> Table:
    """Return the cases of which the answer was lost, those lost first in the chain first."""
    order = {step: at for at, step in enumerate(STEPS)}
    shown = sorted(lost, key=lambda one: order[one.lost_at or "answered"])[:_CASES]  # type: ignore[index]
    more = len(lost) - len(shown)
    caption = f"and {more} more: ragcli diagnose … --format jsonl" if more else None
    grid = Table(box=None, pad_edge=False, caption=caption, caption_justify="left")
    grid.add_column("case", max_width=40)
    grid.add_column("lost by")
    grid.add_column("because", ratio=1)
    for one in shown:
        grid.add_row(
            Text(visible(one.question)), Text(LOST[one.lost_at or "answered"], style="red"), Text(visible(one.says))
        )
    return grid


def _advice(console: View, advice: Sequence[Json]) -> None:
    if not advice:
        return
    console.print()
    helpful = [one for one in advice if one["tried"] is None or one["tried"]["helps"]]
    for one in helpful[:_ADVICE]:
        console.print(Text.assemble(("→ ", "green"), visible(one["what"]), (_figures(one), "bold")), soft_wrap=True)
        console.print(Text(f"  {visible(one['command'])}", style="dim"), soft_wrap=True)
    if len(helpful) > _ADVICE:
        console.print(Text(f"  and {len(helpful) - _ADVICE} more", style="dim"))


def _figures(one: Json) -> str:
    """Return what came of advice where it was tried."""
    tried = one["tried"]
    if tried is not None and "before" in tried:
        return f": {tried_words(one)}"
    cases = f"{one['cases']} cases; " if one["cases"] > 1 else ""
    return f" ({cases}{'' if tried is None else 'tried: '}{tried_words(one)})"


def _one(console: View, one: Diagnosis) -> None:
    console.print(Text(visible(one.question), style="bold"), soft_wrap=True)
    for step in STEPS:
        finding = one.steps.get(step)
        if finding is None:
            continue
        mark, style = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "lost": ("✗", "red")}.get(
            finding["status"], ("·", "dim")
        )
        says = finding.get("says") or _facts(finding)
        console.print(Text.assemble((f"{mark} ", style), (f"{WORDS[step]}  ", "bold"), visible(says)), soft_wrap=True)
    if one.answer is not None:
        console.print(Text(f"  {visible(' '.join(one.answer.split()))}", style="dim"), soft_wrap=True)
    if one.advice:
        _advice(console, [{**made, "cases": 1} for made in one.advice])


def _facts(finding: Json) -> str:
    ranks = finding.get("ranks")
    if ranks is None:
        return ""
    return (
        f"at {ranks['final']}  ("
        + ", ".join(f"{name} {ranks[name] or '–'}" for name in ("vector", "text", "fused"))
        + ")"
    )
