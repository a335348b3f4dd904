"""In words: which size to take here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ragcli.hardware.finding import known
from ragcli.hardware.known import CHAT
from ragcli.hardware.memory import GIB, Load, estimate

_FAMILY = [name for name in CHAT if name.startswith("Qwen/Qwen2.5-")]
_CPU_PART = 0.6  # of the free memory: the rest is the documents', the index's and the system's


def advice(memory: Sequence[int], *, on_cpu: bool, context: int) -> list[str]:
    """Return what to take, in sentences.

    Args:
        memory: bytes free on each GPU, or the processor's where there is none.
        on_cpu: whether it is the processor's.
        context: tokens that a model must hold at once.
    """
    room = max(memory, default=0)
    if on_cpu:
        room = int(room * _CPU_PART)
        said = ["There is no GPU that can be used here: search and the built-in embedding model do not need one."]
        name = _largest(lambda one: estimate(known(one), Load(precision="int4", context=context)).allocated <= room)
        if name:
            small = _FAMILY[min(_FAMILY.index(name), 1)]
            said.append(f"To answer on the processor: {name} as GGUF in 4 bits fits; {small} is many times faster.")
        said.append("To fine-tune, a GPU is needed for anything above 0.5B; or an endpoint answers: -m openai:NAME.")
        return said
    said = []
    for precision, words in (("bf16", "in bf16"), ("int4", "in 4 bits")):
        name = _largest(_fits("infer", room, context, precision))
        if name:
            said.append(f"To answer with {context} tokens of context: {name} {words}.")
            if precision == "bf16" and name == _FAMILY[-1]:
                break
    for task, words in (("lora", "LoRA"), ("qlora", "QLoRA"), ("full", "full training")):
        name = _largest(_fits(task, room, min(context, 2048), "auto"))
        if name:
            said.append(f"To fine-tune by {words} on rows of {min(context, 2048)} tokens: {name}.")
    if not said:
        said.append(f"{room / GIB:.1f} GiB are free, which is too little even for {_FAMILY[0]}: see what uses the GPU.")
    if len(memory) > 1:
        said.append(
            f"These are for one GPU; the {len(memory)} together hold more: gpu-check MODEL --gpus {len(memory)}."
        )
    return said


def _fits(task: str, room: int, context: int, precision: str) -> Callable[[str], bool]:
    load = Load(task=task, precision=precision if task == "infer" else "auto", context=context)
    return lambda name: estimate(known(name), load).needed <= room


def _largest(fits: Callable[[str], bool]) -> str | None:
    return next((name for name in reversed(_FAMILY) if fits(name)), None)
