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
    def listening(self) -> Iterator[None]:
        """Take the first signal as a wish to end; the next one does what it always did."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}

        def on_signal(number: int, frame: FrameType | None) -> None:
            self.ask()
            for one, handler in before.items():
                signal.signal(one, handler if handler is not None else signal.SIG_DFL)

        for number in _SIGNALS:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
