"""A diagnosis as one page of HTML: the funnel, what mends most, and every lost case with its steps."""

from __future__ import annotations

from collections.abc import Sequence

from ragcli.diagnosing.steps import LOST, STEPS, WORDS, tried_words
from ragcli.pages import (
    Bar,
    Column,
    Given,
    Html,
    bars,
    details,
    element,
    facts,
    figure,
    notice,
    page,
    paragraph,
    section,
    table,
)
from ragcli.records import Diagnoses, Diagnosis, Json

_MOST_CASES = 500  # that are shown one by one
_GOOD, _BAD = 0, 1
_SIGNS = {"ok": "✓", "warn": "!", "lost": "✗", "skipped": "·"}


def diagnosis_page(diagnoses: Sequence[Diagnosis], whole: Diagnoses) -> str:
    """Return the page.

    Args:
        diagnoses: of all cases.
        whole: their summary.
    """
    about = whole.settings
    wrong = whole.questions - whole.right
    if wrong:
        step, causes = max(whole.causes.items(), key=lambda one: sum(one[1].values()))
        said = f"{wrong} of {whole.questions} answers are lost, {sum(causes.values())} of them by {LOST[step]}."
        verdict = notice(said, kind="bad" if whole.right * 2 < whole.questions else "warning")
    else:
        verdict = notice(f"All {whole.questions} answers are right.", kind="good")
    lost = sorted((one for one in diagnoses if one.lost_at is not None), key=_order)
    settings = facts((name, str(value)) for name, value in about.items() if value)
    parts = [verdict, _funnel(whole), _advice(whole.advice), _warnings(whole), _cases(lost)]
    return page(
        f"Diagnosis of {about['table']}",
        *(part for part in parts if part is not None),
        section("Settings", settings),
        lead=f"{whole.questions} questions, {about['mode']}, k {about['k']}, answered by {about['model']}",
    )


def _order(one: Diagnosis) -> int:
    return next(at for at, step in enumerate(STEPS) if step == one.lost_at)


def _funnel(whole: Diagnoses) -> Html:
    steps = [step for step in STEPS if step != "gold" or step in whole.causes]
    items = []
    for step in steps:
        causes = whole.causes.get(step, {})
        names = ", ".join(f"{count} {_words(cause)}" for cause, count in causes.items())
        left = int(whole.left[step])
        items.append(
            Bar(name=WORDS[step], value=left, shown=str(left), sub=names or None, kind=_BAD if causes else _GOOD)
        )
    explained = "How many answers came through each step and all before it; below a step, what it lost."
    return section(
        "Where answers are lost", figure("Answers left", bars(items, whole=whole.questions), explained=explained)
    )


def _advice(advice: Sequence[Json]) -> Html | None:
    if not advice:
        return None
    columns = [Column("what"), Column("cases", number=True), Column("tried", wide=True), Column("command", wide=True)]
    rows: list[list[Given]] = [
        [str(one["what"]), int(one["cases"]), tried_words(one), element("code", str(one["command"]))] for one in advice
    ]
    return section("What mends them", table(columns, rows, caption="What may mend lost answers, and what came of it"))


def _warnings(whole: Diagnoses) -> Html | None:
    if not whole.warnings:
        return None
    rows: list[list[Given]] = [[_words(name), int(count)] for name, count in whole.warnings.items()]
    columns = [Column("warning"), Column("cases", number=True)]
    said = paragraph("Something was wrong on the way of these, and the answer was right.")
    return section("Right all the same", said, table(columns, rows, caption="Warnings"))


def _cases(lost: Sequence[Diagnosis]) -> Html | None:
    if not lost:
        return None
    shown = [_case(one) for one in lost[:_MOST_CASES]]
    more = len(lost) - len(shown)
    rest = paragraph(f"{more} more are in the records (ragcli diagnose … --format jsonl).") if more else None
    return section("Lost answers", *shown, rest)


def _case(one: Diagnosis) -> Html:
    summary = element("span", element("strong", one.question), f" — {LOST[str(one.lost_at)]}: {_words(one.cause)}")
    about = [("expected", " / ".join(one.answers) or "a refusal")]
    about += [("answer", one.answer)] if one.answer is not None else []
    about += [("source", one.source)] if one.source is not None else []
    steps = [
        [f"{_SIGNS[finding['status']]} {WORDS[step]}", _says(finding)]
        for step in STEPS
        if (finding := one.steps.get(step)) is not None
    ]
    found = table([Column("step"), Column("what was found", wide=True)], steps, caption="Step by step")
    return details(summary, facts(about), found, _advice_of(one))


def _says(finding: Json) -> str:
    ranks = finding.get("ranks")
    where = ""
    if ranks is not None:
        where = ", ".join(f"{name} {rank if rank is not None else '–'}" for name, rank in ranks.items())
        where = f"rank: {where}"
    return "; ".join(filter(None, (str(finding.get("says", "")), where)))


def _advice_of(one: Diagnosis) -> Html | None:
    if not one.advice:
        return None
    rows = [[str(made["what"]), tried_words(made), element("code", str(made["command"]))] for made in one.advice]
    columns = [Column("what"), Column("tried", wide=True), Column("command", wide=True)]
    return table(columns, rows, caption="What may mend it")


def _words(cause: str) -> str:
    return cause.replace("_", " ")
