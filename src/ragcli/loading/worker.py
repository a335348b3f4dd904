"""A process that reads files for another one: what hangs or crashes here ends this process only.

Tasks come in on stdin and what happens goes out on stdout, as pickles behind their length; what libraries print goes
nowhere. The process ends with its stdin, whatever it is doing.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from ragcli.loading.source import Options, Source
from ragcli.records import Document
from ragcli.report import Report

LENGTH = struct.Struct("!Q")
_FLUSH_CHARACTERS = 1 << 18
_FLUSH_SECONDS = 0.2
_TIRED = 1 << 30  # bytes that a process may have taken and go on


class Settings(NamedTuple):
    """What a worker is told first: the most memory in bytes (0: any), and the threads a library may use."""

    memory: int
    threads: int


class Task(NamedTuple):
    """One file to read: see `ragcli.loading.source.Source`."""

    name: str
    row: str | None
    options: Options
    path: str | None
    data: bytes | None
    explicit: bool
    media_type: str | None
    charset: str | None
    status: tuple[int, int] | None = None
    reader: Any = None


class Batch(NamedTuple):
    """What happened since the last batch.

    Args:
        events: ("document", document) | ("count", name, n) | ("lose", kind, source, reason, where), in order.
        characters: of the documents' texts.
        done: whether the file is at its end.
        tired: the process ends after this, as it has become large.
    """

    events: list[tuple[Any, ...]]
    characters: int
    done: bool
    tired: bool = False


class _Relay(Report):
    """A report that sends on what it is told."""

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__("load", keep=False)
        self._out = out
        self._events: list[tuple[Any, ...]] = []
        self._characters = 0
        self._sent = time.monotonic()

    def count(self, name: str, n: int = 1) -> None:
        self._events.append(("count", name, n))

    def lose(self, kind: str, source: str, reason: str, **where: Any) -> None:
        self._events.append(("lose", kind, source, reason, where))

    def beat(self) -> None:
        self._maybe()

    def document(self, document: Document) -> None:
        self._events.append(("document", document))
        self._characters += len(document.text)
        self._maybe()

    def _maybe(self) -> None:
        if self._characters >= _FLUSH_CHARACTERS or time.monotonic() - self._sent > _FLUSH_SECONDS:
            self.send(done=False)

    def send(self, *, done: bool, tired: bool = False) -> None:
        write(self._out, Batch(self._events, self._characters, done, tired))
        self._events, self._characters = [], 0
        self._sent = time.monotonic()


def write(stream: IO[bytes], value: object) -> None:
    """Write one pickle behind its length."""
    data = pickle.dumps(value, protocol=5)
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Return the next pickle.

    Raises:
        EOFError: the stream has ended.
    """
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (size,) = LENGTH.unpack(head)
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)


def main() -> None:
    """Read files until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started this process says when it ends
    tasks_in = os.fdopen(os.dup(0), "rb")
    out = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    sys.stdout = sys.stderr = open(nothing, "w", closefd=False)  # noqa: SIM115
    settings: Settings = receive(tasks_in)
    limit_memory(settings.memory)
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads))
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(tasks_in, waiting), daemon=True).start()
    from ragcli.loading import ocr

    ocr.threads(settings.threads)
    while True:
        task = waiting.get()
        relay = _Relay(out)
        for document in documents(task, relay):
            relay.document(document)
        tired = _largest() > _TIRED
        relay.send(done=True, tired=tired)
        if tired:
            return


def documents(task: Task, report: Report) -> Iterator[Document]:
    """Yield the documents of a task."""
    from ragcli.loading.reading import read

    reader = task.reader.read if task.reader is not None else None
    source = Source(
        task.name,
        options=task.options,
        report=report,
        path=None if task.path is None else Path(task.path),
        data=task.data,
        explicit=task.explicit,
        media_type=task.media_type,
        charset=task.charset,
        status=task.status,
    )
    return read(source, task.row, reader)


def _listen(stream: IO[bytes], waiting: queue.SimpleQueue[Task]) -> None:
    try:
        while True:
            waiting.put(receive(stream))
    except (EOFError, OSError):
        os._exit(0)


def limit_memory(size: int) -> None:
    """Let this process take at most so many bytes, where the system can be told so (Linux)."""
    if not size or not sys.platform.startswith("linux"):
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = size if most == resource.RLIM_INFINITY else min(size, most)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))


def _largest() -> int:
    """Return the most memory in bytes that this process has had."""
    if sys.platform == "win32":
        return 0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
