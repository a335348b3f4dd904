"""``ragcli finetune``: from rows of JSON to a model that ask and embed use."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ragcli.cli.options import (
    DEFAULT_DB,
    DbOption,
    Device,
    DeviceOption,
    FormatOption,
    QuietOption,
    SkipBadOption,
    as_table,
    long_names,
)
from ragcli.errors import UsageError


class Task(str, Enum):
    """What is learnt."""

    auto = "auto"
    chat = "chat"
    text = "text"
    preference = "preference"
    embedding = "embedding"
    reranker = "reranker"


class Method(str, Enum):
    """What of the model is trained."""

    auto = "auto"
    full = "full"
    lora = "lora"
    qlora = "qlora"


class Schedule(str, Enum):
    """How the learning rate changes."""

    cosine = "cosine"
    linear = "linear"
    constant = "constant"
    constant_with_warmup = "constant_with_warmup"


class Numbers(str, Enum):
    """The precision of the numbers."""

    auto = "auto"
    bf16 = "bf16"
    fp16 = "fp16"
    fp32 = "fp32"


class Sharding(str, Enum):
    """What each of several processes holds."""

    auto = "auto"
    ddp = "ddp"
    fsdp = "fsdp"
    zero3 = "zero3"


class Reporter(str, Enum):
    """Who else is told of the run."""

    tensorboard = "tensorboard"
    wandb = "wandb"
    swanlab = "swanlab"


def _from_file(context: typer.Context, path: Path | None) -> Path | None:
    """Make what the file of ``--config`` says the defaults; flags and environment stand above it."""
    if path is not None:
        from ragcli.config import defaults

        name = str(context.info_name)
        long = long_names(context.command)
        names = {**long, **{option.replace("-", "_"): parameter for option, parameter in long.items()}}
        if not path.is_file():
            raise UsageError(f"--config {path} is not there.")
        told = defaults({name: names}, [path])
        context.default_map = {**(context.default_map or {}), **told.get(name, {})}
    return path


def finetune(
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="MODEL", help="The base: a name on a hub or a folder."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="FILE[=WEIGHT]", help="Rows of any usual form; - is stdin; 0.3 sees a part, 2 all twice."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="The folder for the tuned model.")
    ] = None,
    task: Annotated[Task, typer.Option("--task", help="What is learnt; auto sees it from the data.")] = Task.auto,
    method: Annotated[
        Method, typer.Option("--method", help="What is trained; auto takes what fits, as gpu-check says.")
    ] = Method.auto,
    eval_data: Annotated[
        list[str] | None,
        typer.Option("--eval-data", metavar="FILE", help="Rows to evaluate with, which are not trained on."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="A TOML file with these options.", is_eager=True, callback=_from_file
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Stop before the model is loaded: statistics, memory, time.")
    ] = False,
    show_example: Annotated[
        bool, typer.Option("--show-example", help="Show one row as the model sees it, and stop.")
    ] = False,
    epochs: Annotated[
        float, typer.Option("--epochs", metavar="N", min=0, help="How often the data is seen; fewer rows, more often.")
    ] = 0.0,
    max_steps: Annotated[int, typer.Option("--max-steps", metavar="N", min=0, help="The end, if it is earlier.")] = 0,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", "--lr", metavar="RATE", min=0, help="By method where not given.")
    ] = 0.0,
    schedule: Annotated[Schedule, typer.Option("--schedule", help="How the rate changes.")] = Schedule.cosine,
    warmup: Annotated[
        float, typer.Option("--warmup", metavar="PART", min=0, max=1, help="Part of the steps in which it rises.")
    ] = 0.03,
    weight_decay: Annotated[float, typer.Option("--weight-decay", metavar="X", min=0, help="Of AdamW.")] = 0.0,
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", min=0, help="Rows of a step, over all processes and passes.")
    ] = 0,
    micro_batch: Annotated[
        int, typer.Option("--micro-batch", metavar="N", min=0, help="Rows of a pass of one process; what fits.")
    ] = 0,
    length: Annotated[
        int, typer.Option("--length", metavar="N", min=0, help="Tokens of a row at most; those of the longest.")
    ] = 0,
    packing: Annotated[bool, typer.Option("--packing", help="Rows share sequences; texts always do.")] = False,
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing/--no-checkpointing", help="Less memory for a third more time, if needed.")
    ] = True,
    precision: Annotated[
        Numbers, typer.Option("--precision", help="Of the numbers; auto is bf16 where it is fast.")
    ] = (Numbers.auto),
    rank: Annotated[int, typer.Option("--rank", metavar="R", min=1, help="Of LoRA's matrices.")] = 16,
    alpha: Annotated[
        int, typer.Option("--alpha", metavar="N", min=0, help="Of LoRA; twice the rank where not given.")
    ] = 0,
    dropout: Annotated[float, typer.Option("--dropout", metavar="PART", min=0, max=0.99, help="Of LoRA.")] = 0.0,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="MODULE", help="Modules with adapters; all linear ones. Repeatable."),
    ] = None,
    neftune: Annotated[
        float, typer.Option("--neftune", metavar="ALPHA", min=0, help="Noise on the embeddings, as 5.")
    ] = 0.0,
    patience: Annotated[
        int, typer.Option("--patience", metavar="N", min=0, help="End after N evaluations without a better loss.")
    ] = 0,
    beta: Annotated[float, typer.Option("--beta", metavar="X", min=0, help="Of DPO: how near it stays.")] = 0.1,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="X", min=0.001, help="Of the embedding's loss.")
    ] = 0.01,
    mine_from: Annotated[
        str | None,
        typer.Option("--mine-from", metavar="TABLE", help="Take hard negatives from a table's chunks."),
    ] = None,
    negatives: Annotated[int, typer.Option("--negatives", metavar="N", min=1, help="Hard negatives of a row.")] = 4,
    probe: Annotated[
        str | None,
        typer.Option("--probe", metavar="TABLE", help="Compare retrieval from a table before and after."),
    ] = None,
    db: DbOption = DEFAULT_DB,
    gpus: Annotated[
        str | None,
        typer.Option("--gpus", metavar="auto|N", help="GPUs of this machine, all by default; on the CPU: processes."),
    ] = None,
    sharding: Annotated[
        Sharding, typer.Option("--sharding", help="What each of several processes holds; auto: what fits.")
    ] = Sharding.auto,
    device: DeviceOption = Device.auto,
    log_steps: Annotated[int, typer.Option("--log-steps", metavar="N", min=0, help="Steps between two records.")] = 0,
    eval_steps: Annotated[
        int, typer.Option("--eval-steps", metavar="N", min=0, help="Steps between evaluations; a quarter of all.")
    ] = 0,
    save_steps: Annotated[
        int, typer.Option("--save-steps", metavar="N", min=0, help="Steps between checkpoints; a tenth of all.")
    ] = 0,
    keep: Annotated[int, typer.Option("--keep", metavar="N", min=1, help="Checkpoints that are kept.")] = 2,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of order, adapters and dropout.")] = 42,
    merge: Annotated[
        bool, typer.Option("--merge", help="Put the adapter into the weights: a folder that all tools load.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 4 if general ability was lost beyond the bound.")
    ] = False,
    guard: Annotated[
        bool, typer.Option("--guard/--no-guard", help="Measure before and after what may have been forgotten.")
    ] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what an earlier run wrote to the output.")
    ] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the code that a model brings.")
    ] = False,
    report_to: Annotated[
        list[Reporter] | None, typer.Option("--report-to", help="Tell another tool, too. Repeatable.")
    ] = None,
    skip_bad: SkipBadOption = False,
    quiet: QuietOption = False,
    format_: FormatOption = None,
) -> int:
    """Fine-tune a model on rows of JSON, on one device or many.

    \b
    Three options are enough; what is left open is chosen by the data and the machine. Run again, it goes on from
    the last checkpoint. Stdout has a record for each step.

    \b
    ragcli finetune -m Qwen/Qwen2.5-1.5B-Instruct --data train.jsonl -o tuned
    ragcli finetune -m Qwen/Qwen2.5-7B-Instruct --data train.jsonl --dry-run
    ragcli finetune -m builtin --data pairs.jsonl -o my-embedder --mine-from kb
    """
    from ragcli.finetuning.settings import Settings

    if model is None:
        raise UsageError("no base model was named.", hint="Name it with -m, as in -m Qwen/Qwen2.5-1.5B-Instruct.")
    if not data:
        raise UsageError("no data was named.", hint="Name it with --data, as in --data train.jsonl.")
    if out is None and not (dry_run or show_example):
        raise UsageError("no output was named.", hint="Name it with -o, as in -o tuned; --dry-run needs none.")
    if patience and not eval_data:
        raise UsageError("--patience needs --eval-data, whose loss it looks at.")
    wish = Settings(
        model=model,
        output=str(out or ""),
        task=task.value,
        method=method.value,
        rank=rank,
        alpha=alpha or 2 * rank,
        dropout=dropout,
        targets=tuple(target or ("all-linear",)),
        learning_rate=learning_rate,
        schedule=schedule.value,
        warmup=warmup,
        weight_decay=weight_decay,
        epochs=epochs,
        max_steps=max_steps,
        batch=batch,
        micro_batch=micro_batch,
        length=length,
        packing=packing,
        checkpointing=checkpointing,
        precision=precision.value,
        neftune=neftune,
        patience=patience,
        log_steps=log_steps,
        eval_steps=eval_steps,
        save_steps=save_steps,
        keep=keep,
        beta=beta,
        temperature=temperature,
        seed=seed,
        device=device.value,
        sharding=sharding.value,
        merge=merge,
        trust_remote_code=trust_remote_code,
        report_to=tuple(one.value for one in report_to or ()),
    )
    from ragcli.cli.finetuning import Run

    return Run(
        wish=wish,
        data=data,
        evaluation=eval_data or [],
        gpus=gpus,
        mine_from=mine_from,
        negatives=negatives,
        probe=probe,
        db=db,
        strict=strict,
        guard=guard,
        overwrite=overwrite,
        skip_bad=skip_bad,
        quiet=quiet,
        as_table=as_table(format_),
    ).run(dry_run=dry_run, show_example=show_example)
