"""Checkpoints of sentence-transformers' trainers that hold what is trained, and nothing else.

The library's own write a whole model folder, and read one by making the model anew from it: as it guesses the model to
be, and, for adapters, through a way that wants another version of PEFT.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ragcli.errors import ModelError

_FILE = "model.safetensors"


class TrainedState:
    """To be put before a trainer's class: how it writes and reads the weights of a checkpoint."""

    model: Any
    args: Any

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        import torch
        from safetensors.torch import save_file

        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        state = state_dict if state_dict is not None else self.model.state_dict()
        wanted = {name for name, one in self.model.named_parameters() if one.requires_grad}
        save_file({name: state[name].contiguous() for name in sorted(wanted)}, folder / _FILE, {"format": "pt"})
        torch.save(self.args, folder / "training_args.bin")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = Path(resume_from_checkpoint) / _FILE
        try:
            state = load_file(path)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"the checkpoint {path} cannot be read: {error}.") from error
        wanted = {name for name, one in self.model.named_parameters() if one.requires_grad}
        if wanted != set(state):
            name = sorted(wanted ^ set(state))[0]
            raise ModelError(
                f"the checkpoint {resume_from_checkpoint} is of another run: {name} is not in both.",
                hint="Name another output folder, or take the settings that the run began with.",
            )
        self.model.load_state_dict(state, strict=False)
