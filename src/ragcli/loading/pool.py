"""Worker processes that read files, each watched: one that hangs or dies is replaced, and its file is named.

A thread a process hands out the files in their order and takes in what comes back. What is read ahead of its turn is
held here, up to a limit; beyond it the pipe of the process stays full and the process waits.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import IO, Any

from ragcli.loading.worker import Batch, Settings, Task, receive, write

_AHEAD = 64 << 20  # characters of documents that wait for their turn
_LOOK = 0.2  # seconds between two looks of the watchdog, and of the one who waits
_COMMAND = "import sys; sys.path[:] = sys.argv[1:]; from ragcli.loading.worker import main; main()"


class Ticket:
    """The answer to one task, as it comes in."""

    def __init__(self, pool: Pool, task: Task) -> None:
        self.task = task
        self.lost: str | None = None  # why the process ended before the file did
        self._pool = pool
        self._batches: deque[Batch] = deque()
        self._done = False

    def events(self, unwanted: threading.Event) -> Iterator[tuple[Any, ...]]:
        """Yield what happened (see `worker.Batch`) up to the end of the file, or of its process (`lost`).

        Args:
            unwanted: ends it where it is.
        """
        pool = self._pool
        with pool.change:
            pool.head = self
            pool.change.notify_all()
        while True:
            with pool.change:
                while not self._batches and not self._done:
                    if unwanted.is_set():
                        return
                    pool.change.wait(_LOOK)  # a Ctrl-C that comes just before a wait does not end it
                if not self._batches:
                    return
                batch = self._batches.popleft()
                pool.held -= batch.characters
                pool.change.notify_all()
            yield from batch.events

    def put(self, batch: Batch) -> None:
        """Take in a batch; waits while too much is held, unless it is this ticket's turn."""
        pool = self._pool
        with pool.change:
            while pool.held > _AHEAD and pool.head is not self and not pool.closed:
                pool.change.wait()
            pool.held += batch.characters
            self._batches.append(batch)
            self._done = batch.done
            pool.change.notify_all()

    def end(self, reason: str) -> None:
        """Say that nothing more comes, and why."""
        with self._pool.change:
            self.lost, self._done = reason, True
            self._pool.change.notify_all()


class Pool:
    """Processes that read files.

    Args:
        jobs: how many.
        settings: what each is told.
        timeout: seconds in which a file must give a sign of life; 0 for ever.
    """

    def __init__(self, jobs: int, settings: Settings, timeout: float) -> None:
        self.change = threading.Condition()
        self.head: Ticket | None = None
        self.held = 0
        self.closed = False
        self._settings = settings
        self._timeout = timeout
        self._jobs = jobs
        self._waiting = 0  # keepers without a file
        self._tickets: deque[Ticket] = deque()
        self._keepers: list[_Keeper] = []

    def submit(self, task: Task) -> Ticket:
        """Have a file read."""
        ticket = Ticket(self, task)
        with self.change:
            self._tickets.append(ticket)
            if len(self._tickets) > self._waiting and len(self._keepers) < self._jobs:
                keeper = _Keeper(self, self._settings, self._timeout)
                self._keepers.append(keeper)
                keeper.start()
            self.change.notify_all()
        return ticket

    def next(self) -> Ticket | None:
        """Return the next file to read, waiting for it; None at the end."""
        with self.change:
            self._waiting += 1
            while not self._tickets and not self.closed:
                self.change.wait()
            self._waiting -= 1
            return None if self.closed else self._tickets.popleft()

    def close(self) -> None:
        """End all processes, also in the middle of a file."""
        with self.change:
            self.closed = True
            self.change.notify_all()
        for keeper in self._keepers:
            keeper.kill()
        for keeper in self._keepers:
            keeper.join()


class _Keeper(threading.Thread):
    """Keeps one process, and starts another where it ends."""

    def __init__(self, pool: Pool, settings: Settings, timeout: float) -> None:
        super().__init__(daemon=True, name="ragcli load")
        self._pool = pool
        self._settings = settings
        self._timeout = timeout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = 0.0  # when the process last said something; 0 while nobody waits for it
        self._late = False

    def run(self) -> None:
        """Read files until there are no more."""
        if self._timeout:
            threading.Thread(target=self._watch, daemon=True).start()
        while (ticket := self._pool.next()) is not None:
            try:
                self._read(ticket)
            except Exception as error:  # noqa: BLE001  a ticket without an end would be waited for for ever
                self._end()
                ticket.end(f"no process to read it in: {error}")
        self._end()

    def _read(self, ticket: Ticket) -> None:
        self._late = False
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        try:
            write(process.stdin, ticket.task)
            while True:
                self._hear(time.monotonic())
                batch: Batch = receive(process.stdout)
                self._hear(0.0)
                ticket.put(batch)
                if batch.done:
                    if batch.tired or self._late:
                        self._end()
                    return
        except (EOFError, OSError):
            self._hear(0.0)
            ticket.end(self._why(process))
            self._end()

    def _hear(self, now: float) -> None:
        with self._lock:
            self._heard = now

    def _why(self, process: subprocess.Popen[bytes]) -> str:
        if self._late:
            return f"no sign of life for {self._timeout:g} seconds, and it was given up. Pass a larger --timeout."
        code = process.wait()
        if code == -9:
            return "the process that read it was killed, as when memory runs out."
        return f"the parser crashed ({f'signal {-code}' if code < 0 else f'exit code {code}'})."

    def _running(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._pool.closed:  # nobody would end a process that starts now
                raise EOFError
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _COMMAND, *sys.path],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    bufsize=1 << 20,
                )
                assert self._process.stdin is not None
                write(self._process.stdin, self._settings)
            return self._process

    def _watch(self) -> None:
        while not self._pool.closed:
            time.sleep(_LOOK)
            with self._lock:
                if self._heard and self._process and time.monotonic() - self._heard > self._timeout:
                    self._heard, self._late = 0.0, True
                    self._process.kill()

    def kill(self) -> None:
        """End the process at once."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            _closed(stream)


def _closed(stream: IO[bytes] | None) -> None:
    with contextlib.suppress(OSError):
        if stream is not None:
            stream.close()
