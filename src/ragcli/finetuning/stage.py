"""A whole run: prepare, train, go on where the memory was not enough, check what was forgotten, write the model.

Run again, it goes on from the last whole checkpoint; when all is done it does nothing.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from ragcli.errors import ModelError, OutOfMemoryError, UsageError
from ragcli.finetuning import checkpoints, job, ranks, recording
from ragcli.finetuning.finishing import MANIFEST, finish
from ragcli.finetuning.launch import launch
from ragcli.finetuning.planning import LANGUAGE
from ragcli.finetuning.preparing import Prepared, Request, prepare
from ragcli.finetuning.recipe import Job
from ragcli.finetuning.training import Say, quiet, worker
from ragcli.jsonl import OnBad, loads
from ragcli.records import Json

_SPARE = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended.

    Args:
        record: the last record: what was made; None where it was stopped before.
        step: where it was stopped.
        flagged: the guard found that too much was forgotten.
    """

    record: Json | None
    step: int = 0
    flagged: bool = False


def finetune(request: Request, say: Say, *, on_bad: OnBad | None = None, prepared: Prepared | None = None) -> Outcome:
    """Train a model, and write it to the request's output.

    Args:
        request: what the user asks for.
        say: takes the records.
        on_bad: takes the errors of bad rows, which then do not end it.
        prepared: from `prepare`, where that was called already.

    Raises:
        RagcliError: what is wrong, in a sentence.
    """
    output = Path(request.wish.output)
    done = earlier(request)
    if done is not None:
        return Outcome(record=done)
    work = job.work_of(output, request.node)
    made = prepared or prepare(request, work, on_bad)
    is_first = ranks.is_first() and request.nodes.rank == 0
    if is_first:
        _check_room(made.job)
    with recording.followed(work, say) if is_first else contextlib.nullcontext():
        ended = (work / job.TRAINED).is_dir() or _train(work, request)
        if not ended:
            return Outcome(record=None, step=_step(work))
        if not is_first:
            if request.node and ranks.local_rank() == 0:
                shutil.rmtree(work, ignore_errors=True)
            return Outcome(record={})
        with quiet(work):
            flagged = finish(job.load(work), request, output)
    record = finished(output, request.key())
    assert record is not None
    return Outcome(record=record, flagged=flagged)


def earlier(request: Request) -> Json | None:
    """Return the record of the run where it is finished already.

    Raises:
        UsageError: the output holds something else.
    """
    if request.overwrite and request.nodes.rank:  # the first machine replaces it, now or soon
        return None
    return finished(Path(request.wish.output), request.key())


def finished(output: Path, key: str) -> Json | None:
    """Return the record of a finished run of the same key in a folder.

    Raises:
        UsageError: the folder holds something else.
    """
    if not output.exists():
        return None
    if not output.is_dir():
        raise UsageError(f"{output} is a file; -o is a folder.", hint="Give a folder that is not there yet.")
    try:
        told = loads((output / MANIFEST).read_bytes())
    except (OSError, ValueError):
        told = None
    if isinstance(told, dict):
        if told.get("key") == key:
            return {**told["result"], "finished": True}
        raise UsageError(
            f"{output} holds a model that was made with other data or settings.",
            hint="Give another -o, or --overwrite to replace it.",
        )
    if (output / job.WORK).is_dir():  # under way
        return None
    others = [one.name for one in output.iterdir()]
    if others:
        raise UsageError(
            f"{output} is not empty: it holds {', '.join(sorted(others)[:3])}.",
            hint="Give a folder that is not there yet, or --overwrite to replace it.",
        )
    return None


def _train(work: Path, request: Request) -> bool:
    """Train in as many processes as the job has, with smaller passes where the memory is not enough."""
    say = recording.append(work)
    apart = False
    while True:
        this = job.load(work)
        try:
            return bool(
                launch(
                    worker,
                    (str(work),),
                    processes=this.settings.processes // request.nodes.count,
                    device=this.settings.device,
                    work=work,
                    nodes=request.nodes,
                    agreement=request.key(),
                    apart=apart,
                )
            )
        except KeyboardInterrupt:
            if _step(work) <= 0:
                raise
            return False
        except OutOfMemoryError as error:
            micro = this.settings.micro_batch
            if micro == 1 or ranks.inside():
                raise ModelError(
                    f"the memory is not enough for {micro} rows of {this.settings.length} tokens.", hint=_smaller(this)
                ) from error
            smaller = job.with_batch(this, max(1, micro // 2))
            job.save(smaller)
            apart = True  # what did not fit may not be wholly free again in this process
            say(
                {
                    "type": "out_of_memory",
                    "step": _step(work),
                    "micro_batch": smaller.settings.micro_batch,
                    "accumulation": smaller.settings.accumulation,
                    "message": f"the memory was not enough for {micro} rows at once; it goes on with"
                    f" {smaller.settings.micro_batch} at once and {smaller.settings.accumulation} passes a step",
                }
            )


def _step(work: Path) -> int:
    kept = checkpoints.last(job.checkpoints(work))
    return checkpoints.step_of(kept) if kept is not None else 0


def _smaller(this: Job) -> str:
    settings = this.settings
    ways = [] if settings.checkpointing else ["--checkpointing"]
    ways += ["--method lora"] if settings.method == "full" else []
    ways += ["--method qlora"] if settings.method == "lora" and settings.task in LANGUAGE else []
    ways += ["--micro-batch 1"] if settings.micro_batch > 1 else []
    ways += [f"--length {settings.length // 2}"] if settings.length > 64 else []
    return f"Try {', '.join(ways)}; ragcli gpu-check shows what fits."


def _check_room(this: Job) -> None:
    """Refuse a run for whose checkpoints and model the disk has no room.

    Raises:
        ModelError: it has none.
    """
    weights = checkpoints.size(this.base.path)
    settings = this.settings
    trained = weights if settings.method == "full" else max(1 << 20, weights // 50)
    wanted = trained * 3 * (settings.keep + 1) + (weights if settings.merge else trained)
    free = checkpoints.free(this.work)
    have = sum(checkpoints.size(one) for one in checkpoints.checkpoints(job.checkpoints(this.work)))
    if free + have < wanted * _SPARE:
        raise ModelError(
            f"the run needs about {wanted / 2**30:.1f} GiB for {settings.keep + 1} checkpoints and the model, and"
            f" {free / 2**30:.1f} GiB are free in {this.work.parent}.",
            hint="Give an -o on another disk, or --keep 1.",
        )


def clear(output: Path, node: int = 0) -> None:
    """Remove what a folder of ours holds: a model that was tuned, or a run under way.

    Args:
        output: the folder.
        node: the machine that does it: the first leaves to the others what they prepare there, each to itself.

    Raises:
        UsageError: it holds something that no run of ours wrote.
    """
    if not output.exists():
        return
    if not output.is_dir():
        raise UsageError(f"{output} is a file; -o is a folder.", hint="Give a folder that is not there yet.")
    ours = (output / MANIFEST).is_file() or (output / job.WORK).is_dir() or not any(output.iterdir())
    if not ours:
        raise UsageError(
            f"{output} holds what ragcli finetune did not write, so that it is not replaced.",
            hint="Remove it yourself, or give another -o.",
        )
    if node:
        shutil.rmtree(job.work_of(output, node), ignore_errors=True)
        return
    for one in (*output.iterdir(), *(output / job.WORK).glob("*")):
        if one.name == job.WORK or (one.parent.name == job.WORK and one.name.startswith(job.NODE)):
            continue
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()
