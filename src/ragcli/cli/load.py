"""``ragcli load``: files, folders and addresses to document records."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from ragcli.cli.light import import_lance
from ragcli.cli.options import (
    DEFAULT_DB,
    DbOption,
    FormatOption,
    QuietOption,
    ReportOption,
    as_table,
    json_object,
    modules_here,
)
from ragcli.cli.streams import finish, note, output, stage_report, stdin
from ragcli.errors import FAILED, RagcliError, UsageError
from ragcli.jsonl import dumps
from ragcli.records import Json

if TYPE_CHECKING:
    from ragcli.loading.reader import Reader
    from ragcli.loading.source import Options

_EXAMPLE = """'{"concatenate": true}'"""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.I)


class Ocr(str, Enum):
    """Which pages are read as pictures."""

    auto = "auto"
    always = "always"
    never = "never"


def load(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH…", help="Files, folders, http(s) URLs; - reads paths from stdin."),
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option("--include", metavar="GLOB", help="Only these files of folders; repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Not these files of folders; repeatable.")
    ] = None,
    gitignore: Annotated[
        bool, typer.Option("--gitignore/--no-gitignore", help="Leave out what .gitignore names.")
    ] = True,
    hidden: Annotated[bool, typer.Option("--hidden", help="Hidden files and folders too.")] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Links that lead out of the folder they are in, too.")
    ] = False,
    new_to: Annotated[
        str | None,
        typer.Option("--new-to", metavar="TABLE", help="Only files that this table does not hold as they are."),
    ] = None,
    db: DbOption = DEFAULT_DB,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="Of text files; detected where not given.")
    ] = None,
    text_field: Annotated[
        str | None, typer.Option("--text-field", metavar="KEY", help="Of JSON, JSON Lines and CSV: the text.")
    ] = None,
    id_field: Annotated[
        str | None, typer.Option("--id-field", metavar="KEY", help="The given id; kept in metadata.id.")
    ] = None,
    title_field: Annotated[str | None, typer.Option("--title-field", metavar="KEY", help="The title.")] = None,
    ocr: Annotated[
        Ocr, typer.Option("--ocr", envvar="RAGCLI_OCR", help="Pages read as pictures; auto: those without good text.")
    ] = Ocr.auto,
    password: Annotated[
        str | None, typer.Option("--password", metavar="WORD", envvar="RAGCLI_PASSWORD", help="Opens encrypted files.")
    ] = None,
    keep_headers: Annotated[
        bool, typer.Option("--keep-headers", help="Of PDF: keep headers and footers that every page repeats.")
    ] = False,
    reader: Annotated[
        str | None, typer.Option("--reader", metavar="MODULE:CLASS", help="A LlamaIndex reader that reads the files.")
    ] = None,
    reader_options: Annotated[
        str | None, typer.Option("--reader-options", metavar="JSON", help="What the reader is made with.")
    ] = None,
    reader_load: Annotated[
        str | None, typer.Option("--reader-load", metavar="JSON", help="What its load_data gets beside the file.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=0,
            envvar="RAGCLI_JOBS",
            help="Processes that read files (default: cores); 0: none, and no protection.",
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", min=0, help="Most for a file, a page or a member; 0: for ever."),
    ] = 120,
    max_bytes: Annotated[
        str | None,
        typer.Option("--max-bytes", metavar="SIZE", help="Largest file, as 200M (default: 1G; CSV and JSONL: any)."),
    ] = None,
    max_memory: Annotated[
        str, typer.Option("--max-memory", metavar="SIZE", help="Most that a process may take (Linux); 0: any.")
    ] = "4G",
    null: Annotated[
        bool, typer.Option("--null", "-0", help="Paths on stdin end with NUL, as from find -print0.")
    ] = False,
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
    made = _reader(reader, reader_options, reader_load)
    if not inputs and made is None:
        raise UsageError("no PATH.", hint="Name files, folders or URLs, or - to read paths from stdin.")
    with ExitStack() as stack:
        failures = None if errors is None else stack.enter_context(_opened(errors))

        def write_error(loss: Json) -> None:
            if failures is not None and (loss["kind"] == "failed" or (loss["kind"] == "partial" and "part" in loss)):
                failures.write(dumps({"type": "error", **loss}) + b"\n")
                failures.flush()

        people = preview is not None or as_table(format_)
        counts = stage_report("load", report, write_error, keep=people)
        from ragcli.loading import Limits
        from ragcli.loading import load as load_documents

        documents = load_documents(
            _paths(inputs, null),
            include=include or (),
            exclude=exclude or (),
            gitignore=gitignore,
            hidden=hidden,
            follow_links=follow_links,
            encoding=encoding,
            text_field=text_field,
            id_field=id_field,
            title_field=title_field,
            password=password,
            ocr=ocr.value,
            keep_headers=keep_headers,
            reader=made,
            new_to=None if new_to is None else _known(db, new_to),
            limits=Limits(
                jobs=jobs,
                timeout=timeout,
                max_bytes=None if max_bytes is None else _size(max_bytes, "--max-bytes"),
                max_memory=_size(max_memory, "--max-memory"),
            ),
            outputs=[path for path in (errors, report) if path is not None],
            report=counts,
        )
        delivered = 0
        with output() as out:
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
    if not delivered:
        if counts.failed:
            return FAILED
        if new_to is not None and tally["files_seen"]:
            return code
        if not tally["files_seen"] and inputs == ["-"]:
            raise RagcliError("no path came in.", hint="Paths come one a line on stdin, as from find or git ls-files.")
        raise RagcliError(
            f"no document came out of {', '.join(inputs) or reader}: {tally['files_seen']} files seen,"
            f" {tally['files_skipped']} skipped by rule.",
            hint="See --include, --hidden and --no-gitignore; --report FILE names each file and why.",
        )
    return code


def _paths(inputs: list[str], null: bool) -> Iterable[str]:
    """Return the paths to load: as they were given, or as stdin brings them."""
    if "-" not in inputs:
        return inputs
    from ragcli.loading import paths_from

    return (
        path
        for given in inputs
        for path in (paths_from(stdin("a list of paths"), null=null) if given == "-" else (given,))
    )


def _known(db: str, table: str) -> Callable[[str, str, Options], bool]:
    import_lance()
    from ragcli.loading.known import Known

    return Known(db, table).holds


def _reader(place: str | None, options: str | None, load: str | None) -> Reader | None:
    if place is None:
        if options is not None or load is not None:
            raise UsageError("--reader-options and --reader-load go with --reader.")
        return None
    from ragcli.loading.reader import Reader

    modules_here()
    made = Reader(
        place=place,
        options=json_object(options, "--reader-options", _EXAMPLE),
        load_options=json_object(load, "--reader-load", _EXAMPLE),
    )
    made.check()
    return made


def _size(text: str, option: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{option} {text!r} is no size.", hint="Write bytes, or 500K, 200M, 4G.")
    return int(float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " "))


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as error:
        raise RagcliError(f"cannot write {path}: {error.strerror}.") from error
