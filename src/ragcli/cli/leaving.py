"""Ctrl-C where Python would lose it: while nothing was done yet, and in places where exceptions are ignored."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ragcli.errors import INTERRUPTED

_SOON = 0.01  # seconds


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process at once, while nothing was said yet: libraries that are being loaded swallow it."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script
        yield
        return

    def leave(*_: object) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            os.write(2, b"\x1b[?25h")  # a progress bar hides the cursor
        os._exit(INTERRUPTED)

    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def hear_always() -> None:
    """Let a Ctrl-C that comes in a destructor or a callback, where Python only prints it, come again just after."""
    before = sys.unraisablehook

    def hook(ignored: Any) -> None:
        if not issubclass(ignored.exc_type, KeyboardInterrupt):
            before(ignored)
            return
        again = threading.Timer(_SOON, _thread.interrupt_main)
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
