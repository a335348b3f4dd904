"""What has come in of each task, so that it is noticed when a parcel is lost, or is made twice in two ways."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class _Stub(NamedTuple):
    before: bytes
    after: bytes
    last: bool


class Ledger:
    """Books parcels; `open` tells the tasks that have not come in whole.

    Args:
        tasks: the numbers of the tasks that there are.
    """

    def __init__(self, tasks: Iterable[int]) -> None:
        self._waiting: dict[int, dict[int, _Stub]] = {number: {} for number in tasks}

    def book(self, task: int, part: int, before: bytes, after: bytes, last: bool) -> bool:
        """Book a parcel; say whether it is new. One that was booked before must not be written again."""
        parts = self._waiting.get(task)
        if parts is None or part in parts:
            return False
        parts[part] = _Stub(before, after, last)
        if self._whole(parts):
            del self._waiting[task]
        return True

    @staticmethod
    def _whole(parts: dict[int, _Stub]) -> bool:
        most = len(parts) - 1
        if most not in parts or not parts[most].last:
            return False
        return all(parts[at].after == parts[at + 1].before for at in range(most))

    def open(self) -> list[int]:
        """Return the tasks whose parcels have not all come in, or do not follow one another."""
        return sorted(self._waiting)
