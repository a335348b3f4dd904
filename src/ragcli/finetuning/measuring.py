"""What the forgetting guard measures of a language model: perplexity on general texts and on evaluation rows."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragcli.finetuning.general import LANGUAGES, general
from ragcli.finetuning.perplexity import Perplexity, of_rows, of_texts
from ragcli.records import Json

SECONDS = 60.0  # for all measures of one side
ROWS = 64  # of the evaluation data
# Bits a character from which on a base does not know a language. A model of pairs of characters needs about as many.
UNKNOWN = {"zh": 6.5, "en": 2.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Perplexities by the names that `ragcli.finetuning.guard` knows.

    Args:
        values: name -> perplexity.
        found: name -> how it came about.
        unable: names of the languages that the model does not know.
    """

    values: dict[str, float]
    found: dict[str, Perplexity]
    unable: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Return how many texts or rows each was measured on, to measure the same ones after training."""
        return {name: one.texts for name, one in self.found.items()}

    def notes(self) -> list[str]:
        """Return what was left out for want of time, a sentence each."""
        return [
            f"{name} is of {one.texts} of {one.texts + one.left_out} texts: there was no time for more."
            for name, one in self.found.items()
            if one.left_out
        ]

    def record(self) -> Json:
        """Return it as a JSON object."""
        return {
            "type": "measures",
            "unable": list(self.unable),
            "measures": {name: one.record() for name, one in self.found.items()},
        }


def measure(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Mapping[str, Any]] | None = None,
    *,
    languages: Sequence[str] = LANGUAGES,
    seconds: float | None = SECONDS,
    counts: Mapping[str, int] | None = None,
    adapter: bool = True,
) -> Measured:
    """Measure a language model on the general texts and on a sample of evaluation rows.

    Args:
        model: of transformers or PEFT; see `ragcli.finetuning.perplexity`.
        tokenizer: of the model.
        rows: evaluation data as tokens (``input_ids``, ``labels``); a sample of at most `ROWS` is taken.
        languages: of the general texts.
        seconds: the time for all of it; on a slow machine fewer texts are measured. None for all texts,
            and where processes share the model.
        counts: how many of each were measured before: the same are measured now, whatever time it takes.
        adapter: False for the base of a model of PEFT.
    """
    given = counts or {}
    began = time.monotonic()
    sample: list[Mapping[str, Any]] = []
    if rows is not None and len(rows):
        places = random.Random(0).sample(range(len(rows)), min(ROWS, len(rows)))
        sample = [row for row in (rows[at] for at in places) if _predicts(row)]
    found: dict[str, Perplexity] = {}
    names = [*(["perplexity"] if sample else []), *(f"general_perplexity_{one}" for one in languages)]
    for at, name in enumerate(names):
        # What one measure does not need is left for the others.
        share = None if seconds is None else (seconds - (time.monotonic() - began)) / (len(names) - at)
        limit = given.get(name)
        allowed = share if limit is None else None
        if name == "perplexity":
            found[name] = of_rows(model, sample, limit=limit, seconds=allowed, adapter=adapter)
        else:
            texts = [one.text for one in general(name.rpartition("_")[2])]
            found[name] = of_texts(model, tokenizer, texts, limit=limit, seconds=allowed, adapter=adapter)
    unable = []
    for name, one in found.items():
        bits = one.bits_per_character
        if bits is not None and bits > UNKNOWN.get(name.rpartition("_")[2], float("inf")):
            unable.append(name)
    values = {name: one.value for name, one in found.items()}
    return Measured(values=values, found=found, unable=tuple(unable))


def _predicts(row: Mapping[str, Any]) -> bool:
    labels = row["input_ids"] if row.get("labels") is None else row["labels"]
    return any(label >= 0 for label in labels[1:])
