"""What people see of models on a terminal: records as lines, downloads as bars."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ragcli.cli.display import View
from ragcli.cli.streams import visible
from ragcli.records import Model

if TYPE_CHECKING:
    from ragcli.models.hubs.protocol import RemoteFile

_BARS = 8  # files with a bar of their own at once


def gigabytes(count: int) -> str:
    """Return bytes for people, in the decimal units that the hubs show."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


def show_models(models: Iterable[Model]) -> None:
    """Show models as they come: downloads one by one, those on disk as a table."""
    console = View()
    table = Table("model", "source", "revision", "files", "size", "last used", "path", box=None, pad_edge=False)
    for column in (3, 4):
        table.columns[column].justify = "right"
    table.columns[6].overflow = "fold"
    for one in models:
        if "whole" in one.extra:
            last = str(one.extra.get("last_used") or "")[:10]
            state = "" if one.extra["whole"] else f" [red]({escape(str(one.extra.get('fault')))})[/]"
            if "verified" in one.extra:
                state += " [green]verified[/]" if one.extra["verified"] else " [red]damaged[/]"
            if one.extra.get("removed"):
                state += " removed"
            name = f"[bold]{escape(visible(one.id))}[/]{state}"
            size = gigabytes(one.bytes)
            table.add_row(
                name, one.source, (one.revision or "")[:12], str(one.files), size, last, escape(one.path or "")
            )
        else:
            _show(console, one)
    if table.row_count:
        console.print(table)


def _show(console: View, model: Model) -> None:
    revision = f" at {model.revision[:12]}" if model.revision else ""
    if model.extra.get("dry_run") and "selected" in model.extra:
        table = Table("file", "size", "", box=None, pad_edge=False)
        table.columns[1].justify = "right"
        for one in model.extra["selected"]:
            table.add_row(escape(visible(one["path"])), gigabytes(one["bytes"]), "on disk" if one["there"] else "")
        console.print(table)
        text = f"{model.id} from {model.source}{revision}: {model.files} files, {gigabytes(model.bytes)},"
        console.print(
            Text(f"{text} of which {gigabytes(model.extra['to_fetch'])} are to be fetched; nothing is written")
        )
        console.print(Text(f"  would be in {model.path}", style="dim"))
        return
    fetched = model.extra.get("fetched")
    came = f", {gigabytes(fetched)} fetched in {model.seconds:.1f} s" if fetched else ", on disk"
    console.print(
        Text.assemble(
            (model.id, "bold"), f" from {model.source}{revision}: {model.files} files, {gigabytes(model.bytes)}{came}"
        )
    )
    console.print(Text(f"  {model.path}"), soft_wrap=True)


class Bars:
    """A bar for all files and one for each that is under way, on stderr where that is a terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()
        self._bar: Any = None
        self._all: Any = None
        self._tasks: dict[str, Any] = {}

    def begin(self, files: Sequence[RemoteFile], there: int) -> None:
        """Show the bar of all files."""
        if not self._shown or not files:
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        total = sum(one.size for one in files)
        self._all = self._bar.add_task(f"{len(files)} files", total=total, completed=there)
        self._bar.start()

    def advance(self, file: RemoteFile, count: int, here: int) -> None:
        """Move the bars of a file and of all."""
        if self._bar is None:
            return
        with self._lock:
            if file.path not in self._tasks and len(self._tasks) < _BARS:
                name = visible(file.path)
                name = name if len(name) <= 40 else "…" + name[-39:]
                self._tasks[file.path] = self._bar.add_task(escape(name), total=file.size)
            if file.path in self._tasks:
                self._bar.update(self._tasks[file.path], completed=here)
            self._bar.advance(self._all, count)

    def end(self, file: RemoteFile) -> None:
        """Take a file's bar away."""
        if self._bar is None:
            return
        with self._lock:
            task = self._tasks.pop(file.path, None)
            if task is not None:
                self._bar.remove_task(task)

    def close(self) -> None:
        """Take the bars away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
