"""``ragcli gpu-check``: what is here, and whether a model runs on it, before it is downloaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragcli.cli.download import Source
from ragcli.cli.options import Format, FormatOption, as_table
from ragcli.cli.streams import note, output
from ragcli.errors import GATE, OK, UsageError
from ragcli.jsonl import dumps
from ragcli.records import Json

if TYPE_CHECKING:
    from ragcli.hardware.devices import Found
    from ragcli.hardware.memory import Load
    from ragcli.hardware.plan import Fit


_MOST = 10**6  # of what is counted: a context, a batch, GPUs


class Task(str, Enum):
    """What is done with the model."""

    infer = "infer"
    lora = "lora"
    qlora = "qlora"
    full = "full"
    embed = "embed"


class Precision(str, Enum):
    """How many bits a weight has."""

    auto = "auto"
    bf16 = "bf16"
    int8 = "int8"
    int4 = "int4"


class Sharding(str, Enum):
    """What each of several GPUs holds."""

    auto = "auto"
    none = "none"
    fsdp = "fsdp"
    zero3 = "zero3"
    pipeline = "pipeline"
    tensor = "tensor"


def gpu_check(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="A name on a hub, a folder, or a config.json.")
    ] = None,
    task: Annotated[Task, typer.Option("--task", help="What is to be done with it.")] = Task.infer,
    precision: Annotated[
        Precision, typer.Option("--precision", help="Bits of a weight; auto takes the checkpoint as it is.")
    ] = Precision.auto,
    context: Annotated[
        int | None,
        typer.Option(
            "--context",
            metavar="N",
            min=1,
            max=_MOST,
            help="Tokens of one sequence, the answer included. 4096; 2048 to train.",
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", min=1, max=_MOST, help="Sequences at once on one GPU.")
    ] = 1,
    gpus: Annotated[
        int | None,
        typer.Option("--gpus", metavar="N", min=1, max=_MOST, help="How many share the work. One by default."),
    ] = None,
    gpu_memory: Annotated[
        str | None,
        typer.Option(
            "--gpu-memory", metavar="SIZE", help="Plan for GPUs with so much free, as 24GiB, not for this machine."
        ),
    ] = None,
    sharding: Annotated[
        Sharding, typer.Option("--sharding", help="How several GPUs share: auto is pipeline, to train fsdp or zero3.")
    ] = Sharding.auto,
    rank: Annotated[int, typer.Option("--rank", metavar="R", min=1, max=_MOST, help="Of LoRA's adapters.")] = 64,
    prefill: Annotated[
        int,
        typer.Option("--prefill", metavar="N", min=0, help="Tokens of the prompt at once; 0 for the whole prompt."),
    ] = 512,
    source: Annotated[
        Source, typer.Option("--source", envvar="RAGCLI_SOURCE", help="The hub that is asked for the config.")
    ] = Source.auto,
    revision: Annotated[str | None, typer.Option("--revision", metavar="REV", help="Branch, tag or commit.")] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", envvar="RAGCLI_QUIET", help="Print nothing; the exit code tells.")
    ] = False,
    format_: FormatOption = None,
) -> int:
    """Say what is here and which models run on it, or whether one does.

    \b
    Without a model: devices, torch, and a table of models with what each takes. With one: its figure, part by
    part, from its config.json alone; the exit code is 0 if it fits and 4 if it does not. Sizes are bytes in
    records, and GiB (1024^3) on a terminal.

    \b
    ragcli gpu-check
    ragcli gpu-check Qwen/Qwen2.5-7B-Instruct --context 32768 --precision int4
    ragcli gpu-check Qwen/Qwen2.5-72B-Instruct --task lora --gpus 4 --gpu-memory 80GiB
    ragcli gpu-check -q Qwen/Qwen2.5-7B-Instruct --task qlora && ragcli download Qwen/Qwen2.5-7B-Instruct
    """
    from dataclasses import replace

    from ragcli.hardware.devices import Found, devices
    from ragcli.hardware.memory import Load

    if precision is not Precision.auto and task not in (Task.infer, Task.embed):
        raise UsageError(
            f"--precision is for infer and embed; {task.value} has its own.", hint="qlora trains on weights in 4 bits."
        )
    if source is Source.built_in:
        raise UsageError("--source built-in has no config to ask for.", hint="Give hf, modelscope or auto.")
    tokens = context or (2048 if task in (Task.lora, Task.qlora, Task.full) else 512 if task is Task.embed else 4096)
    load = Load(
        task=task.value,
        precision=precision.value,
        context=tokens,
        batch=batch,
        gpus=gpus or 1,
        sharding=sharding.value,
        rank=rank,
        prefill=prefill,
    )
    found = Found() if gpu_memory is not None else devices()
    memory = [_size(gpu_memory)] * (gpus or 1) if gpu_memory is not None else [one.free for one in found.gpus]
    on_cpu = not memory
    if on_cpu and found.cpu is not None:
        memory = [found.cpu.free]
        load = replace(load, on_cpu=True)
    if not quiet:
        for one in found.notes:
            note(f"ragcli gpu-check: {one}")
    if model is not None:
        return _one(model, load, memory, on_cpu, source, revision, quiet, format_)
    return _all(found, load, memory, on_cpu, quiet, format_)


_UNITS = {"gib": 1 << 30, "mib": 1 << 20, "gb": 10**9, "mb": 10**6, "g": 1 << 30, "m": 1 << 20}


def _size(text: str) -> int:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", text)
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise UsageError(f"{text!r} is no size.", hint="Give a number and a unit: 24GiB, 80GB, 8192MiB.")
    return int(float(match[1]) * unit)


def _one(
    model: str,
    load: Load,
    memory: list[int],
    on_cpu: bool,
    source: Source,
    revision: str | None,
    quiet: bool,
    format_: Format | None,
) -> int:
    from ragcli.hardware.finding import shape
    from ragcli.hardware.plan import fit

    found = shape(model, source=source.value, revision=revision)
    result = fit(found.architecture, load, memory, weights=found.weights, source=found.source)
    if not quiet:
        with output() as out:
            if as_table(format_):
                from ragcli.cli.display_hardware import show_fit

                show_fit(result, on_cpu)
            else:
                out.line(dumps({**result.record(), "on": "cpu" if on_cpu else "gpu"}))
    return OK if result.fits else GATE


def _all(found: Found, load: Load, memory: list[int], on_cpu: bool, quiet: bool, format_: Format | None) -> int:
    from ragcli.hardware.advice import advice
    from ragcli.hardware.torch_state import torch_state

    if quiet:
        return OK
    state = torch_state(found.gpus) if found.cpu is not None else None
    said = advice(memory, on_cpu=on_cpu, context=load.context)
    with output() as out:
        if as_table(format_):
            from ragcli.cli.display_hardware import show_advice, show_devices, show_table

            show_devices(found, state)
            show_table(_fits(load, memory), on_cpu, load)
            show_advice(said)
            return OK
        records: list[Json] = [one.record() for one in (*found.gpus, *([found.cpu] if found.cpu else []))]
        if state is not None:
            records.append(state.record())
        for record in records:
            out.line(dumps(record))
        for row in _fits(load, memory):
            for one in row:
                out.line(dumps({**one.record(), "on": "cpu" if on_cpu else "gpu"}))
        out.line(dumps({"type": "advice", "sentences": said}))
    return OK


def _fits(load: Load, memory: list[int]) -> Iterator[list[Fit]]:
    """Yield for each known model its fits, one for each way to run or train it."""
    from dataclasses import replace

    from ragcli.hardware.finding import known
    from ragcli.hardware.known import CHAT, EMBEDDING
    from ragcli.hardware.plan import fit

    rows: list[tuple[str, Any]] = [
        *((name, ("bf16", "int8", "int4", "lora", "qlora", "full")) for name in CHAT),
        *((name, ("embed",)) for name in EMBEDDING),
    ]
    for name, ways in rows:
        model = known(name)
        row = []
        for way in ways:
            if way in ("bf16", "int8", "int4"):
                one = replace(load, task="infer", precision=way)
            elif way == "embed":
                one = replace(load, task="embed", precision="auto", context=min(512, model.positions), batch=32)
            else:
                one = replace(load, task=way, precision="auto", context=min(load.context, 2048))
            row.append(fit(model, one, memory, source="table"))
        yield row
