"""Options of reading files, which ``load`` and the commands that load among other things share, and what they make."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.options import json_object, modules_here
from ragcli.cli.streams import stdin
from ragcli.errors import FAILED, OK, PARTIAL, RagcliError, UsageError

if TYPE_CHECKING:
    from ragcli.loading.reader import Reader
    from ragcli.pipeline import Loading
    from ragcli.report import Report

_EXAMPLE = """'{"concatenate": true}'"""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.I)


class Ocr(str, Enum):
    """Which pages are read as pictures."""

    auto = "auto"
    always = "always"
    never = "never"


PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH…", help="Files, folders, http(s) URLs, s3:// and the like; - reads paths from stdin."),
]
IncludeOption = Annotated[
    list[str] | None, typer.Option("--include", metavar="GLOB", help="Only these files of folders; repeatable.")
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Not these files of folders; repeatable.")
]
GitignoreOption = Annotated[bool, typer.Option("--gitignore/--no-gitignore", help="Leave out what .gitignore names.")]
HiddenOption = Annotated[bool, typer.Option("--hidden", help="Hidden files and folders too.")]
FollowLinksOption = Annotated[
    bool, typer.Option("--follow-links", help="Links that lead out of the folder they are in, too.")
]
EncodingOption = Annotated[
    str | None, typer.Option("--encoding", metavar="NAME", help="Of text files; detected where not given.")
]
TextFieldOption = Annotated[
    str | None, typer.Option("--text-field", metavar="KEY", help="Of JSON, JSON Lines and CSV: the text.")
]
IdFieldOption = Annotated[
    str | None, typer.Option("--id-field", metavar="KEY", help="The given id; kept in metadata.id.")
]
TitleFieldOption = Annotated[str | None, typer.Option("--title-field", metavar="KEY", help="The title.")]
OcrOption = Annotated[
    Ocr, typer.Option("--ocr", envvar="RAGCLI_OCR", help="Pages read as pictures; auto: those without good text.")
]
PasswordOption = Annotated[
    str | None, typer.Option("--password", metavar="WORD", envvar="RAGCLI_PASSWORD", help="Opens encrypted files.")
]
KeepHeadersOption = Annotated[
    bool, typer.Option("--keep-headers", help="Of PDF: keep headers and footers that every page repeats.")
]
ReaderOption = Annotated[
    str | None, typer.Option("--reader", metavar="MODULE:CLASS", help="A LlamaIndex reader that reads the files.")
]
ReaderOptionsOption = Annotated[
    str | None, typer.Option("--reader-options", metavar="JSON", help="What the reader is made with.")
]
ReaderLoadOption = Annotated[
    str | None, typer.Option("--reader-load", metavar="JSON", help="What its load_data gets beside the file.")
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        min=0,
        envvar="RAGCLI_JOBS",
        help="Processes that read files (default: cores); 0: none, and no protection.",
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", min=0, help="Most for a file, a page or a member; 0: for ever."),
]
MaxBytesOption = Annotated[
    str | None,
    typer.Option("--max-bytes", metavar="SIZE", help="Largest file, as 200M (default: 1G; CSV and JSONL: any)."),
]
MaxMemoryOption = Annotated[
    str, typer.Option("--max-memory", metavar="SIZE", help="Most that a process may take (Linux); 0: any.")
]
NullOption = Annotated[bool, typer.Option("--null", "-0", help="Paths on stdin end with NUL, as from find -print0.")]


def loading(
    inputs: list[str],
    *,
    include: list[str] | None,
    exclude: list[str] | None,
    gitignore: bool,
    hidden: bool,
    follow_links: bool,
    encoding: str | None,
    text_field: str | None,
    id_field: str | None,
    title_field: str | None,
    ocr: Ocr,
    password: str | None,
    keep_headers: bool,
    reader: str | None,
    reader_options: str | None,
    reader_load: str | None,
    jobs: int | None,
    timeout: float,
    max_bytes: str | None,
    max_memory: str,
) -> Loading:
    """Return what the options say of how the inputs are read.

    Raises:
        UsageError: there is no input, or an option makes no sense.
    """
    from ragcli.loading import Limits
    from ragcli.pipeline import Loading

    made = _reader(reader, reader_options, reader_load)
    if not inputs and made is None:
        raise UsageError("no PATH.", hint="Name files, folders or URLs, or - to read paths from stdin.")
    return Loading(
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
        limits=Limits(
            jobs=jobs,
            timeout=timeout,
            max_bytes=None if max_bytes is None else _size(max_bytes, "--max-bytes"),
            max_memory=_size(max_memory, "--max-memory"),
        ),
    )


def paths(inputs: list[str], null: bool) -> Iterable[str]:
    """Return the paths to load: as they were given, or as stdin brings them."""
    if "-" not in inputs:
        return inputs
    from ragcli.loading import paths_from

    return (
        path
        for given in inputs
        for path in (paths_from(stdin("a list of paths"), null=null) if given == "-" else (given,))
    )


def without_documents(counts: Report, inputs: list[str], reader: str | None, *, new: bool) -> int:
    """Return the exit code of a run in which no document came out.

    Args:
        counts: of loading.
        inputs: as they were given.
        reader: likewise.
        new: whether files that a table holds were left out.

    Raises:
        RagcliError: nothing that could be read was named.
    """
    tally = counts.counts
    if counts.failed:
        return PARTIAL if tally["files_unchanged"] else FAILED
    if new and tally["files_seen"]:
        return OK
    if not tally["files_seen"] and inputs == ["-"]:
        raise RagcliError("no path came in.", hint="Paths come one a line on stdin, as from find or git ls-files.")
    raise RagcliError(
        f"no document came out of {', '.join(inputs) or reader}: {tally['files_seen']} files seen,"
        f" {tally['files_skipped']} skipped by rule.",
        hint="See --include, --hidden and --no-gitignore; --report FILE names each file and why.",
    )


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
