"""What is the same for every trainer: records, rows that are named, whole checkpoints, and an end in order.

`Careful` stands before a trainer of TRL or sentence-transformers in a class's bases and changes what their users trip
over: a loss that is no number stops the run before it reaches the weights, with the step and the rows; a checkpoint is
whole or not there; the disk is looked at first; a signal ends the run after its step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragcli.errors import RagcliError
from ragcli.finetuning import checkpoints
from ragcli.finetuning.stopping import Stop
from ragcli.records import Json

ROW, LENGTH = "row", "length"  # columns of a data set that the model does not see
_TOKENS = "tokens"
_SHOWN = 8  # rows in a message
_SPARE = 1.1  # of a checkpoint's size


class NotFiniteError(RagcliError):
    """A loss or a gradient that is no number; the weights are as they were before the step."""


@dataclass(slots=True)
class Watch:
    """What a run's trainer tells and asks.

    Args:
        say: takes a record; only the first process has one that writes.
        place: the number of a row -> where it stands.
        checkpoints: the folder of the checkpoints.
        keep: how many of them.
        stop: whether the run was asked to end.
    """

    say: Callable[[Json], None]
    place: Callable[[int], str]
    checkpoints: Path
    keep: int
    stop: Stop = field(default_factory=Stop)


def careful(trainer: type, watch: Watch) -> type:
    """Return a library's trainer with care taken, which several processes can share."""
    from ragcli.finetuning.sharding import Sharded

    return type(f"Careful{trainer.__name__}", (Careful, Sharded, trainer), {"watch": watch})


class Numbered:
    """A collator that keeps which rows a batch holds, and their tokens."""

    def __init__(self, collator: Callable[[list[Json]], Json]) -> None:
        self.collator = collator

    def __call__(self, examples: Sequence[Json]) -> Json:
        """Return the batch of the library's own collator, with the rows' numbers and the count of tokens beside it."""
        rows: list[int] = []
        tokens = 0
        bare = []
        for example in examples:
            one = dict(example)
            row = one.pop(ROW, None)
            rows += sorted(set(row)) if isinstance(row, list) else [] if row is None else [row]
            length = one.pop(LENGTH, None)
            told = one.pop(_TOKENS, length)  # a row of several texts has more tokens than its longest
            tokens += told if told is not None else len(one.get("input_ids") or ())
            bare.append(one)
        return {**self.collator(bare), ROW: rows, _TOKENS: tokens}

    def __getattr__(self, name: str) -> Any:
        """Hand on what trainers ask of their collator."""
        if name == "collator":
            raise AttributeError(name)
        return getattr(self.collator, name)


class Careful:
    """See the module; its bases come from `careful`."""

    watch: Watch
    args: Any
    state: Any
    control: Any
    accelerator: Any
    model: Any
    data_collator: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        above: Any = super()
        above.__init__(*args, **kwargs)
        self.data_collator = Numbered(self.data_collator)
        self._rows: list[int] = []
        self._tokens = 0
        self._tokens_total = 0
        self._paused = 0.0
        self._begun = self._said = time.perf_counter()
        self._first_step: int | None = None
        self.stepping = False  # within the optimizer, where weights are of two minds

    # A step

    def training_step(self, model: Any, inputs: Json, num_items_in_batch: Any = None) -> Any:
        """Do a pass, and look at its loss."""
        if self._first_step is None:
            self._first_step = self.state.global_step
            self._begun = self._said = time.perf_counter()
        rows = inputs.pop(ROW, [])
        self._tokens += inputs.pop(_TOKENS, 0)
        self._rows += rows
        above: Any = super()
        loss = above.training_step(model, inputs, num_items_in_batch)
        value = float(loss)
        if not math.isfinite(value):
            self._stop_at("loss", value, rows)
        return loss

    def prediction_step(self, model: Any, inputs: Json, *args: Any, **kwargs: Any) -> Any:
        """Do a pass of an evaluation, without what the model does not take."""
        bare = {key: value for key, value in inputs.items() if key not in (ROW, _TOKENS)}
        above: Any = super()
        return above.prediction_step(model, bare, *args, **kwargs)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        above: Any = super()
        norm = above._get_grad_norm(model, grad_norm)
        scaled = getattr(self.accelerator, "scaler", None) is not None  # fp16, whose scaler passes over such a step
        if norm is not None and not scaled and not math.isfinite(float(norm)):
            self._stop_at("gradient", float(norm), self._rows)
        self._rows = []
        self.stepping = True
        return norm

    def _stop_at(self, what: str, value: float, rows: Sequence[int]) -> None:
        places = [self.watch.place(row) for row in rows]
        shown = ", ".join(places[:_SHOWN]) + (f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else "")
        step = self.state.global_step + 1
        kept = checkpoints.last(self.watch.checkpoints)
        at = f"the checkpoint of step {checkpoints.step_of(kept)} is whole" if kept else "no checkpoint was written yet"
        raise NotFiniteError(
            f"the {what} is {value} at step {step}; the rows of it are {shown}.",
            hint=f"Look at these rows, or take a lower --learning-rate; {at}.",
        )

    # What is said

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Say a record of what the trainer logs."""
        above: Any = super()
        above.log(logs, start_time)
        if "loss" in logs:
            record = self._step_record(logs)
        elif any(key.startswith("eval_") for key in logs):
            record = self._evaluation_record(logs)
        else:
            return
        if self.state.is_world_process_zero:
            self.watch.say(record)

    def _step_record(self, logs: dict[str, float]) -> Json:
        now = time.perf_counter()
        tokens = self._all(self._tokens)
        seconds = max(now - self._said - self._paused, 1e-9)
        done = max(1, self.state.global_step - (self._first_step or 0))
        self._tokens_total += tokens
        pace = (now - self._begun) / done
        self._tokens, self._said, self._paused = 0, now, 0.0
        return {
            "type": "step",
            "step": self.state.global_step,
            "steps": self.state.max_steps,
            "epoch": round(self.state.epoch or 0.0, 4),
            "loss": logs["loss"],
            "learning_rate": logs.get("learning_rate"),
            "gradient_norm": logs.get("grad_norm"),
            "tokens": tokens,
            "tokens_per_second": round(tokens / seconds, 1),
            "seconds": round(seconds, 3),
            "memory": self._memory(),
            "seconds_left": round(pace * (self.state.max_steps - self.state.global_step), 1),
        }

    def _evaluation_record(self, logs: dict[str, float]) -> Json:
        values = {key.removeprefix("eval_"): value for key, value in logs.items() if key.startswith("eval_")}
        record: Json = {"type": "evaluation", "step": self.state.global_step}
        if "loss" in values:
            record["loss"] = values["loss"]
        left_out = ("loss", "runtime", "samples_per_second", "steps_per_second", "num_tokens", "model_preparation_time")
        return record | {key: value for key, value in values.items() if key not in left_out}

    def _all(self, count: int) -> int:
        """Return the sum of a count over all processes."""
        if self.accelerator.num_processes == 1:
            return count
        import torch

        given = torch.tensor(count, dtype=torch.int64, device=self.accelerator.device)
        return int(self.accelerator.reduce(given, reduction="sum").item())

    def _memory(self) -> int:
        """Return the most bytes that this process took: of the GPU where there is one."""
        import torch

        if self.accelerator.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated())
        import psutil

        used = psutil.Process().memory_info()
        return int(getattr(used, "peak_wset", used.rss))

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate; its time is not that of the steps."""
        began = time.perf_counter()
        above: Any = super()
        try:
            return above.evaluate(*args, **kwargs)
        finally:
            self._paused += time.perf_counter() - began

    # Ends and checkpoints

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        self.stepping = False
        if self._wants_stop():
            self.control.should_training_stop = True
            self.control.should_log = self.control.should_save = True
        above: Any = super()
        above._maybe_log_save_evaluate(*args, **kwargs)

    def _wants_stop(self) -> bool:
        """Whether any process was asked to end; all answer the same, or they would wait for each other."""
        return self._all(int(self.watch.stop.wanted)) > 0

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        from transformers import Trainer

        began = time.perf_counter()
        step = self.state.global_step
        target = self.watch.checkpoints / f"checkpoint-{step}"
        if (target / "trainer_state.json").is_file() or not self._has_room(step):
            return
        part = self.watch.checkpoints / checkpoints.PART
        if self.state.is_world_process_zero:
            checkpoints.remove_parts(self.watch.checkpoints)
            part.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        kept = self.args.output_dir, self.args.save_total_limit
        self.args.output_dir, self.args.save_total_limit = str(part), None
        try:
            # Not the method of the trainer between: TRL's writes a card first, for which it asks the network.
            Trainer._save_checkpoint(self, model, trial)
        finally:
            self.args.output_dir, self.args.save_total_limit = kept
        self.accelerator.wait_for_everyone()
        best = self._best()
        self.state.best_model_checkpoint = str(best) if best is not None else None
        if self.state.is_world_process_zero:
            self.state.save_to_json(str(part / target.name / "trainer_state.json"))
            (part / target.name).rename(target)
            checkpoints.remove_parts(self.watch.checkpoints)
            checkpoints.remove_oldest(self.watch.checkpoints, self.watch.keep, best)
            self.watch.say({"type": "checkpoint", "step": step, "path": str(target)})
        self.accelerator.wait_for_everyone()
        self._paused += time.perf_counter() - began

    def _best(self) -> Path | None:
        """Return the checkpoint with the lowest evaluation loss, where the run is to end with it."""
        if self.args.load_best_model_at_end and self.state.best_global_step:
            return self.watch.checkpoints / f"checkpoint-{self.state.best_global_step}"
        return None

    def _has_room(self, step: int) -> bool:
        """Whether the disk has room for a checkpoint; where it has none, the run goes on without it and says so."""
        import torch

        lacks = 0
        if self.state.is_world_process_zero:
            kept = checkpoints.last(self.watch.checkpoints)
            wanted = checkpoints.size(kept) if kept is not None else self.checkpoint_bytes()
            free = checkpoints.free(self.watch.checkpoints)
            if free < wanted * _SPARE:
                lacks = 1
                self.watch.say(
                    {
                        "type": "warning",
                        "step": step,
                        "message": f"no checkpoint at step {step}: it needs {wanted >> 20} MiB, and"
                        f" {free >> 20} MiB are free in {self.watch.checkpoints}",
                    }
                )
        if self.accelerator.num_processes > 1:
            given = torch.tensor(lacks, device=self.accelerator.device)
            lacks = int(self.accelerator.reduce(given, reduction="sum").item())
        return not lacks

    def checkpoint_bytes(self) -> int:
        """Return about how many bytes a checkpoint has: what is trained, and Adam's two moments of it."""
        trained = sum(one.numel() * one.element_size() for one in self.model.parameters() if one.requires_grad)
        whole = sum(one.numel() * one.element_size() for one in self.model.parameters())
        is_adapter = hasattr(self.model, "peft_config")
        return int(3 * trained if is_adapter else whole + 2 * trained)
