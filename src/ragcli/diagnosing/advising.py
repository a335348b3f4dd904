"""What may mend a case, and what came of it where it can be tried on the spot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragcli.diagnosing.answered import is_right
from ragcli.diagnosing.commands import file_of, index_command, split_command, splitter_settings, table_options
from ragcli.diagnosing.retrieved import DEPTH, FAR
from ragcli.diagnosing.steps import Advice, Finding
from ragcli.diagnosing.trials import cutting, reads_whole
from ragcli.questions import Question
from ragcli.records import THRESHOLD_KEY, Answer, Json, Result

if TYPE_CHECKING:
    from ragcli.diagnosing.stage import Chain, Replayed
    from ragcli.retrieval import Mode

Answers = Callable[[Sequence[Result]], dict[str, Answer]]


def traced(chain: Chain, one: Replayed) -> list[Advice]:
    """Return what mends a case whose answer is in no chunk."""
    if not one.traced.cut:
        return one.traced.advice
    document, place = one.traced.cut[0]
    now = splitter_settings(chain.table)
    if "splitter" in now:  # how large its chunks are is said by options that only it knows
        asked = {**now, "options": "…"}
        command = index_command(chain.table, file_of(document.source), split=asked, name=f"{chain.table.name}2")
        return [Advice("larger chunks, or more overlap, by options of the node parser", command)]
    for settings in cutting(now):
        if reads_whole(document, chain, place, settings):
            tried: Json = {"helps": True, "after": "a chunk holds the answer", "settings": settings}
            command = index_command(chain.table, file_of(document.source), split=settings, name=f"{chain.table.name}2")
            return [Advice(f"cut with {split_command(settings).removeprefix('ragcli split ')}", command, tried)]
    return []


def embedded(chain: Chain, fault: Finding) -> list[Advice]:
    """Return what mends a chunk that was embedded or indexed wrongly."""
    source = str(fault.evidence["source"])
    rank = fault.evidence.get("rank_repaired")
    if fault.cause == "truncated":
        settings = {"unit": "tokens", "size": str(fault.evidence["limit"])}
        command = index_command(chain.table, file_of(source), split=settings, name=f"{chain.table.name}2")
        return [Advice("cut into chunks that the model reads whole", command)]
    tried: Json | None = None
    if rank is not None:
        tried = {"helps": rank <= chain.k, "after": f"with the vector that the contract wants it stands at {rank}"}
    return [Advice("embed it again", index_command(chain.table, file_of(source), embed="--again"), tried)]


def retrieved(chain: Chain, one: Replayed, finding: Finding) -> list[Advice]:
    """Return which k, mode or reranker would have found the answer."""
    out: list[Advice] = []
    ranks = one.found.ranks(one.traced.gold)
    options = table_options(chain.table)
    if finding.cause == "rerank":
        out.append(
            Advice("leave out the reranker", f"ragcli query {options}", {"helps": True, "rank": ranks.of(chain.mode)})
        )
    rank = ranks.of(chain.mode) or _far(chain, one)
    if rank is not None and rank > chain.k:
        out.append(Advice(f"take {rank} hits", f"ragcli ask {options} -k {rank}", {"helps": True, "rank": rank}))
    modes: tuple[Mode, ...] = ("hybrid", "text", "vector")
    for mode in modes:
        other = ranks.of(mode)
        if mode != chain.mode and other is not None and other <= chain.k:
            tried: Json = {"helps": True, "rank": other}
            out.append(Advice(f"search by {mode}", f"ragcli ask {options} --mode {mode}", tried))
    if finding.cause == "crowding":
        tried = {"helps": True, "rank": finding.evidence["distinct_rank"]}
        out.append(Advice("remove copies of documents", f"ragcli diagnose {options} --check", tried))
    if not chain.reranked and ranks.of(chain.mode) is not None:
        out.append(Advice("rerank the first 20 hits", f"ragcli ask {options} --rerank MODEL"))
    return out


def _far(chain: Chain, one: Replayed) -> int | None:
    """Return the rank among many more hits than are looked at by default."""
    find = chain.by_mode.get(chain.mode)
    if find is None or len(chain.table) <= DEPTH:
        return None
    wanted = set(one.traced.gold)
    for result in find([Question(id=one.case.id, text=one.case.question)], FAR):
        return next((hit.rank for hit in result.hits if hit.id in wanted), None)
    return None


def prompted(chain: Chain, one: Replayed, finding: Finding, answers: Answers) -> list[Advice]:
    """Return what brings the passage with the answer before the model."""
    options = table_options(chain.table)
    wanted = set(one.traced.gold)
    result = Result(id=one.case.id, query=one.case.question, hits=list(one.found.final))
    if finding.cause == "refused":
        made = answers([replace(result, extra={THRESHOLD_KEY: 0.0})]).get(one.case.id)
        right = made is not None and is_right(one.case, made.answer)
        tried: Json = {"helps": right, "after": "not refused, it is answered " + ("rightly" if right else "wrongly")}
        command = f"ragcli ask {options} --calibrate questions.jsonl"
        return [Advice("set the threshold from your own questions", command, tried)]
    at = next(place for place, hit in enumerate(result.hits) if hit.id in wanted)
    for first, what in ((0, f"take {at + 1} hits"), (at, "smaller chunks, or a larger window")):
        made = answers([replace(result, hits=result.hits[first : at + 1])]).get(one.case.id)
        right = made is not None and is_right(one.case, made.answer)
        if right or first:
            command = f"ragcli ask {options} " + (f"-k {at + 1}" if not first else "--window N")
            after = "the passage is in the prompt, and the answer " + ("right" if right else "wrong")
            return [Advice(what, command, {"helps": right, "after": after})]
    return []


def answered(chain: Chain, one: Replayed, finding: Finding) -> list[Advice]:
    """Return what may mend an answer that is wrong though the passage was there."""
    options = table_options(chain.table)
    if finding.cause == "not_refused":
        command = f"ragcli ask {options} --calibrate questions.jsonl"
        return [Advice("set the threshold from your own questions", command)]
    if finding.cause == "distracted":
        rank = one.found.ranks(one.traced.gold).final
        tried: Json = {"helps": True, "after": "from the passage alone, the answer is right"}
        return [Advice("fewer hits, or a reranker", f"ragcli ask {options} -k {rank}", tried if rank == 1 else None)]
    if finding.cause == "wrong_answer":
        model = "a language model" if chain.answerer.name == "extractive" else "a larger model"
        return [Advice(f"answer with {model}", f"ragcli ask {options} -m MODEL")]
    return []
