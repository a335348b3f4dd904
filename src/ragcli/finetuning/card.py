"""The training card: the README.md of a tuned model, made of the records of its run.

What it is made from was written down during the run, so that it needs no torch and can be written again. The front
matter is that of Hugging Face's model cards.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragcli.finetuning.markdown import block, code, front_matter, table, text
from ragcli.records import Json

_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*\Z")
_LICENSE = re.compile(r"(license(?:_name|_link)?):\s+([^\s#].*?)(?:\s+#.*)?\s*\Z")
_TAGS = {
    "chat": ("sft", "supervised-fine-tuning"),
    "text": ("continued-pretraining",),
    "preference": ("dpo", "preference-optimization"),
    "embedding": ("sentence-transformers", "feature-extraction"),
    "reranker": ("sentence-transformers", "cross-encoder", "reranker"),
}
_PIPELINES = {"embedding": "sentence-similarity", "reranker": "text-ranking"}
_TASKS = {
    "chat": "supervised fine-tuning on conversations",
    "text": "continued pretraining on texts",
    "preference": "direct preference optimization (DPO)",
    "embedding": "contrastive training of an embedding model",
    "reranker": "training of a reranker",
}
_LORA_ONLY = ("rank", "alpha", "dropout", "targets")
_TASK_ONLY = {"beta": "preference", "temperature": "embedding"}
_NEVER_SHOWN = ("model", "output", "task")
_VLLM_RANKS = (16, 32, 64, 128, 256, 320, 512)  # that --max-lora-rank takes; the first is what vLLM has without it


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run, as its records tell it.

    Args:
        settings: `ragcli.finetuning.settings.Settings` as JSON.
        base: of the base model: ``id``, ``hash``, and ``license`` where it is known.
        environment: see `ragcli.finetuning.environment`.
        records: of types ``step``, ``evaluation``, ``warning``, ``trained``, in order.
        statistics: of the data, as they were told before the start.
        data: the sources: ``name``, and ``sha256``, ``rows``, ``weight`` where they are known.
        guard: the verdict's record.
        measures: how the guard measured: sentences.
        command: the run's command line, word by word.
        form: adapter or model: what is in the folder.
        datasets: names of data sets on a hub.
        chart: the file of the loss chart, where there is one.
        seconds: that its steps took, over all sessions.
    """

    settings: Json
    base: Json
    environment: Json = field(default_factory=dict)
    records: Sequence[Json] = ()
    statistics: Json | None = None
    data: Sequence[Json] = ()
    guard: Json | None = None
    measures: Sequence[str] = ()
    command: Sequence[str] = ()
    form: str = "model"
    datasets: Sequence[str] = ()
    chart: str | None = None
    seconds: float | None = None

    def of_type(self, kind: str) -> list[Json]:
        """Return the records of a type."""
        return [one for one in self.records if one.get("type") == kind]

    def by_step(self, kind: str) -> list[Json]:
        """Return the records of a type by step; of a step that was taken twice, as by a run that went on, the last."""
        return [one for _, one in sorted({int(one.get("step") or 0): one for one in self.of_type(kind)}.items())]


def training_card(run: Run) -> str:
    """Return the card of a run as Markdown."""
    output, base = str(run.settings.get("output", "OUT")), str(run.base.get("id") or run.settings.get("model", ""))
    name = Path(output).name or output
    task = str(run.settings.get("task", "chat"))
    about = _TASKS.get(task, task)
    lead = f"{code(base)} after {about} with ragcli {text(run.environment.get('ragcli', ''))}".rstrip() + "."
    parts = [front_matter(_head(run, base, task)), f"# {text(name)}", lead]
    for title, body in (
        ("Use", _use(run, base, output, task)),
        ("Result", _result(run)),
        ("What was forgotten", _guard(run)),
        ("Data", _data(run)),
        ("Settings", _settings(run)),
        ("Speed and memory", _speed(run)),
        ("Made with", _made_with(run)),
        ("To repeat it", _repeat(run)),
    ):
        if body:
            parts += [f"## {title}", *body]
    return "\n\n".join(parts) + "\n"


def license_of(folder: Path) -> dict[str, str]:
    """Return what a model's own card says of its licence: ``license``, ``license_name``, ``license_link``.

    Args:
        folder: of the base model. Without a card, or where it says nothing, nothing is returned.
    """
    try:
        given = (folder / "README.md").read_text("utf-8", "replace")
    except OSError:
        return {}
    head = re.match(r"\ufeff?---\r?\n(.*?)\r?\n---", given, re.DOTALL)
    if head is None:
        return {}
    found = (_LICENSE.match(line) for line in head[1].split("\n"))
    return {one[1]: one[2].strip("'\"") for one in found if one}


def _head(run: Run, base: str, task: str) -> dict[str, str | Sequence[str] | None]:
    method = str(run.settings.get("method", ""))
    sentence = task in ("embedding", "reranker")
    library = "sentence-transformers" if sentence else "peft" if run.form == "adapter" else "transformers"
    tongues = ((run.statistics or {}).get("languages") or {}).keys()
    on_hub = _is_on_hub(base)
    tags = ["ragcli", *_TAGS.get(task, ()), *([method] if method in ("lora", "qlora") else [])]
    licence = {key: str(run.base[key]) for key in ("license", "license_name", "license_link") if run.base.get(key)}
    return {
        **licence,
        "base_model": base if on_hub else None,
        "base_model_relation": ("adapter" if run.form == "adapter" else "finetune") if on_hub else None,
        "library_name": library,
        "pipeline_tag": _PIPELINES.get(task, "text-generation"),
        "language": [one for one in tongues if one in ("zh", "en")],
        "datasets": [one for one in run.datasets if _HUB.match(one)],
        "tags": list(dict.fromkeys(tags)),
    }


def _use(run: Run, base: str, output: str, task: str) -> list[str]:
    out, model = shlex.quote(output), shlex.quote(str(run.settings.get("model") or base))
    if task == "embedding":
        return [
            block(
                f"ragcli load docs/ | ragcli split | ragcli embed -m {out} -t kb\nragcli query -t kb 'A question?'",
                "sh",
            ),
            "A table that was embedded with the base has other vectors: embed it anew into another table.",
        ]
    if task == "reranker":
        return [block(f"ragcli query -t kb --rerank {out} 'A question?'", "sh")]
    if run.form != "adapter":
        lines = [f"ragcli ask -m {out} -t kb 'A question?'", f"vllm serve {out}", f"python convert_hf_to_gguf.py {out}"]
        return [block("\n".join(lines), "sh"), "The last line is llama.cpp's converter."]
    rank = _whole(run.settings.get("rank"))
    most = next((one for one in _VLLM_RANKS if one >= rank), rank)
    more = f" --max-lora-rank {most}" if most > _VLLM_RANKS[0] else ""
    here = "--base-model-id" if _is_on_hub(str(run.settings.get("model") or base)) else "--base"
    lines = [
        f"ragcli ask -m {model} --adapter {out} -t kb 'A question?'",
        f"vllm serve {model} --enable-lora{more} --lora-modules tuned={out}",
        f"python convert_lora_to_gguf.py {here} {model} {out}",
    ]
    return [
        block("\n".join(lines), "sh"),
        "The adapter needs its base. The last line is llama.cpp's converter. `ragcli finetune --merge` puts the adapter"
        " into the weights instead.",
    ]


def _result(run: Run) -> list[str]:
    steps = [one for one in run.by_step("step") if _is_number(one.get("loss"))]
    evaluations = [one for one in run.by_step("evaluation") if _is_number(one.get("loss"))]
    rows = []
    if steps:
        least = min(steps, key=lambda one: float(one["loss"]))
        rows.append(("training loss", steps[0], steps[-1], least))
    if evaluations:
        best = min(evaluations, key=lambda one: float(one["loss"]))
        rows.append(("evaluation loss", evaluations[0], evaluations[-1], best))
    out = []
    if rows:
        cells = [(name, *(f"{one['loss']:.4f} (step {one.get('step')})" for one in values)) for name, *values in rows]
        out.append(table(("", "first", "last", "lowest"), cells, right=(1, 2, 3)))
    others = {
        key: value
        for one in run.by_step("evaluation")
        for key, value in one.items()
        if key not in ("type", "step", "loss", "epoch") and _is_number(value)
    }
    if others:
        cells = [(code(key), f"{value:.4f}") for key, value in others.items()]
        out.append(table(("last evaluation", "value"), cells, right=(1,)))
    if run.chart and out:
        out.append(f"![Loss by step]({run.chart})")
    warnings = [f"- {text(one.get('message', ''))}" for one in run.of_type("warning")]
    if warnings:
        out.append("What was warned of:\n\n" + "\n".join(warnings))
    return out


def _guard(run: Run) -> list[str]:
    if not run.guard:
        return ["Not measured."]
    cells = []
    for one in run.guard.get("findings", ()):
        verdict = "**lost**" if one.get("failed") else "kept" if one.get("judged", True) else "not judged"
        numbers = [_figure(one.get(key)) for key in ("before", "after", "change", "bound")]
        cells.append((code(one.get("measure", "")), *numbers, verdict))
    out = [f"**{'Warning' if run.guard.get('failed') else 'Passed'}.** {text(run.guard.get('summary', ''))}"]
    if cells:
        out.append(table(("measure", "before", "after", "change", "bound", ""), cells, right=(1, 2, 3, 4)))
        out.append(
            "`general_` are the texts that ship with ragcli. Change is after / before of perplexity (less is better),"
            " after - before of measures of retrieval (more is better)."
        )
    notes = [*run.measures, *(f"{one} was measured on one side alone." for one in run.guard.get("missing", ()))]
    notes += [one["sentence"] for one in run.guard.get("findings", ()) if not one.get("judged", True)]
    out += ["\n".join(f"- {text(one)}" for one in notes)] if notes else []
    advice = [f"- {text(one)}" for one in run.guard.get("advice", ())]
    return [*out, *(["What to do:\n\n" + "\n".join(advice)] if advice else [])]


def _data(run: Run) -> list[str]:
    out = []
    if run.data:
        cells = [
            (
                code(one.get("name", "")),
                code(one.get("sha256") or ""),
                _figure(one.get("rows")),
                _figure(one.get("weight")),
            )
            for one in run.data
        ]
        out.append(table(("source", "sha256", "rows", "weight"), cells, right=(2, 3)))
    told = run.statistics or {}
    rows, tokens, cut, overlap = (told.get(key) or {} for key in ("rows", "tokens", "cut", "overlap"))
    facts = [
        ("rows read", rows.get("read")), ("rows kept", rows.get("kept")), ("rows empty", rows.get("empty")),
        ("rows bad, left out", rows.get("bad")), ("rows left out otherwise", rows.get("left_out")),
        ("rows of an epoch", rows.get("seen")), ("tokens of an epoch", tokens.get("total")),
        ("tokens the loss is on", tokens.get("trained")), ("tokens cut", tokens.get("cut")),
        (f"rows cut at {_figure(cut.get('length'))} tokens", cut.get("rows")),
        ("duplicates", told.get("duplicates")), ("contradictions", told.get("contradictions")),
        ("rows that are also in the evaluation data", overlap.get("exact")),
        ("rows whose prompt is also in the evaluation data", overlap.get("prompt")),
    ]  # fmt: skip
    counted = [(name, _figure(value)) for name, value in facts if _is_number(value)]
    for name in ("forms", "languages"):
        counts = told.get(name) or {}
        if counts:
            counted.append((name, ", ".join(f"{text(key)} {_figure(value)}" for key, value in counts.items())))
    return [*out, *([table(("", "count"), counted, right=(1,))] if counted else [])]


def _settings(run: Run) -> list[str]:
    lora = run.settings.get("method") in ("lora", "qlora")
    cells = []
    for key, value in run.settings.items():
        if key in _TASK_ONLY and run.settings.get("task") != _TASK_ONLY[key]:
            continue
        if key in _NEVER_SHOWN or (key in _LORA_ONLY and not lora) or value in (None, "", [], ()):
            continue
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        cells.append(
            (key, code({True: "true", False: "false"}.get(shown, shown) if isinstance(shown, bool) else shown))
        )
    return [table(("setting", "value"), cells)] if cells else []


def _speed(run: Run) -> list[str]:
    steps = run.by_step("step")
    paces = sorted(one["tokens_per_second"] for one in steps if _is_number(one.get("tokens_per_second")))
    memory = [one["memory"] for one in steps if _is_number(one.get("memory"))]
    tokens = sum(one["tokens"] for one in steps if _is_number(one.get("tokens")))
    cells = [
        ("steps", _figure(steps[-1].get("step")) if steps else ""),
        ("tokens seen", _figure(tokens) if tokens else ""),
        ("tokens a second (median of the records)", _figure(paces[len(paces) // 2]) if paces else ""),
        ("memory of a process at most", f"{max(memory) / (1 << 30):.2f} GiB" if memory else ""),
        ("time of the steps", _duration(run.seconds) if run.seconds else ""),
    ]
    cells = [cell for cell in cells if cell[1]]
    return [table(("", ""), cells, right=(1,))] if cells else []


def _made_with(run: Run) -> list[str]:
    told = run.environment
    git = told.get("git") or {}
    gpus = told.get("gpus") or []
    state = ""
    if git.get("commit"):
        dirty = git.get("dirty")
        state = f", with {git.get('changed')} changed files" if dirty else ", clean" if dirty is False else ""
        state = code(git["commit"]) + state
    cells = [
        ("base", code(run.base.get("id") or "")),
        ("sha256 of the base", code(run.base.get("hash") or "")),
        ("ragcli", code(told.get("ragcli") or "")),
        ("python", code(told.get("python") or "")),
        *((name, code(there)) for name, there in (told.get("packages") or {}).items()),
        ("platform", text(told.get("platform") or "")),
        ("processor", text(f"{told['cpu']}, {told.get('cores')} cores" if told.get("cpu") else "")),
        ("GPUs", text(", ".join(gpus))),
        ("driver", code(told.get("driver") or "")),
        ("git", state),
    ]
    cells = [cell for cell in cells if cell[1]]
    return [table(("", ""), cells)] if cells else []


def _repeat(run: Run) -> list[str]:
    return [block(shlex.join(run.command), "sh")] if run.command else []


def _is_on_hub(name: str) -> bool:
    return bool(_HUB.match(name)) and not name.startswith("builtin/") and not Path(name).exists()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _figure(value: Any) -> str:
    """Return a number as people read it; nothing for what is none."""
    if not _is_number(value):
        return ""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _whole(value: Any) -> int:
    return int(value) if _is_number(value) else 0


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
