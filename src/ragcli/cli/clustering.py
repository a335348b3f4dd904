"""``--engine ray``: the same stages on a cluster, from the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
RowsOption = Annotated[
    int | None,
    typer.Option(
        "--rows",
        metavar="N",
        min=1,
        envvar="RAGCLI_ROWS",
        help="Of Ray, chunks that a worker embeds and writes at a time (default: 256, or 8192 on a GPU).",
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


def options(engine: str, address: str | None, workers: int | None, rows: int | None) -> dict[str, Any]:
    """Return what `ragcli.pipeline.run` tells the engine."""
    return {"address": address, "workers": workers, "rows": rows} if engine == RAY else {}


def streamed(
    find: Callable[[int], Iterable[Task]],
    settings: Settings,
    counts: Report,
    address: str | None,
    workers: int | None = None,
    rows: int | None = None,
) -> Iterator[Any]:
    """Do tasks on the cluster and yield the records of the last stage, in the order of the tasks.

    Args:
        find: returns the tasks; it is told how many are done at once.
        settings: what the stages are told.
        counts: the report of the subcommand.
        address: of the cluster.
        workers: that hold the model.
        rows: that one embeds at a time.
    """
    from ragcli.engines import Cluster
    from ragcli.engines.ray_running import Spread, stream

    with Cluster(address) as cluster:
        tasks = list(find(max(1, int(cluster.resources()[0]))))
        yield from stream(
            cluster, tasks, settings, _reports(settings.until, counts), spread=Spread(workers=workers, rows=rows)
        )


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
    rows: int | None,
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
            spread=Spread(workers=workers, rows=rows), progress=progress,
        )  # fmt: skip


def _reports(stage: str, given: Report) -> dict[str, Report]:
    return {name: given if name == stage else Report(name, keep=False) for name in ("load", "split", "embed")}
