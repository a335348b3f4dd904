"""``ragcli eval``: how well a table answers questions whose answers are known, with gates for CI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.options import (
    DEFAULT_DB,
    DbOption,
    Device,
    DeviceOption,
    FormatOption,
    Level,
    ModelOption,
    SearchMode,
    SkipBadOption,
    TableOption,
    as_table,
)
from ragcli.cli.query import ModeOption, RerankOption, WhereOption
from ragcli.cli.searching import SearchSettings, open_search
from ragcli.cli.streams import finish, note, on_bad, opened, output, stage_report, stdin
from ragcli.errors import GATE, UsageError
from ragcli.jsonl import dumps

if TYPE_CHECKING:
    from ragcli.evaluation.gates import Comparison, Rule
    from ragcli.evaluation.judging import Judged
    from ragcli.evaluation.judging import Level as LevelName
    from ragcli.evaluation.stage import Evaluated
    from ragcli.records import Json
    from ragcli.report import Report
    from ragcli.store import Table

_RERANKED = 20  # hits that a reranker reads: with more the evaluation would measure another search than query's


def eval_(
    context: typer.Context,
    cases: Annotated[
        Path | None,
        typer.Argument(metavar="[CASES]", help="Questions with answers, as JSON Lines; - is stdin."),
    ] = None,
    table: TableOption = None,
    db: DbOption = DEFAULT_DB,
    queries: Annotated[
        Path | None, typer.Option("--queries", metavar="FILE", help="Questions, with --qrels: BEIR's queries.jsonl.")
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option("--qrels", metavar="FILE", help="Judgements in BEIR's or TREC's form, with --queries."),
    ] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option("--measures", "-M", metavar="NAMES", help="Names of ir_measures: 'nDCG@10 R@5'; repeatable."),
    ] = None,
    level: Annotated[
        Level | None, typer.Option("--level", help="Measure documents or chunks; both with cases by default.")
    ] = None,
    mode: ModeOption = SearchMode.hybrid,
    depth: Annotated[
        int | None,
        typer.Option("--depth", metavar="N", help="Chunks found for each question; 100, or 20 with --rerank."),
    ] = None,
    where: WhereOption = None,
    rerank: RerankOption = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", metavar="RULE", help="Exit code 4 below it, as in 'R@5=0.9'; repeatable."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="FILE", help="Exit code 4 where it is worse than this evaluation was."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="FILE", help="Write what was found in TREC's form.")
    ] = None,
    per_query: Annotated[
        Path | None, typer.Option("--per-query", metavar="FILE", help="Write each question's values, as JSON Lines.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page to read in a browser, offline.")
    ] = None,
    grid: Annotated[
        Path | None,
        typer.Option("--compare", metavar="GRID.toml", help="Compare models, splitters, modes and rerankers."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", metavar="DIR", help="With --compare: keeps each stage; in ragcli's cache by default."),
    ] = None,
    skip_bad: SkipBadOption = False,
    format_: FormatOption = None,
) -> int:
    """Measure retrieval on questions whose answers are known.

    \b
    Cases are lines {"question": "…", "answers": ["…"], "source": "…"}: right is a chunk (of that source) that
    holds an answer. --queries and --qrels are BEIR's or TREC's. What a question did not find counts 0.

    \b
    ragcli eval -t kb cases.jsonl
    ragcli eval -t kb --queries queries.jsonl --qrels qrels.tsv --fail-under 'R@5=0.9'
    ragcli eval -t kb cases.jsonl --baseline before.json > after.json      # exit code 4 on a loss that is no chance
    ragcli eval --compare grid.toml --html report.html                     # which model, splitter, mode, reranker?
    """
    if grid is not None:
        from ragcli.cli.comparing import compare_command

        return compare_command(context, grid, work, device, html, format_)
    if work is not None:
        raise UsageError("--work goes with --compare.")
    from ragcli.evaluation.gates import compare, parse_rule, read_baseline
    from ragcli.evaluation.measures import DEFAULT
    from ragcli.evaluation.measures import depth as deepest
    from ragcli.evaluation.stage import DEPTH, evaluate
    from ragcli.store import Table

    if table is None:
        raise UsageError("no table was named.", hint="Name it with -t, as in: ragcli eval -t kb cases.jsonl")
    if (cases is None) == (queries is None and qrels is None) or (queries is None) != (qrels is None):
        raise UsageError("name a file of cases, or --queries with --qrels.")
    rules = [parse_rule(rule) for rule in fail_under or ()]
    before = read_baseline(baseline) if baseline is not None else None
    names = [name for one in measures or () for name in one.split()] or list(DEFAULT)
    names = list(dict.fromkeys([*names, *(rule.measure for rule in rules)]))
    found = depth if depth is not None else max(_RERANKED if rerank else DEPTH, deepest(names))
    if found < 1:
        raise UsageError(f"--depth is {found}; it must be at least 1.")
    counts = stage_report("eval")
    settings = SearchSettings(
        db=db, table=table, model=model, device=device, mode=mode, k=found, where=where, expand=0, rerank=rerank
    )
    search = open_search(settings)
    kb = Table.open(db, table)
    judged = _judged(cases, queries, qrels, kb, counts, level, skip_bad)
    for rule in rules:
        if rule.level is not None and rule.level not in judged.levels:
            raise UsageError(f"--fail-under {rule.level}:{rule.measure}: nothing is measured at that level.")
    about = _about(settings, kb)
    made = evaluate(judged, search, names, settings=about, **_losses(judged, counts))
    if run is not None:
        from ragcli.evaluation.ranking import write_run

        write_run(run, next(iter(made.rankings.values())))
    if per_query is not None:
        _write_per_query(per_query, judged, made)
    comparison = None
    if before is not None:
        comparison = compare(before, {str(name): values for name, values in made.values.items()})
    if html is not None:
        from ragcli.evaluation.page import write_evaluation

        write_evaluation(html, judged, made, comparison)
    if as_table(format_):
        from ragcli.cli.display_eval import show

        show(made, comparison)
    else:
        record = made.record.to_dict()
        if comparison is not None:
            record["baseline"] = [change.to_json() for change in comparison.changes]
        with output() as out:
            out.line(dumps(record))
    _notes(judged, counts)
    said_no = _gates(made, rules)
    if comparison is not None:
        said_no = _lost(comparison) or said_no
    return GATE if said_no else finish(counts, None)


def _judged(
    cases: Path | None,
    queries: Path | None,
    qrels: Path | None,
    table: Table,
    counts: Report,
    level: Level | None,
    skip_bad: bool,
) -> Judged:
    from ragcli.evaluation.judging import from_cases, from_qrels
    from ragcli.evaluation.qrels import read_qrels
    from ragcli.evaluation.relevance import Collection

    bad = on_bad(counts, skip_bad)
    wanted: LevelName | None = None if level is None else level.value
    if cases is not None:
        from ragcli.evaluation.cases import cases as cases_of

        if str(cases) == "-":
            given = list(cases_of(stdin("cases"), on_bad=bad))
        else:
            with opened(cases) as stream:
                given = list(cases_of(stream, name=str(cases), on_bad=bad))
        return from_cases(given, Collection(table), counts, wanted)
    from ragcli.questions import read_questions

    assert queries is not None
    assert qrels is not None
    judgements = read_qrels(qrels)
    with opened(queries) as stream:
        asked = read_questions(stream, name=str(queries), on_bad=bad)
        return from_qrels(asked, judgements, Collection(table, texts=False), counts, wanted, skip_unknown=skip_bad)


def _about(settings: SearchSettings, table: Table) -> Json:
    """Return what was searched, and how."""
    contract = table.contract
    about: Json = {"db": settings.db, "table": settings.table, "rows": len(table), "mode": settings.mode.value}
    about |= {"depth": settings.k, "model": contract["model"]["id"], "splitter": contract.get("splitter")}
    about |= {"rerank": settings.rerank, "where": settings.where}
    return {name: value for name, value in about.items() if value is not None}


def _losses(judged: Judged, counts: Report) -> Json:
    out: Json = {"unheld": list(judged.unheld)} if judged.unheld else {}
    for name in ("unanswerable", "unjudged"):
        if counts.counts[name]:
            out[name] = counts.counts[name]
    return out


def _write_per_query(path: Path, judged: Judged, made: Evaluated) -> None:
    from ragcli.evaluation.measures import DIGITS

    lines = []
    for one in judged.questions:
        line: Json = {"type": "question", "id": one.id, "question": one.text}
        for level, values in made.values.items():
            right = judged.levels[level][one.id]
            ranking = made.rankings[level].get(one.id, [])
            rank = next((at for at, name in enumerate(ranking, 1) if right.get(name, 0) > 0), None)
            line[level] = {
                "measures": {name: round(by_query[one.id], DIGITS) for name, by_query in values.items()},
                "right": [name for name, grade in right.items() if grade > 0],
                "first_right": rank,
                "found": ranking[:10],
            }
        lines.append(dumps(line) + b"\n")
    try:
        path.write_bytes(b"".join(lines))
    except OSError as error:
        raise UsageError(f"--per-query {path} cannot be written: {error.strerror}.") from error


def _notes(judged: Judged, counts: Report) -> None:
    tally = counts.counts
    if judged.unheld:
        note(
            f"ragcli eval: the answers of {len(judged.unheld)} of {len(judged.questions)} cases are in no chunk and"
            " count 0; ragcli diagnose says why."
        )
    if tally["unanswerable"]:
        note(f"ragcli eval: {tally['unanswerable']} cases that cannot be answered were left out.")
    if tally["unjudged"]:
        note(f"ragcli eval: {tally['unjudged']} questions without a judgement were left out.")


def _gates(made: Evaluated, rules: Sequence[Rule]) -> bool:
    """Say which rules are not met; return whether any is."""
    said_no = False
    first = next(iter(made.intervals))
    for rule in rules:
        level = first if rule.level is None else rule.level
        value = made.intervals[level][rule.measure].value  # type: ignore[index]
        if value < rule.least:
            said_no = True
            note(f"ragcli eval: {rule.measure} ({level}) is {value:.4f}, below {rule.least:g}.")
    return said_no


def _lost(comparison: Comparison) -> bool:
    """Say what was lost against the baseline; return whether anything was."""
    for change in comparison.changes:
        if change.lost:
            made = change.paired
            note(
                f"ragcli eval: {change.measure} ({change.level}) fell from {change.before:.4f} to {change.after:.4f}:"
                f" {made.worse} questions worse, {made.better} better (p {change.p:.4f})."
            )
    if comparison.only_before or comparison.only_after:
        note(
            f"ragcli eval: {comparison.only_before} questions of the baseline are not in this evaluation, and"
            f" {comparison.only_after} not in the baseline; the others were compared."
        )
    return comparison.lost
