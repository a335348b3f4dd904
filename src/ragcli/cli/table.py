"""``ragcli table``: what tables hold, and what is done to them as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ragcli.cli.light import import_lance
from ragcli.cli.options import (
    DEFAULT_DB,
    DEFAULT_KEEP_VERSIONS,
    DbOption,
    FormatOption,
    IndexOption,
    KeepVersionsOption,
    QuietOption,
    ReportOption,
    SkipBadOption,
    as_table,
)
from ragcli.cli.streams import finish, note, on_bad, output, stage_report, stdin
from ragcli.errors import OK, UsageError
from ragcli.jsonl import dumps, records
from ragcli.records import Json, Vector

NameArgument = Annotated[str, typer.Argument(metavar="TABLE", help="The table.")]
WhereOption = Annotated[
    str | None,
    typer.Option("--where", metavar="SQL", help="Only rows that meet it: \"source LIKE 'docs/%'\"."),
]

table = typer.Typer(
    help="""Show tables, and change them as a whole.

    \b
    ragcli table list                                  # what is there
    ragcli table info kb                               # rows, bytes, contract, index, versions
    ragcli table export kb -o kb.parquet               # and back: ragcli table import kb2 kb.parquet
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _open(db: str, name: str) -> Any:
    import_lance()
    from ragcli.store import Table

    return Table.open(db, name)


def _put(records: list[Json], format_: Any, show: str) -> int:
    """Write records as lines, or show them to people."""
    with output() as out:
        if as_table(format_):
            from ragcli.cli import display_tables

            getattr(display_tables, show)(records)
        else:
            for record in records:
                out.line(dumps(record))
    return OK


@table.command("list")
def list_(db: DbOption = DEFAULT_DB, format_: FormatOption = None) -> int:
    """List the tables of a database."""
    import_lance()
    from ragcli.store.describing import tables

    found = tables(db)
    if not found:
        note(f"ragcli table: {db} holds no tables.")
    return _put(found, format_, "show_tables")


@table.command("info")
def info(name: NameArgument, db: DbOption = DEFAULT_DB, format_: FormatOption = None) -> int:
    """Show rows, documents, bytes, contract, indexes and versions of a table."""
    from ragcli.store.describing import describe

    return _put([describe(_open(db, name))], format_, "show_table")


@table.command("versions")
def versions(name: NameArgument, db: DbOption = DEFAULT_DB, format_: FormatOption = None) -> int:
    """List the versions of a table that are kept, with their tags."""
    opened = _open(db, name)
    from ragcli.store.describing import versions as kept

    return _put(kept(opened), format_, "show_versions")


@table.command("optimize")
def optimize(
    name: NameArgument,
    db: DbOption = DEFAULT_DB,
    index: IndexOption = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train the vector index again, on all rows.")] = False,
    keep_versions: KeepVersionsOption = DEFAULT_KEEP_VERSIONS,
    format_: FormatOption = None,
) -> int:
    """Merge fragments and parts of indexes, and drop old versions; embed does what is needed of it by itself.

    \b
    ragcli table optimize kb --index ivf-hnsw-sq      # another index, from now on
    ragcli table optimize kb --keep-versions 1        # give back the disk of old versions
    """
    opened = _open(db, name)
    from ragcli.store import vector_indexes
    from ragcli.store.describing import describe
    from ragcli.store.upkeep import Keep, maintain

    keep = Keep.parse(keep_versions)
    if index is not None:
        opened.keep_index_wish(index)
    maintain(opened, keep=keep, thorough=True)
    if retrain:
        vector_indexes.retrain(opened)
    return _put([describe(opened)], format_, "show_table")


@table.command("delete")
def delete(
    name: NameArgument,
    where: WhereOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many rows it would be.")] = False,
    keep_versions: KeepVersionsOption = DEFAULT_KEEP_VERSIONS,
    db: DbOption = DEFAULT_DB,
    format_: FormatOption = None,
) -> int:
    """Delete the rows that meet a condition; an old version has them until it goes.

    \b
    ragcli table delete kb --where "source LIKE 'drafts/%'" --dry-run
    """
    if where is None:
        raise UsageError("nothing says which rows.", hint="Name them: --where \"source LIKE 'drafts/%'\"")
    opened = _open(db, name)
    from ragcli.store.changing import delete as delete_rows
    from ragcli.store.upkeep import Keep, maintain

    keep = Keep.parse(keep_versions)
    condition = opened.check_where(where)
    for key in opened.unknown_keys(where):
        note(f"ragcli table: no row has {key}.")
    record: Json = {"type": "deleted", "table": name, "version": opened.dataset.version}
    if dry_run:
        record |= {"rows": int(opened.dataset.count_rows(filter=condition)), "dry_run": True}
    else:
        record["rows"] = delete_rows(opened, condition)
        if record["rows"]:
            maintain(opened, keep=keep)
    return _put([record], format_, "show_deleted")


@table.command("tag")
def tag(
    name: NameArgument,
    tag_name: Annotated[str, typer.Argument(metavar="TAG", help="The name.")],
    version: Annotated[
        int | None, typer.Option("--version", metavar="N", help="The version that gets it; the newest.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the name away.")] = False,
    db: DbOption = DEFAULT_DB,
) -> int:
    """Give a version a name, under which it is kept: ragcli table tag kb before-the-move."""
    opened = _open(db, name)
    from ragcli.store import history

    if remove:
        history.untag(opened, tag_name)
        note(f"ragcli table: {name} has no tag {tag_name} any more.")
    else:
        number = history.tag(opened, tag_name, version)
        note(f"ragcli table: version {number} of {name} is {tag_name}.")
    return OK


@table.command("restore")
def restore(
    name: NameArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION|TAG", help="A number or a tag.")],
    db: DbOption = DEFAULT_DB,
) -> int:
    """Make an old version the newest; what came since stays as old versions."""
    opened = _open(db, name)
    from ragcli.store import history
    from ragcli.store.upkeep import maintain

    number = history.find(opened, version)
    made = history.restore(opened, number)
    opened.ensure_text_index()  # the first versions of a table had none
    maintain(opened)
    note(f"ragcli table: {name} is as in version {number} again: {len(opened)} chunks (version {made}).")
    return OK


@table.command("export")
def export(
    name: NameArgument,
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="A file, .parquet or .jsonl; stdout has vector records."),
    ] = None,
    where: WhereOption = None,
    db: DbOption = DEFAULT_DB,
) -> int:
    """Write the rows, vectors included: vector records, which embed and import read, or Parquet.

    \b
    ragcli table export kb | ragcli embed -t kb -d s3://bucket/kb
    """
    opened = _open(db, name)
    from ragcli.store import transfer

    condition = opened.check_where(where) if where is not None else None
    suffix = "" if out is None else out.suffix.lower()
    if out is not None and suffix not in (".parquet", ".jsonl"):
        raise UsageError(f"-o {out}: the name ends neither in .parquet nor in .jsonl.")
    if suffix == ".parquet":
        assert out is not None
        rows = transfer.to_parquet(opened, out, condition)
    elif out is not None:
        rows = transfer.to_jsonl(opened, out, condition)
    else:
        rows = 0
        with output() as stream:
            for vector in transfer.vectors(opened, condition):
                stream.write(vector)
                rows += 1
    if out is not None:
        note(f"ragcli table: {rows} chunks of {name} in {out}.")
    return OK


@table.command("import")
def import_(
    name: NameArgument,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Parquet or vector records; stdin where none is named.")
    ] = None,
    index: IndexOption = None,
    keep_versions: KeepVersionsOption = DEFAULT_KEEP_VERSIONS,
    db: DbOption = DEFAULT_DB,
    report: ReportOption = None,
    skip_bad: SkipBadOption = False,
    quiet: QuietOption = False,
) -> int:
    """Read what export wrote into a table, which is made where it is not there; no model runs."""
    import_lance()
    from ragcli.cli.streams import opened as opened_file
    from ragcli.indexing.importing import from_parquet, write_vectors
    from ragcli.store.places import table_uri
    from ragcli.store.upkeep import Keep
    from ragcli.store.vector_indexes import check

    table_uri(db, name)
    keep = Keep.parse(keep_versions)
    if index is not None:
        check(index)
    counts = stage_report("table", report)
    contract: Json = {}
    if file is not None and file.suffix.lower() == ".parquet":
        contract, vectors = from_parquet(file)
    else:
        stream = stdin("vector records") if file is None else opened_file(file)
        name_of = "stdin" if file is None else str(file)
        vectors = records(stream, Vector, name=name_of, on_bad=on_bad(counts, skip_bad))
    made = write_vectors(vectors, db, name, counts, contract=contract, keep=keep, index=index)
    if made is None:
        note(f"ragcli table: nothing came in; {name} was left as it is.")
    elif not quiet:
        tally = counts.counts
        note(
            f"ragcli table: {db}/{name}: {len(made)} chunks ({tally['chunks_written']} written,"
            f" {tally['chunks_unchanged']} unchanged, {tally['chunks_replaced']} removed)"
        )
    return finish(counts, report)


@table.command("copy")
def copy(
    name: NameArgument,
    to: Annotated[str | None, typer.Option("--to", metavar="DB", help="Another database; the same by default.")] = None,
    as_: Annotated[str | None, typer.Option("--as", metavar="NAME", help="Another name; the same by default.")] = None,
    db: DbOption = DEFAULT_DB,
) -> int:
    """Copy a table to another database or name, with all that it remembers and without its old versions.

    \b
    ragcli table copy kb --to s3://bucket/kb
    """
    if to is None and as_ is None:
        raise UsageError("nothing says where to copy it.", hint="Name a database (--to) or another name (--as).")
    opened = _open(db, name)
    from ragcli.store import transfer
    from ragcli.store.upkeep import maintain

    copied = transfer.copy(opened, to or db, as_ or name)
    maintain(copied, thorough=True)
    note(f"ragcli table: {len(copied)} chunks in {copied.db}/{copied.name}.")
    return OK
