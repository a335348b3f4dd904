"""``ragcli eval --compare grid.toml``: rows of a grid beside each other, and which of them to take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.cli.light import import_lance
from ragcli.cli.options import Device, Format, as_table, modules_here
from ragcli.cli.streams import finish, kept_stdout, note, output, show_log, stage_report
from ragcli.errors import UsageError

if TYPE_CHECKING:
    import typer

    from ragcli.evaluation.comparing.watching import Advance

_OWN = ("grid", "work", "device", "html", "format_")  # parameters that go with --compare


def compare_command(
    context: typer.Context, grid: Path, work: Path | None, device: Device, html: Path | None, format_: Format | None
) -> int:
    """Compare what a file asks for.

    Raises:
        UsageError: an option is given that the file says; or the file is wrong.
    """
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if name not in _OWN and source is not None and source.name == "COMMANDLINE":
            called = parameter.opts[0] if parameter.opts[0].startswith("-") else "CASES"
            raise UsageError(
                f"{called} does not go with --compare, which takes its questions and settings from {grid}.",
                hint="Keys of the file: see docs/eval.md.",
            )
    import_lance()
    show_log("eval")
    from ragcli.evaluation.comparing import compare_grid, read_grid
    from ragcli.models.folder import cache_dir

    modules_here()
    counts = stage_report("eval")
    folder = work if work is not None else cache_dir() / "compare"
    with kept_stdout():  # node parsers print
        asked = read_grid(grid)
        if html is not None:
            _check_page(html)
        made = compare_grid(asked, folder, device=device.value, report=counts, watch=_progress)
    if html is not None:
        from ragcli.evaluation.comparing.page import write_comparison

        write_comparison(html, made)
    if as_table(format_):
        from ragcli.cli.display_compare import show

        show(made)
    else:
        with output() as out:
            for record in made.records:
                out.write(record)
    reused = f", {made.reused} taken from there" if made.reused else ""
    note(f"ragcli eval: {made.made} stages computed and kept in {folder}{reused}.")
    return finish(counts, None)


def _check_page(path: Path) -> None:
    """Refuse a page that cannot be written before hours are spent on it.

    Raises:
        UsageError: its folder is not there, or it is a folder itself.
    """
    if path.is_dir() or not path.parent.is_dir():
        what = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise UsageError(f"--html {path} cannot be written: {what}.")


@contextmanager
def _progress(what: str, total: int | None = None) -> Iterator[Advance]:
    from ragcli.cli.progress import Progress

    with Progress(what, total=total or 0) as bar:

        def advance(done: int) -> None:
            if total is None:
                bar.seen()
            bar.advance(done)

        yield advance
