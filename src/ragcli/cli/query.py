"""``ragcli query``: questions to result records."""

from __future__ import annotations

from typing import Annotated

import typer

from ragcli.cli.options import (
    DEFAULT_DB,
    DbOption,
    Device,
    DeviceOption,
    ModelOption,
    QueryFormat,
    SearchMode,
    SkipBadOption,
    TableOption,
)
from ragcli.cli.searching import SearchSettings, asked, results
from ragcli.cli.streams import finish, is_terminal, note, on_bad, output, stage_report
from ragcli.errors import UsageError
from ragcli.records import Hit
from ragcli.trec import document_name, run_line, word

ModeOption = Annotated[SearchMode, typer.Option("--mode", envvar="RAGCLI_MODE", help="How to search.")]
KOption = Annotated[int, typer.Option("-k", "--top-k", metavar="N", envvar="RAGCLI_TOP_K", help="Hits a question.")]
WhereOption = Annotated[
    str | None,
    typer.Option("--where", metavar="SQL", help='Only rows that meet this, as in "metadata.year >= 2020".'),
]
ExpandOption = Annotated[
    int, typer.Option("--expand", metavar="N", help="Join N neighbouring chunks on each side to a hit's text.")
]
RerankOption = Annotated[
    str | None, typer.Option("--rerank", metavar="MODEL", help="Order the first hits anew with a cross-encoder.")
]


def query(
    questions: Annotated[
        list[str] | None, typer.Argument(metavar="[QUESTION]…", help="Without one, questions come from stdin.")
    ] = None,
    table: TableOption = None,
    db: DbOption = DEFAULT_DB,
    mode: ModeOption = SearchMode.hybrid,
    k: KOption = 5,
    where: WhereOption = None,
    expand: ExpandOption = 0,
    rerank: RerankOption = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show rank, score and contribution of every stage, and the tokens.")
    ] = False,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    skip_bad: SkipBadOption = False,
    format_: Annotated[
        QueryFormat | None,
        typer.Option("--format", help="jsonl for programs, table for people, trec for trec_eval."),
    ] = None,
) -> int:
    """Search a table.

    \b
    Questions on stdin: one a line, or JSON Lines with id and text (queries.jsonl of BEIR as it is). A question
    that finds nothing is a result with an empty list.

    \b
    ragcli query -t kb "How long is the warranty?" -k 3
    ragcli query -t kb --where "source LIKE 'contracts/%'" < questions.txt | ragcli ask
    ragcli query -t kb --format trec < queries.jsonl > run.trec
    """
    if table is None:
        raise UsageError("no table was named.", hint="Name it with -t, as in: ragcli query -t kb 'How long …?'")
    counts = stage_report("query")
    found = results(
        asked(questions, on_bad(counts, skip_bad)),
        SearchSettings(
            db=db,
            table=table,
            model=model,
            device=device,
            mode=mode,
            k=k,
            where=where,
            expand=expand,
            rerank=rerank,
            explain=explain,
        ),
    )
    shape = format_ or (QueryFormat.table if is_terminal() else QueryFormat.jsonl)
    with output() as out:
        if shape is QueryFormat.table:
            from ragcli.cli.display import show_results

            show_results(found)
        elif shape is QueryFormat.trec:
            for result in found:
                for line in trec(result.id, result.hits):
                    out.line(line)
        else:
            for result in found:
                out.write(result)
    return finish(counts, None)


def trec(query_id: str, hits: list[Hit]) -> list[bytes]:
    """Return the lines of a TREC run: query, Q0, document, rank, score, tag; each document once, at its best."""
    best: dict[str, float] = {}
    documents: dict[str, str] = {}
    for hit in hits:
        name = word(document_name(hit.source, hit.metadata))
        if documents.setdefault(name, hit.document_id) != hit.document_id:
            note(f"ragcli query: two documents are called {name!r}; {hit.source} is named by its source here.")
            name = word(hit.source)
        best.setdefault(name, hit.score)
    return [run_line(query_id, name, rank, score).encode() for rank, (name, score) in enumerate(best.items(), 1)]
