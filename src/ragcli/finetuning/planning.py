"""From what the user left open to settings that fit: method, length, batch, precision, learning rate; and the time.

Whether something fits is asked of `ragcli.hardware`, as ``ragcli gpu-check`` does. What the user said stands.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ragcli.errors import GateError, UsageError
from ragcli.finetuning.settings import Settings
from ragcli.hardware.architecture import Architecture
from ragcli.hardware.memory import GIB, Load, estimate
from ragcli.hardware.plan import fit
from ragcli.records import Json

LANGUAGE = ("chat", "text", "preference")
# Usual rates: of adapters ten times those of the whole model [LoRA Without Regret, Schulman et al. 2025]; DPO a tenth.
_RATES = {
    "chat": {"full": 2e-5, "lora": 2e-4},
    "text": {"full": 2e-5, "lora": 2e-4},
    "preference": {"full": 1e-6, "lora": 1e-5},
    "embedding": {"full": 2e-5, "lora": 2e-4},
    "reranker": {"full": 2e-5, "lora": 2e-4},
}
_BATCH = {"chat": 16, "text": 16, "preference": 16, "embedding": 64, "reranker": 32}
_FEW = 50  # steps that a run should have at least
# The least that a batch shrinks to for that: the pairs of a batch are each other's negatives, and few teach little.
_LEAST = {"embedding": 32}
_MOST_MICRO = {"gpu": 64, "cpu": 8}
_PACKED = {"gpu": 2048, "cpu": 1024}  # tokens of a packed sequence
_ROUND = 64  # lengths are multiples of it
_EPOCHS = ((1_000, 3.0), (10_000, 2.0))
_CPU_PART = 0.8  # of the free memory
# Of the rate of one large matrix product. Processor: a LoRA of SmolLM2-135M on two cores took 77 s, and 62 to 81 were
# told; the other is what is usual for training on GPUs, and was not measured.
_GPU_EFFICIENCY, _CPU_EFFICIENCY = 0.4, 0.45
_FORWARD, _BACKWARD = 2, 2  # operations for each parameter and token; the weights' gradients take as many again


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the run has: bytes that are free on each device that takes part, and what the devices can do.

    Args:
        kind: cuda, mps or cpu.
        memory: free bytes, a device each; one for the processor, whose processes share it.
        bf16: its numbers are worked with at full speed.
        rate: matrix operations a second of one process at the run's precision; 0 where it was not measured.
    """

    kind: str
    memory: tuple[int, ...]
    bf16: bool
    rate: float = 0.0

    @property
    def is_cpu(self) -> bool:
        """Whether the processor does it."""
        return self.kind == "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What the data are like: rows, and their tokens before cutting."""

    rows: int
    tokens: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Settings with nothing left open, and what they take."""

    settings: Settings
    steps: int
    needed: int
    available: int
    seconds: float
    why: tuple[str, ...]

    def record(self) -> Json:
        """Return it as a JSON object; memory in bytes."""
        said = self.settings
        values: Json = {"type": "plan", "model": said.model, "task": said.task, "method": said.method}
        values |= {"precision": said.precision, "device": said.device, "processes": said.processes}
        values |= {"sharding": said.sharding if said.processes > 1 else None, "length": said.length}
        values |= {"batch": said.batch, "micro_batch": said.micro_batch, "accumulation": said.accumulation}
        values |= {"packing": said.packing, "checkpointing": said.checkpointing, "epochs": said.epochs}
        values |= {"steps": self.steps, "learning_rate": said.learning_rate}
        if said.method != "full":
            values |= {"rank": said.rank, "alpha": said.alpha}
        values |= {"memory_needed": self.needed, "memory_available": self.available}
        return {**values, "seconds": round(self.seconds) if self.seconds else None, "why": list(self.why)}


def early(wish: Settings, machine: Machine) -> Settings:
    """Return the settings with what does not depend on the data or the model's size.

    Raises:
        UsageError: the device cannot do what was asked for.
    """
    precision = wish.precision
    if precision == "auto":
        precision = "bf16" if machine.bf16 else "fp32" if machine.is_cpu else "fp16"
    if precision == "fp16" and machine.is_cpu:
        raise UsageError("--precision fp16 is for GPUs.", hint="Take bf16 or fp32 on a processor.")
    if precision == "bf16" and not machine.bf16 and not machine.is_cpu:
        raise UsageError("this GPU has no bf16.", hint="Take --precision fp16.")
    return replace(wish, precision=precision, device=machine.kind, packing=wish.packing or wish.task == "text")


def plan(wish: Settings, data: Data, machine: Machine, model: Architecture | None, window: int) -> Plan:
    """Return settings with nothing left open.

    Args:
        wish: what the user said, after `early`.
        data: what there is to learn.
        machine: what the run has.
        model: the base's shape; None where it is not known, which the plan then says.
        window: tokens of a sequence that the base was made for.

    Raises:
        GateError: no method fits.
        UsageError: settings that do not go together.
    """
    why: list[str] = []
    length = _length(wish, data, window, machine)
    available = _available(machine, wish)
    batch = _batch(wish, data, length)
    tried = _methods(wish)
    chosen, micro, checkpointing, needed = tried[0], 1, wish.checkpointing, 0
    sharding = _shardings(wish)[0]
    if model is None:
        why.append("the shape of this model is not known, so that its memory could not be reckoned")
        micro = wish.micro_batch or 1
    else:
        found = None
        for method, kind in ((method, kind) for method in tried for kind in _shardings(wish)):
            found = _fitting(replace(wish, method=method, sharding=kind), model, length, batch, machine, available)
            if found is not None:
                chosen, sharding, (micro, checkpointing, needed) = method, kind, found
                break
        if found is None:
            raise _too_large(wish, model, length, tried[-1], available, machine)
        if method_is_open(wish):
            why.append(_because(chosen, tried, needed, available))
    batch = max(batch, wish.processes)
    step = micro * wish.processes
    batch = -(-batch // step) * step
    rate = wish.learning_rate or _RATES[wish.task]["full" if chosen == "full" else "lora"]
    epochs = wish.epochs or _epochs(wish, data)
    settings = replace(
        wish, method=chosen, length=length, batch=batch, micro_batch=micro, checkpointing=checkpointing,
        learning_rate=rate, epochs=epochs, sharding=sharding,
    )  # fmt: skip
    rows = -(-data.tokens // length) if settings.packing else data.rows
    steps = settings.max_steps or max(1, round(-(-rows // batch) * epochs))
    seconds = _seconds(settings, data, model, machine, min(1.0, steps * batch / max(1, rows * epochs)))
    return Plan(
        settings=settings, steps=steps, needed=needed, available=available, seconds=seconds, why=tuple(why)
    )  # fmt: skip


def method_is_open(wish: Settings) -> bool:
    """Whether the user left the method to the plan."""
    return wish.method == "auto"


def _methods(wish: Settings) -> Sequence[str]:
    if wish.method != "auto":
        return (wish.method,)
    if wish.task not in LANGUAGE:
        return ("full", "lora")
    return ("full", "lora", "qlora") if wish.task == "text" else ("lora", "qlora")


def _shardings(wish: Settings) -> Sequence[str]:
    """Return what each process may hold, the fastest first."""
    if wish.sharding != "auto":
        return (wish.sharding,)
    return ("ddp",) if wish.processes == 1 else ("ddp", "fsdp")


def _length(wish: Settings, data: Data, window: int, machine: Machine) -> int:
    if wish.length > window:
        raise UsageError(
            f"--length {wish.length} is more than the {window} tokens that {wish.model} was made for.",
            hint=f"Give at most {window}.",
        )
    if wish.length:
        return wish.length
    if wish.packing:
        return min(window, _PACKED["cpu" if machine.is_cpu else "gpu"])
    return min(window, -(-max(1, data.longest) // _ROUND) * _ROUND)


def _available(machine: Machine, wish: Settings) -> int:
    if machine.is_cpu:
        return int(machine.memory[0] * _CPU_PART / wish.processes)
    return min(sorted(machine.memory, reverse=True)[: wish.processes])


def _batch(wish: Settings, data: Data, length: int) -> int:
    if wish.batch:
        return wish.batch
    rows = -(-data.tokens // length) if wish.packing else data.rows
    batch = _BATCH[wish.task]
    while batch > _LEAST.get(wish.task, 4) and rows * (wish.epochs or _epochs(wish, data)) / batch < _FEW:
        batch //= 2
    return batch


def _epochs(wish: Settings, data: Data) -> float:
    if wish.task == "text":
        return 1.0
    return next((epochs for most, epochs in _EPOCHS if data.rows <= most), 1.0)


def _fitting(
    wish: Settings, model: Architecture, length: int, batch: int, machine: Machine, available: int
) -> tuple[int, bool, int] | None:
    """Return the largest pass that fits, whether activations are reckoned again, and what it needs."""
    most = wish.micro_batch or min(_MOST_MICRO["cpu" if machine.is_cpu else "gpu"], max(1, batch // wish.processes))
    micro = wish.micro_batch or 1 << (most.bit_length() - 1)
    while micro >= 1:
        kept = needed(wish, model, length, micro, machine, checkpointing=False)
        if not wish.checkpointing or (machine.is_cpu and kept <= available):
            if kept <= available:
                return micro, False, kept
        else:
            again = needed(wish, model, length, micro, machine, checkpointing=True)
            if again <= available:
                return micro, True, again
        if wish.micro_batch:
            return None
        micro //= 2
    return None


def needed(
    settings: Settings, model: Architecture, length: int, micro: int, machine: Machine, *, checkpointing: bool
) -> int:
    """Return the bytes that a pass needs on one device."""
    encoder = settings.task not in LANGUAGE
    rows = micro * (2 if settings.task == "preference" else 3 if settings.task == "embedding" else 1)
    load = Load(
        task=settings.method,
        context=min(length, model.positions) if encoder else length,
        batch=rows,
        gpus=settings.processes if settings.sharding in ("fsdp", "zero3") else 1,
        sharding=settings.sharding if settings.sharding in ("fsdp", "zero3") else "none",
        rank=settings.rank,
        on_cpu=machine.is_cpu,
    )
    told = estimate(model, load)
    parts = dict(told.parts)
    if machine.is_cpu:
        parts["buffers"] = GIB // 2  # no buckets and workspaces of CUDA; torch itself
    if not checkpointing:
        # What a layer keeps for its backward pass: 34 bytes for each hidden element in 16 bits, the attention's scores
        # not kept [Korthikanti et al. 2022, section 4.1].
        parts["activations"] = rows * length * model.layers * 34 * model.hidden
    total = sum(parts.values())
    if settings.precision == "fp32":
        total = total * 2 if settings.method != "full" else total + parts.get("activations", 0)
    return int(total * told.margin) + told.own


def _because(method: str, tried: Sequence[str], needed: int, available: int) -> str:
    size = f"{needed / GIB:.1f} of {available / GIB:.1f} GiB"
    others = tried[: tried.index(method)]
    if others:
        return f"{method}, since {' and '.join(others)} would not fit: it takes {size}"
    return f"{method}: it takes {size}"


def _too_large(
    wish: Settings, model: Architecture, length: int, method: str, available: int, machine: Machine
) -> GateError:
    load = Load(task=method, context=length, batch=1, rank=wish.rank, on_cpu=machine.is_cpu)
    found = fit(model, load, list(machine.memory))
    least = needed(replace(wish, method=method), model, length, wish.micro_batch or 1, machine, checkpointing=True)
    hints = [] if method == "qlora" or wish.task not in LANGUAGE else ["--method qlora"]
    hints += [f"--length {length // 2}"] if length > 256 else []
    hints += [f"{found.gpus} such GPUs (--gpus {found.gpus})"] if found.gpus and not machine.is_cpu else []
    return GateError(
        f"{wish.model} does not fit: {method} at {length} tokens needs {least / GIB:.1f} GiB,"
        f" and {available / GIB:.1f} GiB are free.",
        hint=f"Try {', '.join(hints) or 'a smaller model'}; ragcli gpu-check shows what fits.",
    )


def _seconds(settings: Settings, data: Data, model: Architecture | None, machine: Machine, part: float) -> float:
    """Return about how long the steps take; 0 where it cannot be told."""
    if model is None or not machine.rate:
        return 0.0
    each = _FORWARD + _BACKWARD + (_BACKWARD if settings.method == "full" else 0)
    each += _FORWARD if settings.checkpointing else 0
    rows = 2 if settings.task == "preference" else 1
    tokens = data.tokens * settings.epochs * part * rows
    computing = model.active if not model.encoder else model.linear
    if settings.task == "preference":
        each += _FORWARD  # of the reference
    rate = machine.rate * settings.processes
    rate = machine.rate if machine.is_cpu else rate  # processes share the cores
    return tokens * each * computing / (rate * (_CPU_EFFICIENCY if machine.is_cpu else _GPU_EFFICIENCY))


def matrix_rate(kind: str, precision: str) -> float:
    """Return the operations a second of a large matrix product on a device, measured in about a tenth of a second."""
    import torch

    dtype: Any = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    side = 4096 if kind == "cuda" else 1024
    left = torch.randn(side, side, dtype=dtype, device=kind)
    right = torch.randn(side, side, dtype=dtype, device=kind)

    def wait() -> None:
        if kind == "cuda":
            torch.cuda.synchronize()

    left @ right  # the first one sets things up
    wait()
    began, count = time.perf_counter(), 0
    while count < 3 or time.perf_counter() - began < 0.1:
        left @ right
        count += 1
        wait()
    return 2 * side**3 * count / (time.perf_counter() - began)
