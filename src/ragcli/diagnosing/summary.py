"""The funnel of many diagnoses, and what would mend most of them, measured again where it can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

from ragcli.diagnosing.advising import recut_command
from ragcli.diagnosing.commands import ask_command, split_command, splitter_settings
from ragcli.diagnosing.library import Library
from ragcli.diagnosing.recut import recut
from ragcli.diagnosing.steps import STEPS
from ragcli.diagnosing.trials import Settings, cutting
from ragcli.questions import Question
from ragcli.records import Case, Diagnoses, Diagnosis, Json, Result
from ragcli.retrieval import RERANKED

if TYPE_CHECKING:
    from ragcli.diagnosing.stage import Chain
    from ragcli.retrieval import Mode
    from ragcli.store import Table

_KS = (1, 3, 5, 10, 20, 50, 100)
_MODES: tuple[Mode, ...] = ("hybrid", "text", "vector")


def summary(diagnoses: Sequence[Diagnosis], chain: Chain, *, seconds: float = 0.0, tries: bool = True) -> Diagnoses:
    """Return the funnel, the causes, and what may mend them.

    Args:
        diagnoses: of all cases.
        chain: what they were replayed through.
        seconds: it took.
        tries: cut documents in other ways, where the splitter lost answers, and measure again.
    """
    lost = Counter(one.lost_at for one in diagnoses if one.lost_at is not None)
    causes = Counter((one.lost_at, one.cause) for one in diagnoses if one.lost_at is not None)
    warnings = Counter(
        f"{step}: {finding['cause']}"
        for one in diagnoses
        for step, finding in one.steps.items()
        if finding["status"] == "warn" and finding.get("cause")
    )
    left: Json = {}
    remaining = len(diagnoses)
    for step in STEPS:
        remaining -= lost[step]
        left[step] = remaining
    by_step: Json = {}
    for step in STEPS:
        own = {cause: count for (at, cause), count in causes.most_common() if at == step}
        if own:
            by_step[step] = own
    advice = [*_searching(diagnoses, chain)]
    if tries:
        advice += _cutting(diagnoses, chain)
    return Diagnoses(
        questions=len(diagnoses),
        right=remaining,
        left=left,
        causes=by_step,
        warnings=dict(warnings.most_common()),
        advice=[*advice, *_collected(diagnoses)],
        settings=_settings(chain),
        seconds=round(seconds, 3),
    )


def _settings(chain: Chain) -> Json:
    about: Json = {"db": chain.table.db, "table": chain.table.name, "rows": len(chain.table), "mode": chain.mode}
    about |= {"k": chain.k, "model": chain.answerer.name, "embedding": chain.table.contract["model"]["id"]}
    return about | {"splitter": chain.table.contract.get("splitter"), "where": chain.where, "reranked": chain.reranked}


def _ranked(diagnoses: Sequence[Diagnosis]) -> list[Json]:
    """Return the ranks of every case whose answer is in a chunk."""
    found = [one.steps["retrieved"] for one in diagnoses if "ranks" in one.steps.get("retrieved", {})]
    return [{**one["ranks"], "reranked": one.get("rank_reranked")} for one in found]


def _searching(diagnoses: Sequence[Diagnosis], chain: Chain) -> list[Json]:
    """Return what other numbers of hits and other modes would find, counted over all cases."""
    ranks = _ranked(diagnoses)
    if not any(one.lost_at == "retrieved" for one in diagnoses):
        return []
    key = {"hybrid": "fused", "text": "text", "vector": "vector"}

    def found(mode: Mode, k: int) -> int:
        return sum(one[key[mode]] is not None and one[key[mode]] <= k for one in ranks)

    def more(k: int) -> int:
        name = "reranked" if chain.reranked and k < RERANKED else key[chain.mode]
        return sum(one["final"] is not None or (one.get(name) is not None and one[name] <= k) for one in ranks)

    now = sum(one["final"] is not None for one in ranks)
    out: list[Json] = []
    best = now
    for k in _KS:
        if k > chain.k and (count := more(k)) > best:
            best = count
            out.append(_tried(f"take {k} hits", ask_command(chain, k=str(k)), now, count, len(ranks), "retrieved"))
    for mode in _MODES:
        if mode == chain.mode or mode not in chain.by_mode or chain.reranked:
            continue
        if (count := found(mode, chain.k)) > now:
            command = ask_command(chain, mode=mode)
            out.append(_tried(f"search by {mode}", command, now, count, len(ranks), "retrieved"))
    return out


def _tried(what: str, command: str, before: int, after: int, of: int, measured: str, **more: object) -> Json:
    tried: Json = {"helps": after > before, "measured": measured, "before": before, "after": after, "of": of, **more}
    return {"what": what, "command": command, "cases": max(0, after - before), "tried": tried}


def _cutting(diagnoses: Sequence[Diagnosis], chain: Chain) -> list[Json]:
    """Return which other size or overlap keeps answers whole, and finds them: tried on the documents concerned."""
    cut = [one for one in diagnoses if one.lost_at == "split"]
    if not cut:
        return []
    now = splitter_settings(chain.table)
    asked = [settings for settings in cutting(now) if any(_suits(one, settings) for one in cut)]
    if not asked:
        return []
    settings = max(asked, key=lambda one: sum(_suits(case, one) for case in cut))  # the first, which changes least
    return [_recut(diagnoses, cut, chain, settings)]


def _suits(one: Diagnosis, settings: Settings) -> bool:
    """Whether settings are those that keep a case's answer whole, or cut less often."""
    for made in one.advice:
        tried = (made.get("tried") or {}).get("settings")
        if tried:
            return int(tried["size"]) <= int(settings["size"]) and int(tried["overlap"]) <= int(settings["overlap"])
    return False


def _recut(diagnoses: Sequence[Diagnosis], cut: Sequence[Diagnosis], chain: Chain, settings: Settings) -> Json:
    """Cut the documents concerned anew, and search the cases that they answer."""
    library = chain.library
    sources = {str(one.steps["split"]["document"]) for one in cut}
    documents = library.documents([at for source in sorted(sources) for at in library.of_source(source)])
    names = {document.source for document in documents}
    concerned = [one for one in diagnoses if one.lost_at == "split" or (one.source in names and one.answers)]
    what = f"cut with {split_command(settings, chain.table).removeprefix('ragcli split ')}"
    command = recut_command(chain, settings)
    with recut(chain, documents, settings) as table:
        if table is None:
            suited = sum(_suits(one, settings) for one in cut)
            return _tried(what, command, 0, suited, len(cut), "whole in a chunk")
        again = Library(table)
        asked = {
            one.id: Case(id=one.id, question=one.question, answers=one.answers, source=one.source) for one in concerned
        }
        gold = {name: set(again.gold(case)) for name, case in asked.items()}
        whole = sum(bool(gold[one.id]) for one in cut)
        found = 0
        for result in _search(table, chain, list(asked.values())):
            held = gold[result.id].union(again.joined(asked[result.id], result.hits))
            found += any(hit.id in held for hit in result.hits)
    before = sum(one.steps.get("retrieved", {}).get("status") in ("ok", "warn") for one in concerned)
    return _tried(what, command, before, found, len(concerned), "retrieved", whole=whole, cut=len(cut))


def _search(table: Table, chain: Chain, cases: Sequence[Case]) -> Iterable[Result]:
    from ragcli.retrieval import search

    asked = [Question(id=case.id, text=case.question) for case in cases]
    if chain.find_in is not None:
        return chain.find_in(table)(asked, chain.k)
    return search(asked, table, embedder=chain.embedder, mode=chain.mode, k=chain.k, where=chain.where)


def _collected(diagnoses: Sequence[Diagnosis]) -> list[Json]:
    """Return the advice that concerns single files or chunks: each command once, with how many cases it is for."""
    found: dict[str, Json] = {}
    for one in diagnoses:
        if one.lost_at in (None, "retrieved", "split"):
            continue
        for made in one.advice:
            kept = found.setdefault(
                made["command"], {"what": made["what"], "command": made["command"], "cases": 0, "tried": None}
            )
            kept["cases"] += 1
            tried = cast("Json | None", made["tried"])
            if tried is not None:
                before = kept["tried"] or {"helps": False, "measured": "cases that it mends", "after": 0, "of": 0}
                kept["tried"] = {
                    **before,
                    "helps": before["helps"] or tried["helps"],
                    "after": before["after"] + bool(tried["helps"]),
                    "of": before["of"] + 1,
                }
    return sorted(found.values(), key=lambda one: -int(one["cases"]))
