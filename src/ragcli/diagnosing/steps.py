"""The steps of a chain, and what is found out about one of them for one case."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ragcli.records import Json

StepName = Literal["gold", "loaded", "split", "embedded", "retrieved", "prompted", "answered"]
Status = Literal["ok", "warn", "lost", "skipped"]

STEPS: tuple[StepName, ...] = ("gold", "loaded", "split", "embedded", "retrieved", "prompted", "answered")
WORDS: dict[str, str] = {  # for people, of an answer that came through
    "gold": "rightly judged",
    "loaded": "loaded",
    "split": "whole in a chunk",
    "embedded": "embedded",
    "retrieved": "retrieved",
    "prompted": "in the prompt",
    "answered": "answered",
}
LOST: dict[str, str] = {  # of one that did not
    "gold": "the case itself",
    "loaded": "loading",
    "split": "splitting",
    "embedded": "embedding",
    "retrieved": "retrieval",
    "prompted": "the prompt",
    "answered": "the answer",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step did to the answer of one case.

    Args:
        status: ``ok``: the answer came through; ``warn``: it did, and something is wrong beside; ``lost``: it did not;
            ``skipped``: not looked at, or not to be told.
        cause: a word for what lost it, empty where nothing did.
        says: one sentence for people, with the evidence.
        evidence: the same for programs.
    """

    status: Status
    cause: str = ""
    says: str = ""
    evidence: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the finding as it stands in a record."""
        out: Json = {"status": self.status}
        if self.cause:
            out["cause"] = self.cause
        if self.says:
            out["says"] = self.says
        return {**out, **self.evidence}


OK = Finding("ok")


@dataclass(frozen=True, slots=True)
class Advice:
    """What may mend a case.

    Args:
        what: in words.
        command: to be typed.
        tried: what came of it where it was tried: ``{"helps": bool, …}`` with the figures before and after; None where
            it cannot be tried here.
    """

    what: str
    command: str
    tried: Json | None = None

    def to_json(self) -> Json:
        """Return the advice as it stands in a record."""
        return {"what": self.what, "command": self.command, "tried": self.tried}


def tried_words(one: Json) -> str:
    """Return in words what came of advice where it was tried."""
    tried = one["tried"]
    if tried is None:
        return "not tried"
    if "before" in tried:
        whole = f"; whole: {tried['whole']} of {tried['cut']} cut" if "whole" in tried else ""
        return f"{tried['measured']} {tried['before']} → {tried['after']} of {tried['of']}{whole}"
    if "of" in tried:
        return f"mends {tried['after']} of {tried['of']}"
    return str(tried.get("after") or f"it stands at {tried.get('rank')}")
