"""``ragcli ask``: results, or a question and a table, to answers with their sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragcli.cli.leaving import leaving_at_once
from ragcli.cli.modelling import (
    EXTRACTIVE,
    MAX_TOKENS,
    TIMEOUT,
    AdapterOption,
    EmbedModelOption,
    LlmOption,
    MaxTokensOption,
    Modelling,
    ModelOptionsOption,
    QuantizeOption,
    SeedOption,
    StopOption,
    SystemOption,
    TemperatureOption,
    TemplateOption,
    TimeoutOption,
    WindowOption,
    close_model,
)
from ragcli.cli.opening import Opening, begun
from ragcli.cli.options import (
    DEFAULT_DB,
    DbOption,
    Device,
    DeviceOption,
    FormatOption,
    SearchMode,
    SkipBadOption,
    TableOption,
    as_table,
)
from ragcli.cli.query import ExpandOption, KOption, ModeOption, RerankOption, WhereOption
from ragcli.cli.searching import Search, SearchSettings, asked, open_search
from ragcli.cli.streams import Output, finish, note, on_bad, output, stage_report, stdin
from ragcli.cli.tooling import (
    MAX_STEPS,
    TOOL_TIMEOUT,
    AgentOption,
    AllowOption,
    McpOption,
    StepsOption,
    Tooling,
    ToolsOption,
    ToolTimeoutOption,
    YesOption,
)
from ragcli.errors import FAILED, GATE, UsageError
from ragcli.jsonl import records
from ragcli.questions import question
from ragcli.records import Hit, Result

if TYPE_CHECKING:
    from ragcli.answering import Answerer
    from ragcli.answering.run import Made
    from ragcli.cli.display_answers import AnswerView
    from ragcli.report import Report


def ask(
    context: typer.Context,
    questions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[QUESTION]…", help="With -t; without one, stdin brings questions (-t) or results."),
    ] = None,
    table: TableOption = None,
    db: DbOption = DEFAULT_DB,
    llm: LlmOption = EXTRACTIVE,
    mode: ModeOption = SearchMode.hybrid,
    k: KOption = 5,
    where: WhereOption = None,
    expand: ExpandOption = 0,
    rerank: RerankOption = None,
    embed_model: EmbedModelOption = None,
    device: DeviceOption = Device.auto,
    model_options: ModelOptionsOption = None,
    adapter: AdapterOption = None,
    quantize: QuantizeOption = None,
    window: WindowOption = None,
    timeout: TimeoutOption = TIMEOUT,
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency",
            metavar="N",
            envvar="RAGCLI_CONCURRENCY",
            help="Questions at once; 8 by default at an endpoint and on a GPU, 4 with transformers on a CPU, else 1.",
        ),
    ] = None,
    temperature: TemperatureOption = 0.0,
    seed: SeedOption = None,
    max_tokens: MaxTokensOption = MAX_TOKENS,
    stop: StopOption = None,
    system: SystemOption = None,
    template: TemplateOption = None,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Show what the answer would be made from, and answer nothing.")
    ] = False,
    verify: Annotated[
        int, typer.Option("--verify", metavar="N", help="Check each sentence of a model against the first N hits.")
    ] = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 4 where an answer says what its sources do not.")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="FILE", help="Leave out what FILE has answers to.")
    ] = None,
    save_sft: Annotated[
        Path | None, typer.Option("--save-sft", metavar="FILE", help="Append prompts and answers, for finetune.")
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option("--calibrate", metavar="FILE", help="Set when the table's questions are refused, from questions."),
    ] = None,
    tools: ToolsOption = None,
    mcp: McpOption = None,
    agent: AgentOption = False,
    yes: YesOption = False,
    allow: AllowOption = None,
    tool_timeout: ToolTimeoutOption = TOOL_TIMEOUT,
    max_steps: StepsOption = MAX_STEPS,
    skip_bad: SkipBadOption = False,
    format_: FormatOption = None,
) -> int:
    """Answer questions from the documents, with the source of every sentence.

    \b
    Without a model the answerer is extractive: it quotes the sentences that answer, word for word, with source
    and page. A language model (-m) answers from the same passages; its citations are checked, and what its
    sources do not say is named. Both say so when the documents do not answer.

    \b
    ragcli ask -t kb "How long is the warranty?"
    ragcli ask -t kb -m Qwen2.5-7B-Instruct-Q4_K_M.gguf "保修期多久？"
    ragcli query -t kb -k 8 < questions.txt | ragcli ask -m openai:qwen2.5 > answers.jsonl
    ragcli ask -t kb --calibrate questions.jsonl
    ragcli ask -t kb -m openai:qwen2.5 --agent --tools orders.py --allow read-only "订单 A17 还在保修期吗？"
    """
    if questions and table is None:
        raise UsageError("a question was given, but no table.", hint="Name it with -t, or pipe in ragcli query.")
    if verify < 0:
        raise UsageError(f"--verify is {verify}; it must not be negative.")
    modelling = Modelling(
        llm=llm,
        options=model_options,
        adapter=adapter,
        quantize=quantize,
        device=device.value,
        window=window,
        timeout=timeout,
        concurrency=concurrency,
        temperature=temperature,
        seed=seed,
        max_tokens=max_tokens,
        stop=stop,
        system=system,
        template=template,
    )
    modelling.sampling()  # a number out of range is said before anything is opened
    tooling = Tooling(tools=tools, mcp=mcp, yes=yes, allow=allow, timeout=tool_timeout, steps=max_steps, agent=agent)
    tooling.check()
    counts = stage_report("ask")
    bad = on_bad(counts, skip_bad)
    # -t from the environment or a settings file does not turn a pipe of results into one of questions.
    searched = bool(questions or calibrate or (table is not None and _on_command_line(context, "table")))
    if table is None and (calibrate is not None or agent):
        raise UsageError(f"{'--calibrate' if calibrate else '--agent'} needs a table.", hint="Name it with -t.")
    settings = SearchSettings(
        db=db,
        table=table or "",
        model=embed_model,
        device=device,
        mode=mode,
        k=k,
        where=where,
        expand=expand,
        rerank=rerank,
    )
    if calibrate is not None:
        from ragcli.cli.calibrating import calibrate_table

        return calibrate_table(calibrate, settings, as_table(format_), bad) or finish(counts, None)
    stream = None if searched else stdin("result records")
    with ExitStack() as stack:
        done = _answered(resume)
        view = _view(as_table(format_) and not show_prompt, streams=llm != EXTRACTIVE)
        with leaving_at_once():
            first = questions[0] if questions and not show_prompt else None
            model = None if tooling.wanted else Opening(lambda: _opened(modelling, verify, first))
            search = open_search(settings) if searched or agent else None
            found: Iterable[Result]
            if searched:
                assert search is not None
                found = begun(search(_left(asked(questions, bad), done)))
            else:
                assert stream is not None
                found = _left(records(stream, Result, on_bad=bad), done)
            if model is not None:
                answerer = model.result()
            else:
                box = stack.enter_context(tooling.open()).tools if tooling.tools or tooling.mcp else []
                answerer = modelling.answerer(
                    verified=verify,
                    tooling=tooling,
                    tools=box,
                    search=_again(search) if agent and search else None,
                    show=None if view is None else view.call,
                )
        stack.callback(close_model, answerer)
        with output() as out:
            if show_prompt:
                _show_prompts(found, answerer, out)
                return finish(counts, None)
            keep = stack.enter_context(_sft(save_sft)) if save_sft is not None else None
            one_by_one = 1 if tooling.asks else modelling.concurrency  # a person is asked one thing at a time
            _Answers(answerer, counts, one_by_one, keep, sum(done.values())).write(found, out, view)
            if keep is not None and keep.left_out:
                note(f"ragcli ask: {keep.left_out} answers with problems are not in {save_sft}.")
    return _code(counts, strict)


def _opened(modelling: Modelling, verified: int, first: str | None) -> Answerer:
    """Return who answers, with the rules read in the language of the first question, where it is known."""
    answerer = modelling.answerer(verified=verified)
    read_ahead = getattr(answerer, "read_ahead", None)
    if first is not None and read_ahead is not None:
        from ragcli.answering.terms import language

        read_ahead(language(first))
    return answerer


def _answered(resume: Path | None) -> Counter[str]:
    if resume is None:
        return Counter()
    from ragcli.cli.resuming import answered

    return answered(resume)


def _left(items: Iterable[Any], done: Counter[str]) -> Iterable[Any]:
    if not done:
        return items
    from ragcli.cli.resuming import without

    return without(items, done)


def _again(search: Search) -> Callable[[str], Sequence[Hit]]:
    """Return the search as a model calls it: words in, hits out."""

    def hits(words: str) -> Sequence[Hit]:
        return next(iter(search([question(words)]))).hits

    return hits


def _view(wanted: bool, *, streams: bool) -> AnswerView | None:
    if not wanted:
        return None
    from ragcli.cli.display_answers import AnswerView

    return AnswerView(streams=streams)


def _sft(path: Path) -> Any:
    from ragcli.answering.sft import SftFile

    return SftFile(path)


@dataclass(frozen=True, slots=True)
class _Answers:
    """Writes answers, for programs or for people."""

    answerer: Answerer
    counts: Report
    concurrency: int | None
    keep: Any
    answered: int

    def write(self, found: Iterable[Result], out: Output, view: AnswerView | None) -> None:
        from ragcli.answering import answer

        model = getattr(self.answerer, "llm", None)
        at_once = self.concurrency or int(getattr(model, "parallel", 1))
        if view is not None:
            for _ in answer(
                found,
                self.answerer,
                report=self.counts,
                on_text=view.text,
                on_begin=view.begin,
                on_made=lambda made: self._made(made, view.end),
            ):
                pass
            return
        for one in answer(
            found,
            self.answerer,
            report=self.counts,
            concurrency=at_once,
            on_made=self._made,
            answered=self.answered,
        ):
            out.write(one)

    def _made(self, made: Made, then: Callable[[Made], None] | None = None) -> None:
        if self.keep is not None:
            prompt = list(made.reply.prompt) or self.answerer.prompt(made.asked)
            self.keep.add(made, prompt)
        if then is not None:
            then(made)


def _show_prompts(found: Iterable[Result], answerer: Answerer, out: Output) -> None:
    from ragcli.answering.prompt import render
    from ragcli.answering.run import asked_of

    for result in found:
        out.line(render(answerer.prompt(asked_of(result))).encode("utf-8", "replace"))


def _code(counts: Report, strict: bool) -> int:
    """Return the exit code: 4 where a check that was asked for said no, 1 where nothing was answered, 3 in part."""
    problems = counts.counts["with_problems"]
    if strict and problems:
        note(f"ragcli ask: {problems} of {counts.counts['answered']} answers have problems, which --strict forbids.")
        return GATE
    if counts.counts["failed"] and not counts.counts["answered"] + counts.counts["refused"]:
        return FAILED
    return finish(counts, None)


def _on_command_line(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
