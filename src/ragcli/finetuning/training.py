"""A process of a run: loads the model, trains it from the last whole checkpoint on, and writes what it learnt.

Each process does this; the first alone writes and says what happens.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from ragcli.errors import ModelError, OutOfMemoryError
from ragcli.finetuning import checkpoints, job, prepared
from ragcli.finetuning.recipe import Job
from ragcli.finetuning.recipes import recipe_of
from ragcli.finetuning.settings import Settings
from ragcli.finetuning.stopping import Stop
from ragcli.finetuning.trainer import Watch
from ragcli.records import Json

Say = Callable[[Json], None]


def worker(work: str) -> bool:
    """Train as one of the processes of a run; the first alone tells what happens."""
    from ragcli.finetuning import ranks, recording

    folder = Path(work)
    return train(folder, recording.append(folder) if ranks.is_first() else _nothing, Stop())


def _nothing(record: Json) -> None:
    pass


def train(work: Path, say: Say, stop: Stop) -> bool:
    """Train what a folder's job says; return whether it came to its end.

    Args:
        work: the run's folder, with job and data.
        say: takes records.
        stop: whether the run was asked to end.

    Raises:
        OutOfMemoryError: a pass did not fit; what was learnt until then is in a checkpoint.
        NotFiniteError: the loss is no number.
        ModelError: the base cannot be loaded.
    """
    this = job.load(work)
    from ragcli.finetuning import ranks

    with quiet(work), stop.listening(alone=not ranks.inside()):
        return _train(this, say, stop)


def _train(this: Job, say: Say, stop: Stop) -> bool:
    from ragcli.llms.transformers_loading import is_out_of_memory

    folder = job.checkpoints(this.work)
    trainer = None
    failed: Exception | None = None
    try:
        kept = _agreed(checkpoints.last(folder), this)
        trainer = _trainer(this, say, stop)
        if kept is not None:
            say({"type": "resumed", "step": checkpoints.step_of(kept), "path": str(kept)})
        trainer.train(resume_from_checkpoint=str(kept) if kept is not None else None)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        failed = error.with_traceback(None)  # its frames hold tensors
    if failed is not None:
        rescue(trainer, folder)
        trainer = None
        gc.collect()
        _empty_cache()
        raise OutOfMemoryError(
            f"{this.settings.model}: the memory was not enough for {this.settings.micro_batch} rows at once."
        ) from failed
    assert trainer is not None
    if stop.wanted and trainer.state.global_step < trainer.state.max_steps:
        return False
    _write(this, trainer, say)
    return True


def _agreed(kept: Path | None, this: Job) -> Path | None:
    """Return the checkpoint to go on from, which all processes must see.

    Raises:
        ModelError: some see another one.
    """
    from ragcli.finetuning import ranks

    if ranks.world() == 1:
        return kept
    import torch
    from torch import distributed

    mine = checkpoints.step_of(kept) if kept is not None else -1
    device = "cuda" if this.settings.device == "cuda" else "cpu"
    found = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(ranks.world())]
    distributed.all_gather(found, torch.tensor([mine], device=device))
    steps = {int(one) for one in found}
    if len(steps) > 1:
        raise ModelError(
            f"the processes do not see the same checkpoints: of steps {', '.join(map(str, sorted(steps)))}.",
            hint="With several machines -o must be on a file system that all of them share.",
        )
    return kept


def rescue(trainer: Any, folder: Path) -> None:
    """Keep what was learnt before the memory ran out: the weights are those after the last whole step.

    Only a process that is alone can do it; several begin from their last checkpoint.
    """
    if trainer is None or trainer.accelerator.num_processes > 1 or trainer.stepping:
        return
    trainer.model.zero_grad(set_to_none=True)
    gc.collect()
    _empty_cache()
    kept = checkpoints.last(folder)
    if trainer.state.global_step > (checkpoints.step_of(kept) if kept is not None else 0):
        trainer._save_checkpoint(trainer.model)


def _trainer(this: Job, say: Say, stop: Stop) -> Any:
    from transformers import EarlyStoppingCallback, PrinterCallback

    settings = this.settings
    recipe = recipe_of(settings.task)
    train_rows = prepared.read(this.work, prepared.TRAIN)
    evaluation = prepared.read(this.work, prepared.EVALUATION)
    model = recipe.load(this)
    watch = Watch(
        say=say,
        place=prepared.place_of(this.work, prepared.TRAIN),
        checkpoints=job.checkpoints(this.work),
        keep=settings.keep,
        stop=stop,
    )
    if "tensorboard" in settings.report_to:  # else they would go with the work folder
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(Path(settings.output) / "runs"))
    trainer = recipe.trainer(this, model, train_rows, evaluation, arguments(this, evaluation is not None), watch)
    trainer.remove_callback(PrinterCallback)  # it prints to stdout
    if settings.patience and evaluation is not None:
        trainer.add_callback(EarlyStoppingCallback(early_stopping_patience=settings.patience))
    return trainer


def arguments(this: Job, has_evaluation: bool) -> dict[str, Any]:
    """Return what `transformers.TrainingArguments` takes of the settings."""
    from ragcli.finetuning import sharding

    settings = this.settings
    every = settings.save_steps
    told: dict[str, Any] = {
        **sharding.arguments(settings, settings.sharding),
        "output_dir": str(this.work / "output"),
        "per_device_train_batch_size": settings.micro_batch,
        "per_device_eval_batch_size": settings.micro_batch,
        "gradient_accumulation_steps": settings.accumulation,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup,
        "weight_decay": settings.weight_decay,
        "neftune_noise_alpha": settings.neftune or None,
        "bf16": settings.precision == "bf16",
        "fp16": settings.precision == "fp16",
        "dataloader_pin_memory": settings.device == "cuda",
        "seed": settings.seed,
        "data_seed": settings.seed,
        "logging_strategy": "steps",
        "logging_steps": settings.log_steps,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": every,
        "disable_tqdm": True,
        "report_to": list(settings.report_to) or "none",
        "eval_strategy": "no",
    }
    if has_evaluation:
        told |= {"eval_strategy": "steps", "eval_steps": settings.eval_steps}
        if settings.patience:  # a checkpoint with each evaluation, so that the best one is there
            told["save_steps"] = told["eval_steps"]
            told |= {"load_best_model_at_end": True, "metric_for_best_model": "loss", "greater_is_better": False}
    return told


def _write(this: Job, trainer: Any, say: Say) -> None:
    """Write what was learnt to the run's folder, whole or not at all."""
    from ragcli.finetuning import sharded

    state = None
    wrapping: Any = contextlib.nullcontext()
    if getattr(trainer, "is_fsdp_enabled", False):
        state = sharded.whole_state(trainer.model, trained=this.settings.method != "full")
        wrapping = sharded.unwrapped(trainer.model)
    elif getattr(trainer, "is_deepspeed_enabled", False):
        state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if trainer.state.is_world_process_zero:
        part = this.work / f"{job.TRAINED}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        with wrapping:
            model = trainer.accelerator.unwrap_model(trainer.model)
            recipe_of(this.settings.task).save(this, model, part, state)
        if state is not None and this.settings.method != "full":
            sharded.check_adapter(trainer.model, part)
        target = this.work / job.TRAINED
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
        losses = [one["loss"] for one in trainer.state.log_history if "loss" in one]
        best = {"best_step": trainer.state.best_global_step} if trainer.args.load_best_model_at_end else {}
        say(
            {
                "type": "trained",
                "steps": trainer.state.global_step,
                "epochs": round(trainer.state.epoch or 0.0, 4),
                "first_loss": losses[0] if losses else None,
                "last_loss": losses[-1] if losses else None,
                **best,
            }
        )
    trainer.accelerator.wait_for_everyone()


def _empty_cache() -> None:
    """Give back what is free: to the GPU, and to the system what the C library keeps."""
    import ctypes

    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@contextmanager
def quiet(work: Path) -> Iterator[None]:
    """Send what the libraries print and warn of to a file of the run."""
    import datasets
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it advises packages
    handler = logging.FileHandler(work / "log.txt", encoding="utf-8")
    root = logging.getLogger("py.warnings")
    logging.captureWarnings(True)
    root.addHandler(handler)
    root.propagate = False
    try:
        with (
            (work / "printed.txt").open("a", encoding="utf-8") as printed,
            redirect_stdout(printed),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("default")
            yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        root.propagate = True
        handler.close()


def steps_between(settings: Settings, steps: int) -> Settings:
    """Return the settings with the steps between records, evaluations and checkpoints chosen."""
    from dataclasses import replace

    save = settings.save_steps or min(500, max(1, math.ceil(steps / 10)))
    evaluate = settings.eval_steps or (save if settings.patience else max(save, min(500, math.ceil(steps / 4))))
    return replace(
        settings, save_steps=save, eval_steps=evaluate, log_steps=settings.log_steps or (1 if steps <= 500 else 10)
    )
