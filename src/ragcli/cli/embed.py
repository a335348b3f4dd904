"""``ragcli embed``: chunk records to a LanceDB table, or to vector records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.light import import_lance
from ragcli.cli.options import (
    DEFAULT_DB,
    DEFAULT_KEEP_VERSIONS,
    DbOption,
    Device,
    DeviceOption,
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
    from ragcli.embedding import Embedder
    from ragcli.indexing import Arrived
    from ragcli.report import Report
    from ragcli.store.upkeep import Keep


def embed(
    table: TableOption = None,
    db: DbOption = DEFAULT_DB,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    headings: Annotated[
        bool | None,
        typer.Option(
            "--headings/--no-headings",
            envvar="RAGCLI_HEADINGS",
            help="Embed title and headings before the text, or do not. As the table was made; if new, do not.",
        ),
    ] = None,
    prune: Annotated[
        list[str] | None,
        typer.Option(
            "--prune", metavar="ROOT", help="Then remove chunks of files under ROOT that are gone; repeatable."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Embed what the table has, too: its vectors or full text are damaged.")
    ] = False,
    index: IndexOption = None,
    keep_versions: KeepVersionsOption = DEFAULT_KEEP_VERSIONS,
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
    counts = stage_report("embed", report)
    stream = stdin("chunk records")
    if not quiet:
        show_log()
    if table is not None:
        import_lance()
        from ragcli.store import table_uri
        from ragcli.store.upkeep import Keep
        from ragcli.store.vector_indexes import check

        table_uri(db, table)  # a wrong name is said before anything is read
        keep = Keep.parse(keep_versions)
        if index is not None:
            check(index)
    chunks = records(stream, Chunk, Vector, on_bad=on_bad(counts, skip_bad))

    def passed() -> int:
        return counts.counts["chunks_unchanged"] + counts.counts["chunks_repeated"]

    with Progress("embedding", quiet=quiet, passed=passed) as progress:
        if table is None:
            _to_stdout(chunks, model, device, bool(headings), counts, progress)
        else:
            _to_table(
                chunks,
                db,
                table,
                model,
                device,
                headings,
                counts,
                progress,
                prune or [],
                again=again,
                index=index,
                keep=keep,
            )
    if table is not None and not quiet and (counts.counts["chunks_in"] or prune):
        _summary(db, table, counts)
    if counts.counts["chunks_truncated"] and not quiet:
        note(
            f"ragcli embed: {counts.counts['chunks_truncated']} chunks are longer than the model reads; the vectors do"
            f" not know their last {counts.counts['tokens_truncated']} tokens, the full text does."
            " To cut shorter: ragcli split --unit tokens"
        )
    return finish(counts, report)


def _vectors(
    chunks: Iterable[Chunk], embedder: Embedder, headings: bool, counts: Report, progress: Progress
) -> Iterator[Vector]:
    from ragcli.embedding import embed as embed_chunks

    return embed_chunks(chunks, embedder, headings=headings, report=counts, progress=progress.advance)


def _to_stdout(
    chunks: Iterator[Chunk], model: str | None, device: Device, headings: bool, counts: Report, progress: Progress
) -> None:
    from ragcli.embedding import open_embedder

    embedder = open_embedder(model, device=device.value)  # first: the stages before this one start meanwhile
    first = next(chunks, None)
    if first is None:
        note("ragcli embed: no chunks came in.")
        return
    with output() as out:
        counted = _counted(progress.ahead(_after(first, chunks)), counts)
        for vector in _vectors(counted, embedder, headings, counts, progress):
            out.write(vector)
            counts.count("chunks_written")


def _after(first: Chunk, rest: Iterator[Chunk]) -> Iterator[Chunk]:
    yield first
    yield from rest


def _counted(chunks: Iterable[Chunk], counts: Report) -> Iterator[Chunk]:
    for chunk in chunks:  # a table's writer counts by itself
        counts.count("chunks_in")
        yield chunk


def _to_table(
    chunks: Iterator[Chunk],
    db: str,
    name: str,
    model: str | None,
    device: Device,
    headings: bool | None,
    counts: Report,
    progress: Progress,
    prune: list[str],
    *,
    again: bool,
    index: str | None,
    keep: Keep,
) -> None:
    arrived = _write(chunks, db, name, model, device, headings, counts, progress, again=again, index=index, keep=keep)
    if prune:
        from ragcli.indexing import maintain
        from ragcli.indexing import prune as prune_table
        from ragcli.store import Table

        opened = Table.open(db, name)
        before = len(opened)
        for source in prune_table(opened, prune, arrived):
            note(f"ragcli embed: removed, the file is gone: {source}")
        counts.count("chunks_pruned", before - len(opened))
        maintain(opened, keep=keep)


def _summary(db: str, name: str, counts: Report) -> None:
    from ragcli.store import Table

    opened = Table.open(db, name)
    tally = counts.counts
    removed = tally["chunks_replaced"] + tally["chunks_pruned"]
    note(
        f"ragcli embed: {db}/{name}: {len(opened)} chunks"
        f" ({tally['chunks_written']} written, {tally['chunks_unchanged']} unchanged, {removed} removed)"
    )


def _write(
    chunks: Iterator[Chunk],
    db: str,
    name: str,
    model: str | None,
    device: Device,
    headings: bool | None,
    counts: Report,
    progress: Progress,
    *,
    again: bool,
    index: str | None,
    keep: Keep,
) -> Arrived | None:
    from ragcli.contract import check_contract, check_splitter
    from ragcli.embedding import open_embedder
    from ragcli.indexing import Writer
    from ragcli.store import Table

    exists = Table.exists(db, name)
    opened = Table.open(db, name) if exists else None
    wanted = model if model is not None or opened is None else str(opened.contract["model"]["id"])
    known = opened.contract["model"] if opened is not None else None
    embedder = open_embedder(wanted, device=device.value, contract=known)  # the stages before this one start meanwhile
    first = next(chunks, None)
    if first is None:
        note(f"ragcli embed: no chunks came in; the table {name!r} was left as it is.")
        return None
    if opened is None:
        contract = {"model": embedder.contract, "metric": "cosine", "splitter": first.splitter or None}
        opened = Table.create(db, name, {**contract, "headings": bool(headings)})
    if headings is None:
        headings = bool(opened.contract.get("headings"))
    check_contract(opened, {"model": embedder.contract, "headings": headings})
    if index is not None:
        opened.keep_index_wish(index)
    writer = Writer(opened, counts, again=again, keep=keep)
    checked = check_splitter(opened, progress.ahead(_after(first, chunks)))
    try:
        for vector in _vectors(writer.fresh(checked), embedder, headings, counts, progress):
            writer.add(vector)
    except BaseException:
        writer.flush()  # what has been embedded is kept, whatever ends the run
        raise
    writer.finish()
    return writer.arrived
