"""``ragcli index`` and ``ragcli run``: files to a table, all stages in one process."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragcli.cli.clustering import LOCAL, AddressOption, EngineOption, RowsOption, WorkersOption, on_ray
from ragcli.cli.clustering import options as engine_options
from ragcli.cli.embed import say_pruned, say_truncated, summary
from ragcli.cli.light import import_lance, import_lance_and_model
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
    TableOption,
)
from ragcli.cli.options_load import (
    EncodingOption,
    ExcludeOption,
    FollowLinksOption,
    GitignoreOption,
    HiddenOption,
    IdFieldOption,
    IncludeOption,
    JobsOption,
    KeepHeadersOption,
    MaxBytesOption,
    MaxMemoryOption,
    NullOption,
    Ocr,
    OcrOption,
    PasswordOption,
    PathsArgument,
    ReaderLoadOption,
    ReaderOption,
    ReaderOptionsOption,
    TextFieldOption,
    TimeoutOption,
    TitleFieldOption,
    loading,
    paths,
    without_documents,
)
from ragcli.cli.options_split import (
    OverlapOption,
    SizeOption,
    SplitterOption,
    SplitterOptionsOption,
    UnitOption,
    splitting,
)
from ragcli.cli.streams import kept_stdout, note, show_log, stage_report, visible
from ragcli.errors import OK, PARTIAL, UsageError
from ragcli.report import write_report

if TYPE_CHECKING:
    from ragcli.cli.progress import Progress
    from ragcli.pipeline import Plan, Reports

_OWN = ("size", "overlap", "unit")  # parameters of ragcli's own splitter


def index(
    context: typer.Context,
    inputs: PathsArgument = None,
    table: TableOption = None,
    db: DbOption = DEFAULT_DB,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    gitignore: GitignoreOption = True,
    hidden: HiddenOption = False,
    follow_links: FollowLinksOption = False,
    encoding: EncodingOption = None,
    text_field: TextFieldOption = None,
    id_field: IdFieldOption = None,
    title_field: TitleFieldOption = None,
    ocr: OcrOption = Ocr.auto,
    password: PasswordOption = None,
    keep_headers: KeepHeadersOption = False,
    reader: ReaderOption = None,
    reader_options: ReaderOptionsOption = None,
    reader_load: ReaderLoadOption = None,
    jobs: JobsOption = None,
    timeout: TimeoutOption = 120,
    max_bytes: MaxBytesOption = None,
    max_memory: MaxMemoryOption = "4G",
    null: NullOption = False,
    size: SizeOption = None,
    overlap: OverlapOption = None,
    unit: UnitOption = None,
    splitter: SplitterOption = None,
    splitter_options: SplitterOptionsOption = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    headings: HeadingsOption = None,
    again: AgainOption = False,
    index: IndexOption = None,
    keep_versions: KeepVersionsOption = DEFAULT_KEEP_VERSIONS,
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="Then remove chunks of files under the PATHs that are gone.")
    ] = False,
    engine: EngineOption = LOCAL,
    address: AddressOption = None,
    workers: WorkersOption = None,
    rows: RowsOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, as a file that ragcli run takes, and stop.")
    ] = False,
    report: ReportOption = None,
    quiet: QuietOption = False,
) -> int:
    """Load, split and embed files into a table, in one process; only what is new or changed.

    \b
    What load | split | embed -t do: stages do not wait for each other, and nothing is written between them.
    Files that the table holds as they are, are not read. What is not said is done as the table was made.

    \b
    ragcli index docs/ -t kb --prune
    ragcli index docs/ -t kb --size 400 --dry-run > pipeline.toml && ragcli run pipeline.toml
    """
    from ragcli.pipeline import Plan, Reports, run

    command, given = str(context.info_name), inputs or []
    if table is None:
        raise UsageError("no table was named.", hint="Name it with -t, as in -t kb.")
    on_ray(engine, workers=workers, rows=rows)
    how = loading(
        given,
        include=include,
        exclude=exclude,
        gitignore=gitignore,
        hidden=hidden,
        follow_links=follow_links,
        encoding=encoding,
        text_field=text_field,
        id_field=id_field,
        title_field=title_field,
        ocr=ocr,
        password=password,
        keep_headers=keep_headers,
        reader=reader,
        reader_options=reader_options,
        reader_load=reader_load,
        jobs=jobs,
        timeout=timeout,
        max_bytes=max_bytes,
        max_memory=max_memory,
    )
    roots = _roots(given) if prune else []
    if not dry_run and not quiet:
        show_log(command)
    if dry_run or engine != "local":  # another engine opens models where it runs
        import_lance()
    else:
        import_lance_and_model(db, table, model, device.value)
    from ragcli.indexing import Embedding
    from ragcli.store.upkeep import Keep
    from ragcli.store.vector_indexes import check

    if index is not None:
        check(index)
    with ExitStack() as stack:
        if splitter is not None or reader is not None:
            stack.enter_context(kept_stdout())  # other people's code prints
        plan = Plan(
            inputs=paths(given, null),
            table=table,
            db=db,
            loading=how,
            splitting=splitting(context, size, overlap, unit, model, splitter, splitter_options, _OWN),
            embedding=Embedding(
                model=model,
                device=device.value,
                headings=headings,
                again=again,
                index=index,
                keep=Keep.parse(keep_versions),
            ),
            prune=roots,
            outputs=[] if report is None else [report],
        )
        if not dry_run:
            reports = Reports(lambda stage: stage_report(stage, report, command=command))
            with _progress(reports, quiet) as progress:
                told = engine_options(engine, address, workers, rows)
                done = run(plan, reports=reports, watch=progress, engine=engine, options=told)
    if dry_run:
        _show(context, plan)
        return OK
    if report is not None:
        write_report(report, reports.to_dict())
    say_pruned(command, done.filled.pruned)
    if not quiet:
        _summary(command, plan, reports)
    if not done.documents:
        return without_documents(reports.load, given, reader, new=True)
    return PARTIAL if reports.failed else OK


def _roots(inputs: list[str]) -> list[str]:
    """Return what ``--prune`` looks under; of a PATH that is not there, loading says so, and nothing is removed."""
    if "-" in inputs:
        raise UsageError(
            "--prune does not go with -, which names files and no folder.", hint="Name the folder as PATH."
        )
    from ragcli.loading.buckets import is_address

    roots = [given for given in inputs if is_address(given) or "://" not in given]
    if not roots:
        raise UsageError(
            "--prune needs a PATH on disk or on object storage.",
            hint="It removes chunks of files under it that are gone.",
        )
    return [given for given in roots if is_address(given) or Path(given).exists()]


def _progress(reports: Reports, quiet: bool) -> Progress:
    from ragcli.cli.progress import Progress

    load, embed = reports.load.counts, reports.embed.counts
    return Progress(
        lambda: f"{load['files_seen']:,} files, embedding",
        quiet=quiet,
        passed=lambda: embed["chunks_unchanged"] + embed["chunks_repeated"],
    )


def _summary(command: str, plan: Plan, reports: Reports) -> None:
    from ragcli.store import Table

    tally = reports.load.counts
    if Table.exists(plan.db, plan.table):
        by_rule = tally["files_skipped"] - tally["files_unchanged"]
        ocr = f", {tally['pages_ocr']} pages by OCR" if tally["pages_ocr"] else ""
        note(
            f"ragcli {command}: {summary(plan.db, plan.table, reports.embed)}; {tally['files_loaded']} files read"
            f" ({tally['files_unchanged']} unchanged, {by_rule} skipped by rule, {tally['files_failed']} failed{ocr})"
        )
    elif reports.split.counts["documents_in"]:
        note(f"ragcli {command}: no chunks came out of the documents, and no table was made.")
    say_truncated(command, reports.embed, f"ragcli {command} --unit tokens")


def _show(context: typer.Context, plan: Plan) -> None:
    """Print what would be done, as a pipeline file."""
    from ragcli.cli.pipeline_file import written
    from ragcli.pipeline import settled
    from ragcli.splitting import splitter_name
    from ragcli.store import Table

    plan = settled(plan)
    assert plan.embedding is not None
    there = Table.exists(plan.db, plan.table)
    opened = Table.open(plan.db, plan.table) if there else None
    contract = {} if opened is None else opened.contract
    model = plan.embedding.model or contract.get("model", {}).get("id") or "builtin"
    headings = plan.embedding.headings
    cut = plan.splitting
    values: dict[str, Any] = {
        **context.params,
        "size": cut.size,
        "overlap": cut.overlap,
        "unit": None if cut.parser else cut.unit or "chars",
        "model": model,
        "headings": bool(contract.get("headings")) if headings is None else headings,
    }
    rows = "which is not there yet" if opened is None else f"which has {len(opened)} chunks"
    unread = "" if plan.embedding.again else "; files that the table holds as they are, are not read"
    notes = [
        f"1. load: {', '.join(context.params['inputs'])}{unread}",
        f"2. split: {splitter_name(**cut.arguments())}",
        f"3. embed: {model}, into the table {plan.table} of {plan.db}, {rows}",
    ]
    if plan.prune:
        notes.append(f"4. remove chunks of files that are gone under {', '.join(plan.prune)}")
    sys.stdout.buffer.write(
        written(values, context.command, [visible(one) for one in notes]).encode("utf-8", "surrogateescape")
    )


def _from_file(context: typer.Context, path: Path) -> Path:
    """Make what a pipeline file says the defaults; flags and environment stand above it."""
    from ragcli.cli.pipeline_file import read

    context.default_map = {**(context.default_map or {}), **read(path, context.command)}
    return path


def _with_file(command: Callable[..., int]) -> Callable[..., int]:
    """Return a command that takes a pipeline file, and then what another takes."""
    file = Annotated[
        Path,
        typer.Argument(
            metavar="PIPELINE.toml", help="What index is told, as TOML.", is_eager=True, callback=_from_file
        ),
    ]
    taken = inspect.signature(command, eval_str=True)
    first, *others = taken.parameters.values()  # the context, and the options
    added = inspect.Parameter("pipeline", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=file)

    @functools.wraps(command)
    def with_file(context: typer.Context, pipeline: Path, **given: Any) -> int:
        return command(context, **given)

    made: Any = with_file
    made.__signature__ = taken.replace(parameters=[first, added, *others])
    made.__annotations__ = {one.name: one.annotation for one in (first, added, *others)}
    made.__doc__ = """Load, split and embed as a pipeline file says: ragcli index, with its options written down.

    \b
    Its keys are the long names of options, its sections the stages: [load], [split], [embed], and [index] with
    paths, table, db and what else they share. Options stand above it. Paths are relative to the working directory.

    \b
    ragcli run pipeline.toml
    ragcli run pipeline.toml --jobs 1 --dry-run
    """
    return with_file


run_file = _with_file(index)
