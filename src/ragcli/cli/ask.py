"""``ragcli ask``: results, or a question and a table, to answers with their sources."""

from __future__ import annotations

from typing import Annotated

import typer

from ragcli.cli.options import (
    DEFAULT_DB,
    DbOption,
    Device,
    DeviceOption,
    FormatOption,
    ModelOption,
    SearchMode,
    SkipBadOption,
    TableOption,
    as_table,
)
from ragcli.cli.query import ExpandOption, KOption, ModeOption, RerankOption, WhereOption
from ragcli.cli.searching import SearchSettings, asked
from ragcli.cli.searching import results as search_results
from ragcli.cli.streams import finish, on_bad, output, stage_report, stdin
from ragcli.errors import UsageError
from ragcli.jsonl import records
from ragcli.records import Result


def ask(
    context: typer.Context,
    questions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[QUESTION]…", help="With -t; without one, stdin brings questions (-t) or results."),
    ] = None,
    table: TableOption = None,
    db: DbOption = DEFAULT_DB,
    llm: Annotated[
        str,
        typer.Option("--llm", metavar="NAME", envvar="RAGCLI_LLM", help="Who answers; extractive quotes sentences."),
    ] = "extractive",
    mode: ModeOption = SearchMode.hybrid,
    k: KOption = 5,
    where: WhereOption = None,
    expand: ExpandOption = 0,
    rerank: RerankOption = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Show what the answer would be made from, and answer nothing.")
    ] = False,
    skip_bad: SkipBadOption = False,
    format_: FormatOption = None,
) -> int:
    """Answer questions from the documents, with the source of every sentence.

    \b
    The built-in answerer is extractive: it quotes the sentences that answer, word for word, with source and
    page, and says so when the documents do not answer.

    \b
    ragcli ask -t kb "How long is the warranty?"
    ragcli query -t kb -k 8 < questions.txt | ragcli ask > answers.jsonl
    """
    from ragcli.answering import answer, open_answerer

    answerer = open_answerer(llm)
    counts = stage_report("ask")
    bad = on_bad(counts, skip_bad)
    if questions and table is None:
        raise UsageError("a question was given, but no table.", hint="Name it with -t, or pipe in ragcli query.")
    # -t from the environment or a settings file does not turn a pipe of results into one of questions.
    if questions or (table is not None and _on_command_line(context, "table")):
        assert table is not None
        found = search_results(
            asked(questions, bad),
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
            ),
        )
    else:
        found = records(stdin("result records"), Result, on_bad=bad)
    with output() as out:
        if show_prompt:
            for result in found:
                out.line(answerer.prompt(result.query, result.hits).encode("utf-8", "replace"))
        elif as_table(format_):
            from ragcli.cli.display import show_answers

            show_answers(answer(found, answerer, report=counts))
        else:
            for one in answer(found, answerer, report=counts):
                out.write(one)
    return finish(counts, None)


def _on_command_line(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
