"""``--resume FILE``: leave out what a file of answers has already.

The answers go on to stdout; ``>> FILE`` (or ``tee -a``) appends them. The half line that a killed run left at the end
is cut off, so that the file stays JSON Lines.
"""

from __future__ import annotations

import io
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from ragcli.cli.streams import note
from ragcli.errors import UsageError
from ragcli.jsonl import records, whole
from ragcli.records import Answer, Record


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_HasId)
R = TypeVar("R", bound=Record)


def answered(path: Path) -> Counter[str]:
    """Return how often each id was answered; a file that is not there has none.

    Raises:
        InputError: a line is no answer record.
        UsageError: the file cannot be read, or stdout overwrites it.
    """
    return Counter(one.id for one in written(path, Answer, "ask"))


def written(path: Path, cls: type[R], stage: str) -> list[R]:
    """Return the records that an earlier run wrote; a file that is not there has none.

    Args:
        path: the file, to which stdout may append.
        cls: what it holds.
        stage: the subcommand.

    Raises:
        InputError: a line is no such record.
        UsageError: the file cannot be read, or stdout overwrites it.
    """
    if _is_stdout(path) and not _appends():
        raise UsageError(
            f"--resume {path}, and stdout overwrites that file.", hint=f"Append to it: … --resume {path} >> {path}"
        )
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    end = whole(data, cls)
    try:
        if end < len(data):
            os.truncate(path, end)
            note(f"ragcli {stage}: {path} ended with half a line, as a killed run leaves it; it is made again.")
        elif data and not data.endswith(b"\n"):
            with path.open("ab") as stream:
                stream.write(b"\n")
    except OSError as error:
        raise UsageError(f"{path} does not end with a whole line, and cannot be mended: {error.strerror}.") from error
    data = data[:end]
    return list(records(io.BytesIO(data), cls, name=str(path)))


def without(items: Iterable[T], done: Counter[str]) -> Iterator[T]:
    """Yield the items that were not answered; one that comes twice is left out as often as it was answered."""
    left = Counter(done)
    for item in items:
        if left[item.id] > 0:
            left[item.id] -= 1
        else:
            yield item


def _is_stdout(path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(1), path.stat())
    except OSError:
        return False


def _appends() -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    return bool(fcntl.fcntl(1, fcntl.F_GETFL) & os.O_APPEND)
