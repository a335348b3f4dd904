"""The memory that gpu-check reckons, held against models of true shape with random weights.

With a GPU the models are made on it, and torch.cuda.max_memory_allocated tells. Without one their operations are traced
on tensors that have a shape and no content (torch's FakeTensorMode), and the bytes of the storages that live at once
are added up: what the framework would allocate, but for the workspaces of kernels.

    python benchmarks/gpu_memory.py [--models 0.5B,1.5B,7B] [--tasks infer,lora,full] [--lengths 512,2048,8192]

Traced with torch 2.13.0 and transformers 5.24.0, reckoned / traced. LoRA of rank 64 on all linear layers under
autocast, AdamW; "full" is the Trainer's way, fp32 weights under autocast, where gpu-check reckons DeepSpeed's.

    model  task     512   2048   8192
    0.5B   infer  1.000  0.997  0.988
    1.5B   infer  1.000  0.998  0.993
    7B     infer  1.000  0.999  0.996
    0.5B   lora   1.842  1.439  1.207
    1.5B   lora   1.469  1.341  1.208
    7B     lora   1.153  1.169  1.167
    0.5B   full   1.363  1.400  1.443
    1.5B   full   1.252  1.252  1.319
    7B     full   1.211  1.211  1.211

What is over in training is the 1.5 GiB of buffers that the measurements of others show and a trace does not.
"""

from __future__ import annotations

import argparse
import contextlib
import weakref
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoConfig, AutoModelForCausalLM

from ragcli.hardware import Load, estimate, read
from ragcli.hardware.known import CHAT

MODELS = {name.split("-")[1]: config for name, config in CHAT.items() if name.startswith("Qwen/Qwen2.5-")}
RANK = 64


class Traced(TorchDispatchMode):
    """Adds up the storages that live; ``peak`` is the most since it was last set."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                key = storage._cdata
                if key not in self.live:
                    self.live[key] = storage.nbytes()
                    self.now += self.live[key]
                    self.peak = max(self.peak, self.now)
                    weakref.finalize(storage, self._drop, key)
        return out

    def _drop(self, key: int) -> None:
        self.now -= self.live.pop(key, 0)

    def restart(self) -> None:
        """Forget the most so far."""
        self.peak = self.now


class OnGpu(contextlib.nullcontext):
    """The same from the GPU's own counters."""

    @property
    def peak(self) -> int:
        """Return the most since it was last forgotten."""
        return torch.cuda.max_memory_allocated()

    def restart(self) -> None:
        """Forget the most so far."""
        torch.cuda.reset_peak_memory_stats()


class Adapter(nn.Module):
    """LoRA's two matrices beside a linear layer, as PEFT has them in mixed precision."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Linear(base.in_features, RANK, bias=False, dtype=torch.float32)
        self.up = nn.Linear(RANK, base.out_features, bias=False, dtype=torch.float32)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Add what the adapter makes of the inputs: (…, inputs) to (…, outputs)."""
        return self.base(inputs) + self.up(self.down(nn.functional.dropout(inputs, 0.05)))


def adapt(model: nn.Module) -> None:
    """Put an adapter on every linear layer but the last, and train nothing else."""
    model.requires_grad_(False)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear) and name != "lm_head":
                setattr(module, name, Adapter(child))
    model.enable_input_require_grads()


def peak(config: dict[str, Any], task: str, length: int, device: str = "cpu") -> int:
    """Return the most bytes that one sequence of a length takes, in inference or in two steps of training."""
    values = {key: value for key, value in config.items() if key not in ("model_type", "torch_dtype")}
    shape = AutoConfig.for_model(config["model_type"], **values)
    memory = OnGpu() if device == "cuda" else Traced()
    fake = contextlib.nullcontext() if device == "cuda" else FakeTensorMode()
    with fake, memory, torch.device(device):
        dtype = torch.float32 if task == "full" else torch.bfloat16
        model = AutoModelForCausalLM.from_config(shape, dtype=dtype)
        ids = torch.randint(0, 1000, (1, length))
        if task == "infer":
            with torch.no_grad():
                memory.restart()
                model.eval()(input_ids=ids, use_cache=True, logits_to_keep=1)
            return memory.peak
        model.train()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if task == "lora":
            adapt(model)
        optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], foreach=True)
        for _ in range(2):  # the optimizer's state is there from the second step on
            memory.restart()
            with torch.autocast(device, torch.bfloat16):
                loss = model(input_ids=ids, labels=ids, use_cache=False).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            del loss
        return memory.peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="0.5B,1.5B,7B")
    parser.add_argument("--tasks", default="infer,lora,full")
    parser.add_argument("--lengths", default="512,2048,8192")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print("on", torch.cuda.get_device_name() if device == "cuda" else "tensors without content")
    print(f"{'model':<6} {'task':<6} {'length':>6} {'GB':>8} {'reckoned':>9} {'ratio':>6} {'needed':>8}")
    for name in args.models.split(","):
        shape = read(MODELS[name], name)
        for task in args.tasks.split(","):
            for length in map(int, args.lengths.split(",")):
                found = peak(MODELS[name], task, length, device)
                own = estimate(shape, Load(task=task, context=length, rank=RANK, prefill=0))
                ratio = own.allocated / found
                figures = f"{found / 1e9:8.2f} {own.allocated / 1e9:9.2f} {ratio:6.3f} {own.needed / 1e9:8.2f}"
                print(f"{name:<6} {task:<6} {length:>6} {figures}", flush=True)
                if device == "cuda":
                    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
