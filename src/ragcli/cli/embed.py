"""``ragcli embed``: chunk records to a LanceDB table, or to vector records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.clustering import LOCAL, AddressOption, EngineOption, RowsOption, WorkersOption, on_ray
from ragcli.cli.light import import_lance_and_model
from ragcli.cli.options import (
    DEFAULT_DB,
    DEFAULT_KEEP_VERSIONS,
    AgainOption,
    DbOption,
    Device,
    DeviceOption,
    HeadingsOption,
    IndexOption,
    KeepVersionsOption,
    ModelOption,
    QuietOption,
    ReportOption,
    SkipBadOption,
    TableOption,
)
from ragcli.cli.streams import finish, note, on_bad, output, show_log, stage_report, stdin
from ragcli.errors import UsageError
from ragcli.jsonl import records
from ragcli.records import Chunk, Vector

if TYPE_CHECKING:
    from ragcli.cli.progress import Progress
    from ragcli.report import Report


def embed(
    table: TableOption = None,
    db: DbOption = DEFAULT_DB,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    headings: HeadingsOption = None,
    prune: Annotated[
        list[str] | None,
        typer.Option(
            "--prune", metavar="ROOT", help="Then remove chunks of files under ROOT that are gone; repeatable."
        ),
    ] = None,
    again: AgainOption = False,
    index: IndexOption = None,
    keep_versions: KeepVersionsOption = DEFAULT_KEEP_VERSIONS,
    engine: EngineOption = LOCAL,
    address: AddressOption = None,
    workers: WorkersOption = None,
    rows: RowsOption = None,
    records_in: Annotated[
        list[str] | None,
        typer.Option(
            "--records",
            metavar="FILE",
            help="With --engine ray, in place of stdin: records in this .jsonl or .parquet, a URI too; repeatable.",
        ),
    ] = None,
    report: ReportOption = None,
    skip_bad: SkipBadOption = False,
    quiet: QuietOption = False,
) -> int:
    """Embed chunks into a table; only what is new or changed is embedded.

    \b
    Running it again changes nothing; a changed document replaces its own chunks; a run that was killed goes on
    from what it had committed. Without -t, vector records go to stdout.

    \b
    ragcli load docs/ | ragcli split | ragcli embed -t kb --prune docs/
    ragcli split < documents.jsonl | ragcli embed > vectors.jsonl
    """
    from ragcli.cli.progress import Progress

    if prune and table is None:
        raise UsageError("--prune needs a table.", hint="Name it with -t.")
    if again and table is None:
        raise UsageError("--again needs a table.", hint="Name it with -t.")
    if index is not None and table is None:
        raise UsageError("--index needs a table.", hint="Name it with -t.")
    clustered = on_ray(engine, workers=workers, rows=rows, records=records_in)
    counts = stage_report("embed", report)
    stream: Iterable[bytes] = () if records_in else stdin("chunk records")
    if not quiet:
        show_log()
    if table is not None:
        import_lance_and_model(db, table, model, device.value)
        from ragcli.store import table_uri
        from ragcli.store.upkeep import Keep
        from ragcli.store.vector_indexes import check

        if index is not None:
            check(index)
        keep = Keep.parse(keep_versions)
        table_uri(db, table)  # a wrong name is said before anything is read
    chunks = records(stream, Chunk, Vector, on_bad=on_bad(counts, skip_bad))

    def passed() -> int:
        return counts.counts["chunks_unchanged"] + counts.counts["chunks_repeated"]

    with Progress("embedding", quiet=quiet, passed=passed) as progress:
        if clustered:
            from ragcli.cli.clustering import filled, streamed
            from ragcli.engines import Settings, line_tasks, record_tasks
            from ragcli.indexing.stage import Embedding, settle

            told = Settings(model=model, device=device.value, headings=bool(headings), skip_bad=skip_bad)
            tasks = record_tasks(records_in) if records_in else list(line_tasks(stream))
            if table is None:
                with output() as out:
                    for vector in streamed(lambda _: tasks, told, counts, address, workers, rows):
                        out.write(vector)
            else:
                gone = filled(
                    tasks, told, db, table, counts, headings=headings, again=again, prune=prune or [],
                    address=address, workers=workers, rows=rows, progress=progress.advance,
                )  # fmt: skip
                settle(db, table, Embedding(index=index, keep=keep))
                if not counts.counts["chunks_in"]:
                    note(f"ragcli embed: no chunks came in; the table {table!r} was left as it is.")
                say_pruned("embed", gone)
        elif table is None:
            _to_stdout(chunks, model, device, bool(headings), counts, progress)
        else:
            from ragcli.indexing import Embedding, fill

            how = Embedding(
                model=model, device=device.value, headings=headings, again=again, index=index, keep=keep
            )  # fmt: skip
            done = fill(
                progress.ahead(chunks), db, table, embedding=how, prune=prune or [], report=counts,
                progress=progress.advance,
            )  # fmt: skip
            if not done.any:
                note(f"ragcli embed: no chunks came in; the table {table!r} was left as it is.")
            say_pruned("embed", done.pruned)
    if table is not None and not quiet and (counts.counts["chunks_in"] or prune):
        note(f"ragcli embed: {summary(db, table, counts)}")
    if not quiet:
        say_truncated("embed", counts, "ragcli split --unit tokens")
    return finish(counts, report)


def _to_stdout(
    chunks: Iterator[Chunk], model: str | None, device: Device, headings: bool, counts: Report, progress: Progress
) -> None:
    from ragcli.embedding import embed as embed_chunks
    from ragcli.embedding import open_embedder

    embedder = open_embedder(model, device=device.value)  # first: the stages before this one start meanwhile
    first = next(chunks, None)
    if first is None:
        note("ragcli embed: no chunks came in.")
        return
    with output() as out:
        counted = _counted(progress.ahead(_after(first, chunks)), counts)
        for vector in embed_chunks(counted, embedder, headings=headings, report=counts, progress=progress.advance):
            out.write(vector)
            counts.count("chunks_written")


def _after(first: Chunk, rest: Iterator[Chunk]) -> Iterator[Chunk]:
    yield first
    yield from rest


def _counted(chunks: Iterable[Chunk], counts: Report) -> Iterator[Chunk]:
    for chunk in chunks:  # a table's writer counts by itself
        counts.count("chunks_in")
        yield chunk


def summary(db: str, name: str, counts: Report) -> str:
    """Return what a table holds after a run, and what the run changed, in words."""
    from ragcli.store import Table

    opened = Table.open(db, name)
    tally = counts.counts
    removed = tally["chunks_replaced"] + tally["chunks_pruned"]
    return (
        f"{db}/{name}: {len(opened)} chunks"
        f" ({tally['chunks_written']} written, {tally['chunks_unchanged']} unchanged, {removed} removed)"
    )


def say_pruned(stage: str, sources: Iterable[str]) -> None:
    """Name on stderr the files whose chunks were removed."""
    for source in sources:
        note(f"ragcli {stage}: removed, the file is gone: {source}")


def say_truncated(stage: str, counts: Report, cut: str) -> None:
    """Say on stderr how much of the chunks the vectors do not know, if any.

    Args:
        stage: the name of the subcommand.
        counts: of the stage that embeds.
        cut: what cuts shorter.
    """
    if counts.counts["chunks_truncated"]:
        note(
            f"ragcli {stage}: {counts.counts['chunks_truncated']} chunks are longer than the model reads; the vectors"
            f" do not know their last {counts.counts['tokens_truncated']} tokens, the full text does."
            f" To cut shorter: {cut}"
        )
