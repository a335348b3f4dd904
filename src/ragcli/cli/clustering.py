"""``--engine ray``: the same stages on a cluster, from the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragcli.cli.streams import STDOUT, output
from ragcli.errors import UsageError
from ragcli.report import Report

if TYPE_CHECKING:
    from ragcli.engines.work import Settings, Task

LOCAL, RAY = "local", "ray"

EngineOption = Annotated[
    str,
    typer.Option("--engine", metavar="NAME", envvar="RAGCLI_ENGINE", help="Where it runs: local, or ray, a cluster."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        envvar="RAY_ADDRESS",
        help="The Ray cluster's head; auto: the one on this machine; local (default): one is started here.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        envvar="RAGCLI_WORKERS",
        help="Of Ray, how many hold the model (default: one a GPU, else one a CPU).",
    ),
]


def on_ray(engine: str, **given: Any) -> bool:
    """Whether a stage runs on a cluster.

    Args:
        engine: the option.
        given: options that only a cluster knows, by name.

    Raises:
        UsageError: there is no such engine; or such an option was given without it.
        MissingExtraError: Ray is not installed.
    """
    from ragcli.pipeline.engines import check_engine

    check_engine(engine)
    if engine == RAY:
        from ragcli.engines.ray_cluster import import_ray

        import_ray()
        return True
    for name, value in given.items():
        if value:
            raise UsageError(f"--{name} goes with --engine ray.")
    return False


def options(engine: str, address: str | None, workers: int | None) -> dict[str, Any]:
    """Return what `ragcli.pipeline.run` tells the engine."""
    return {"address": address, "workers": workers} if engine == RAY else {}


def delivered(
    find: Callable[[int], Iterable[Task]], settings: Settings, counts: Report, address: str | None, workers: int | None
) -> int:
    """Do tasks on the cluster and write the records of the last stage to stdout; return how many.

    Args:
        find: returns the tasks; it is told how many are done at once.
        settings: what the stages are told.
        counts: the report of the subcommand.
        address: of the cluster.
        workers: that hold the model.
    """
    from ragcli.engines import Cluster
    from ragcli.engines.ray_running import Spread, stream

    count = 0
    with output(os.dup(STDOUT)) as out, Cluster(address) as cluster:
        tasks = list(find(max(1, int(cluster.resources()[0]))))
        for record in stream(cluster, tasks, settings, _reports(settings.until, counts), spread=Spread(workers=workers)):
            out.write(record)
            count += 1
    return count


def filled(
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
    progress: Callable[[int], None],
) -> list[str]:
    """Embed on the cluster into a table; return the sources that were pruned."""
    from ragcli.engines import Cluster
    from ragcli.engines.ray_running import Spread, index
    from ragcli.store import Table

    model = settings.model
    if Table.exists(db, name):
        contract = Table.open(db, name).contract
        model = model if model is not None else str(contract["model"]["id"])
        headings = bool(contract.get("headings")) if headings is None else headings
    settings = replace(settings, model=model, headings=bool(headings))
    with Cluster(address) as cluster:
        return index(
            cluster, tasks, settings, db, name, _reports("embed", counts), again=again, prune=prune,
            spread=Spread(workers=workers), progress=progress,
        )  # fmt: skip


def _reports(stage: str, given: Report) -> dict[str, Report]:
    return {name: given if name == stage else Report(name, keep=False) for name in ("load", "split", "embed")}
