"""What the forgetting guard measures of embedding models and rerankers: how well they find, before and after.

On the user's evaluation data the weights themselves are measured; on general texts and on the table of --probe an
embedding model is opened from its folder, as ``embed`` and ``query`` do it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ragcli.finetuning import prepared
from ragcli.finetuning.general import LANGUAGES, general
from ragcli.finetuning.guard import compare
from ragcli.finetuning.preparing import Request
from ragcli.finetuning.recipe import Job
from ragcli.finetuning.recipes.embedding import EmbeddingRecipe
from ragcli.finetuning.recipes.reranker import RerankerRecipe
from ragcli.finetuning.retrieval_measures import PerQuery, Probe, means, named, of_embedder, probe_of
from ragcli.models.folder import ModelFolder
from ragcli.records import Json


def guarded(this: Job, request: Request, trained: Path) -> tuple[Json, list[str]]:
    """Measure base and tuned model on the same questions; return the verdict's record, and how it was measured.

    Args:
        this: the run.
        request: what was asked for, with the table of --probe.
        trained: the folder of what was trained.
    """
    from ragcli.evaluation.statistics import paired

    probe, notes = _probe(this, request)
    before = _values(this, this.base, probe)
    after = _values(this, ModelFolder(str(trained), trained, ""), probe)
    unable: list[str] = []
    if this.settings.task == "reranker":
        said = RerankerRecipe().notes(this)
        notes += said
        unable = list(before) if said else []
    differences = {name: paired(some, after[name]) for name, some in before.items()}
    verdict = compare(
        means(before),
        means(after),
        intervals={name: (one.low, one.high) for name, one in differences.items()},
        unable=unable,
        learning_rate=this.settings.learning_rate,
    )
    notes += [
        f"{name} is of {one.n} questions: {one.difference:+.4f} (95 % interval {one.low:+.4f} to {one.high:+.4f})."
        for name, one in differences.items()
    ]
    return verdict.record(), notes


def _probe(this: Job, request: Request) -> tuple[Probe | None, list[str]]:
    if request.probe is None:
        return None, []
    if this.settings.task != "embedding":
        return None, ["The table of --probe was not searched: a reranker finds nothing by itself."]
    from ragcli.store import Table

    made = probe_of(Table.open(*request.probe))
    said = f"The table of --probe was measured with {len(made.questions)} questions, made by rules from its chunks, on"
    return made, [f"{said} {len(made.passages)} of them."]


def _values(this: Job, model: ModelFolder, probe: Probe | None) -> PerQuery:
    """Return every measure of every question of a model in a folder."""
    found: PerQuery = {}
    # No adapter is put on what is only measured.
    opened = replace(this, base=model, settings=replace(this.settings, method="full", precision="fp32"))
    if this.settings.task == "embedding":
        if (rows := _evaluation(this)) is not None:
            recipe = EmbeddingRecipe()
            found |= recipe.values(opened, recipe.load(opened), rows)
            gc.collect()
        for name, values in _by_embedder(model, this.settings.device, probe):
            found |= named(values, *name)
        return found
    scorer = RerankerRecipe()
    net = scorer.load(opened)
    if (rows := _evaluation(this)) is not None:
        found |= scorer.values(opened, net, rows)
    return found | scorer.general(opened, net)


def _by_embedder(model: ModelFolder, device: str, probe: Probe | None) -> Iterator[tuple[tuple[str, str], PerQuery]]:
    from ragcli.embedding import open_embedder

    embedder = open_embedder(str(model.path), device=device)
    for language in LANGUAGES:
        some = general(language)
        questions, texts = [one.question for one in some], [one.text for one in some]
        yield ("general_", f"_{language}"), of_embedder(embedder, questions, texts, range(len(some)))
    if probe is not None:
        yield ("probe_", ""), of_embedder(embedder, probe.questions, probe.passages, probe.right)


def _evaluation(this: Job) -> Any | None:
    if not prepared.path_of(this.work, prepared.EVALUATION).is_file():
        return None
    rows = prepared.read(this.work, prepared.EVALUATION)
    return rows if rows is not None and len(rows) else None
