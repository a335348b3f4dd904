"""Whether a load fits what is here: on one GPU, on several, or not; with which figure, and up to which context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragcli.hardware.architecture import Architecture
from ragcli.hardware.memory import GIB, Estimate, Load, estimate, longest_context, resolved_sharding
from ragcli.records import Json

_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What became of one load: ``gpus`` is the smallest number that holds it, None if no reasonable one does."""

    model: Architecture
    load: Load
    estimate: Estimate
    available: int
    fits: bool
    gpus: int | None
    longest: int
    source: str
    notes: tuple[str, ...]

    def record(self) -> Json:
        """Return it as a JSON object; sizes are bytes."""
        load = self.load
        values: Json = {"type": "fit", "model": self.model.name, "task": load.task, "precision": load.precision}
        values |= {"context": load.context, "batch": load.batch, "gpus": load.gpus, "sharding": load.sharding}
        values |= {"fits": self.fits, "needed": self.estimate.needed, "available": self.available}
        values |= {"allocated": self.estimate.allocated, "parts": self.estimate.parts}
        values |= {"gpus_needed": self.gpus, "longest_context": self.longest}
        values |= {"parameters": self.model.parameters, "active_parameters": self.model.active}
        values |= {"kv_bytes_per_token": self.model.token_bytes, "config_from": self.source}
        if load.task in ("lora", "qlora"):
            values["rank"] = load.rank
        return {**values, "notes": list(self.notes)}


def fit(
    model: Architecture, load: Load, memory: Sequence[int], *, weights: int | None = None, source: str = "config"
) -> Fit:
    """Return whether a load fits.

    Args:
        model: its shape.
        load: what is done; ``gpus`` of them share it.
        memory: bytes free on each GPU that is here (or is planned for), the largest of which are taken.
        weights: bytes of the checkpoint's weights, where they are known.
        source: where the shape comes from, for the record.
    """
    load = replace(load, sharding=resolved_sharding(load))
    room = sorted(memory, reverse=True)
    available = room[min(load.gpus, len(room)) - 1] if room else 0
    enough = len(room) >= load.gpus
    own = estimate(model, load, weights)
    fits = enough and own.needed <= available
    best = room[0] if room else 0
    smallest = next((n for n in _COUNTS if estimate(model, _spread(load, n), weights).needed <= best), None)
    longest = longest_context(model, load, available, weights) if enough else 0
    return Fit(
        model=model,
        load=load,
        estimate=own,
        available=available,
        fits=fits,
        gpus=smallest,
        longest=longest,
        source=source,
        notes=(*model.notes, *_notes(model, load)),
    )


def _spread(load: Load, gpus: int) -> Load:
    """Return the load on another number of GPUs; one that stands alone shares as is usual."""
    return replace(load, gpus=gpus, sharding="auto" if load.sharding == "none" and load.gpus == 1 else load.sharding)


def _notes(model: Architecture, load: Load) -> list[str]:
    found: list[str] = []
    if load.context > model.positions:
        found.append(f"the model was made for {model.positions} tokens, not {load.context}")
    if load.task == "infer" and model.expanded != model.cache:
        size = load.batch * model.cache_bytes(load.context, expanded=True)
        found.append(
            f"the cache is reckoned latent, as vLLM and SGLang keep it; transformers expands it to {size / GIB:.1f} GiB"
        )
    if load.task in ("infer", "embed") and load.prefill and not model.encoder and load.context > load.prefill:
        found.append(f"the prompt is worked through in pieces of {load.prefill} tokens")
    if load.task in ("lora", "qlora"):
        found.append(f"adapters of rank {load.rank} on all linear layers, gradient checkpointing")
    if load.task == "full":
        found.append("mixed precision with Adam, gradient checkpointing")
    return found
