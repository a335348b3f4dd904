"""The forgetting guard: what a model could do before it was tuned and can no longer do.

Measures are told apart by their names, which the recipes give them: ``general_perplexity_zh`` (on the texts that ship
with the tool), ``perplexity`` (on the user's evaluation data), ``general_ndcg@10_en``, ``ndcg@10``, ``probe_ndcg@10``.
Perplexity and loss are better when lower, measures of retrieval when higher.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import partial

from ragcli.errors import UsageError
from ragcli.records import Json

_LOWER = re.compile(r"(?:\A|_)(perplexity|loss|bits_per_byte|bits_per_character)(?=_|\Z)", re.IGNORECASE)
_HIGHER = re.compile(
    r"(?:\A|_)((?:ndcg|mrr|rr|recall|r|precision|p|map|ap|success|hit|accuracy|pearson|spearman)(?:@\d+)?)(?=_|\Z)",
    re.IGNORECASE,
)
_LANGUAGES = {"zh": "Chinese", "en": "English"}
_SHOWN = {"ndcg": "nDCG", "r": "R", "rr": "RR", "mrr": "MRR", "ap": "AP", "map": "MAP", "p": "P"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a measure may lose before the run is said to have forgotten.

    That of general texts lies between runs of SmolLM2 that did no harm (LoRA at 2e-4 for 30 steps .99 times, at 2e-3
    for 24 1.06, at 5e-3 with 40 % of general rows 1.01) and those that did (at 5e-3 without them 1.16 and 1.28, at 1e-2
    1.8, in full at 1e-3 2.0).

    Args:
        general: times that perplexity on general texts may grow.
        own: times that perplexity on the user's evaluation data may grow: training should lower it.
        retrieval: what a measure of retrieval, from 0 to 1, may fall by.
    """

    general: float = 1.15
    own: float = 1.05
    retrieval: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One measure before and after.

    Args:
        measure: its name.
        before: its value for the base.
        after: its value for the tuned model.
        change: after / before of perplexity, after - before of a measure of retrieval; None where it is no number.
        bound: what ``change`` may be: at most, or at least.
        low: where the interval of the difference begins, of a measure of retrieval.
        high: where it ends.
        judged: False where the base could not do this either, or there is no number for it.
        failed: the bound is passed, and not by chance where there is an interval.
        sentence: this in words.
    """

    measure: str
    before: float
    after: float
    change: float | None
    bound: float
    low: float | None = None
    high: float | None = None
    judged: bool = True
    failed: bool = False
    sentence: str = ""

    def record(self) -> Json:
        """Return it as a JSON object; what is no finite number is null."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found.

    Args:
        findings: a measure each.
        missing: measures that were taken on one side alone.
        advice: what to do, a sentence each; empty where nothing failed.
    """

    findings: tuple[Finding, ...]
    missing: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Return whether a bound is passed."""
        return any(one.failed for one in self.findings)

    @property
    def summary(self) -> str:
        """Return the verdict in a sentence or two: what failed, or that nothing did."""
        if self.failed:
            return " ".join(one.sentence for one in self.findings if one.failed)
        judged = sum(one.judged for one in self.findings)
        if not judged:
            return "Whether the model has forgotten anything was not measured."
        left = len(self.findings) - judged
        rest = f" ({left} not judged)" if left else ""
        return f"Nothing was forgotten beyond the bounds: {judged} measures compared{rest}."

    def record(self) -> Json:
        """Return it as a JSON object."""
        return {
            "type": "guard",
            "failed": self.failed,
            "summary": self.summary,
            "findings": [one.record() for one in self.findings],
            "missing": list(self.missing),
            "advice": list(self.advice),
        }


def compare(
    before: Mapping[str, float],
    after: Mapping[str, float],
    *,
    bounds: Bounds | None = None,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    unable: Collection[str] = (),
    learning_rate: float | None = None,
) -> Verdict:
    """Say what a model has lost between two measurements of the same data.

    Args:
        before: of the base: name -> value.
        after: of the tuned model.
        bounds: what may be lost.
        intervals: of after - before, for measures of retrieval: a fall counts where the whole interval is below 0.
        unable: measures of what the base cannot do, which are told but not judged.
        learning_rate: of the run, for the advice.

    Raises:
        UsageError: a name from which it cannot be seen whether more is better.
    """
    limit = bounds or Bounds()
    findings = []
    for name in before:
        lower = is_lower_better(name)
        if name not in after:
            continue
        if lower:
            found = _perplexity(name, before[name], after[name], limit, name in unable)
        else:
            found = _retrieval(name, before[name], after[name], limit, (intervals or {}).get(name))
        findings.append(found)
    missing = tuple(sorted(set(before) ^ set(after)))
    for name in missing:
        is_lower_better(name)
    failed = [one for one in findings if one.failed]
    return Verdict(findings=tuple(findings), missing=missing, advice=tuple(_advice(failed, learning_rate)))


def is_lower_better(name: str) -> bool:
    """Return whether less of a measure is better.

    Raises:
        UsageError: its name does not say.
    """
    if _LOWER.search(name):
        return True
    if _HIGHER.search(name):
        return False
    raise UsageError(f"whether more of {name!r} is better is not known.", hint="Name it as in perplexity or ndcg@10.")


def _perplexity(name: str, before: float, after: float, bounds: Bounds, unable: bool) -> Finding:
    general = name.lower().startswith("general")
    bound = bounds.general if general else bounds.own
    what = _shown(name)
    made = partial(Finding, measure=name, before=before, after=after, bound=bound)
    if not (math.isfinite(before) and before > 0):
        said = f"{what} could not be measured before training ({_value(before)}), so that it is not judged."
        return made(change=None, judged=False, sentence=said)
    if not math.isfinite(after):
        said = f"{what} was {_value(before)} before and is no number after ({_value(after)}): the model is broken."
        return made(change=None, failed=True, sentence=said)
    ratio = after / before
    numbers = f"from {_value(before)} to {_value(after)} ({_value(ratio)} times; up to {bound:g} is let through)"
    failed = ratio > bound and not unable
    went = "stayed" if ratio == 1 else "rose" if ratio > 1 else "fell"
    if unable:
        said = f"{what} {went} {numbers}; the base hardly knows this language, so that it is not judged."
    elif failed and general:
        said = f"{what} rose {numbers}: the model has forgotten some of what it could do before."
    elif failed:
        said = f"{what} rose {numbers}: the model predicts it worse than the base, so that it learnt nothing general."
    else:
        said = f"{what} {went} {numbers}."
    return made(change=ratio, judged=not unable, failed=failed, sentence=said)


def _retrieval(name: str, before: float, after: float, bounds: Bounds, interval: tuple[float, float] | None) -> Finding:
    low, high = interval or (None, None)
    bound = -bounds.retrieval
    what = _shown(name)
    made = partial(Finding, measure=name, before=before, after=after, bound=bound, low=low, high=high)
    if not math.isfinite(before):
        said = f"{what} could not be measured before training ({_value(before)}), so that it is not judged."
        return made(change=None, judged=False, sentence=said)
    if not math.isfinite(after):
        said = f"{what} was {before:.3f} before and is no number after ({_value(after)}): the model is broken."
        return made(change=None, failed=True, sentence=said)
    difference = after - before
    failed = difference < bound - 1e-12 and (high is None or high < 0)
    within = "" if low is None else f" [{low:+.3f}, {high:+.3f}]"
    went = "stayed" if not difference else "rose" if difference > 0 else "fell"
    said = (
        f"{what} {went} from {before:.3f} to {after:.3f} ({difference:+.3f}{within}; down to {bound:+g} is let through)"
    )
    if failed:
        said += ": the model finds less than the base does."
    elif difference < bound:
        said += ": the fall may be chance."
    else:
        said += "."
    return made(change=difference, failed=failed, sentence=said)


def _shown(name: str) -> str:
    """Return a measure's name in words: ``general_ndcg@10_zh`` is nDCG@10 on general Chinese text."""
    match = _LOWER.search(name) or _HIGHER.search(name)
    if match is None:
        return name
    kind, at, cutoff = match[1].partition("@")
    bare = _SHOWN.get(kind.lower(), kind.lower().replace("_", " "))
    bare = bare[0].upper() + bare[1:] if not at and _LOWER.search(name) else bare + at + cutoff
    scope, language = name[: match.start()].strip("_").lower(), name[match.end() :].strip("_")
    tongue = _LANGUAGES.get(language)
    if scope == "general":
        return f"{bare} on general {tongue} text" if tongue else f"{bare} on general text"
    where = {"": "the evaluation data", "evaluation": "the evaluation data", "probe": "the table of --probe"}
    return f"{bare} on {where.get(scope, scope.replace('_', ' '))}" + (f" ({tongue or language})" if language else "")


def _value(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:,.0f}" if abs(value) < 1e7 else f"{value:.2e}"


def _advice(failed: list[Finding], rate: float | None) -> list[str]:
    """Return what to do, what helps most first."""
    if not failed:
        return []
    lower = f" (it was {rate:g}: try {_rounded(rate / 5):g})" if rate else ""
    out = [f"Lower the learning rate: --learning-rate{lower}."]
    if any(one.measure.lower().startswith("general") for one in failed):
        out.append(
            "Mix in general data, about three rows to ten of your own: a further --data general.jsonl; =0.3 behind it"
            " takes 30 % of its rows."
        )
    if any(not one.measure.lower().startswith("general") for one in failed):
        out.append("See whether the evaluation data are of the kind that was trained on.")
    out.append(
        "Train for fewer epochs (--epochs), or stop when the evaluation loss rises: --eval-data and --patience 3."
    )
    return out


def _rounded(value: float) -> float:
    """Return a value with one digit."""
    return float(f"{value:.0e}") if value > 0 and math.isfinite(value) else value
