"""The state of a model that is shared out: written by each process its share, read by any number of them.

torch.distributed.checkpoint writes the tensors under their names in the model, with the place of each share; whoever
reads asks for the shares it needs itself, or for whole tensors. Of a model with adapters only these are written.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ragcli.errors import ModelError

FOLDER = "sharded"


def is_one(checkpoint: str | Path) -> bool:
    """Return whether a checkpoint was written by processes that each held a share."""
    return (Path(checkpoint) / FOLDER / ".metadata").is_file()


def _model(model: Any, **options: Any) -> dict[str, Any]:
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    return dict(get_model_state_dict(model, options=StateDictOptions(ignore_frozen_params=True, **options)))


def _optimizer(model: Any, optimizer: Any) -> dict[str, Any]:
    from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

    return dict(get_optimizer_state_dict(model, _plain(optimizer)))


def _plain(optimizer: Any) -> Any:
    """Return the optimizer that accelerate wraps."""
    return getattr(optimizer, "optimizer", optimizer)


def save(model: Any, optimizer: Any, checkpoint: str | Path) -> None:
    """Write what is trained, and the optimizer's state; all processes call it, and it is there when they return."""
    import torch.distributed.checkpoint as dcp

    folder = Path(checkpoint) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    dcp.save({"model": _model(model), "optimizer": _optimizer(model, optimizer)}, checkpoint_id=folder)


def load_model(model: Any, checkpoint: str | Path) -> None:
    """Read what was trained into a model, shared out or not.

    Raises:
        ModelError: the checkpoint is of another model, or damaged.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

    state = {"model": _model(model)}
    _load(state, checkpoint)
    set_model_state_dict(model, state["model"], options=StateDictOptions(strict=False))


def load_optimizer(model: Any, optimizer: Any, checkpoint: str | Path) -> None:
    """Read the optimizer's state.

    Raises:
        ModelError: the checkpoint is of another model, or damaged.
    """
    from torch.distributed.checkpoint.state_dict import set_optimizer_state_dict

    state = {"optimizer": _optimizer(model, optimizer)}
    _load(state, checkpoint)
    set_optimizer_state_dict(model, _plain(optimizer), state["optimizer"])


def _load(state: dict[str, Any], checkpoint: str | Path) -> None:
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.distributed is (disabled|unavailable).*")
            dcp.load(state, checkpoint_id=Path(checkpoint) / FOLDER)
    except (CheckpointException, RuntimeError, ValueError, OSError, EOFError) as error:
        text = str(error).strip().split("\n")[-1].split("Error: ")[-1].rstrip(".")[:300]  # the last of a traceback
        raise ModelError(
            f"the checkpoint {checkpoint} does not fit this model, or is damaged: {text}.",
            hint="Go on from an earlier one, or begin anew.",
        ) from error


def load_whole_optimizer(optimizer: Any, path: str | Path) -> None:
    """Read the optimizer's state of a run that was not shared out: each process takes its share of each tensor.

    Raises:
        ModelError: the file is not there, or of another model.
    """
    import torch
    from torch.distributed.tensor import DTensor, distribute_tensor

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
    own = _plain(optimizer)
    parameters = [one for group in own.param_groups for one in group["params"]]
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    if len(parameters) != len(numbers):
        raise ModelError(
            f"{path} is of another model: {len(numbers)} parameters, and this one trains {len(parameters)}."
        )
    for number, parameter in zip(numbers, parameters, strict=True):
        for name, value in state["state"].get(number, {}).items():
            if not isinstance(parameter, DTensor) or not torch.is_tensor(value) or value.dim() == 0:
                continue
            if value.shape != parameter.shape:
                raise ModelError(f"{path} is of another model: {tuple(value.shape)} for {tuple(parameter.shape)}.")
            mesh, placements = parameter.device_mesh, parameter.placements
            share = distribute_tensor(value.to(mesh.device_type), mesh, placements, src_data_rank=None)
            state["state"][number][name] = share
    own.load_state_dict(state)


def save_scheduler(scheduler: Any, checkpoint: str | Path) -> None:
    """Write the state of the learning rate's schedule, as the Trainer does."""
    import torch

    torch.save(scheduler.state_dict(), os.path.join(checkpoint, "scheduler.pt"))  # noqa: PTH118


def load_scheduler(scheduler: Any, checkpoint: str | Path) -> None:
    """Read the state of the learning rate's schedule."""
    import torch

    scheduler.load_state_dict(torch.load(os.path.join(checkpoint, "scheduler.pt"), weights_only=True))  # noqa: PTH118


def whole_state(model: Any, *, trained: bool = True) -> dict[str, Any]:
    """Return the state of a model in whole tensors, on the processor; all processes call it, rank 0 gets it.

    Args:
        model: shared out, wrapped for DDP, or plain.
        trained: only what is trained: the adapters, where there are any; else all.

    Returns:
        Name -> tensor, the names those of a plain model; empty in the other processes.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    from ragcli.finetuning import ranks

    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=trained)
    state = dict(get_model_state_dict(model, options=options))
    if not ranks.is_first():
        return {}
    further = _tied(model)
    return {name: value for name, value in state.items() if name not in further}


def _tied(model: Any) -> set[str]:
    """Return the further names of parameters that have several: gathered, they would be written twice."""
    seen: set[int] = set()
    further = set()
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if id(parameter) in seen:
            further.add(name.replace("_checkpoint_wrapped_module.", "").removeprefix("module."))
        seen.add(id(parameter))
    return further


@contextlib.contextmanager
def unwrapped(model: Any) -> Iterator[None]:
    """Take off what activation checkpointing is wrapped in, for the time of saving.

    peft goes by the modules' names to find the adapters in a state; wrapped, it finds none and writes an empty file.
    """
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import CheckpointWrapper

    taken = []
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, CheckpointWrapper):
                taken.append((parent, name, child))
    for parent, name, child in taken:
        parent._modules[name] = child._checkpoint_wrapped_module
    try:
        yield
    finally:
        for parent, name, child in taken:
            parent._modules[name] = child


def check_adapter(model: Any, folder: str | Path) -> None:
    """See that the adapters that were written are as many as were trained.

    Raises:
        ModelError: there are fewer.
    """
    path = Path(folder) / "adapter_model.safetensors"
    if not hasattr(model, "peft_config") or not path.is_file():
        return
    from safetensors import safe_open

    with safe_open(path, "pt") as opened:
        written = len(list(opened.keys()))
    trained = sum(1 for parameter in model.parameters() if parameter.requires_grad)
    if written < trained:
        raise ModelError(f"{path} holds {written} of the {trained} tensors that were trained.")


def put(model: Any, state: dict[str, Any]) -> None:
    """Put what was trained into a plain model: the base, with its adapters where there are any, as it was loaded.

    Raises:
        ModelError: it is another model's.
    """
    found = model.load_state_dict(state, strict=False)
    if found.unexpected_keys:
        raise ModelError(f"what was trained does not fit the model: {', '.join(found.unexpected_keys[:3])}.")
    wanted = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    missing = sorted(wanted & set(found.missing_keys))
    if missing:
        raise ModelError(f"what was trained lacks {len(missing)} of the model's parameters: {', '.join(missing[:3])}.")
