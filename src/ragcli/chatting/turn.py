"""A question and its answer, and the form in which they are kept: an answer record with what belongs to the talk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ragcli.chatting.followup import How
from ragcli.errors import InputError
from ragcli.records import Answer, Hit, Json

_HITS = ("id", "source", "rank", "score", "scores", "pages")  # of a hit that is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question and its answer.

    Args:
        question: as it was asked.
        standalone: as it was searched for.
        how: how that came to be.
        answer: the record; its ``question`` is the one that was searched for.
        hits: what was found; of a conversation that was read from a file only their places and scores.
    """

    question: str
    standalone: str
    how: How
    answer: Answer
    hits: Sequence[Json] = ()

    def to_dict(self) -> Json:
        """Return the turn as it is kept: the answer record with what belongs to the conversation."""
        out = self.answer.to_dict()
        return {**out, "question": self.question, "standalone": self.standalone, "how": self.how, "hits": self.hits}


def kept_hit(hit: Hit) -> Json:
    """Return what is kept of a hit."""
    full = hit.to_dict()
    return {name: full[name] for name in _HITS}


def turn_of(answer: Answer, name: str) -> Turn:
    """Return the turn that a line of a file is.

    Raises:
        InputError: it is not as `Turn.to_dict` makes it.
    """
    extra = dict(answer.extra)
    alone, how = extra.pop("standalone", answer.question), extra.pop("how", "alone")
    hits = extra.pop("hits", [])
    fits = isinstance(alone, str) and how in ("alone", "model", "terms") and isinstance(hits, list)
    if not (fits and all(map(_is_hit, hits)) and _is_number(extra.get("support", 0)) and _is_prompt(extra)):
        raise InputError(f"{name}: the turn {answer.id} is not as ragcli chat keeps it.")
    return Turn(question=answer.question, standalone=alone, how=how, answer=replace(answer, extra=extra), hits=hits)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_hit(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("source"), str)
        and isinstance(value.get("rank"), int)
        and _is_number(value.get("score"))
        and isinstance(value.get("scores"), dict)
        and all(map(_is_number, value["scores"].values()))
        and isinstance(value.get("pages", []), list)
    )


def _is_prompt(extra: Json) -> bool:
    prompt = extra.get("prompt", {})
    return (
        _is_number(extra.get("threshold", 0))
        and isinstance(prompt, dict)
        and (not prompt or _is_number(prompt.get("contexts")))
        and isinstance(prompt.get("left_out", []), list)
    )
