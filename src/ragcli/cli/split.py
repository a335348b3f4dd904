"""``ragcli split``: document records to chunk records."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.options import (
    FormatOption,
    ModelOption,
    ReportOption,
    SkipBadOption,
    Unit,
    as_table,
    json_object,
    modules_here,
)
from ragcli.cli.streams import STDOUT, finish, kept_stdout, on_bad, output, stage_report, stdin
from ragcli.errors import UsageError
from ragcli.jsonl import records
from ragcli.records import Document

if TYPE_CHECKING:
    from ragcli.splitting import TokenCounter
    from ragcli.splitting.parser import NodeParser

_OWN = ("size", "overlap", "unit", "model")  # parameters of ragcli's own splitter


def split(
    context: typer.Context,
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
    splitter: Annotated[
        str | None,
        typer.Option("--splitter", metavar="MODULE:CLASS", help="A LlamaIndex node parser that cuts instead."),
    ] = None,
    splitter_options: Annotated[
        str | None, typer.Option("--splitter-options", metavar="JSON", help="What the node parser is made with.")
    ] = None,
    report: ReportOption = None,
    skip_bad: SkipBadOption = False,
    format_: FormatOption = None,
) -> int:
    """Cut documents into chunks, by structure first, then by sentence.

    \b
    Headings, paragraphs, lists, tables and code stay whole where they fit. start and end are true offsets:
    the document's text[start:end] is the chunk's text. With --splitter another cuts, and the offsets stay true.

    \b
    ragcli load docs/ | ragcli split --size 400 --overlap 50 | ragcli embed -t kb
    ragcli load docs/ | ragcli split --unit tokens            # never longer than the model reads
    ragcli split --splitter llama_index.core.node_parser:SentenceSplitter --splitter-options '{"chunk_size": 256}'
    """
    from ragcli.splitting import split as split_documents

    people = as_table(format_)
    with ExitStack() as stack:
        kept = STDOUT if splitter is None or people else stack.enter_context(kept_stdout())
        parser = _parser(context, splitter, splitter_options)
        counter: TokenCounter | None = None
        if unit is Unit.tokens and parser is None:
            from ragcli.embedding import token_counter

            counter = token_counter(model)
        counts = stage_report("split", report)
        documents = records(stdin("document records"), Document, on_bad=on_bad(counts, skip_bad))
        if parser is not None:
            chunks = split_documents(documents, parser=parser, report=counts)
        else:
            chunks = split_documents(
                documents, size=size, overlap=overlap, unit=unit.value, count=counter, report=counts
            )
        with output(kept) as out:
            if people:
                from ragcli.cli.display import show_chunks

                show_chunks(chunks)
            else:
                for chunk in chunks:
                    out.write(chunk)
    return finish(counts, report)


def _parser(context: typer.Context, place: str | None, options: str | None) -> NodeParser | None:
    if place is None:
        if options is not None:
            raise UsageError("--splitter-options goes with --splitter.")
        return None
    for name in _OWN:  # what the environment or a file says is for ragcli's own splitter
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"--{name} does not go with --splitter.",
                hint="""A node parser has options of its own: --splitter-options '{"chunk_size": 256}'.""",
            )
    given = json_object(options, "--splitter-options", """'{"chunk_size": 256, "chunk_overlap": 20}'""")
    from ragcli.splitting.parser import NodeParser

    modules_here()
    return NodeParser(place, given)
