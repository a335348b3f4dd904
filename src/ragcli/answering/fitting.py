"""Cut the contexts to the model's window: whole hits as long as they fit, then a part of the next; name the rest.

Only the model's own count decides (`LLM.count`), so that a prompt that fits here fits there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
        left_out: what is not in it: ``{rank, chunk_id, source, characters}`` for each hit that is missing or cut.
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
    whole = build(hits)
    if most is None or bound(whole) + beside <= most:  # short enough whatever the tokenizer: counting takes time
        return Fitted(whole, list(hits), [], None)
    tokens = count(whole)
    if tokens <= most:
        return Fitted(whole, list(hits), [], tokens)
    kept = _most(len(hits), lambda n: count(build(hits[:n])) <= most)
    if kept < 0:
        raise ContextError(
            f"the question and the rules alone are more than the {most} tokens that {name} has for the prompt.",
            window=most,
        )
    chosen = list(hits[:kept])
    following = hits[kept]
    part = _part(following, lambda cut: count(build([*chosen, cut])) <= most)
    left_out = [_lost(hit, len(hit.text)) for hit in hits[kept:]]
    if part is not None:
        chosen.append(part)
        left_out[0] = _lost(following, len(following.text) - len(part.text))
    if not chosen and hits:
        raise ContextError(f"not one passage fits into the {most} tokens that {name} has for the prompt.", window=most)
    made = build(chosen)
    return Fitted(made, chosen, left_out, count(made))


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
