"""Open what takes long while something else goes on: a model is loaded beside the search for the first question."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Generic, TypeVar

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
