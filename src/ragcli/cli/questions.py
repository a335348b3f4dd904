"""``ragcli questions``: cases from a table's own chunks, to evaluate, calibrate and fine-tune with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from ragcli.cli.modelling import (
    EXTRACTIVE,
    MAX_TOKENS,
    TIMEOUT,
    AdapterOption,
    EmbedModelOption,
    MaxTokensOption,
    Modelling,
    ModelOptionsOption,
    QuantizeOption,
    StopOption,
    TemperatureOption,
    TemplateOption,
    TimeoutOption,
    WindowOption,
)
from ragcli.cli.options import (
    DEFAULT_DB,
    DbOption,
    Device,
    DeviceOption,
    FormatOption,
    QuietOption,
    ReportOption,
    SearchMode,
    TableOption,
    as_table,
)
from ragcli.cli.query import ModeOption, WhereOption
from ragcli.cli.streams import finish, note, output, stage_report
from ragcli.errors import FAILED, PARTIAL, RagcliError, UsageError
from ragcli.jsonl import dumps

if TYPE_CHECKING:
    from ragcli.questioning import Dropped, Maker, ModelMaker
    from ragcli.records import Case
    from ragcli.report import Report


class Kind(str, Enum):
    """How questions are made."""

    model = "model"
    heading = "heading"
    cloze = "cloze"


def questions(
    table: TableOption = None,
    db: DbOption = DEFAULT_DB,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", help="Questions that the table answers.")] = 100,
    unanswerable: Annotated[
        int, typer.Option("--unanswerable", metavar="N", help="Add questions that the table does not answer.")
    ] = 0,
    llm: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            "--llm",
            metavar="MODEL",
            envvar="RAGCLI_LLM",
            help="Who asks: any model of ragcli ask; extractive is none: headings and sentences.",
        ),
    ] = EXTRACTIVE,
    kind: Annotated[
        list[Kind] | None,
        typer.Option("--kind", help="model with -m, else heading and cloze (a sentence with a gap); repeatable."),
    ] = None,
    where: WhereOption = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another one draws other chunks.")] = 0,
    test: Annotated[
        str | None,
        typer.Option("--test", metavar="PART", help="Part for testing, as 0.2 or a number; no document is in both."),
    ] = None,
    test_out: Annotated[
        Path | None, typer.Option("--test-out", metavar="FILE", help="Write the test part there, the rest to stdout.")
    ] = None,
    no_filter: Annotated[
        bool, typer.Option("--no-filter", help="Keep questions that do not lead back to their chunk.")
    ] = False,
    k: Annotated[
        int, typer.Option("-k", "--top-k", metavar="N", help="Hits among which a question must find its chunk.")
    ] = 10,
    mode: ModeOption = SearchMode.hybrid,
    keep_dropped: Annotated[
        Path | None, typer.Option("--keep-dropped", metavar="FILE", help="Write what was dropped, and why.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="FILE", help="Leave out what an earlier run wrote to FILE.")
    ] = None,
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
            "--concurrency", metavar="N", envvar="RAGCLI_CONCURRENCY", help="Requests at once; the model's by default."
        ),
    ] = None,
    temperature: TemperatureOption = 0.0,
    max_tokens: MaxTokensOption = MAX_TOKENS,
    stop: StopOption = None,
    template: TemplateOption = None,
    report: ReportOption = None,
    quiet: QuietOption = False,
    format_: FormatOption = None,
) -> int:
    """Make questions with answers from a table's own chunks.

    \b
    Chunks are drawn evenly from the documents. A language model (-m) asks about each; without one, questions
    come from headings and sentences. Each must find its chunk again, or is dropped. Their lines are cases for
    eval and ask --calibrate, and name their chunk and its text for fine-tuning.

    \b
    ragcli questions -t kb -n 100 > cases.jsonl
    ragcli questions -t kb -n 100 --unanswerable 30 -m openai:qwen2.5 > cases.jsonl
    ragcli questions -t kb -n 500 --test 0.2 --test-out test.jsonl > train.jsonl
    """
    from ragcli.questioning import Wanted, make_questions

    if table is None:
        raise UsageError("no table was named.", hint="Name it with -t, as in: ragcli questions -t kb -n 100")
    if test_out is not None and test is None:
        test = "0.2"
    wanted = Wanted(questions=count, unanswerable=unanswerable, seed=seed, where=where, test=_fraction(test, count))
    wanted.check()
    kinds = tuple(dict.fromkeys(one.value for one in kind or ()))
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
        seed=seed or None,
        max_tokens=max_tokens,
        stop=stop,
        template=template,
    )
    modelling.sampling()
    _check_kinds(kinds, llm)
    counts = stage_report("questions", report)
    from ragcli.cli.light import import_lance

    import_lance()
    from ragcli.store import Table

    kb = Table.open(db, table)
    for key in kb.unknown_keys(where or ""):
        note(f"ragcli questions: no row of the table has {key}, which --where names.")
    done = _earlier(resume) + (_earlier(test_out) if resume is not None else [])
    with ExitStack() as stack:
        find = None
        if not no_filter:
            from ragcli.cli.searching import SearchSettings, open_search

            find = open_search(
                SearchSettings(
                    db=db,
                    table=table,
                    model=embed_model,
                    device=device,
                    mode=mode,
                    k=k,
                    where=None,  # a user's search is not narrowed to what was asked about
                    expand=0,
                    rerank=None,
                )
            )
        maker, asker = _maker(kinds, modelling, stack)
        dropped = _lines(keep_dropped, stack)
        tested = _lines(test_out, stack, append=resume is not None)
        cases = make_questions(
            kb,
            maker,
            wanted,
            find=find,
            asker=asker,
            report=counts,
            on_dropped=None if dropped is None else lambda one: dropped(_dropped(one)),
            done=done,
        )
        wants_table = as_table(format_)
        parts = _write(_shown(cases, count + unanswerable, quiet or wants_table), tested, wants_table)
    counts.counts["wanted"], counts.counts["unanswerable_wanted"] = count, unanswerable
    if not quiet:
        _summary(table, counts, parts)
    return _code(table, counts, report)


def _fraction(test: str | None, count: int) -> float | None:
    """Return the part that ``--test`` means: a fraction, or a number of the questions.

    Raises:
        UsageError: it is neither.
    """
    if test is None:
        return None
    try:
        value = float(test.rstrip("%")) / (100 if test.endswith("%") else 1)
    except ValueError:
        raise UsageError(
            f"--test {test} is no number.", hint="Give a part, as 0.2, or a number of questions."
        ) from None
    if value >= 1 and "." not in test and "%" not in test:
        value /= max(count, 1)
    if not 0 < value < 1:
        raise UsageError(
            f"--test {test} leaves no questions for one of the parts.",
            hint="Give a part, as 0.2, or a number below -n.",
        )
    return value


def _check_kinds(kinds: tuple[str, ...], llm: str) -> None:
    if "model" in kinds and llm == EXTRACTIVE:
        raise UsageError("--kind model needs a model.", hint="Name one with -m, as in -m openai:qwen2.5.")
    if "model" in kinds and len(kinds) > 1:
        raise UsageError("--kind model stands alone.", hint="Make the others with a run of their own.")


def _maker(kinds: tuple[str, ...], modelling: Modelling, stack: ExitStack) -> tuple[Maker, ModelMaker | None]:
    """Return who makes questions, and the model that asks what is not answered."""
    if modelling.llm == EXTRACTIVE:
        from ragcli.questioning import RuleMaker

        modelling.refuse_model_flags()
        return RuleMaker(kinds or ("heading", "cloze")), None
    from ragcli.cli.streams import show_log
    from ragcli.llms import open_llm
    from ragcli.questioning.asking import ModelMaker, Prompt

    show_log()
    llm = open_llm(modelling.llm, modelling.wish())
    stack.callback(llm.close)
    asker = ModelMaker(
        llm=llm,
        prompt=Prompt(path=modelling.template),
        sampling=modelling.sampling(),
        concurrency=modelling.concurrency,
    )
    if not kinds or kinds == ("model",):
        return asker, asker
    from ragcli.questioning import RuleMaker

    return RuleMaker(kinds), asker


def _lines(path: Path | None, stack: ExitStack, *, append: bool = False) -> Callable[[Any], None] | None:
    """Return what writes objects to a file, a line each.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None:
        return None
    try:
        stream: IO[bytes] = stack.enter_context(path.open("ab" if append else "wb"))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error

    def write(value: Any) -> None:
        stream.write(dumps(value) + b"\n")
        stream.flush()

    return write


def _dropped(one: Dropped) -> dict[str, Any]:
    draft = one.draft
    line: dict[str, Any] = {"type": "dropped", "reason": one.reason, "detail": one.detail}
    if draft is not None:
        line |= {"question": draft.question, "answers": [draft.answer], "made_by": draft.made_by}
    return {**line, "source": one.chunk.source, "chunk_id": one.chunk.id}


def _earlier(path: Path | None) -> list[Case]:
    if path is None:
        return []
    from ragcli.cli.resuming import written
    from ragcli.records import Case

    return written(path, Case, "questions")


def _shown(cases: Iterable[Case], total: int, quiet: bool) -> Iterator[Case]:
    from ragcli.cli.progress import Progress

    with Progress("questions", quiet=quiet) as bar:
        for _ in range(total):
            bar.seen()
        for case in cases:
            yield case
            bar.advance()


def _write(cases: Iterable[Case], tested: Callable[[Any], None] | None, wants_table: bool) -> Counter[str]:
    """Write the cases, those for the test where they belong; return how many are in each part."""
    parts: Counter[str] = Counter()
    show = None
    if wants_table:
        from ragcli.cli.display_questions import QuestionView

        show = QuestionView()
    with output() as out:
        for case in cases:
            part = str(case.extra.get("part", ""))
            parts[part] += 1
            if tested is not None and part == "test":
                tested(case.to_dict())
            elif show is not None:
                show.case(case)
            else:
                out.write(case)
    return parts


def _summary(table: str, counts: Report, parts: Counter[str]) -> None:
    """Say what became of the chunks that were asked about; the counts add up."""
    n = counts.counts
    made_by = ", ".join(f"{n[f'made_{kind}']} {kind}" for kind in ("model", "heading", "cloze") if n[f"made_{kind}"])
    halves = ", ".join(f"{parts[name]} {name}" for name in ("train", "test") if parts[name])
    shown = f" ({made_by})" if made_by else ""
    note(f"ragcli questions: {table}: {n['made']} questions{shown} from {n['asked']} chunks tried")
    reasons = _reasons(n, "dropped_")
    if n["dropped"] or n["failed"]:
        failed = f"{n['failed']} failed; " if n["failed"] else ""
        note(f"  {failed}{n['dropped']} dropped: {reasons}")
    if n["unanswerable_wanted"]:
        near, far = n["unanswerable_near"], n["unanswerable_far"]
        note(
            f"  {n['unanswerable_made']} unanswerable ({near} near, {far} far);"
            f" {n['unanswerable_dropped']} dropped: {_reasons(n, 'unanswerable_dropped_') or 'none'}"
        )
    if halves:
        note(f"  in parts: {halves}")


def _reasons(counts: Counter[str], prefix: str) -> str:
    found = [(n, name.removeprefix(prefix).replace("_", " ")) for name, n in counts.items() if name.startswith(prefix)]
    return ", ".join(f"{n} {name}" for n, name in sorted(found, key=lambda one: (-one[0], one[1])))


def _code(table: str, counts: Report, report: Path | None) -> int:
    """Return the exit code: 1 where no question could be made, 3 where fewer than were asked for."""
    n = counts.counts
    code = finish(counts, report)
    if not n["made"]:
        if n["failed"]:
            return FAILED
        left_out, dropped = _reasons(n, "chunks_left_out_"), _reasons(n, "dropped_")
        why = "; ".join(
            filter(None, (f"left out: {left_out}" if left_out else "", f"dropped: {dropped}" if dropped else ""))
        )
        tried = f"{n['chunks_seen']} chunks, {n['asked']} tried{f' ({why})' if why else ''}"
        raise RagcliError(
            f"no question could be made from {table}: {tried}.",
            hint="--keep-dropped FILE writes what was dropped, and why; a larger language model (-m) may ask more.",
        )
    for kind, wanted, made in (
        ("questions", n["wanted"], n["made"]),
        ("unanswerable questions", n["unanswerable_wanted"], n["unanswerable_made"]),
    ):
        if made < wanted:
            note(f"ragcli questions: {made} of {wanted} {kind} could be made; the table's chunks give no more.")
            code = code or PARTIAL
    return code
