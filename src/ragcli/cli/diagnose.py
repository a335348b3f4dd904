"""``ragcli diagnose``: why answers are bad: each case replayed step by step, until the step that lost its answer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.light import import_lance
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
    SystemOption,
    TemperatureOption,
    TemplateOption,
    TimeoutOption,
    WindowOption,
    close_model,
)
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
from ragcli.cli.searching import SearchSettings, open_embedder_of, open_search
from ragcli.cli.streams import finish, note, on_bad, opened, output, stage_report, stdin
from ragcli.errors import UsageError
from ragcli.questions import question as as_question
from ragcli.records import Case, Diagnosis

if TYPE_CHECKING:
    from ragcli.diagnosing.stage import Chain, FindMany
    from ragcli.embedding import Embedder
    from ragcli.jsonl import OnBad
    from ragcli.questions import Question
    from ragcli.records import Diagnoses, Result
    from ragcli.retrieval import Mode
    from ragcli.store import Table


def diagnose(
    cases: Annotated[
        Path | None,
        typer.Argument(metavar="[CASES]", help="Questions with answers, as JSON Lines; - is stdin."),
    ] = None,
    table: TableOption = None,
    db: DbOption = DEFAULT_DB,
    question: Annotated[
        str | None, typer.Option("--question", metavar="TEXT", help="One question, with --answer.")
    ] = None,
    answer: Annotated[
        list[str] | None, typer.Option("--answer", metavar="TEXT", help="What a right answer holds; repeatable.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="SOURCE", help="Where the answer of --question stands.")
    ] = None,
    docs: Annotated[
        list[Path] | None,
        typer.Option("--docs", metavar="PATH", help="Files that should be in the table; repeatable."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="The folder that sources are relative to; this one.")
    ] = None,
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
        typer.Option("--concurrency", metavar="N", envvar="RAGCLI_CONCURRENCY", help="Questions at once, as in ask."),
    ] = None,
    temperature: TemperatureOption = 0.0,
    seed: SeedOption = None,
    max_tokens: MaxTokensOption = MAX_TOKENS,
    system: SystemOption = None,
    template: TemplateOption = None,
    tries: Annotated[
        bool, typer.Option("--tries/--no-tries", help="Cut documents in other ways, where that may help, and measure.")
    ] = True,
    check: Annotated[bool, typer.Option("--check", help="Look at the table itself; exit code 4 on a fault.")] = False,
    mend: Annotated[
        bool, typer.Option("--mend", help="With --check: first mend what can be mended from the table alone.")
    ] = False,
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", help="With --check: chunks embedded again to compare; 0: none.")
    ] = 16,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page that shows it: one file, read offline.")
    ] = None,
    skip_bad: SkipBadOption = False,
    format_: FormatOption = None,
) -> int:
    """Say which step lost the answer: load, split, embed, query, the prompt, or the model.

    \b
    Cases are lines {"question": "…", "answers": ["…"], "source": "…"}, as eval has them. Each is replayed through
    the whole chain; the first step that lost its answer is named, with the evidence and the command that mends it.
    What is advised is tried where it can be. Options are those of ask, so that what is diagnosed is what is asked.

    \b
    --check reads the table whole: its contract, vectors, rows, documents, files, model and index. Each look is pass,
    warn or fail, with the command that mends it; a fail is exit code 4.

    \b
    ragcli diagnose -t kb cases.jsonl
    ragcli diagnose -t kb --question "保修期多久？" --answer 24个月 --source docs/product.md
    ragcli diagnose -t kb cases.jsonl -m openai:qwen2.5 -k 8 > diagnoses.jsonl
    ragcli diagnose -t kb --check
    """
    if table is None:
        raise UsageError("no table was named.", hint="Name it with -t, as in: ragcli diagnose -t kb cases.jsonl")
    if check:
        if cases is not None or question is not None or html is not None:
            raise UsageError("--check looks at the table itself: it takes no cases and makes no page.")
        from ragcli.cli.checking import check_table

        return check_table(db, table, model=embed_model, device=device, sample=sample, mend=mend, format_=format_)
    if mend:
        raise UsageError("--mend goes with --check.")
    if (cases is None) == (question is None):
        raise UsageError("name a file of cases, or one --question with its --answer, or --check.")
    if question is None and (answer or source):
        raise UsageError("--answer and --source are for --question.", hint="Cases in a file have their own.")
    if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
        why = "it is a folder" if html.is_dir() else "there is no such folder"
        raise UsageError(f"--html {html} cannot be written: {why}.")
    if root is not None and not root.is_dir():
        raise UsageError(f"--root {root} is no folder.")
    for path in docs or ():
        if not path.exists():
            raise UsageError(f"--docs {path}: there is no such file or folder.")
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
        system=system,
        template=template,
    )
    modelling.sampling()
    counts = stage_report("diagnose")
    settings = SearchSettings(
        db=db,
        table=table,
        model=embed_model,
        device=device,
        mode=mode,
        k=k,
        where=where,
        expand=expand,
        rerank=rerank,
    )
    began = time.perf_counter()
    given = _given(cases, question, answer or [], source, on_bad(counts, skip_bad))
    chain = _chain(settings, modelling, docs or [], root)
    from ragcli.cli.progress import Progress
    from ragcli.diagnosing import diagnose as replay
    from ragcli.diagnosing import summary

    made: list[Diagnosis] = []
    as_json = not as_table(format_)
    with ExitStack() as stack, output() as out:
        stack.callback(close_model, chain.answerer)
        with Progress("diagnosing") as progress:
            for one in replay(given, chain, counts):
                made.append(one)
                progress.advance()
                if as_json:
                    out.write(one)
        whole = summary(made, chain, seconds=time.perf_counter() - began, tries=tries)
        if as_json:
            out.write(whole)
    if html is not None:
        from ragcli.diagnosing.page import diagnosis_page
        from ragcli.pages import write_page

        write_page(html, diagnosis_page(made, whole))
    if not as_json:
        from ragcli.cli.display_diagnose import show

        show(made, whole)
    _notes(whole)
    return finish(counts, None)


def _given(
    path: Path | None, question: str | None, answers: Sequence[str], source: str | None, bad: OnBad | None
) -> list[Case]:
    from ragcli.evaluation.cases import cases

    if question is not None:
        asked = as_question(question)
        if not asked.text.strip():
            raise UsageError("the question is empty.")
        wanted = [one for one in answers if one.strip()]
        if not wanted:
            raise UsageError("--question needs --answer: what does a right answer hold?")
        return [Case(id=asked.id, question=asked.text, answers=wanted, source=source)]
    if str(path) == "-":
        found = list(cases(stdin("cases"), on_bad=bad))
    else:
        assert path is not None
        with opened(path) as stream:
            found = list(cases(stream, name=str(path), on_bad=bad))
    if not found:
        raise UsageError("there are no cases.", hint='A line is {"question": "…", "answers": ["…"]}.')
    return found


def _chain(settings: SearchSettings, modelling: Modelling, docs: Sequence[Path], root: Path | None) -> Chain:
    """Open what cases are replayed through: the search as it is asked for, and each mode by itself."""
    from ragcli.diagnosing import Chain
    from ragcli.diagnosing.library import Library
    from ragcli.diagnosing.remembering import Remembering
    from ragcli.diagnosing.sources import Sources
    from ragcli.store import Table

    import_lance()
    kb = Table.open(settings.db, settings.table)
    embedder = None if settings.mode is SearchMode.text else Remembering(open_embedder_of(kb, settings))
    find = open_search(settings, embedder)
    answerer = modelling.answerer()
    model = getattr(answerer, "llm", None)
    condition = None if settings.where is None else kb.check_where(settings.where)
    modes: tuple[Mode, ...] = ("text",) if embedder is None else ("hybrid", "text", "vector")
    return Chain(
        library=Library(kb),
        find=find,
        by_mode={mode: _by(mode, kb, embedder, settings.where) for mode in modes},
        answerer=answerer,
        k=settings.k,
        mode=settings.mode.value,
        embedder=embedder,
        reranked=settings.rerank is not None,
        where=condition,
        options=_typed(settings, modelling),
        find_in=lambda table: open_search(settings, embedder, table),
        sources=Sources(root, docs),
        concurrency=modelling.concurrency or int(getattr(model, "parallel", 1)),
    )


def _typed(settings: SearchSettings, modelling: Modelling) -> dict[str, str]:
    """Return the options of the search and the answerer that are not the usual ones, as they are typed for ask."""
    given: dict[str, object] = {
        "--where": settings.where,
        "--expand": settings.expand or None,
        "--rerank": settings.rerank,
        "--embed-model": settings.model,
        "-m": None if modelling.llm == EXTRACTIVE else modelling.llm,
        "--window": modelling.window,
        "--model-options": modelling.options,
        "--adapter": modelling.adapter,
        "--quantize": modelling.quantize,
        "--system": modelling.system,
        "--template": modelling.template,
    }
    return {name: str(getattr(value, "value", value)) for name, value in given.items() if value is not None}


def _by(mode: Mode, table: Table, embedder: Embedder | None, where: str | None) -> FindMany:
    """Return the search in a mode."""
    from ragcli.retrieval import search

    def find(questions: Iterable[Question], k: int) -> Iterator[Result]:
        own = None if mode == "text" else embedder
        return search(questions, table, embedder=own, mode=mode, k=k, where=where, explain=mode == "hybrid")

    return find


def _notes(whole: Diagnoses) -> None:
    from ragcli.diagnosing.steps import LOST

    wrong = whole.questions - whole.right
    if wrong:
        step, causes = max(whole.causes.items(), key=lambda one: sum(one[1].values()))
        most = sum(causes.values())
        if whole.questions == 1:
            note(f"ragcli diagnose: the answer is lost by {LOST[step]}.")
            return
        verb = "is" if wrong == 1 else "are"
        note(f"ragcli diagnose: {wrong} of {whole.questions} answers {verb} lost, {most} of them by {LOST[step]}.")
    else:
        said = "the answer is right" if whole.questions == 1 else f"all {whole.questions} answers are right"
        note(f"ragcli diagnose: {said}.")
