"""What the recipes of language models share: loading, adapters, the arguments of TRL's trainers, saving."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragcli.errors import ModelError, UsageError
from ragcli.finetuning.recipe import Job
from ragcli.finetuning.settings import Settings
from ragcli.llms.protocols import Options
from ragcli.models.folder import ModelFolder

_PADS = ("<|finetune_right_pad_id|>", "<pad>", "[PAD]", "<|pad|>", "<|endoftext|>")


def tokenizer_of(base: ModelFolder, settings: Settings) -> Any:
    """Return the tokenizer of a base model, with a token to pad with.

    Raises:
        ModelError: the folder has none that can be loaded.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            base.path, local_files_only=True, trust_remote_code=settings.trust_remote_code
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"the tokenizer of {base.id} cannot be loaded: {reason}") from error
    if tokenizer.pad_token is None:
        vocabulary = tokenizer.get_vocab()
        tokenizer.pad_token = next((one for one in _PADS if one in vocabulary), tokenizer.eos_token)
    return tokenizer


def window(base: ModelFolder, tokenizer: Any) -> int:
    """Return the most tokens of a sequence that a model was made for, from its configuration alone."""
    from types import SimpleNamespace

    from transformers import AutoConfig

    from ragcli.llms.transformers_loading import window_of

    config = AutoConfig.from_pretrained(base.path, local_files_only=True)
    return window_of(SimpleNamespace(config=config), tokenizer) or 4096


def load_base(job: Job) -> Any:
    """Return the base model on its device, ready to be trained or to get adapters.

    Raises:
        MissingExtraError: a package that is needed is not installed.
        ModelError: it cannot be loaded.
    """
    import torch
    from transformers import set_seed

    from ragcli.finetuning.sharding import quantized_storage
    from ragcli.llms.transformers_loading import load

    settings = job.settings
    precision = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[settings.precision]
    # What is trained itself stays in full precision: a step is smaller than what bf16 can tell apart. fp16 is scaled.
    dtype = torch.float32 if settings.method == "full" else precision
    options: Options = {"dtype": dtype, "trust_remote_code": settings.trust_remote_code}
    set_seed(settings.seed)
    # A model that is shared out is cut on the processor: whole it may not fit the device.
    is_shared = settings.sharding in ("fsdp", "zero3") and settings.processes > 1 and settings.method != "qlora"
    loaded = load(
        job.base.path,
        settings.model,
        device="cpu" if is_shared else settings.device,
        quantize="int4" if settings.method == "qlora" else None,
        adapter=None,
        options=options,
        spread=False,
        storage=quantized_storage(settings.sharding, settings.precision) if settings.processes > 1 else "uint8",
    )
    loaded.net.config.use_cache = False
    return loaded.net


def adapter_config(settings: Settings) -> Any:
    """Return PEFT's configuration of the adapters; None for full training."""
    if settings.method == "full":
        return None
    from peft import LoraConfig

    targets = settings.targets[0] if settings.targets == ("all-linear",) else list(settings.targets)
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        base_model_name_or_path=settings.model,
    )


def check_targets(model: Any, settings: Settings) -> None:
    """Refuse names of modules that a model does not have.

    Raises:
        UsageError: one of them is none.
    """
    if settings.method == "full" or settings.targets == ("all-linear",):
        return
    names = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if hasattr(module, "weight")}
    wrong = [one for one in settings.targets if one not in names]
    if wrong:
        raise UsageError(
            f"{settings.model} has no modules named {', '.join(wrong)}.",
            hint=f"It has: {', '.join(sorted(names))}; all-linear takes every linear one.",
        )


def arguments_of(settings: Settings, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what TRL's configurations of causal models have in common."""
    return {
        **given,
        "max_length": settings.length,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "remove_unused_columns": False,
        "shuffle_dataset": False,
    }


def save_trained(job: Job, model: Any, folder: Path, state: Mapping[str, Any] | None = None) -> None:
    """Write the adapter, or the whole model in the precision that its base has, with tokenizer and template.

    Args:
        job: the run.
        model: what was trained, not wrapped.
        folder: where to.
        state: its whole state, where each process holds only a part.
    """
    import torch
    from transformers import AutoConfig

    settings = job.settings
    tokenizer = tokenizer_of(job.base, settings)
    if settings.method == "full":
        dtype = getattr(AutoConfig.from_pretrained(job.base.path, local_files_only=True), "dtype", None)
        dtype = dtype if isinstance(dtype, torch.dtype) else torch.float32
        given = state if state is not None else model.state_dict()
        tied = {name: value.to(dtype) if value.is_floating_point() else value for name, value in given.items()}
        model.config.use_cache = True
        model.config.dtype = dtype
        model.save_pretrained(folder, state_dict=tied)
    else:
        for one in model.peft_config.values():
            one.base_model_name_or_path = named(settings.model)
        model.save_pretrained(folder, state_dict=state)
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's; the card is ragcli's
    tokenizer.save_pretrained(folder)


def named(model: str) -> str:
    """Return a model's name as an adapter keeps it: a folder by its whole path."""
    path = Path(model).expanduser()
    return str(path.resolve()) if path.is_dir() else model


class LanguageRecipe:
    """How every language model is loaded and saved, whatever it learns."""

    def load(self, job: Job) -> Any:
        """Return the base; TRL's trainer puts the adapters in."""
        model = load_base(job)
        check_targets(model, job.settings)
        return model

    def save(self, job: Job, model: Any, folder: Path, state: Mapping[str, Any] | None = None) -> None:
        """Write adapter or model, tokenizer and template."""
        save_trained(job, model, folder, state)
