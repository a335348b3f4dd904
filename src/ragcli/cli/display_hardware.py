"""What people see of ``gpu-check``: devices, a table of models in colours, one model part by part. Sizes in GiB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ragcli.cli.display import View
from ragcli.cli.streams import visible

if TYPE_CHECKING:
    from ragcli.hardware.devices import Device, Found
    from ragcli.hardware.memory import Load
    from ragcli.hardware.plan import Fit
    from ragcli.hardware.torch_state import TorchState

_GIB = 1 << 30
_PARTS = {
    "weights": "weights",
    "kv_cache": "KV cache",
    "activations": "activations",
    "logits": "logits",
    "adapters": "adapters",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "buffers": "buffers",
}


def _gib(count: int) -> str:
    return f"{count / _GIB:.1f}" if count < 100 * _GIB else f"{count / _GIB:.0f}"


def show_devices(found: Found, state: TorchState | None) -> None:
    """Show what is here, and whether torch can use it."""
    console = View()
    for gpu in found.gpus:
        console.print(_device(gpu))
        for user in gpu.users:
            size = f" {_gib(user['bytes'])} GiB" if user.get("bytes") else ""
            console.print(Text(f"    {user['pid']} {visible(str(user['name'] or '?'))}{size}", style="dim"))
    if found.cpu is not None:
        cpu = found.cpu
        memory = f"{_gib(cpu.free)} of {_gib(cpu.total)} GiB free"
        console.print(Text.assemble(("CPU ", "bold"), f"{visible(cpu.name)}, {cpu.cores} cores, {memory}"))
    if state is None:
        return
    if state.problem:
        console.print(Text.assemble(("torch ", "bold"), (f"{state.version or ''} {state.problem}".strip(), "red")))
        if found.gpus or state.version:
            console.print(Text(f"    {state.mend}"))
    else:
        built = f" for CUDA {state.built_for}" if state.built_for else " for the processor"
        console.print(Text.assemble(("torch ", "bold"), f"{state.version}{built}"))


def _device(gpu: Device) -> Text:
    memory = f"{_gib(gpu.free)} of {_gib(gpu.total)} GiB free"
    more = []
    if gpu.driver:
        more.append(f"driver {gpu.driver}")
    if gpu.cuda:
        more.append(f"CUDA {gpu.cuda}")
    if gpu.capability:
        more.append("compute " + ".".join(map(str, gpu.capability)))
    can = [name for name, able in (("bf16", gpu.bf16), ("fp8", gpu.fp8)) if able]
    more += can
    return Text.assemble(
        (f"GPU {gpu.index} ", "bold"), f"{visible(gpu.name)}, {memory}", (f"  {', '.join(more)}", "dim")
    )


def show_table(rows: Iterable[Sequence[Fit]], on_cpu: bool, load: Load) -> None:
    """Show each model with what it takes: green fits here, yellow fits on several such GPUs, red on none."""
    console = View()
    training = min(load.context, 2048)
    where = "in memory, on the processor" if on_cpu else "on one GPU"
    console.print()
    console.print(Text(f"GiB needed {where}: answering with {load.context} tokens, training on {training}"))
    table = Table(
        "model", "bf16", "int8", "int4", "LoRA", "QLoRA", "full", "longest", box=None, pad_edge=False, padding=(0, 1)
    )
    table.columns[0].no_wrap = True
    table.columns[0].min_width = 22
    for column in table.columns[1:]:
        column.justify = "right"
    embedding = Table("embedding model", "32 texts at once", box=None, pad_edge=False)
    for row in rows:
        cells = [_cell(one, on_cpu) for one in row]
        name = escape(row[0].model.name.split("/")[-1])
        if len(row) == 1:
            embedding.add_row(name, *cells)
        else:
            longest = row[0].longest
            table.add_row(name, *cells, f"{longest:,}" if longest else "-")
    console.print(table)
    if not on_cpu:
        key = "green fits on one, yellow on so many together, red on none; longest: context in bf16"
        console.print(Text(key, style="dim"))
    console.print()
    console.print(embedding)


def _cell(one: Fit, on_cpu: bool) -> str:
    size = _gib(one.estimate.needed)
    if one.fits:
        return f"[green]{size}[/]"
    if one.gpus is None or on_cpu:
        return f"[red]{size}[/]"
    return f"[yellow]{size}×{one.gpus}[/]"


def show_fit(one: Fit, on_cpu: bool) -> None:
    """Show one model: whether it fits, what takes how much, and how far it would go."""
    console = View()
    model, load = one.model, one.load
    active = f", {model.active / 1e9:.1f} B active" if model.active < model.parameters else ""
    console.print(Text.assemble((model.name, "bold"), f"  {model.parameters / 1e9:.2f} B parameters{active}"))
    place = "memory" if on_cpu else "GPU" if load.gpus == 1 else f"each of {load.gpus} GPUs ({load.sharding})"
    sizes = f"needs {_gib(one.estimate.needed)} GiB of {place}, {_gib(one.available)} GiB are free"
    verdict = ("fits: ", "green") if one.fits else ("does not fit: ", "red")
    console.print(Text.assemble(verdict, sizes))
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 2))
    table.add_column()
    table.add_column(justify="right")
    for key, size in one.estimate.parts.items():
        if size:
            table.add_row(_PARTS[key], f"{size / _GIB:.2f} GiB")
    rest = "fragments, margin" if on_cpu else "CUDA, fragments, margin"
    table.add_row(rest, f"{(one.estimate.needed - one.estimate.allocated) / _GIB:.2f} GiB")
    console.print(table)
    cache = model.token_bytes
    if cache and load.task == "infer":
        console.print(Text(f"  a token of context takes {cache:,} bytes"))
    if one.longest:
        console.print(Text(f"  longest context that fits: {one.longest:,} tokens"))
    if not one.fits and not on_cpu:
        more = f"{one.gpus} such GPUs would do" if one.gpus else "no reasonable number of such GPUs would do"
        console.print(Text(f"  {more}"))
    for text in one.notes:
        console.print(Text(f"  {text}", style="dim"))


def show_advice(sentences: Sequence[str]) -> None:
    """Show what to take."""
    console = View()
    console.print()
    for one in sentences:
        console.print(Text(one))
