"""Cut the contexts to the model's window: whole hits as long as they fit, then a part of the next; name the rest.

A first hit of which not even a part fits is passed over, so that one oversized passage costs no answer. Titles,
headings and the headers of tables are bounded whatever the window.

Only the model's own count decides (`LLM.count`), so that a prompt that fits here fits there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ragcli.answering.defusing import bounded
from ragcli.llms.estimate import bound
from ragcli.llms.protocols import ContextError, Message
from ragcli.records import Hit, Json
from ragcli.splitting.sentences import sentence_spans

LEAST_PART = 80  # characters of a hit; a shorter part says nothing


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt that fits.

    Args:
        messages: the prompt.
        hits: the hits in it, in order; the last may be cut.
        left_out: what is not in it: ``{rank, chunk_id, source, characters}`` for each hit that is missing or cut, its
            title, headings and header included.
        tokens: of the prompt, or None where there was nothing to count for.
    """

    messages: list[Message]
    hits: list[Hit]
    left_out: list[Json]
    tokens: int | None


def fit(
    build: Callable[[Sequence[Hit]], list[Message]],
    hits: Sequence[Hit],
    count: Callable[[Sequence[Message]], int],
    most: int | None,
    name: str,
    beside: int = 0,
) -> Fitted:
    """Return the prompt of as many hits as fit.

    Args:
        build: makes the prompt of hits.
        hits: best first.
        count: tokens of a prompt.
        most: tokens that the prompt may have; None is any number.
        name: the model's, for the error.
        beside: bytes that ``count`` counts beside the messages, as the schemas of tools.

    Raises:
        ContextError: the prompt is too long without any hit.
    """
    given = [bounded(hit) for hit in hits]
    hits = [hit for hit, _ in given]

    def made(chosen: Sequence[Hit], passed: int, messages: list[Message], tokens: int | None) -> Fitted:
        left_out = []
        for at, (hit, lost) in enumerate(given):
            held = len(chosen[at - passed].text) if 0 <= at - passed < len(chosen) else 0
            if lost + len(hit.text) - held:
                left_out.append(_lost(hit, lost + len(hit.text) - held))
        return Fitted(messages, list(chosen), left_out, tokens)

    whole = build(hits)
    if most is None or bound(whole) + beside <= most:  # short enough whatever the tokenizer: counting takes time
        return made(hits, 0, whole, None)
    room = most

    def fits(chosen: Sequence[Hit]) -> bool:
        return count(build(chosen)) <= room

    if (tokens := count(whole)) <= most:
        return made(hits, 0, whole, tokens)
    if not fits([]):
        raise ContextError(
            f"the question and the rules alone are more than the {most} tokens that {name} has for the prompt.",
            window=most,
        )
    for passed in range(len(hits)):
        if chosen := _chosen(hits[passed:], fits):
            messages = build(chosen)
            return made(chosen, passed, messages, count(messages))
    raise ContextError(f"not one passage fits into the {most} tokens that {name} has for the prompt.", window=most)


def _chosen(hits: Sequence[Hit], fits: Callable[[Sequence[Hit]], bool]) -> list[Hit]:
    """Return the hits that fit from the first on, and as much as fits of the next; none where the first does not."""
    whole = list(hits[: _most(len(hits) + 1, lambda n: fits(hits[:n]))])
    if len(whole) == len(hits):
        return whole
    part = _part(hits[len(whole)], lambda cut: fits([*whole, cut]))
    return whole if part is None else [*whole, part]


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """Return the greatest n below ``limit`` that fits, or -1."""
    low, high = -1, limit - 1
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _part(hit: Hit, fits: Callable[[Hit], bool]) -> Hit | None:
    """Return as many whole sentences of a hit as fit, or None; of one long sentence as many characters."""
    ends = [end for _, end in sentence_spans(hit.text) if end >= LEAST_PART]
    if not ends or not fits(_cut(hit, ends[0])):
        ends = list(range(LEAST_PART, len(hit.text), LEAST_PART))
    at = _most(len(ends), lambda n: fits(_cut(hit, ends[n])))
    return _cut(hit, ends[at]) if at >= 0 else None


def _cut(hit: Hit, end: int) -> Hit:
    return replace(hit, text=hit.text[:end], end=hit.start + end)


def _lost(hit: Hit, characters: int) -> Json:
    return {"rank": hit.rank, "chunk_id": hit.id, "source": hit.source, "characters": characters}
