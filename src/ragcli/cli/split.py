"""``ragcli split``: document records to chunk records."""

from __future__ import annotations

from contextlib import ExitStack

import typer

from ragcli.cli.clustering import LOCAL, AddressOption, EngineOption, on_ray, streamed
from ragcli.cli.options import (
    FormatOption,
    ModelOption,
    ReportOption,
    SkipBadOption,
    as_table,
)
from ragcli.cli.options_split import (
    OverlapOption,
    SizeOption,
    SplitterOption,
    SplitterOptionsOption,
    UnitOption,
    splitting,
)
from ragcli.cli.streams import STDOUT, finish, kept_stdout, on_bad, output, stage_report, stdin
from ragcli.jsonl import records
from ragcli.records import Document

_OWN = ("size", "overlap", "unit", "model")  # parameters of ragcli's own splitter


def split(
    context: typer.Context,
    size: SizeOption = None,
    overlap: OverlapOption = None,
    unit: UnitOption = None,
    model: ModelOption = None,
    splitter: SplitterOption = None,
    splitter_options: SplitterOptionsOption = None,
    engine: EngineOption = LOCAL,
    address: AddressOption = None,
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
        cut = splitting(context, size, overlap, unit, model, splitter, splitter_options, _OWN)
        how = cut.arguments()
        counts = stage_report("split", report)
        stream = stdin("document records")
        if on_ray(engine):
            from ragcli.engines import Settings, line_tasks

            split_documents((), **how)  # settings that make no sense are said before the cluster starts
            told = Settings(until="split", skip_bad=skip_bad).cutting(cut)
            chunks = streamed(lambda _: line_tasks(stream, rows=64), told, counts, address)
        else:
            documents = records(stream, Document, on_bad=on_bad(counts, skip_bad))
            chunks = split_documents(documents, **how, report=counts)
        with output(kept) as out:
            if people:
                from ragcli.cli.display import show_chunks

                show_chunks(chunks)
            else:
                for chunk in chunks:
                    out.write(chunk)
    return finish(counts, report)
