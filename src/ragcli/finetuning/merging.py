"""An adapter put into its base's weights: one folder that whatever loads models can load."""

from __future__ import annotations

from pathlib import Path

from ragcli.errors import ModelError
from ragcli.finetuning.recipe import Job
from ragcli.finetuning.recipes import language


def merge(this: Job, adapter: Path, folder: Path) -> None:
    """Write base and adapter as one model, in the precision of the base.

    Also what was trained on a base in 4 bits is put into the whole one: what the bits lost is not kept.

    Args:
        this: the run.
        adapter: the folder of the adapter.
        folder: where to; it is there and empty.

    Raises:
        ModelError: they do not go together, or a weight is no number.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(
        this.base.path,
        local_files_only=True,
        dtype="auto",
        trust_remote_code=this.settings.trust_remote_code,
    )
    stored = base.dtype
    if stored in (torch.float16, torch.bfloat16):
        base = base.float()  # the sum is rounded once
    merged = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload(safe_merge=True)
    for name, value in merged.named_parameters():
        if not torch.isfinite(value).all():
            raise ModelError(f"the merged model has a weight that is no number: {name}.")
    merged.to(stored).save_pretrained(folder)
    language.tokenizer_of(this.base, this.settings).save_pretrained(folder)
