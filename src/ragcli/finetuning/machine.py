"""What a run has of this machine: the device, its free memory, and what it can do."""

from __future__ import annotations

import os

from ragcli.errors import ModelError
from ragcli.finetuning.planning import Machine, matrix_rate
from ragcli.hardware.devices import Device, Found


def machine_of(found: Found, device: str, processes: int, precision: str) -> Machine:
    """Return what the run has.

    Args:
        found: the devices that are here.
        device: auto, cpu, cuda or mps.
        processes: how many train together on this machine.
        precision: auto, bf16, fp16 or fp32.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: the device that was asked for is not here.
    """
    from ragcli.embedding.torch import torch_device

    if processes == 1:
        _one_gpu(found.gpus)
    kind = torch_device(device)
    if kind == "cpu":
        from ragcli.llms.transformers_loading import has_fast_bf16

        if found.cpu is None:
            raise ModelError("the memory of this machine cannot be read.")
        fast = has_fast_bf16()
        wanted = "bf16" if precision == "bf16" or (precision == "auto" and fast) else "fp32"
        return Machine(kind=kind, memory=(found.cpu.free,), bf16=fast, rate=matrix_rate(kind, wanted))
    gpus = [one for one in found.gpus if one.kind in (kind, "rocm")] or found.gpus
    bf16 = all(one.bf16 for one in gpus) if gpus else False
    wanted = "bf16" if bf16 and precision in ("auto", "bf16") else "fp16"
    return Machine(kind=kind, memory=tuple(one.free for one in gpus), bf16=bf16, rate=matrix_rate(kind, wanted))


def _one_gpu(gpus: list[Device]) -> None:
    """Leave one GPU visible, the one with the most room: transformers would copy the model to all of them."""
    if len(gpus) < 2:
        return
    best = max(range(len(gpus)), key=lambda at: gpus[at].free)
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = shown.split(",") if shown else [str(one.index) for one in gpus]
    if best < len(names):
        os.environ["CUDA_VISIBLE_DEVICES"] = names[best].strip()
