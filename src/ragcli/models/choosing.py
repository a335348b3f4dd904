"""Which hub delivers: each is asked for its listing and for the first bytes of the largest file, side by side.

A mirror often answers for the API and not for the data, or the other way round, so only bytes count.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ragcli.errors import HubError, RagcliError
from ragcli.models.hubs.protocol import TITLES, Hub, Listing, aliases, open_hub
from ragcli.models.selection import Selection

_ASKED = 1 << 20  # bytes
_SECONDS = 1.5  # or so long, whichever comes first
_GRACE = 2.5  # that the second hub has when the first one has answered
_PATIENCE = 30.0
_BLOCK = 1 << 12
_TRIES = 3
_LONGEST_WAIT = 10.0  # seconds that a busy hub may ask for before it has listed anything
_CLEARLY = 1.3  # as fast as the other, so that it is no chance

Select = Callable[[Listing], Selection]


@dataclass(slots=True)
class Candidate:
    """What became of asking one hub: bytes a second, or the error; ``there`` if nothing is to be fetched."""

    source: str
    hub: Hub | None = None
    listing: Listing | None = None
    selection: Selection | None = None
    rate: float | None = None
    error: RagcliError | None = None
    there: bool = False
    late: bool = False  # it may still answer, if it is asked again

    @property
    def title(self) -> str:
        """The hub's name for people."""
        return self.hub.title if self.hub is not None else TITLES[self.source]

    @property
    def delivers(self) -> bool:
        """Whether the model can be had from here."""
        return self.there or self.rate is not None


def ask(
    sources: Sequence[str],
    id_: str,
    revision: str | None,
    select: Select,
    is_there: Callable[[Listing, Selection], bool],
) -> list[Candidate]:
    """Ask the hubs for a model; return what became of it, the one to take first.

    Args:
        sources: the hubs, in the order that decides where they are alike.
        id_: the model's name.
        revision: a branch, tag or commit, or None for each hub's main branch.
        select: chooses the files of a listing.
        is_there: whether they are on disk as they are listed.
    """
    candidates = {source: Candidate(source) for source in sources}
    ended: queue.SimpleQueue[tuple[str, BaseException | None]] = queue.SimpleQueue()

    def work(source: str) -> None:
        try:
            _ask_one(candidates[source], id_, revision, select, is_there, compare=len(sources) > 1)
            ended.put((source, None))
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits
            ended.put((source, error))

    for source in sources:
        threading.Thread(target=work, args=(source,), daemon=True).start()
    open_ = set(sources)
    until = time.monotonic() + (_PATIENCE if len(sources) > 1 else 86400.0)
    while open_ and time.monotonic() < until:
        try:
            source, failure = ended.get(timeout=0.2)
        except queue.Empty:
            continue
        open_.discard(source)
        if failure is not None:
            raise failure
        if candidates[source].delivers:
            until = min(until, time.monotonic() + (0.0 if candidates[source].there else _GRACE))
    for source in open_:
        late = Candidate(source, candidates[source].hub, late=True)
        late.error = HubError(f"{late.title} does not answer in time.", "network")
        candidates[source] = late
    return sorted(candidates.values(), key=lambda one: _worth(one, list(candidates.values())))


def _worth(one: Candidate, all_: list[Candidate]) -> tuple[int, int]:
    place = all_.index(one)
    if one.there:
        return 0, place
    if one.rate is None:
        return 2, place
    best = max(other.rate or 0.0 for other in all_)
    return (1, place) if one.rate * _CLEARLY >= best else (1, place + len(all_))


def _ask_one(
    candidate: Candidate,
    id_: str,
    revision: str | None,
    select: Select,
    is_there: Callable[[Listing, Selection], bool],
    compare: bool,
) -> None:
    try:
        hub = open_hub(candidate.source)
        candidate.hub = hub
        listing = _listing(hub, candidate.source, id_, revision)
        selection = select(listing)
        candidate.listing, candidate.selection = listing, selection
        if is_there(listing, selection):
            candidate.there = True
        elif compare:
            candidate.rate = _rate(hub, listing, selection)
        else:
            candidate.rate = 0.0  # the only one; whether it delivers, the download says
    except RagcliError as error:
        candidate.error = error


def _asked(hub: Hub, name: str, revision: str | None) -> Listing:
    """Return what a hub lists; one that is busy is asked again, after what it asks for."""
    for number in range(_TRIES):
        try:
            return hub.listing(name, revision)
        except HubError as error:
            wait = 0.5 * 2**number if error.after is None else error.after
            if error.kind != "busy" or number == _TRIES - 1 or wait > _LONGEST_WAIT:
                raise
            time.sleep(wait)
    raise AssertionError


def _listing(hub: Hub, source: str, id_: str, revision: str | None) -> Listing:
    first: HubError | None = None
    for name in aliases(source, id_):
        try:
            return _asked(hub, name, revision)
        except HubError as error:
            if error.kind != "missing":
                raise
            first = first or error
    assert first is not None
    raise first


def _rate(hub: Hub, listing: Listing, selection: Selection) -> float:
    file = max(selection.files, key=lambda one: one.size)
    began = time.monotonic()
    count = 0
    with hub.open(listing, file, 0, _BLOCK) as body:
        for block in body.blocks:
            count += len(block)
            if count >= _ASKED or time.monotonic() - began > _SECONDS:
                break
    if count == 0 and file.size > 0:
        raise HubError(f"{hub.title} sends nothing of {file.path}.", "data")
    return count / max(time.monotonic() - began, 1e-3)
