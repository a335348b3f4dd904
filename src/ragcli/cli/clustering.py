"""``--engine ray``: the same stages on a cluster, from the command line."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragcli.cli.streams import note, output
from ragcli.errors import UsageError
from ragcli.report import Report

if TYPE_CHECKING:
    from ragcli.engines.ray_cluster import Cluster
    from ragcli.engines.ray_running import Spread
    from ragcli.engines.work import Settings, Task

_STDERR = 2


class Engine(str, Enum):
    """What runs the stages."""

    local = "local"
    ray = "ray"


EngineOption = Annotated[
    Engine, typer.Option("--engine", envvar="RAGCLI_ENGINE", help="ray: on a Ray cluster, as the same rows.")
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        envvar="RAY_ADDRESS",
        help="Of the Ray cluster's head; auto: found here; local (default): one is started here.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        envvar="RAGCLI_WORKERS",
        help="With --engine ray: how many hold the model (default: one a GPU, else one a CPU).",
    ),
]


@contextmanager
def on_cluster(address: str | None) -> Iterator[Cluster]:
    """Connect to the cluster; what Ray and its libraries write to stderr meanwhile goes nowhere, our notes remain.

    Ray keeps its logs on its nodes, in ``/tmp/ray``.
    """
    from ragcli.engines.ray_cluster import Cluster

    with _only_ours(), Cluster(address) as cluster:
        yield cluster


@contextmanager
def _only_ours() -> Iterator[None]:
    """Keep Python's stderr, and let what is written to the descriptors of stdout and stderr themselves go nowhere."""
    before = sys.stderr
    nothing = os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(_STDERR) if before is not None else nothing
    if before is not None:
        before.flush()
        sys.stderr = open(kept, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.dup2(nothing, _STDERR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries, about each other
            yield
    finally:
        if before is not None:
            sys.stderr.flush()
            sys.stderr = before
            os.dup2(kept, _STDERR)
            os.close(kept)
        os.close(nothing)


def spread(workers: int | None) -> Spread:
    """Return how the work is spread, as the options say."""
    from ragcli.engines.ray_running import Spread

    return Spread(workers=workers)


def new_reports(stage: str, given: Report) -> dict[str, Report]:
    """Return a report for each stage; that of the subcommand is the given one."""
    return {name: given if name == stage else Report(name, keep=False) for name in ("load", "split", "embed")}


def refuse(engine: Engine, **given: Any) -> None:
    """See that nothing was given that needs the cluster where there is none.

    Raises:
        UsageError: an option is for ``--engine ray``.
    """
    for name, value in given.items():
        if engine is not Engine.ray and value:
            raise UsageError(f"--{name.replace('_', '-')} goes with --engine ray.")


def deliver(
    tasks: Iterable[Task],
    settings: Settings,
    counts: Report,
    *,
    address: str | None,
    workers: int | None,
) -> int:
    """Do tasks on the cluster and write the records of the last stage to stdout; return how many."""
    from ragcli.cli.streams import STDOUT
    from ragcli.engines.ray_running import stream

    delivered = 0
    # stdout is kept for records: libraries print there, too.
    with output(os.dup(STDOUT)) as out, on_cluster(address) as cluster:
        reports = new_reports(settings.until, counts)
        for record in stream(cluster, list(tasks), settings, reports, spread=spread(workers)):
            out.write(record)
            delivered += 1
    return delivered


def to_table(
    tasks: Sequence[Task],
    settings: Settings,
    db: str,
    name: str,
    counts: Report,
    *,
    headings: bool | None,
    again: bool,
    prune: Sequence[str],
    address: str | None,
    workers: int | None,
    progress: Any,
) -> None:
    """Embed on the cluster into a table."""
    from dataclasses import replace

    from ragcli.engines.ray_running import index
    from ragcli.store import Table

    if not tasks:
        note(f"ragcli embed: no chunks came in; the table {name!r} was left as it is.")
        return
    model = settings.model
    if Table.exists(db, name):
        contract = Table.open(db, name).contract
        model = model if model is not None else str(contract["model"]["id"])
        headings = bool(contract.get("headings")) if headings is None else headings
    settings = replace(settings, model=model, headings=bool(headings))
    with on_cluster(address) as cluster:
        reports = new_reports("embed", counts)
        gone = index(
            cluster, tasks, settings, db, name, reports, again=again, prune=prune, spread=spread(workers),
            progress=progress,
        )  # fmt: skip
        for source in gone:
            note(f"ragcli embed: removed, the file is gone: {source}")
