"""Step 4: where does each search rank the chunk that holds the answer, and what stands before it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragcli.diagnosing.steps import Finding
from ragcli.evaluation.normalising import fold
from ragcli.fusion import TEXT, VECTOR, fuse
from ragcli.records import Hit, Json
from ragcli.retrieval import RERANKED

if TYPE_CHECKING:
    from ragcli.retrieval import Mode

DEPTH = 100  # hits that are looked at
FAR = 1000  # where the answer is not among those
_SHINGLE = 5  # characters
_COPY = 0.7  # of the shingles of two texts, as a part of those of either
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Ranks:
    """Where the first chunk that holds the answer stands; None where it is not among those looked at.

    Args:
        vector, text: in each list alone.
        fused: of both together.
        final: as it was searched, reranked too.
    """

    vector: int | None
    text: int | None
    fused: int | None
    final: int | None

    def to_json(self) -> Json:
        """Return the ranks as they stand in a record."""
        return {"vector": self.vector, "text": self.text, "fused": self.fused, "final": self.final}

    def of(self, mode: Mode) -> int | None:
        """Return the rank in a mode, without a reranker."""
        return {"vector": self.vector, "text": self.text, "hybrid": self.fused}[mode]


@dataclass(frozen=True, slots=True)
class Found:
    """What one question found.

    Args:
        by_mode: the first `DEPTH` hits of each mode that could be searched; hybrid explains itself.
        final: the hits of the search as it is done, to k.
    """

    by_mode: Mapping[Mode, Sequence[Hit]]
    final: Sequence[Hit]

    def ranks(self, gold: Sequence[str]) -> Ranks:
        """Return the ranks of the best of the chunks that hold an answer."""
        wanted = set(gold)

        def first(hits: Sequence[Hit]) -> int | None:
            return next((hit.rank for hit in hits if hit.id in wanted), None)

        vector, text, fused = (first(self.by_mode.get(mode, ())) for mode in ("vector", "text", "hybrid"))
        return Ranks(vector=vector, text=text, fused=fused, final=first(self.final))


def distinct_rank(gold: Sequence[str], hits: Sequence[Hit]) -> tuple[int | None, int]:
    """Return the rank of the answer where copies are counted once, and how many copies stand before it."""
    wanted = set(gold)
    seen: list[frozenset[str]] = []
    copies = 0
    for hit in hits:
        if hit.id in wanted:
            return len(seen) + 1, copies
        shingles = _shingles(hit.text)
        if any(_are_copies(shingles, other) for other in seen):
            copies += 1
        else:
            seen.append(shingles)
    return None, copies


def _shingles(text: str) -> frozenset[str]:
    plain = fold(text)
    return frozenset(plain[at : at + _SHINGLE] for at in range(max(1, len(plain) - _SHINGLE + 1)))


def _are_copies(one: frozenset[str], other: frozenset[str]) -> bool:
    both = len(one & other)
    return both >= _COPY * (len(one) + len(other) - both)


def repaired(gold: str, scores: Mapping[str, float], found: Found, mode: Mode) -> int | None:
    """Return the rank that a chunk would have with other vector scores; None where the mode does not use them.

    Args:
        gold: the chunk.
        scores: cosines to the question with the right vectors: of the chunk, and of others whose vectors are wrong.
        found: what the question found.
        mode: how it is searched.
    """
    if mode == "text":
        return None
    if mode == "vector":
        others = [scores.get(hit.id, hit.score) for hit in found.by_mode["vector"] if hit.id != gold]
        return 1 + sum(other > scores[gold] for other in others)
    wide = found.by_mode["hybrid"]
    names = list(dict.fromkeys([hit.id for hit in wide] + [gold]))
    at = {name: place for place, name in enumerate(names)}
    lists: dict[str, dict[int, float]] = {VECTOR: {}, TEXT: {}}
    for hit in wide:
        for name, list_scores in lists.items():
            stage = (hit.extra.get("explain") or {}).get(name)
            list_scores[at[hit.id]] = float(stage["score"]) if stage is not None else 0.0
    lists[VECTOR].update({at[name]: score for name, score in scores.items() if name in at})
    lists[TEXT].setdefault(at[gold], 0.0)
    given: Mapping[str, Mapping[int, float]] = {name: made for name, made in lists.items() if any(made.values())}
    return next(rank for rank, one in enumerate(fuse(given), 1) if one.row == at[gold])


def judge(gold: Sequence[str], found: Found, k: int, mode: Mode, *, reranked: bool) -> Finding:
    """Return what the search did to the answer.

    Args:
        gold: ids of the chunks that hold it.
        found: what the question found.
        k: hits that are handed on.
        mode: how it was searched.
        reranked: whether a reranker gave the order.
    """
    ranks = found.ranks(gold)
    evidence: Json = {"ranks": ranks.to_json(), "k": k}
    if ranks.final is not None:
        return Finding("ok", evidence=evidence)
    before = ranks.of(mode)
    evidence["above"] = [
        {"rank": hit.rank, "chunk": hit.id, "source": hit.source, "text": " ".join(hit.text.split())[:80]}
        for hit in found.final[:_SHOWN]
    ]
    if reranked and before is not None and before <= max(k, RERANKED):
        first = "in the first place" if k == 1 else f"among the first {k}"
        says = f"the reranker did not put it {first}; without, it stands at {before}"
        return Finding("lost", "rerank", says, evidence)
    distinct, copies = (None, 0) if reranked else distinct_rank(gold, found.by_mode.get(mode, ()))
    if distinct is not None and distinct <= k and copies:
        stand = "1 copy of another hit stands" if copies == 1 else f"{copies} copies of other hits stand"
        says = f"{stand} before it: it is at {before}, and at {distinct} without them"
        return Finding("lost", "crowding", says, {**evidence, "copies": copies, "distinct_rank": distinct})
    if before is None:
        says = f"it is not among the first {max(DEPTH, min(k, FAR))} hits{_before(found.final)}"
        return Finding("lost", "not_found", says, evidence)
    others = _others(ranks, found.by_mode, mode)
    says = f"it stands at {before}, and {k} {'is' if k == 1 else 'are'} taken{f' ({others})' if others else ''}"
    says += _before(found.final)
    return Finding("lost", "k_too_small", says, evidence)


def _before(hits: Sequence[Hit]) -> str:
    """Return what stands before the answer, for people."""
    names = list(dict.fromkeys(hit.source for hit in hits))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; before it: {', '.join(names[:_SHOWN])}{more}" if names else ""


def _others(ranks: Ranks, searched: Iterable[Mode], mode: Mode) -> str:
    """Return the ranks in the other modes that were searched."""
    return ", ".join(f"{name} {ranks.of(name) or f'beyond {DEPTH}'}" for name in searched if name != mode)
