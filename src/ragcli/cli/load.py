"""``ragcli load``: files, folders and addresses to document records."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, cast

import typer

from ragcli.cli.clustering import LOCAL, AddressOption, EngineOption, on_ray, streamed
from ragcli.cli.light import import_lance
from ragcli.cli.options import (
    DEFAULT_DB,
    DbOption,
    FormatOption,
    QuietOption,
    ReportOption,
    as_table,
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
from ragcli.cli.streams import finish, note, output, stage_report
from ragcli.errors import RagcliError
from ragcli.jsonl import dumps
from ragcli.records import Json

if TYPE_CHECKING:
    from ragcli.loading.discovery import Found
    from ragcli.loading.source import Options


def load(
    inputs: PathsArgument = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    gitignore: GitignoreOption = True,
    hidden: HiddenOption = False,
    follow_links: FollowLinksOption = False,
    new_to: Annotated[
        str | None,
        typer.Option("--new-to", metavar="TABLE", help="Only files that this table does not hold as they are."),
    ] = None,
    db: DbOption = DEFAULT_DB,
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
    engine: EngineOption = LOCAL,
    address: AddressOption = None,
    preview: Annotated[
        int | None, typer.Option("--preview", metavar="N", min=1, help="Show the first N characters of each document.")
    ] = None,
    errors: Annotated[
        Path | None, typer.Option("--errors", metavar="FILE", help="Write a JSON line for each file that failed.")
    ] = None,
    report: ReportOption = None,
    format_: FormatOption = None,
    quiet: QuietOption = False,
) -> int:
    """Read files into document records.

    \b
    Folders are read to the bottom, in order of name; what .gitignore names, hidden files and binary files are
    left out. A file that cannot be read is named on stderr, the rest goes on, and the exit code is 3.

    \b
    ragcli load docs/ --include '*.md' | ragcli split | ragcli embed -t kb
    git ls-files -z '*.md' | ragcli load -0 - > documents.jsonl
    """
    inputs = inputs or []
    how = loading(
        inputs,
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
    with ExitStack() as stack:
        failures = None if errors is None else stack.enter_context(_opened(errors))

        def write_error(loss: Json) -> None:
            if failures is not None and (loss["kind"] == "failed" or (loss["kind"] == "partial" and "part" in loss)):
                failures.write(dumps({"type": "error", **loss}) + b"\n")
                failures.flush()

        people = preview is not None or as_table(format_)
        counts = stage_report("load", report, write_error, keep=people)
        known = None if new_to is None else _known(db, new_to)
        outputs = [path for path in (errors, report) if path is not None]
        if on_ray(engine):
            from ragcli.engines import Settings, file_tasks

            documents = streamed(
                lambda slots: file_tasks(
                    paths(inputs, null), how, counts, slots=slots, new_to=known, outputs=outputs
                ),
                Settings(loading=how, mark=new_to is not None, until="load"), counts, address,
            )  # fmt: skip
        else:
            documents = how.documents(paths(inputs, null), new_to=known, outputs=outputs, report=counts)
        delivered = 0
        with closing(cast("Any", documents)), output() as out:
            if people:
                from ragcli.cli.display_documents import show_documents

                delivered = show_documents(documents, counts, preview)
            else:
                for document in documents:
                    out.write(document)
                    delivered += 1
    code = finish(counts, report)
    tally = counts.counts
    if not quiet and (sys.stderr.isatty() or tally["files_skipped"] or tally["pages_ocr"]):
        ocr_pages = f", {tally['pages_ocr']} pages by OCR" if tally["pages_ocr"] else ""
        note(
            f"ragcli load: {delivered} documents from {tally['files_loaded']} files"
            f" ({tally['files_skipped']} skipped by rule, {tally['files_failed']} failed{ocr_pages})"
        )
    return code if delivered else without_documents(counts, inputs, reader, new=new_to is not None)


def _known(db: str, table: str) -> Callable[[Found, Options], bool]:
    import_lance()
    from ragcli.loading.known import Known

    return Known(db, table).holds


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as error:
        raise RagcliError(f"cannot write {path}: {error.strerror}.") from error
