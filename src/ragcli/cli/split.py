"""``ragcli split``: document records to chunk records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.options import FormatOption, ModelOption, ReportOption, SkipBadOption, Unit, as_table
from ragcli.cli.streams import finish, on_bad, output, stage_report, stdin
from ragcli.jsonl import records
from ragcli.records import Document

if TYPE_CHECKING:
    from ragcli.splitting import TokenCounter


def split(
    size: Annotated[
        int | None, typer.Option("--size", metavar="N", envvar="RAGCLI_SIZE", help="Most a chunk may hold.")
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option("--overlap", metavar="N", envvar="RAGCLI_OVERLAP", help="Most a chunk of running text repeats."),
    ] = None,
    unit: Annotated[
        Unit, typer.Option("--unit", envvar="RAGCLI_UNIT", help="Count characters, or tokens of the embedding model.")
    ] = Unit.chars,
    model: ModelOption = None,
    report: ReportOption = None,
    skip_bad: SkipBadOption = False,
    format_: FormatOption = None,
) -> int:
    """Cut documents into chunks, by structure first, then by sentence.

    \b
    Headings, paragraphs, lists, tables and code stay whole where they fit. start and end are true offsets:
    the document's text[start:end] is the chunk's text.

    \b
    ragcli load docs/ | ragcli split --size 400 --overlap 50 | ragcli embed -t kb
    ragcli load docs/ | ragcli split --unit tokens            # never longer than the model reads
    """
    from ragcli.splitting import split as split_documents

    counter: TokenCounter | None = None
    if unit is Unit.tokens:
        from ragcli.embedding import token_counter

        counter = token_counter(model)
    counts = stage_report("split", report)
    documents = records(stdin("document records"), Document, on_bad=on_bad(counts, skip_bad))
    chunks = split_documents(documents, size=size, overlap=overlap, unit=unit.value, count=counter, report=counts)
    with output() as out:
        if as_table(format_):
            from ragcli.cli.display import show_chunks

            show_chunks(chunks)
        else:
            for chunk in chunks:
                out.write(chunk)
    return finish(counts, report)
