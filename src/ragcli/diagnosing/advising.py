"""What may mend a case, and what came of it where it can be tried on the spot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragcli.diagnosing.answered import is_answered
from ragcli.diagnosing.commands import (
    another_name,
    ask_command,
    calibrate_command,
    file_of,
    index_command,
    split_command,
    splitter_settings,
    table_options,
)
from ragcli.diagnosing.retrieved import DEPTH, FAR
from ragcli.diagnosing.steps import Advice, Finding
from ragcli.diagnosing.trials import cutting, reads_whole
from ragcli.questions import Question
from ragcli.records import THRESHOLD_KEY, Answer, Json, Result
from ragcli.retrieval import RERANKED

if TYPE_CHECKING:
    from ragcli.diagnosing.stage import Chain, Replayed
    from ragcli.diagnosing.trials import Settings
    from ragcli.retrieval import Mode

Answers = Callable[[Sequence[Result]], dict[str, Answer]]


def traced(chain: Chain, one: Replayed) -> list[Advice]:
    """Return what mends a case whose answer is in no chunk."""
    if not one.traced.cut:
        return one.traced.advice
    document, place = one.traced.cut[0]
    now = splitter_settings(chain.table)
    if "splitter" in now:  # how large its chunks are is said by options that only it knows
        command = recut_command(chain, {**now, "options": "…"})
        return [Advice("larger chunks, or more overlap, by options of the node parser", command)]
    for settings in cutting(now):
        if reads_whole(document, chain, place, settings):
            tried: Json = {"helps": True, "after": "a chunk holds the answer", "settings": settings}
            what = f"cut with {split_command(settings, chain.table).removeprefix('ragcli split ')}"
            return [Advice(what, recut_command(chain, settings), tried)]
    return []


def recut_command(chain: Chain, settings: Settings) -> str:
    """Return the command that makes another table of all the files, cut with other settings."""
    name, root = another_name(chain.table), chain.sources.root
    return index_command(chain.table, chain.library.sources(), root=root, split=settings, name=name)


def embedded(chain: Chain, fault: Finding) -> list[Advice]:
    """Return what mends a chunk that was embedded or indexed wrongly."""
    rank = fault.evidence.get("rank_repaired")
    if fault.cause == "truncated":
        settings = {"unit": "tokens", "size": str(fault.evidence["limit"])}
        return [Advice("cut into chunks that the model reads whole", recut_command(chain, settings))]
    tried: Json | None = None
    if rank is not None:
        tried = {"helps": rank <= chain.k, "after": f"with the vector that the contract wants it stands at {rank}"}
    source = str(fault.evidence["source"])
    file = chain.sources.file(source) or file_of(source)
    command = index_command(chain.table, file, root=chain.sources.root, embed="--again")
    return [Advice("embed it again", command, tried)]


def retrieved(chain: Chain, one: Replayed, finding: Finding) -> list[Advice]:
    """Return which k, mode or reranker would have found the answer."""
    out: list[Advice] = []
    ranks = one.found.ranks(one.traced.gold)
    before = ranks.of(chain.mode)
    if chain.reranked and before is not None and before <= chain.k:
        tried: Json = {"helps": True, "rank": before}
        out.append(Advice("leave out the reranker", ask_command(chain, without="--rerank"), tried))
    enough = finding.evidence.get("rank_reranked") or before or _far(chain, one)
    if enough is not None and enough > chain.k:
        tried = {"helps": True, "after": f"it is among {enough} hits"}
        out.append(Advice(f"take {enough} hits", ask_command(chain, k=str(enough)), tried))
    modes: tuple[Mode, ...] = ("hybrid", "text", "vector")
    for mode in modes:
        other = ranks.of(mode)
        if mode != chain.mode and other is not None and other <= chain.k and not chain.reranked:
            tried = {"helps": True, "rank": other}
            out.append(Advice(f"search by {mode}", ask_command(chain, mode=mode), tried))
    if finding.cause == "crowding":
        tried = {"helps": True, "rank": finding.evidence["distinct_rank"]}
        out.append(Advice("remove copies of documents", f"ragcli diagnose {table_options(chain.table)} --check", tried))
    if not chain.reranked and before is not None and before <= RERANKED:
        out.append(Advice(f"rerank the first {RERANKED} hits", ask_command(chain, rerank="MODEL")))
    return out


def _far(chain: Chain, one: Replayed) -> int | None:
    """Return a number of hits, more than are looked at by default, among which the answer is."""
    find = chain.by_mode.get(chain.mode)
    if find is None or len(chain.table) <= DEPTH:
        return None
    asked, wanted = [Question(id=one.case.id, text=one.case.question)], set(one.traced.gold)

    def rank(k: int) -> int | None:
        return next((hit.rank for result in find(asked, k) for hit in result.hits if hit.id in wanted), None)

    found = rank(FAR)
    if found is None or chain.mode != "hybrid":
        return found
    for k in (found, 2 * found, 4 * found):  # what is fused depends on how many are taken
        if DEPTH < k < FAR and rank(k) is not None:
            return k
    return FAR


def prompted(chain: Chain, one: Replayed, finding: Finding, answers: Answers) -> list[Advice]:
    """Return what brings the passage with the answer before the model."""
    wanted = set(one.traced.gold)
    result = Result(id=one.case.id, query=one.case.question, hits=list(one.found.final))
    if finding.cause == "refused":
        made = answers([replace(result, extra={THRESHOLD_KEY: 0.0})]).get(one.case.id)
        right = made is not None and is_answered(one.case, made)
        tried: Json = {"helps": right, "after": "not refused, it is answered " + ("rightly" if right else "wrongly")}
        return [Advice("set the threshold from your own questions", calibrate_command(chain), tried)]
    at = next(place for place, hit in enumerate(result.hits) if hit.id in wanted)
    for first, what in ((0, f"take {at + 1} hit{'s' if at else ''}"), (at, "smaller chunks, or a larger window")):
        made = answers([replace(result, hits=result.hits[first : at + 1])]).get(one.case.id)
        right = made is not None and is_answered(one.case, made)
        if right or first:
            command = ask_command(chain, window="N") if first else ask_command(chain, k=str(at + 1))
            after = "the passage is in the prompt, and the answer " + ("right" if right else "wrong")
            return [Advice(what, command, {"helps": right, "after": after})]
    return []


def answered(chain: Chain, one: Replayed, finding: Finding, answers: Answers) -> list[Advice]:
    """Return what may mend an answer that is wrong though the passage was there."""
    if finding.cause == "not_refused":
        return [Advice("set the threshold from your own questions", calibrate_command(chain))]
    if finding.cause == "distracted":
        rank = one.found.ranks(one.traced.gold).final or chain.k
        if rank == chain.k:
            return [Advice("a reranker, which puts the passage first", ask_command(chain, rerank="MODEL"))]
        result = Result(id=one.case.id, query=one.case.question, hits=list(one.found.final[:rank]))
        made = answers([result]).get(one.case.id)
        right = made is not None and is_answered(one.case, made)
        tried: Json = {"helps": right, "after": f"the answer is {'right' if right else 'wrong'}"}
        return [Advice(f"take {rank} hit{'s' if rank != 1 else ''}", ask_command(chain, k=str(rank)), tried)]
    if finding.cause == "wrong_answer":
        model = "a language model" if chain.answerer.name == "extractive" else "a larger model"
        return [Advice(f"answer with {model}", ask_command(chain, m="MODEL"))]
    return []
