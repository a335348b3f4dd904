"""What runs on the cluster's machines: the keeper, the tasks that load and split, the actors that hold the model."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragcli import __version__
from ragcli.engines.parcels import CHANGED, LATER, NEW, Failure, Parcel, parcels
from ragcli.engines.ray_cluster import import_ray
from ragcli.engines.work import Settings, Task, new_events
from ragcli.errors import ModelError, RagcliError
from ragcli.records import Json
from ragcli.report import Report

if TYPE_CHECKING:
    from ragcli.engines.committing import Written

COLUMN = "parcel"


@dataclass(slots=True)
class Done:
    """What became of a parcel, on its way to the driver."""

    task: int
    part: int
    last: bool
    before: bytes
    after: bytes
    events: list[Any]
    failure: Failure | None
    written: dict[int, Written] = field(default_factory=dict)  # by NEW, CHANGED or LATER
    records: list[Any] = field(default_factory=list)  # where there is no table


class KeeperActor:
    """`ragcli.engines.keeping.Keeper` as an actor: errors of ragcli's own are returned, not raised."""

    def __init__(self, *given: Any) -> None:
        self._given = given
        self._keeper: Any = None

    def begin(self) -> Any:
        """Open the table, if there is one."""
        return _guarded(self._begin)

    def _begin(self) -> None:
        from ragcli.engines.keeping import Keeper

        db, name, contract, again, folder = self._given
        self._keeper = Keeper(db, name, contract, again=again, folder=folder)

    def meet(self, *args: Any) -> Any:
        """See `Keeper.meet`."""
        return _guarded(self._keeper.meet, *args)

    def state(self) -> Any:
        """See `Keeper.state`."""
        return _guarded(self._keeper.state)

    def finish(self, lost: list[str]) -> Any:
        """Return what `Keeper.finish` counted and lost."""
        report = Report("embed")
        failed = _guarded(self._keeper.finish, report, lost)
        return failed or (dict(report.counts), report.losses)

    def prune(self, roots: list[str]) -> Any:
        """Return the sources that `Keeper.prune` removed, and how many rows."""
        report = Report("embed")
        gone = _guarded(self._keeper.prune, roots, report)
        return gone if isinstance(gone, Failure) else (gone, report.counts["chunks_pruned"])


class LoadTask:
    """The first step: a task to its parcels."""

    def __init__(self, settings: Settings, rows: int, keeper: Any, bare: bool) -> None:
        self._settings = settings
        self._rows = rows
        self._keeper = keeper
        self._bare = bare
        self.__name__ = "load"

    def __call__(self, batch: Any) -> Iterator[Any]:
        """Yield the parcels of a batch of tasks, a block each."""
        meet = None if self._keeper is None else self._meet
        for packed in batch.column("task").to_pylist():
            task: Task = pickle.loads(packed)
            for parcel in parcels(task, self._settings, self._rows, meet):
                yield _packed(_done(parcel, parcel.items) if self._bare else parcel)

    def _meet(self, *args: Any) -> bytes:
        answer: bytes = answer_of(self._keeper.meet.remote(*args))
        return answer


class EmbedActor:
    """The second step: an actor that holds the model; it embeds parcels and writes them as fragments."""

    def __init__(self, settings: Settings, contract: Json, table: tuple[str, str] | None, threads: int) -> None:
        self._settings = settings
        self._contract = contract
        self._place = table
        self._threads = threads
        self._embedder: Any = None
        self._table: Any = None

    def __call__(self, batch: Any) -> Iterator[Any]:
        """Yield what becomes of a batch of parcels, a block each."""
        for packed in batch.column(COLUMN).to_pylist():
            parcel: Parcel = pickle.loads(packed)
            try:
                yield _packed(self._embedded(parcel))
            except RagcliError as error:
                done = _done(parcel, [])
                done.failure = Failure.of(error)
                yield _packed(done)

    def _embedded(self, parcel: Parcel) -> Done:
        from ragcli.embedding import embed

        done = _done(parcel, [])
        if not parcel.items:
            return done
        reports = new_events()
        report = reports["embed"]
        made = embed(parcel.items, self._opened(), headings=self._settings.headings, report=report)
        if self._place is None:
            done.records = list(made)
            report.count("chunks_in", len(parcel.items))
            report.count("chunks_written", len(done.records))
        else:
            self._write(done, list(made), parcel.codes, report)
        if (events := report.take()) is not None:
            done.events.append(events)
        return done

    def _write(self, done: Done, vectors: list[Any], codes: bytes, report: Report) -> None:
        from ragcli.engines.committing import Written, write_fragment
        from ragcli.indexing.writer import rows_of
        from ragcli.store import Table

        if self._table is None:
            assert self._place is not None
            self._table = Table.open(*self._place)
        dataset = self._table.dataset
        dimension = self._table.dimension
        for vector in vectors:
            if len(vector.vector) != dimension:
                raise ModelError(
                    f"the vector of chunk {vector.id} has {len(vector.vector)} components,"
                    f" and the table {self._table.name!r} holds vectors of {dimension}."
                )
        for code in (NEW, CHANGED, LATER):
            some = {vector.id: vector for vector, its in zip(vectors, codes, strict=True) if its == code}
            twice = codes.count(code) - len(some)
            if twice:  # the same place with other metadata: the later one stays, as in a table
                report.count("chunks_repeated", twice)
            if some:
                fragments = write_fragment(rows_of(list(some.values()), dataset.schema), dataset.uri)
                (fragment,) = fragments
                done.written[code] = Written(fragment, list(some))

    def _opened(self) -> Any:
        """Open the model, once; it must be the one that the driver knows."""
        if self._embedder is None:
            from ragcli.embedding import open_embedder

            made = open_embedder(
                self._settings.model, device=self._settings.device, contract=self._contract, threads=self._threads
            )
            if made.contract != self._contract:
                raise ModelError(
                    f"the embedding model {made.contract.get('id')} on {os.uname().nodename} (ragcli {__version__}) is"
                    f" not the one of the machine that began the run: hash {str(made.contract.get('hash'))[:12]} there,"
                    f" {str(self._contract.get('hash'))[:12]} here.",
                    hint="Bring the same model to all machines, as with ragcli download.",
                )
            self._embedder = made
        return self._embedder


def _done(parcel: Parcel, records: list[Any]) -> Done:
    return Done(
        parcel.task, parcel.part, parcel.last, parcel.before, parcel.after, list(parcel.events), parcel.failure,
        records=records,
    )  # fmt: skip


def _packed(value: Any) -> Any:
    import pyarrow as pa

    return pa.table({COLUMN: pa.array([pickle.dumps(value, 5)], pa.large_binary())})


def _guarded(call: Callable[..., Any], *args: Any) -> Any:
    """Call; return the `Failure` where an error of ragcli's own comes, which Ray would wrap in a traceback."""
    try:
        return call(*args)
    except RagcliError as error:
        return Failure.of(error)


def answer_of(reference: Any) -> Any:
    """Return what an actor answers.

    Raises:
        RagcliError: what it failed with, or that it is gone.
    """
    ray = import_ray()
    try:
        answer = ray.get(reference)
    except ray.exceptions.RayActorError as error:
        raise RagcliError(
            "the worker that keeps count of the chunks is gone, and with it the run; what was committed is in the"
            " table.",
            hint="Run it again: it goes on from there.",
        ) from error
    if isinstance(answer, Failure):
        raise answer.error()
    return answer
