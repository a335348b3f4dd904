"""What makes items runs in a thread of its own, ahead of whoever takes them, as far as memory is given for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK = 0.2  # seconds between two looks of the one who waits: a Ctrl-C that comes just before does not end a wait
_JOIN = 5.0  # seconds that a thread whose items nobody wants is waited for


class _UnwantedError(Exception):
    """Nobody takes the items any more."""


class Ahead(Generic[T]):
    """Iterates over items that a thread makes; an error of it is raised after the items before it.

    At most ``most`` items wait, and no further one is made while they weigh ``most_weight`` or more; the thread goes
    on when half of them are taken, so that the two do not wake each other with each item. Used as a context, whose end
    stops the thread.

    Args:
        make: is called in the thread, with an event that is set when nobody wants the items any more.
        weigh: an item's weight.
        most: items that wait.
        most_weight: weight of the items that wait.
        made: called in the thread with each item made.
        waiting: called every while as the one who takes waits.
    """

    def __init__(
        self,
        make: Callable[[threading.Event], Iterable[T]],
        *,
        weigh: Callable[[T], int],
        most: int,
        most_weight: int,
        made: Callable[[], None] = lambda: None,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._make = make
        self._weigh = weigh
        self._most = most
        self._most_weight = most_weight
        self._made = made
        self._waiting = waiting
        self._items: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._change = threading.Condition()
        self._unwanted = threading.Event()
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="ragcli ahead")

    def __enter__(self) -> Ahead[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._change:
            self._unwanted.set()
            self._change.notify_all()
        self._thread.join(_JOIN)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._change:
            while not self._items and not self._ended:
                if not self._change.wait(_LOOK):
                    self._waiting()
            if self._items:
                item, weight = self._items.popleft()
                self._weight -= weight
                if len(self._items) <= self._most // 2 and self._weight <= self._most_weight // 2:
                    self._change.notify_all()
                return item
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def _run(self) -> None:
        error: BaseException | None = None
        items: Iterable[T] = ()
        try:
            items = self._make(self._unwanted)
            for item in items:
                self._put(item)
        except _UnwantedError:
            pass
        except BaseException as one:  # noqa: BLE001  raised where the items are taken
            error = one
        close = getattr(items, "close", None)
        if close is not None:
            close()  # what it holds (processes, files) ends with it, here, where it ran
        with self._change:
            self._error, self._ended = error, True
            self._change.notify_all()

    def _put(self, item: T) -> None:
        weight = self._weigh(item)
        with self._change:
            if len(self._items) >= self._most or self._weight >= self._most_weight:
                while not self._unwanted.is_set() and (
                    len(self._items) > self._most // 2 or self._weight > self._most_weight // 2
                ):
                    self._change.wait()
            if self._unwanted.is_set():
                raise _UnwantedError
            self._items.append((item, weight))
            self._weight += weight
            if len(self._items) == 1:
                self._change.notify_all()
        self._made()
