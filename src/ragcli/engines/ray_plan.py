"""A plan (`ragcli.pipeline`) on a Ray cluster: files, or files of records, to a table."""

from __future__ import annotations

from ragcli.engines.ray_cluster import Cluster, import_ray
from ragcli.engines.ray_running import Spread, index
from ragcli.engines.tasks import file_tasks
from ragcli.engines.work import Settings, Task
from ragcli.indexing import Filled
from ragcli.indexing.stage import settle
from ragcli.loading.known import Known
from ragcli.pipeline.plan import Done, Plan, Reports, Watch, settled
from ragcli.splitting import split
from ragcli.store import Table


def run(
    plan: Plan,
    reports: Reports,
    watch: Watch,
    *,
    address: str | None = None,
    workers: int | None = None,
    rows: int | None = None,
) -> Done:
    """Run a plan; see `ragcli.pipeline.run`.

    Args:
        plan: what each stage does.
        reports: where counts and losses go.
        watch: is told how it gets on.
        address: of the cluster, see `ragcli.engines.Cluster`.
        workers: that hold the model; None: one a GPU, else one a CPU.
        rows: chunks that one embeds and writes at a time.

    Raises:
        MissingExtraError: Ray is not installed.
        RagcliError: there is no way to the cluster, it has too little, or what ends a stage.
    """
    import_ray()  # a missing extra is said before anything is read
    plan = settled(plan)
    embedding = plan.embedding
    assert embedding is not None
    split((), **plan.splitting.arguments())  # settings that make no sense are said before the cluster starts
    contract = Table.open(plan.db, plan.table).contract if Table.exists(plan.db, plan.table) else {}
    headings = bool(contract.get("headings")) if embedding.headings is None else embedding.headings
    model = embedding.model or contract.get("model", {}).get("id")
    settings = Settings(
        loading=plan.loading, mark=True, model=model, device=embedding.device, headings=headings
    ).cutting(plan.splitting)
    known = None if embedding.again else Known(plan.db, plan.table).holds
    with Cluster(address) as cluster:
        cpus, _ = cluster.resources()
        tasks: list[Task] = list(
            file_tasks(
                plan.inputs, plan.loading, reports.load, slots=max(1, int(cpus)), new_to=known or _nothing,
                outputs=plan.outputs,
            )
        )  # fmt: skip
        gone = index(
            cluster, tasks, settings, plan.db, plan.table,
            {"load": reports.load, "split": reports.split, "embed": reports.embed},
            again=embedding.again, prune=plan.prune, spread=Spread(workers=workers, rows=rows), progress=watch.advance,
        )  # fmt: skip
    settle(plan.db, plan.table, embedding)
    any_ = reports.embed.counts["chunks_in"] > 0
    return Done(documents=reports.split.counts["documents_in"], filled=Filled(any=any_, pruned=gone))


def _nothing(*_: object) -> bool:
    """Say of each file that it is to be read."""
    return False
