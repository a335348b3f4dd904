"""What a comparison tells of its progress; the command line draws it, a program may leave it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Watch(Protocol):
    """Is told each step as it begins, and how far it is."""

    def __call__(self, what: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Begin a step of so many items; what is returned is told how many more are done."""
        ...


@contextmanager
def silent(what: str, total: int | None = None) -> Iterator[Advance]:
    """Tell nobody."""
    yield lambda done: None
