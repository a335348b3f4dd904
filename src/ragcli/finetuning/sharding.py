"""What each of several processes holds: the whole model (ddp), or a share of it (fsdp, zero3).

The libraries turn one into the other in silence: accelerate makes DDP of FSDP where there is no GPU, and one process of
two where the start goes wrong. So what was prepared is looked at before the first step.

fsdp is FSDP2, torch's ``fully_shard``: each transformer layer is a unit whose parameters are DTensors, cut along their
first dimension. zero3 is DeepSpeed's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ragcli.errors import ModelError, RagcliError, UsageError
from ragcli.finetuning import ranks, sharded
from ragcli.finetuning.settings import Settings
from ragcli.records import Json

if TYPE_CHECKING:
    from ragcli.hardware.architecture import Architecture

_SLACK = 1.05  # a share may be larger by what the first dimension does not divide by


def resolve(
    settings: Settings, model: Architecture | None = None, memory: Sequence[int] = (), weights: int | None = None
) -> str:
    """Return what each process holds: as the settings say, or where they say auto, as memory allows.

    ddp, where all that one process needs fits its device: it is the fastest. Else fsdp.

    Args:
        settings: with method, length, micro_batch, device and processes decided.
        model: its shape; without one nothing is known of memory, and it is ddp.
        memory: bytes free on each device of this machine; for the processor the share of one process.
        weights: bytes of the checkpoint's weights, where they are known.

    Raises:
        UsageError: it cannot be had with these settings.
        RagcliError: DeepSpeed is not installed.
    """
    asked = settings.sharding
    if asked == "zero3":
        if settings.device == "cpu":
            raise UsageError("--sharding zero3 needs GPUs.", hint="--sharding fsdp works on the processor, too.")
        if find_spec("deepspeed") is None:
            raise RagcliError(
                "--sharding zero3 needs DeepSpeed, which is not installed.",
                hint="--sharding fsdp shares out the same (weights, gradients, optimizer) without it;"
                " or: pip install deepspeed",
            )
    if settings.processes == 1:
        if asked in ("fsdp", "zero3"):
            raise UsageError(
                f"--sharding {asked} shares a model out to several processes, and there is one.",
                hint="--gpus says how many; leave --sharding out for one.",
            )
        return "ddp"
    if settings.device == "mps":
        raise UsageError("several processes train on CUDA or on the processor, not on a Mac's GPU.")
    if asked != "auto":
        return asked
    if model is None or not memory or not settings.length or not settings.micro_batch:
        return "ddp"
    from ragcli.hardware.memory import Load, estimate

    load = Load(task=settings.method, context=settings.length, batch=settings.micro_batch, rank=settings.rank)
    load = replace(load, gpus=1, sharding="none", on_cpu=settings.device == "cpu")
    return "ddp" if estimate(model, load, weights).needed <= min(memory) else "fsdp"


def arguments(settings: Settings, sharding: str, *, timeout: float = 1800.0) -> Json:
    """Return what `transformers.TrainingArguments` needs for it.

    Args:
        settings: of the run.
        sharding: from `resolve`.
        timeout: seconds that one process waits for another.
    """
    values: Json = {"use_cpu": settings.device == "cpu", "ddp_timeout": int(timeout)}
    values["average_tokens_across_devices"] = True  # the mean of the loss is over the tokens of all processes
    checkpointing = _checkpointing(settings.checkpointing)
    if sharding == "fsdp":
        values["fsdp"] = True
        values["fsdp_config"] = {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "reshard_after_forward": True,
            "state_dict_type": "SHARDED_STATE_DICT",
            "activation_checkpointing": settings.checkpointing,
            "cpu_ram_efficient_loading": False,
        }
        return {**values, **_checkpointing(False)}  # the layers are wrapped for it before they are cut
    if sharding == "zero3":
        return {**values, **checkpointing, "deepspeed": deepspeed(settings)}
    return {**values, **checkpointing, "ddp_find_unused_parameters": False}


def _checkpointing(on: bool) -> Json:
    """Return the argument by the name that this version of transformers has for it; TRL's default is to do it."""
    from dataclasses import fields

    from transformers import TrainingArguments

    names = {one.name for one in fields(TrainingArguments)}
    prefix = "activation" if "activation_checkpointing" in names else "gradient"
    values: Json = {f"{prefix}_checkpointing": on}
    if on:
        values[f"{prefix}_checkpointing_kwargs"] = {"use_reentrant": False}
    return values


def deepspeed(settings: Settings) -> Json:
    """Return DeepSpeed's configuration of ZeRO stage 3; what is "auto" the Trainer fills in from its own arguments."""
    return {
        "zero_optimization": {
            "stage": 3,
            "overlap_comm": True,
            "contiguous_gradients": True,
            "reduce_bucket_size": "auto",
            "stage3_prefetch_bucket_size": "auto",
            "stage3_param_persistence_threshold": "auto",
            "stage3_gather_16bit_weights_on_model_save": True,
        },
        "bf16": {"enabled": settings.precision == "bf16"},
        "fp16": {"enabled": settings.precision == "fp16"},
        "gradient_clipping": "auto",
        "gradient_accumulation_steps": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "train_batch_size": "auto",
        "steps_per_print": 1_000_000_000,
        "wall_clock_breakdown": False,
    }


def quantized_storage(sharding: str, precision: str) -> str:
    """Return the type that 4-bit weights are stored as: fsdp shares out only what looks like the other parameters.

    It is ``bnb_4bit_quant_storage`` of `transformers.BitsAndBytesConfig`.
    """
    if sharding != "fsdp":
        return "uint8"
    return {"bf16": "bfloat16", "fp16": "float16"}.get(precision, "float32")


def check(trainer: Any) -> None:
    """See that the trainer's model, once prepared, is shared out as its arguments say.

    Raises:
        ModelError: it is not; it would train, but not as was asked for.
    """
    processes = ranks.world()
    if trainer.args.world_size != processes:
        raise ModelError(f"{processes} processes were started, and the trainer knows of {trainer.args.world_size}.")
    if trainer.args.fsdp:
        _check_shares(trainer, processes)
    elif getattr(trainer.args, "deepspeed", None):
        parameters = list(trainer.model.parameters())
        if not trainer.is_deepspeed_enabled or not all(hasattr(one, "ds_id") for one in parameters):
            raise ModelError("zero3 was asked for, and DeepSpeed has not shared the model out.")
    elif processes > 1:
        from torch.nn.parallel import DistributedDataParallel

        if not isinstance(trainer.model_wrapped, DistributedDataParallel):
            found = type(trainer.model_wrapped).__name__
            raise ModelError(f"ddp was asked for, and the model is not wrapped for it: it is a {found}.")


def _check_shares(trainer: Any, processes: int) -> None:
    from torch.distributed.tensor import DTensor, Shard

    held = total = 0
    whole: list[str] = []
    mine: set[int] = set()
    for name, parameter in trainer.model.named_parameters():
        mine.add(id(parameter))
        total += parameter.numel()
        if isinstance(parameter, DTensor) and any(isinstance(one, Shard) for one in parameter.placements):
            held += parameter.to_local().numel()
        else:
            held += parameter.numel()
            whole.append(name)
    if whole:
        some = ", ".join(whole[:3]) + (f" and {len(whole) - 3} more" if len(whole) > 3 else "")
        raise ModelError(
            f"fsdp was asked for, and rank {ranks.rank()} holds {len(whole)} parameters whole: {some}.",
            hint="The training would go on as ddp, and take the memory of it. 4-bit weights need a floating"
            " bnb_4bit_quant_storage.",
        )
    rows = sum(1 for _ in trainer.model.parameters())
    most = total / processes * _SLACK + rows * 8192
    if held > most:
        raise ModelError(f"fsdp was asked for, and rank {ranks.rank()} holds {held} of {total} parameters.")
    for group in trainer.optimizer.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in mine:
                raise ModelError("the optimizer holds parameters that are not the model's: it would train nothing.")


if TYPE_CHECKING:
    from transformers import Trainer as _Trainer
else:
    _Trainer = object


class Sharded(_Trainer):  # type: ignore[misc]
    """A mixin for a `transformers.Trainer`, before it in the order of bases, that makes of fsdp what it says.

    On the processor, too; with checkpoints that go on in another number of processes, shared out or not; and it
    checks what was prepared before the first step.
    """

    is_fsdp_enabled: bool

    def create_accelerator_and_postprocess(self) -> None:
        """Make the accelerator; let it share out on the processor as well."""
        super().create_accelerator_and_postprocess()
        if self.args.fsdp and not self.is_fsdp_enabled:
            _share_out(self)

    def _prepare_for_training(self, max_steps: int, train_dataloader: Any, resume_from_checkpoint: Any) -> Any:
        self._loaded_before = False
        if resume_from_checkpoint is not None and self.is_fsdp_enabled and not sharded.is_one(resume_from_checkpoint):
            # A checkpoint of whole tensors goes into the model before that is cut.
            self.is_fsdp_enabled = False
            try:
                super()._load_from_checkpoint(resume_from_checkpoint, self.model)
            finally:
                self.is_fsdp_enabled = True
            self._loaded_before = True
        prepared = super()._prepare_for_training(max_steps, train_dataloader, resume_from_checkpoint)
        check(self)
        return prepared

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if sharded.is_one(resume_from_checkpoint):
            sharded.load_model(self.model if model is None else model, resume_from_checkpoint)
        elif not getattr(self, "_loaded_before", False):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or not (self.is_fsdp_enabled or sharded.is_one(checkpoint)):
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        if sharded.is_one(checkpoint):
            sharded.load_optimizer(self.model, self.optimizer, checkpoint)
        else:
            sharded.load_whole_optimizer(self.optimizer, os.path.join(checkpoint, "optimizer.pt"))  # noqa: PTH118
        sharded.load_scheduler(self.lr_scheduler, checkpoint)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        sharded.save(self.model, self.optimizer, output_dir)
        if self.args.should_save:
            sharded.save_scheduler(self.lr_scheduler, output_dir)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the whole model; within a checkpoint of fsdp each process writes its share instead."""
        if not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)
        elif not _internal_call:
            folder = output_dir or self.args.output_dir
            state = sharded.whole_state(self.model, trained=False)
            if self.args.should_save:
                with sharded.unwrapped(self.model):
                    self._save(folder, state_dict=state)
                sharded.check_adapter(self.model, folder)
            ranks.barrier()


def _share_out(trainer: Any) -> None:
    """Set what accelerate sets for several GPUs and leaves out for several processes without one."""
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    state = trainer.accelerator.state
    if state.distributed_type != DistributedType.MULTI_CPU:
        raise ModelError(
            f"fsdp was asked for, and this is {state.distributed_type.value}: {trainer.args.world_size} process."
        )
    plugin = FullyShardedDataParallelPlugin(**trainer.args.fsdp_plugin_args)
    if state.mixed_precision != "no":
        plugin.set_mixed_precision(state.mixed_precision)
    state.fsdp_plugin = plugin
    state.distributed_type = DistributedType.FSDP
    PartialState._shared_state["distributed_type"] = DistributedType.FSDP
    trainer.is_fsdp_enabled = True
