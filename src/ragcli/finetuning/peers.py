"""What the launchers of several machines say to each other while their processes train: that they live, stop or failed.

It goes through the store at MASTER_ADDR, in a thread of its own: a question to a machine whose cable was pulled is
never answered, and nothing else may wait for that.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from typing import Any

from ragcli.finetuning.nodes import Meeting
from ragcli.finetuning.outcomes import Outcome

_BEAT = 1.0  # seconds between two signs of life
_SILENT = 30.0  # seconds without one, after which a machine is gone


class Peers(threading.Thread):
    """The other machines of a run; of one machine alone there are none, and it does nothing.

    Args:
        meeting: the machines.
    """

    def __init__(self, meeting: Meeting) -> None:
        super().__init__(name="ragcli-peers", daemon=True)
        self.meeting = meeting
        self.stopped: int | None = None  # the machine whose user wants no more
        self.failed: list[Outcome] = []
        self.done: set[int] = set()
        self._out: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._sent = threading.Event()
        self._answered = time.monotonic()
        self._error = ""
        self._beats: dict[int, tuple[bytes, float]] = {}
        self._silent: list[str] = []
        self._finished = threading.Event()

    @property
    def any(self) -> bool:
        """Whether there are other machines."""
        return self.meeting.settings.count > 1

    def run(self) -> None:
        """Talk, until `finish`; a store that is gone does not come back."""
        if not self.any:
            return
        number = 0
        try:
            store = self.meeting.connect()
            while not self._finished.wait(0.3 if self._out.empty() else 0):
                while not self._out.empty():
                    key, value = self._out.get()
                    store.set(f"{key}/{self.meeting.settings.rank}", value)
                if time.monotonic() - self._answered < _BEAT and number:
                    self._sent.set()
                    continue
                number += 1
                store.set(f"beat/{self.meeting.settings.rank}", str(number))
                self._hear(store)
                self._answered = time.monotonic()
                if self._out.empty():
                    self._sent.set()
        except RuntimeError as error:
            self._error = " ".join(str(error).split())[:200]

    def finish(self) -> None:
        """Talk no more."""
        self._finished.set()

    def tell_stop(self) -> None:
        """Say that the user of this machine wants no more."""
        self._tell("stop", "1")

    def tell_end(self, outcome: Outcome | None) -> None:
        """Say how it ended here: well, where there is no outcome."""
        if outcome is None:
            self._tell("done", "1")
        else:
            self._tell("failed", json.dumps({name: getattr(outcome, name) for name in Outcome.__slots__}))

    def _tell(self, key: str, value: str) -> None:
        if self.any and self.is_alive():
            self._sent.clear()
            self._out.put((key, value))

    def flush(self, seconds: float) -> None:
        """Wait until all is said, if it can be."""
        end = time.monotonic() + seconds
        while self.any and self.is_alive() and not self._sent.is_set() and time.monotonic() < end:
            time.sleep(0.1)

    def gone(self) -> str | None:
        """Return which machine is gone, in words; None where all answer."""
        if not self.any:
            return None
        if 0 not in self.done:
            if self._error:
                return f"{self.meeting.name(0)} is gone: {self._error}"
            if time.monotonic() - self._answered > _SILENT:
                return f"{self.meeting.name(0)} has not answered for {_SILENT:.0f} s"
        return self._silent[0] if self._silent else None

    def _hear(self, store: Any) -> None:
        now = time.monotonic()
        for rank in range(self.meeting.settings.count):
            if rank == self.meeting.settings.rank or rank in self.done:
                continue
            if store.check([f"done/{rank}"]):
                self.done.add(rank)
                continue
            if store.check([f"stop/{rank}"]):
                self.stopped = rank
            if store.check([f"failed/{rank}"]):
                outcome = Outcome(**json.loads(store.get(f"failed/{rank}")))
                if outcome not in self.failed:
                    self.failed.append(outcome)
                continue
            beat = bytes(store.get(f"beat/{rank}")) if store.check([f"beat/{rank}"]) else b""
            last, since = self._beats.get(rank, (b"never", now))
            self._beats[rank] = (last, since) if beat == last else (beat, now)
            if beat == last and now - since > _SILENT:
                self._silent = [f"{self.meeting.name(rank)} has not answered for {_SILENT:.0f} s"]
