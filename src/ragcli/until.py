"""Streams that end early: what came before an error is dealt with first, then the error is raised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from ragcli.errors import RagcliError

T = TypeVar("T")


class UntilError(Generic[T]):
    """Iterates over a stream up to its end or its first `RagcliError`, which `end` then raises."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._failed: RagcliError | None = None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._failed is not None:
            raise StopIteration
        try:
            return next(self._items)
        except RagcliError as error:
            self._failed = error
            raise StopIteration from None

    def end(self) -> None:
        """Raise what ended the stream early.

        Raises:
            RagcliError: the stream did not come to its end.
        """
        if self._failed is not None:
            raise self._failed
