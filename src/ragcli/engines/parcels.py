"""What a task gives, in parcels: cut by content alone, so that a worker that takes over cuts them in the same places.

A parcel knows the digest of all that its task gave before it and up to its end. Where one worker's parcel does not
follow another's, the input changed in between, and `ragcli.engines.ledger` says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ragcli.engines.work import Settings, Task, new_events, records_of
from ragcli.errors import RagcliError
from ragcli.indexing.arrivals import Arrived, Seen
from ragcli.indexing.content import digest
from ragcli.indexing.states import States
from ragcli.records import Chunk, Record, Vector

WINDOW = 512  # chunks that are asked about together
READY_ROWS = 8192  # of a parcel whose vectors came in
CHARACTERS = 4_000_000  # of a parcel

NEW, CHANGED, LATER, UNCHANGED, REPEATED = range(5)
Ends = list[tuple[str, str, bool]]  # source, document, whether the document came in to its end
Meet = Callable[[int, list[tuple[str, str]], Ends, States, set[str], bool], bytes]


@dataclass(slots=True)
class Failure:
    """An error of ragcli's own on its way from a worker to the driver; Ray would wrap it in a traceback."""

    kind: str
    message: str
    hint: str | None
    exit_code: int

    @classmethod
    def of(cls, error: RagcliError) -> Failure:
        """Pack an error."""
        return cls(type(error).__name__, error.message, error.hint, error.exit_code)

    def error(self) -> RagcliError:
        """Unpack it: of its own class where that takes a message alone."""
        from ragcli import errors

        kind = getattr(errors, self.kind, RagcliError)
        plain = kind in (errors.MissingExtraError, errors.HubError) or not issubclass(kind, RagcliError)
        made = (RagcliError if plain else kind)(self.message, hint=self.hint)
        made.exit_code = self.exit_code
        return made


@dataclass(slots=True)
class Parcel:
    """A part of what a task gives.

    Args:
        task: its task's number.
        part: its number in the task, from 0.
        last: whether the task ends with it.
        before: digest of what the task gave before it.
        after: digest of what the task gave up to its end.
        items: the records to go on with.
        codes: of each chunk in ``items``, NEW, CHANGED or LATER.
        events: counts and losses, by stage.
        failure: why the task ended before its time.
        came: how many records came in, those that are not in ``items`` too.
    """

    task: int
    part: int
    last: bool
    before: bytes
    after: bytes
    items: list[Any] = field(default_factory=list)
    codes: bytes = b""
    events: list[Any] = field(default_factory=list)
    failure: Failure | None = None
    came: int = 0


class _Ends(Arrived):
    """The ends of documents, as a list that can be sent."""

    def __init__(self) -> None:
        super().__init__()
        self._ends: Ends = []

    def note(self, source: str, document: str, ended: bool) -> None:
        self._ends.append((source, document, ended))

    def take(self) -> Ends:
        """Return the ends since the last time."""
        out, self._ends = self._ends, []
        return out


def parcels(task: Task, settings: Settings, rows: int, meet: Meet | None) -> Iterator[Parcel]:
    """Do a task; yield what comes out in parcels. An error of ragcli's own is the last one's failure.

    Args:
        task: the task.
        settings: what the stages are told.
        rows: chunks to be embedded in a parcel.
        meet: says of chunks (task, ids and digests, ends of documents, states of files, splitters, whether it is over)
            which are to be embedded, as a code each; None: all of them.
    """
    reports = new_events()
    made = _Cutter(task.number, rows, meet, reports)
    try:
        for record in records_of(task, settings, reports):
            yield from made.add(record)
        yield from made.look(end=True)
        yield made.parcel(last=True)
    except RagcliError as error:
        yield made.parcel(last=True, failure=Failure.of(error))


class _Cutter:
    """Gathers records into parcels."""

    def __init__(self, task: int, rows: int, meet: Meet | None, reports: dict[str, Any]) -> None:
        self._task = task
        self._rows = rows
        self._meet = meet
        self._reports = reports
        self._window: list[Record] = []
        self._items: list[Record] = []
        self._codes = bytearray()
        self._weight = 0.0
        self._part = 0
        self._ends = _Ends()
        self._seen = Seen()  # here, as a keeper cannot tell what comes twice from a task that is done twice
        self._digest = hashlib.blake2b(digest_size=16)
        self._before = self._digest.digest()
        self._came = 0

    def add(self, record: Record) -> list[Parcel]:
        """Take a record; return the parcels that are full."""
        self._window.append(record)
        if len(self._window) < (WINDOW if self._meet is not None else 1):
            return []
        return self.look()

    def look(self, *, end: bool = False) -> list[Parcel]:
        """Ask about the chunks that wait; return the parcels that are full."""
        window, self._window = self._window, []
        codes = self._asked(window, end) if self._meet is not None else bytes(len(window))
        full = []
        for record, code in zip(window, codes, strict=True):
            self._came += 1
            made = digest(record) if isinstance(record, Chunk) else ""
            self._digest.update(f"{getattr(record, 'id', '')}\0{made}\0".encode("utf-8", "surrogatepass"))
            if code in (NEW, CHANGED, LATER):
                self._items.append(record)
                self._codes.append(code)
                text = len(getattr(record, "text", ""))
                each = READY_ROWS if isinstance(record, Vector) else self._rows
                self._weight += max(1 / each, text / CHARACTERS)
                if self._weight >= 1 - 1e-9:
                    full.append(self.parcel())
        return full

    def _asked(self, window: list[Record], end: bool) -> bytes:
        keys: list[tuple[str, str]] = []
        codes = bytearray()
        splitters: set[str] = set()
        states = States()
        for record in window:
            assert isinstance(record, Chunk)
            self._ends.add(record)
            states.note(record)
            key = (record.id, digest(record))
            splitters.add(record.splitter)
            codes.append(NEW)
            if self._seen.add(hash(key)):
                keys.append(key)
            else:
                codes[-1] = REPEATED
        if end:
            self._ends.close()
        if window or end:
            assert self._meet is not None
            answers = iter(self._meet(self._task, keys, self._ends.take(), states, splitters, end))
            codes = bytearray(code if code == REPEATED else next(answers) for code in codes)
        embed = self._reports["embed"]
        embed.count("chunks_in", len(window))
        for name, code in (("chunks_unchanged", UNCHANGED), ("chunks_repeated", REPEATED)):
            if code in codes:
                embed.count(name, codes.count(code))
        return bytes(codes)

    def parcel(self, *, last: bool = False, failure: Failure | None = None) -> Parcel:
        """Return what has been gathered, and begin anew."""
        after = self._digest.digest()
        events = [taken for report in self._reports.values() if (taken := report.take()) is not None]
        out = Parcel(
            self._task, self._part, last, self._before, after, self._items, bytes(self._codes), events, failure,
            self._came,
        )  # fmt: skip
        self._part, self._before, self._came = self._part + 1, after, 0
        self._items, self._codes, self._weight = [], bytearray(), 0.0
        return out
