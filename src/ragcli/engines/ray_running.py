"""Running tasks on a Ray cluster with Ray Data: loading and splitting in tasks, embedding in actors, commits here.

Two steps, so that a GPU does not wait for a parser: ``map_batches`` of a function does tasks
(`ragcli.engines.parcels`); ``map_batches`` of a class, an actor pool, embeds their parcels and writes each as a
fragment of the table. What comes back to the driver is small: fragments' metadata, ids, counts and losses. Ray Data
holds back the first step when the second is behind, and does again what a lost worker had; what it does not notice,
the ledger does.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragcli.engines.ledger import Ledger
from ragcli.engines.parcels import CHANGED, LATER, NEW
from ragcli.engines.ray_cluster import Cluster, Sizes, import_ray, sizes
from ragcli.engines.ray_workers import COLUMN, Done, EmbedActor, KeeperActor, LoadTask, answer_of
from ragcli.engines.work import Files, Settings, Task
from ragcli.errors import RagcliError
from ragcli.records import Json, Record
from ragcli.report import Report

if TYPE_CHECKING:
    from ragcli.engines.committing import Committer, Written

ROWS = 256  # chunks of a fragment: what a worker on CPUs embeds in half a minute or so,
GPU_ROWS = 8192  # and what one with a GPU does
COMMIT_SECONDS = 20.0
COMMIT_ROWS = 262_144
_RESTARTS = 8  # of an embedding worker, and of what it was doing


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a run is spread over the cluster.

    Args:
        workers: that hold the model; None: one a GPU, else one a CPU.
        worker_cpus: CPUs, and threads, of each.
        rows: chunks of a fragment; None: 256, or 8192 with a GPU.
    """

    workers: int | None = None
    worker_cpus: int = 1
    rows: int | None = None


def index(
    cluster: Cluster,
    tasks: Sequence[Task],
    settings: Settings,
    db: str,
    name: str,
    reports: Mapping[str, Report],
    *,
    again: bool = False,
    prune: Sequence[str] = (),
    spread: Spread | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Do tasks on a cluster and write the table, as ``load | split | embed`` in one process would.

    Args:
        cluster: an open one.
        tasks: from `file_tasks`, `record_tasks` or `line_tasks`; numbered from 0.
        settings: what the stages are told; ``headings`` must agree with the table.
        db: the database: a folder that all machines see, or a URI.
        name: the table.
        reports: of load, split and embed: counts and losses. ``chunks_in`` of embed is chunks_unchanged +
            chunks_repeated + chunks_written (+ what others wrote meanwhile, as chunks_unchanged).
        again: embed what the table has, too.
        prune: folders and files; chunks of files under them that are gone are removed in the end.
        spread: how to spread the work.
        progress: called with the number of chunks written.

    Returns:
        The sources that were pruned.

    Raises:
        RagcliError: the cluster has too little, a worker could not do its work, the table cannot be written.
    """
    from ragcli.embedding.opening import model_contract
    from ragcli.store import Table, is_remote

    place = db if is_remote(db) else os.path.abspath(db)  # noqa: PTH100  workers are in other folders
    known = Table.open(place, name).contract.get("model") if Table.exists(place, name) else None
    contract = model_contract(settings.model, contract=known)
    run = _Run(cluster, settings, spread or Spread(), reports)
    keeper = run.keeper(place, name, {"model": contract, "headings": settings.headings}, again)
    ledger = Ledger(task.number for task in tasks)
    writer = _Commits(place, name, keeper, reports["embed"], progress)
    try:
        try:
            for done in run.results(tasks, keeper, (place, name), contract):
                if not ledger.book(done.task, done.part, done.before, done.after, done.last):
                    continue
                run.note(done)
                writer.take(done)
                if done.failure is not None:
                    raise done.failure.error()
        finally:
            writer.flush()  # what has been embedded is kept, whatever ends the run
        writer.finish(run.name_lost(tasks, ledger))
        gone: list[str] = []
        if prune:
            gone, pruned = answer_of(keeper.prune.remote(list(prune)))
            reports["embed"].count("chunks_pruned", pruned)
    finally:
        run.close(keeper)
    return gone


def stream(
    cluster: Cluster,
    tasks: Sequence[Task],
    settings: Settings,
    reports: Mapping[str, Report],
    *,
    spread: Spread | None = None,
) -> Iterator[Record]:
    """Do tasks on a cluster and yield what the last stage gives, in the order of the tasks.

    Args:
        cluster: an open one.
        tasks: as for `index`.
        settings: what the stages are told; ``until`` names the last one.
        reports: of load, split and embed.
        spread: how to spread the work.

    Raises:
        RagcliError: the cluster has too little, or a worker could not do its work.
    """
    run = _Run(cluster, settings, spread or Spread(), reports)
    contract = None
    if settings.until == "embed":
        from ragcli.embedding.opening import model_contract

        contract = model_contract(settings.model)
    ledger = Ledger(task.number for task in tasks)
    for done in run.results(tasks, None, None, contract, ordered=True):
        if ledger.book(done.task, done.part, done.before, done.after, done.last):
            run.note(done)
            yield from done.records
            if done.failure is not None:
                raise done.failure.error()
    run.name_lost(tasks, ledger)


class _Run:
    """One run on a cluster."""

    def __init__(self, cluster: Cluster, settings: Settings, spread: Spread, reports: Mapping[str, Report]) -> None:
        self._ray = import_ray()
        self._settings = settings
        self._reports = reports
        cpus, gpus = cluster.resources()
        self._sizes: Sizes = sizes(
            cpus, gpus, workers=spread.workers, worker_cpus=spread.worker_cpus, device=settings.device
        )
        self._rows = spread.rows or (GPU_ROWS if self._sizes.embed_gpus else ROWS)

    def keeper(self, db: str, name: str, contract: Json, again: bool) -> Any:
        """Start the keeper, on this machine."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)
        made = self._ray.remote(num_cpus=0, max_restarts=0, scheduling_strategy=here)(KeeperActor)
        keeper = made.remote(db, name, contract, again, os.getcwd())  # noqa: PTH109
        answer_of(keeper.begin.remote())
        return keeper

    def results(
        self,
        tasks: Sequence[Task],
        keeper: Any,
        table: tuple[str, str] | None,
        contract: Json | None,
        *,
        ordered: bool = False,
    ) -> Iterator[Done]:
        """Yield what becomes of the parcels of tasks, as they are done."""
        ray = self._ray
        if not tasks:
            return
        context = ray.data.DataContext.get_current()
        context.target_max_block_size = 1  # each parcel is a block, on its way as soon as it is full
        context.execution_options.preserve_order = ordered
        context.wait_for_min_actors_s = 0
        size = self._sizes
        given = ray.data.from_items(
            [{"task": pickle.dumps(task, 5)} for task in tasks], override_num_blocks=len(tasks)
        ).map_batches(
            LoadTask(self._settings, self._rows, keeper, table is None and contract is None),
            batch_size=1,
            batch_format="pyarrow",
            num_cpus=size.load_cpus,
            concurrency=size.loaders,
        )
        if contract is not None:
            given = given.map_batches(
                EmbedActor,
                fn_constructor_args=(self._settings, contract, table, size.threads),
                batch_size=1,
                batch_format="pyarrow",
                num_cpus=size.embed_cpus,
                num_gpus=size.embed_gpus,
                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=size.embedders),
                max_restarts=_RESTARTS,
                max_task_retries=_RESTARTS,
            )
        try:
            for batch in given.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for packed in batch.column(COLUMN).to_pylist():
                    yield pickle.loads(packed)
        except ray.exceptions.RayError as error:
            raise _lost(error) from error

    def note(self, done: Done) -> None:
        """Take what a parcel counted and lost into the reports."""
        for stage, counts, losses in done.events:
            report = self._reports[stage]
            for key, n in counts.items():
                report.count(key, n)
            for loss in losses:
                where = {key: value for key, value in loss.items() if key not in ("kind", "source", "reason")}
                report.lose(loss["kind"], loss["source"], loss["reason"], **where)

    def name_lost(self, tasks: Sequence[Task], ledger: Ledger) -> list[str]:
        """Say which tasks did not come in whole; return their files."""
        lost: list[str] = []
        for number in ledger.open():
            task = tasks[number]
            if isinstance(task, Files):
                lost += [getattr(one, "name", str(one)) for one in task.files]
            first = task.files[0] if isinstance(task, Files) else None
            source = getattr(first, "name", first) or getattr(task, "uri", "") or getattr(task, "name", "")
            more = f" and the {len(task.files) - 1} files after it" if isinstance(task, Files) else ""
            reason = f"it changed while it was read{more}, or was not read to its end; run it again"
            self._reports["load" if isinstance(task, Files) else "embed"].lose("failed", str(source), reason)
        return lost

    def close(self, keeper: Any) -> None:
        """End the keeper."""
        self._ray.kill(keeper)


class _Commits:
    """Gathers what workers wrote, and makes it part of the table in batches."""

    def __init__(self, db: str, name: str, keeper: Any, report: Report, progress: Callable[[int], None] | None) -> None:
        self._place = (db, name)
        self._keeper = keeper
        self._report = report
        self._progress = progress
        self._batches: dict[int, list[Written]] = {NEW: [], CHANGED: []}
        self._late: dict[tuple[int, int], Written] = {}
        self._rows = 0
        self._since = time.monotonic()
        self._committer: Committer | None = None

    def take(self, done: Done) -> None:
        """Take the fragments of a parcel; commits when a batch is large or old."""
        for code, written in done.written.items():
            if code == LATER:
                self._late[done.task, done.part] = written
            else:
                self._batches[code].append(written)
            self._rows += len(written.ids)
        if self._rows >= COMMIT_ROWS or time.monotonic() - self._since > COMMIT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Commit what there is."""
        if any(self._batches.values()):
            committer = self._open()
            new, changed = self._batches[NEW], self._batches[CHANGED]
            self._batches = {NEW: [], CHANGED: []}
            theirs = committer.add(new)
            committer.put(changed)
            self._count(sum(len(one.ids) for one in (*new, *changed)), theirs)
        self._rows, self._since = 0, time.monotonic()

    def _count(self, rows: int, theirs: int = 0) -> None:
        self._report.count("chunks_written", rows - theirs)
        if theirs:
            self._report.count("chunks_unchanged", theirs)
        if self._progress is not None:
            self._progress(rows)

    def _open(self) -> Committer:
        from ragcli.engines.committing import Committer
        from ragcli.store import Table

        if self._committer is None:
            state = answer_of(self._keeper.state.remote())
            self._committer = Committer(Table.open(*self._place), state[1])
        return self._committer

    def finish(self, lost: list[str]) -> None:
        """Commit the rest, remove what was replaced, and bring the indexes up to date.

        Args:
            lost: see `Keeper.finish`.
        """
        from ragcli.indexing import maintain
        from ragcli.store import Table

        self.flush()
        for key in sorted(self._late):  # one after the other: the last content of an id stays
            self._open().put([self._late[key]])
            self._count(len(self._late[key].ids))
        counts, losses = answer_of(self._keeper.finish.remote(lost))
        for name, n in counts.items():
            self._report.count(name, n)
        for loss in losses:
            self._report.lose(loss["kind"], loss["source"], loss["reason"])
        if Table.exists(*self._place):
            maintain(Table.open(*self._place))


def _lost(error: Exception) -> RagcliError:
    """Return what Ray gave up on as a sentence: the last line of the traceback that it carries."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, RagcliError):
        return cause
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[-1][:300] if lines else type(error).__name__
    return RagcliError(
        f"the Ray cluster gave up on a part of the work: {type(error).__name__}: {said}.",
        hint="What was committed is in the table; run it again, and see the logs of Ray on its nodes.",
    )
