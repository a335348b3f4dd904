"""The records of a run: a file in its folder, to which the first process appends, and which is read as it grows."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ragcli.jsonl import dumps, loads
from ragcli.records import Json

NAME = "records.jsonl"
_EVERY = 0.1  # seconds


def append(work: Path) -> Callable[[Json], None]:
    """Return what writes a record to a run's file."""
    path = work / NAME

    def say(record: Json) -> None:
        with path.open("ab") as stream:
            stream.write(dumps(record) + b"\n")

    return say


def written(work: Path) -> list[Json]:
    """Return the records of a run; of a step that was done twice, since a run was killed behind it, the last."""
    try:
        lines = (work / NAME).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    found: list[Json] = []
    for line in lines:
        try:
            record = loads(line)
        except ValueError:  # cut by a kill, or the end
            continue
        if isinstance(record, dict):
            found.append(record)
    latest: dict[tuple[str, int], int] = {}
    for at, record in enumerate(found):
        if record.get("type") in ("step", "evaluation"):
            latest[(record["type"], record["step"])] = at
    return [
        record
        for at, record in enumerate(found)
        if record.get("type") not in ("step", "evaluation") or latest[(record["type"], record["step"])] == at
    ]


@contextmanager
def followed(work: Path, say: Callable[[Json], None]) -> Iterator[None]:
    """Hand on each record that is written while the context lasts; all have come when it has ended.

    Where nobody takes the records any more (a pipe that was closed), the run is stopped as by Ctrl-C.

    Raises:
        BaseException: what ``say`` raised, when the run has stopped.
    """
    path = work / NAME
    path.touch()
    ended = threading.Event()
    failed: list[BaseException] = []

    def follow() -> None:
        try:
            with path.open("rb") as stream:
                stream.seek(0, 2)
                ready.set()
                kept = b""
                while True:
                    is_last = ended.is_set()
                    kept += stream.read()
                    *lines, kept = kept.split(b"\n")
                    for line in lines:
                        say(loads(line))
                    if is_last:
                        return
                    ended.wait(_EVERY)
        except BaseException as error:  # noqa: BLE001  (it is raised where the context ends)
            failed.append(error)
            ready.set()
            if not ended.is_set():
                _thread.interrupt_main()

    ready = threading.Event()
    thread = threading.Thread(target=follow, daemon=True, name="records")
    thread.start()
    ready.wait()
    try:
        yield
    except KeyboardInterrupt:
        if not failed:
            raise
    finally:
        ended.set()
        thread.join()
    if failed:
        raise failed[0]
