"""A progress bar on stderr, only where stderr is a terminal: done, rate, time left."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from ragcli.until import UntilError

_EVERY = 0.1
_AHEAD = 10_000  # items that are read beforehand, of a few kilobytes each

T = TypeVar("T")


def _is_ready() -> bool:
    """Whether stdin has something to read, or has ended."""
    try:
        return bool(select.select([sys.stdin], [], [], 0)[0])
    except (OSError, ValueError):  # not a thing to select on, as a pipe on Windows
        return False


class Progress:
    """Counts what has come in and what is done.

    The total is known only when the input has ended, so the bar shows what has come in so far as the total; `ahead`
    reads what the stages before have ready, so that this is soon all of it.

    Args:
        what: the verb in front of the bar, or what gives it as it is now.
        quiet: show nothing.
        passed: returns how many items were done without work, which counts as done and not in the rate.
        total: how many items there will be, where that is known from the start.
    """

    def __init__(
        self,
        what: str | Callable[[], str],
        *,
        quiet: bool = False,
        passed: Callable[[], int] = lambda: 0,
        total: int = 0,
    ) -> None:
        self._passed = passed
        self._what = what if callable(what) else lambda: what
        self._lock = threading.RLock()  # one thread may tell what comes in, and another what is done
        shown = not quiet and sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._bar: Any = None
        self._task: Any = None
        self._shown = shown
        self._total = total
        self._done = 0
        self._last = 0.0

    def __enter__(self) -> Progress:
        if self._total:
            self._refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._update()
            self._bar.stop()

    def ahead(self, items: Iterator[T]) -> Iterator[T]:
        """Yield the items, counting them as they come in; where a bar is shown, those that are ready beforehand.

        An error of the stream comes after the items before it.
        """
        source = UntilError(items)
        waiting: deque[T] = deque()
        ended = False
        while True:
            while not ended and (not waiting or (self._shown and len(waiting) < _AHEAD and _is_ready())):
                try:
                    waiting.append(next(source))
                    self.seen()
                except StopIteration:
                    ended = True
            if not waiting:
                break
            yield waiting.popleft()
        source.end()

    def seen(self) -> None:
        """Note one item that has come in."""
        self._total += 1
        self._refresh()

    def advance(self, n: int = 1) -> None:
        """Note items that are done."""
        self._done += n
        self._refresh()

    def waiting(self) -> None:
        """Show how far the stages before have got, while nothing comes in."""
        self._refresh()

    def _refresh(self) -> None:
        if not self._shown or time.monotonic() - self._last < _EVERY:
            return
        with self._lock:
            self._show()

    def _show(self) -> None:
        self._last = time.monotonic()
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(self._what(), total=self._total or None, rate="")
            self._began = time.monotonic()
            self._bar.start()
        self._update()

    def _update(self) -> None:
        rate = self._done / max(time.monotonic() - self._began, 1e-3)
        self._bar.update(
            self._task,
            description=self._what(),
            completed=self._done + self._passed(),
            total=self._total,
            rate=f"{rate:.1f}/s",
        )
