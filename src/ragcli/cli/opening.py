"""Open what takes long while something else goes on: a model is loaded beside the search for the first question."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Generic, TypeVar

from ragcli.errors import INTERRUPTED

T = TypeVar("T")


class Opening(Generic[T]):
    """Calls a function in a thread that ends with the process; `result` waits for what it returns."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._made: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(make,), daemon=True)
        self._thread.start()

    def _run(self, make: Callable[[], T]) -> None:
        try:
            self._made.append(make())
        except BaseException as error:  # noqa: BLE001 - it is raised again where the result is wanted
            self._error = error

    def result(self) -> T:
        """Return what the function returned, or raise what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._made[0]


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


def begun(items: Iterable[T]) -> Iterator[T]:
    """Return the items after the first has been made; an error of its making is raised when it is asked for."""
    source = iter(items)
    try:
        first = next(source)
    except StopIteration:
        return iter(())
    except Exception as error:  # noqa: BLE001 - it is raised again where the first item is wanted
        return _raising(error)
    return chain([first], source)


def _raising(error: Exception) -> Iterator[T]:
    raise error
    yield  # makes it a generator
