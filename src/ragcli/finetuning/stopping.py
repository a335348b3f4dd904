"""Stopping in order: Ctrl-C and SIGTERM end a run after its step, with a checkpoint; a second one ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether the run was asked to end."""

    def __init__(self) -> None:
        self.wanted = False

    def ask(self) -> None:
        """Ask the run to end after its step."""
        self.wanted = True

    @contextmanager
    def listening(self, *, alone: bool) -> Iterator[None]:
        """Take a signal as a wish to end.

        Args:
            alone: this is the only process: a second Ctrl-C does what it always did. One of several may get the same
                signal from more than one sender, and takes it as one.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {int(number): signal.getsignal(number) for number in _SIGNALS}

        def back(number: int) -> None:
            handler = before[number]
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

        def on_signal(number: int, frame: FrameType | None) -> None:
            self.ask()
            if alone and number == signal.SIGINT:
                back(number)

        for number in _SIGNALS:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number in _SIGNALS:
                back(number)
