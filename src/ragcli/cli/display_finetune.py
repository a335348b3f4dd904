"""What people and programs see of a training run: records in a pipe, a bar and a table on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ragcli.cli.streams import Output, note, visible
from ragcli.finetuning import prepared as rows
from ragcli.finetuning.encoding import IGNORED
from ragcli.finetuning.preparing import Prepared
from ragcli.finetuning.recipe import Job
from ragcli.records import Json

GIB = 1 << 30


class View:
    """Shows a run as it goes.

    Args:
        quiet: no bar and no notes.
        as_table: for people; else each record is a line.
        out: stdout.
    """

    def __init__(self, *, quiet: bool, as_table: bool, out: Output) -> None:
        self._quiet, self._as_table, self._out = quiet, as_table, out
        self._bar = _Bar(quiet)
        self._losses: list[float] = []

    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def prepared(self, made: Prepared) -> None:
        """Show statistics and plan."""
        if not self._as_table:
            for one in (made.statistics, made.plan):
                self._out.line(_dumps(one))
        else:
            _show_prepared(made)
        if not self._quiet:
            for warning in made.warnings:
                note(f"ragcli finetune: {warning}")

    def record(self, record: Json) -> None:
        """Show one record."""
        if not self._as_table:
            self._out.line(_dumps(record))
        kind = record["type"]
        if kind == "step":
            self._losses.append(record["loss"])
            self._bar.step(record)
        elif kind in ("warning", "out_of_memory", "note") and not self._quiet:
            self._bar.stop()
            note(f"ragcli finetune: {record['message']}")
        elif kind == "resumed" and not self._quiet:
            note(f"ragcli finetune: going on from the checkpoint of step {record['step']}")
        elif kind == "phase":
            self._bar.phase(record["message"])

    def done(self, record: Json) -> None:
        """Show how it ended."""
        self._bar.stop()
        if self._as_table:
            _show_done(record, self._losses)
        else:
            self._out.line(_dumps(record))


class _Bar:
    """A bar on a terminal's stderr."""

    def __init__(self, quiet: bool) -> None:
        import os
        import sys

        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._bar: Any = None
        self._task: Any = None

    def step(self, record: Json) -> None:
        if not self._shown:
            return
        self._start("train")
        self._bar.update(
            self._task,
            description="train",
            total=record["steps"],
            completed=record["step"],
            said=f"loss {record['loss']:.4f}  {record['tokens_per_second']:,.0f} tokens/s "
            f" {_time(record['seconds_left'])} left",
        )

    def phase(self, message: str) -> None:
        if self._shown:
            self._start(message)
            self._bar.update(self._task, description=message, total=None, said="")

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _start(self, what: str) -> None:
        if self._bar is not None:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,  # the run does so itself, and each would put back what the other had put there
            redirect_stderr=False,
        )
        self._task = self._bar.add_task(what, total=None, said="")
        self._bar.start()


def _show_prepared(made: Prepared) -> None:
    from rich.table import Table

    from ragcli.cli.display import View as Console

    told, plan = made.statistics, made.plan
    count, lengths = told["rows"], told["lengths"]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()

    def row(name: str, text: str) -> None:
        table.add_row(name, text)

    others = ", ".join(f"{count[key]:,} {name}" for key, name in _LOST if count.get(key))
    row("rows", f"{count['kept']:,} of {count['read']:,}" + (f" ({others})" if others else ""))
    row("forms", ", ".join(f"{visible(name)} {number:,}" for name, number in told["forms"].items()))
    tokens = told["tokens"]
    row("tokens", f"{tokens['total']:,}, of which {tokens['trained']:,} are learnt")
    row("row length", ", ".join(f"{name} {value:,}" for name, value in lengths.items()))
    cut = told["cut"]
    row("cut", f"{cut['rows']:,} rows at {cut['length']:,} tokens, {tokens['cut']:,} tokens lost")
    if told.get("sequences"):
        row("packed", f"{told['sequences']:,} sequences")
    row("method", "; ".join(plan["why"]) or plan["method"])
    row(
        "steps",
        f"{plan['steps']:,} of {plan['batch']:,} rows ({plan['micro_batch']} at once), {plan['epochs']:g} epochs,"
        f" rate {plan['learning_rate']:g}, {plan['precision']} on {plan['device']}"
        + (f", {plan['processes']} processes, {plan['sharding']}" if plan["processes"] > 1 else ""),
    )
    row("memory", f"{plan['memory_needed'] / GIB:.1f} of {plan['memory_available'] / GIB:.1f} GiB free")
    if plan["seconds"]:
        row("time", f"about {_time(plan['seconds'])}")
    Console().print(table)


_LOST = (("bad", "bad"), ("empty", "with nothing to learn"), ("left_out", "left out"), ("empty_after_cut", "cut away"))


def _show_done(record: Json, losses: list[float]) -> None:
    from ragcli.cli.display import View as Console
    from ragcli.finetuning.chart import terminal_chart

    console = Console()
    if len(losses) > 1:
        console.print("loss", style="dim")
        console.print(terminal_chart(losses), soft_wrap=True)
    console.print(f"{visible(record['output'])}: {record['steps']:,} steps, loss {_loss(record)}", soft_wrap=True)
    guard = record.get("guard")
    if guard:
        console.print(visible(guard["summary"]), style="red" if guard["failed"] else "", soft_wrap=True)
    for line in record.get("use", ()):
        console.print(f"  {visible(line)}", style="bold", soft_wrap=True)


def _loss(record: Json) -> str:
    first, last = record.get("first_loss"), record.get("last_loss")
    return "-" if first is None or last is None else f"{first:.4f} to {last:.4f}"


def _time(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


# One row as the model sees it


def _first(job: Job) -> Json:
    return next(iter(rows.read_rows(job.work, rows.TRAIN)))


def _pieces(job: Job) -> Iterator[tuple[str, bool]]:
    """Yield the row's text in pieces, each with whether it is learnt."""
    from ragcli.finetuning.recipes.language import tokenizer_of

    row = _first(job)
    if "input_ids" in row:
        ids, labels = row["input_ids"], row["labels"]
    elif "prompt_ids" in row:
        ids = [*row["prompt_ids"], *row["chosen_ids"]]
        labels = [IGNORED] * len(row["prompt_ids"]) + row["chosen_ids"]
    else:
        for name, value in row.items():
            if isinstance(value, str) and name != "place":
                yield f"{name}: {value}\n", True
        return
    tokenizer = tokenizer_of(job.base, job.settings)
    start = 0
    for at in range(1, len(ids) + 1):
        if at == len(ids) or (labels[at] == IGNORED) != (labels[start] == IGNORED):
            yield tokenizer.decode(ids[start:at], skip_special_tokens=False), labels[start] != IGNORED
            start = at


def example_record(job: Job) -> Json:
    """Return one row as the model sees it."""
    pieces = [{"text": text, "trained": trained} for text, trained in _pieces(job)]
    return {"type": "example", "place": _first(job)["place"], "pieces": pieces}


def show_example(job: Job) -> None:
    """Show one row as the model sees it, what is learnt in colour."""
    from rich.text import Text

    from ragcli.cli.display import View as Console

    console = Console()
    console.print(f"{visible(_first(job)['place'])}; what is learnt is green and underlined", style="dim")
    text = Text()
    for piece, trained in _pieces(job):
        text.append("\n".join(visible(line) for line in piece.split("\n")), style="underline green" if trained else "")
    console.print(text, soft_wrap=True)


def _dumps(record: Json) -> bytes:
    from ragcli.jsonl import dumps

    return dumps(record)
