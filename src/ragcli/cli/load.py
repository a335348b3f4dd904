"""``ragcli load``: files, folders and addresses to document records."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ragcli.cli.options import Format, FormatOption, QuietOption, ReportOption
from ragcli.cli.streams import finish, is_terminal, note, output, stage_report, stdin
from ragcli.errors import FAILED, RagcliError


def load(
    inputs: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Files, folders, http(s) URLs; - reads paths from stdin.")
    ],
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
    null: Annotated[
        bool, typer.Option("--null", "-0", help="Paths on stdin end with NUL, as from find -print0.")
    ] = False,
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
    from ragcli.loading import load as load_documents
    from ragcli.loading import paths_from

    counts = stage_report("load", report)
    paths = (
        path
        for given in inputs
        for path in (paths_from(stdin("a list of paths"), null=null) if given == "-" else (given,))
    )
    documents = load_documents(
        paths,
        include=include or (),
        exclude=exclude or (),
        gitignore=gitignore,
        hidden=hidden,
        encoding=encoding,
        text_field=text_field,
        id_field=id_field,
        title_field=title_field,
        report=counts,
    )
    delivered = 0
    with output() as out:
        if (format_ or (Format.table if is_terminal() else Format.jsonl)) is Format.table:
            from ragcli.cli.display import show_documents

            delivered = show_documents(documents)
        else:
            for document in documents:
                out.write(document)
                delivered += 1
    code = finish(counts, report)
    tally = counts.counts
    if not quiet and (sys.stderr.isatty() or tally["files_skipped"]):
        note(
            f"ragcli load: {delivered} documents from {tally['files_loaded']} files"
            f" ({tally['files_skipped']} skipped by rule, {tally['files_failed']} failed)"
        )
    if not delivered:
        if counts.failed:
            return FAILED
        if not tally["files_seen"] and list(inputs) == ["-"]:
            raise RagcliError("no path came in.", hint="Paths come one a line on stdin, as from find or git ls-files.")
        raise RagcliError(
            f"no document came out of {', '.join(inputs)}: {tally['files_seen']} files seen,"
            f" {tally['files_skipped']} skipped by rule.",
            hint="See --include, --hidden and --no-gitignore; --report FILE names each file and why.",
        )
    return code
