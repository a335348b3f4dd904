"""The end of a run: adapter and base put together, what was forgotten measured, card and chart written, all moved.

What stands in the output is whole: the manifest comes last. A run that is killed here does this part again.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ragcli.finetuning import job, recording
from ragcli.finetuning.planning import LANGUAGE
from ragcli.finetuning.preparing import Request
from ragcli.finetuning.recipe import Job
from ragcli.records import Json

MANIFEST = "finetune.json"
RECORDS = "training.jsonl"
CARD, CHART = "README.md", "loss.png"
_MODEL = "model"
_TOLD = ("steps", "epochs", "first_loss", "last_loss", "best_step")  # of the record of what was trained


def finish(this: Job, request: Request, output: Path) -> bool:
    """Write the output of a run that is trained; return whether the guard found too much forgotten.

    Raises:
        ModelError: what was trained cannot be loaded.
    """
    say = recording.append(this.work)
    settings = this.settings
    trained = this.work / job.TRAINED
    folder = this.work / _MODEL
    shutil.rmtree(folder, ignore_errors=True)
    if settings.merge and settings.method != "full" and settings.task in LANGUAGE:
        from ragcli.finetuning.merging import merge

        say({"type": "phase", "message": "merge"})
        folder.mkdir()
        merge(this, trained, folder)
    else:
        shutil.copytree(trained, folder, copy_function=_link)
    verdict: Json | None = None
    notes: list[str] = []
    if request.guard:
        say({"type": "phase", "message": "measure what was forgotten"})
        verdict, notes = _guard(this, request, trained)
        say(verdict)
    result = _result(this, output, folder, verdict)
    _describe(this, request, folder, result, verdict, notes)
    _move(this, folder, output)
    return bool(verdict and verdict["failed"])


def _link(source: str, target: str) -> None:
    """Copy a file without its bytes, where the disk can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _guard(this: Job, request: Request, trained: Path) -> tuple[Json, list[str]]:
    """Return the verdict's record, and how it was measured."""
    from ragcli.finetuning.guard import compare

    if this.settings.task not in LANGUAGE:
        from ragcli.finetuning.retrieving import guarded

        return guarded(this, request, trained)
    before, after, notes, unable = _perplexities(this, trained)
    verdict = compare(before, after, unable=unable, learning_rate=this.settings.learning_rate)
    return verdict.record(), notes


def _perplexities(this: Job, trained: Path) -> tuple[dict[str, float], dict[str, float], list[str], tuple[str, ...]]:
    from ragcli.finetuning.measuring import measure
    from ragcli.finetuning.recipes.language import tokenizer_of
    from ragcli.llms.protocols import Options
    from ragcli.llms.transformers_loading import load

    settings = this.settings
    options: Options = {"trust_remote_code": settings.trust_remote_code}
    rows = _evaluation_rows(this)
    tokenizer = tokenizer_of(this.base, settings)
    quantize = "int4" if settings.method == "qlora" else None

    def opened(folder: Path) -> Any:
        given = dict(options)
        return load(folder, settings.model, device=settings.device, quantize=quantize, adapter=None, options=given).net

    net = opened(this.base.path)
    if settings.method == "full":
        before = measure(net, tokenizer, rows)
        del net
        gc.collect()
        after = measure(opened(trained), tokenizer, rows, counts=before.counts)
    else:
        from peft import PeftModel

        net = PeftModel.from_pretrained(net, str(trained)).eval()
        before = measure(net, tokenizer, rows, adapter=False)
        after = measure(net, tokenizer, rows, counts=before.counts)
    return before.values, after.values, before.notes(), before.unable


def _evaluation_rows(this: Job) -> list[Mapping[str, Any]] | None:
    from ragcli.finetuning import prepared

    if this.settings.task == "preference" or not prepared.path_of(this.work, prepared.EVALUATION).is_file():
        return None
    return list(prepared.read(this.work, prepared.EVALUATION))


def _result(this: Job, output: Path, folder: Path, verdict: Json | None) -> Json:
    records = recording.written(this.work)
    trained = next(one for one in reversed(records) if one["type"] == "trained")
    evaluations = [one["loss"] for one in records if one["type"] == "evaluation" and "loss" in one]
    form = "adapter" if (folder / "adapter_config.json").is_file() else "model"
    result: Json = {"type": "finetuned", "output": str(output), "task": this.settings.task, "form": form}
    result |= {"method": this.settings.method, "model": this.settings.model}
    result |= {key: trained[key] for key in _TOLD if key in trained}
    result["seconds"] = round(sum(one.get("seconds", 0.0) for one in records if one["type"] == "step"), 3)
    if bad := this.extra["statistics"]["rows"]["bad"]:
        result["bad_rows"] = bad
    if evaluations:
        result["evaluation_loss"] = evaluations[-1]
    if verdict is not None:
        result["guard"] = {key: verdict[key] for key in ("failed", "summary", "advice")}
    return result | {"use": _use(this, output, form)}


def _use(this: Job, output: Path, form: str) -> list[str]:
    task = this.settings.task
    if task == "embedding":
        return [f"ragcli embed -m {output} -t TABLE"]
    if task == "reranker":
        return [f"ragcli query -t TABLE --rerank {output} 'A question?'"]
    if form == "adapter":
        return [f"ragcli ask -m {this.settings.model} --adapter {output} -t TABLE 'A question?'"]
    return [f"ragcli ask -m {output} -t TABLE 'A question?'"]


def _describe(this: Job, request: Request, folder: Path, result: Json, verdict: Json | None, notes: list[str]) -> None:
    """Write card, chart, records and manifest beside the model."""
    from ragcli.finetuning.card import Run, license_of, training_card
    from ragcli.finetuning.chart import loss_chart
    from ragcli.finetuning.environment import environment
    from ragcli.jsonl import dumps

    records = recording.written(this.work)
    has_chart = loss_chart(records, folder / CHART)
    around = environment()
    sources, rows = this.extra["data"], this.extra["statistics"]["sources"]
    base: Json = {"id": this.settings.model, "hash": this.base.hash, **license_of(this.base.path)}
    run = Run(
        settings=asdict(this.settings),
        base=base,
        environment=around,
        records=records,
        statistics=this.extra["statistics"],
        data=[
            {"name": one["source"], "sha256": one["sha256"], "weight": one["weight"], "rows": rows.get(one["source"])}
            for one in (*sources["data"], *sources["evaluation"])
        ],
        guard=verdict,
        measures=notes,
        command=request.command,
        form=result["form"],
        chart=CHART if has_chart else None,
        seconds=result.get("seconds"),
    )
    (folder / CARD).write_text(training_card(run), encoding="utf-8")
    (folder / RECORDS).write_bytes(b"".join(dumps(one) + b"\n" for one in (this.extra["statistics"], *records)))
    manifest = {
        "type": "finetune",
        "key": request.key(),
        "command": list(request.command),
        "settings": asdict(this.settings),
        "base": base,
        "data": sources,
        "environment": around,
        "result": result,
    }
    (folder / MANIFEST).write_bytes(dumps(manifest))


def _move(this: Job, folder: Path, output: Path) -> None:
    """Put all in its place, the manifest last, and remove what was under way."""
    for one in folder.rglob("*"):  # safetensors writes files that their owner alone may read
        one.chmod(one.stat().st_mode | (this.work.stat().st_mode & (0o555 if one.is_dir() else 0o444)))
    for one in sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST):
        target = output / one.name
        if target.is_dir():
            shutil.rmtree(target)
        one.replace(target)
    shutil.rmtree(this.work, ignore_errors=True)
