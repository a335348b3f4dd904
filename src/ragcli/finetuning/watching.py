"""The launcher's watch over the processes of its machine: passes on a stop, and lets none outlive a failure.

torch's elastic agent sees a process that ends and ends the others. It does not see a process that waits for one on
another machine which is gone, nor one that returns without a word; and it gives all the same time, whether they save
a checkpoint or hang in a collective operation that can never end.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ragcli.finetuning import outcomes
from ragcli.finetuning.nodes import Meeting
from ragcli.finetuning.outcomes import Outcome
from ragcli.finetuning.peers import Peers

_LAST = 10.0  # seconds that the others have when one has failed
_POLL = 0.3


class Watch(threading.Thread):
    """A thread that watches until `finish`.

    Args:
        meeting: the machines.
        folder: of the logs.
        own: the ranks of this machine.
        grace: seconds that a process has to save what it holds when it is stopped.
        say: where the user reads what happens.
    """

    def __init__(
        self, meeting: Meeting, folder: Path, own: Sequence[int], grace: float, say: Callable[[str], None]
    ) -> None:
        super().__init__(name="ragcli-watch", daemon=True)
        self.meeting, self.folder, self.own, self.grace, self.say = meeting, folder, own, grace, say
        self.stop = threading.Event()  # the user wants no more
        self.killed = False
        self.for_others = False  # they were killed for what happened on another machine
        self.peers = Peers(meeting)
        self.stuck = threading.Event()  # nothing is left to wait for, though the agent waits
        self.waiting = False  # the main thread waits for the agent
        self._finished = threading.Event()
        self._told: set[int] = set()
        self._failed_at: float | None = None
        self._stopped_at: float | None = None

    def run(self) -> None:
        """Watch."""
        self.peers.start()
        while not self._finished.wait(_POLL):
            pids = self.pids()
            self._heed_others(pids)
            self._pass_on(pids)
            self._bury(pids)

    def finish(self) -> None:
        """End the watch, and every process that is left."""
        self._finished.set()
        self.join(timeout=5.0)
        self.peers.finish()
        self.kill()

    def pids(self) -> dict[int, int]:
        """Return rank -> process, of those that have begun."""
        found = {}
        for rank in self.own:
            with contextlib.suppress(OSError, ValueError):
                found[rank] = int((self.folder / f"rank-{rank}.pid").read_text())
        return found

    def kill(self) -> None:
        """End all processes of this machine, and what they have started, at once."""
        for pid in self.pids().values():
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)  # each leads a group of its own

    def ended(self) -> list[Outcome]:
        """Return how the processes of this machine ended, those that could say."""
        return [one for one in outcomes.read(self.folder) if one.rank in self.own]

    def _heed_others(self, pids: dict[int, int]) -> None:
        """Stop when another machine stops, and end when another fails or is gone."""
        if self.peers.stopped is not None and not self.stop.is_set():
            self.say(f"{self.meeting.name(self.peers.stopped)} stops")
            self.stop.set()
        if self.killed or not self.waiting or not (self.peers.failed or self.peers.gone()):
            return
        ended = self.ended()
        if len(ended) == len(self.own) and all(one.kind == "done" for one in ended):
            return  # nothing is lost any more
        if self._failed_at is None:
            self._failed_at, self.for_others = time.monotonic(), True
        self._end_all()

    def _pass_on(self, pids: dict[int, int]) -> None:
        """Pass on that the user stops: once to each, which then has ``grace`` seconds."""
        if not self.stop.is_set():
            return
        now = time.monotonic()
        if self._stopped_at is None:
            self._stopped_at = now
            self.peers.tell_stop()
        for rank, pid in pids.items():
            if rank not in self._told:
                self._told.add(rank)
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGTERM)
        if now - self._stopped_at > self.grace and not self.killed:
            left = [rank for rank, pid in pids.items() if _alive(pid)]
            if left:
                names = ", ".join(map(str, left))
                self.say(f"rank {names} did not end within {self.grace:g} s, and is killed")
            self._end_all()

    def _bury(self, pids: dict[int, int]) -> None:
        """Give the others a last time when one has failed."""
        ended = {one.rank: one for one in self.ended()}
        if any(one.kind == "stopped" for one in ended.values()):
            self.stop.set()  # a signal has reached one of them alone
        gone = [rank for rank, pid in pids.items() if not _alive(pid)]
        failed = [one for one in ended.values() if one.kind not in ("done", "stopped")]
        silent = [rank for rank in gone if rank not in ended]
        now = time.monotonic()
        if failed or silent:
            self._failed_at = self._failed_at or now
        if self._failed_at is None:
            return
        if now - self._failed_at > _LAST and not self.killed:
            self._end_all()
        if now - self._failed_at > 2 * _LAST and self.waiting and not self.stuck.is_set():
            self.stuck.set()
            _thread.interrupt_main(signal.SIGTERM)  # to the handler in `launch`: nobody else gets it

    def _end_all(self) -> None:
        self.killed = True
        self.kill()


def _alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and was not yet asked for does not."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
