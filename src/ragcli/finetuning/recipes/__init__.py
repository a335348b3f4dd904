"""One file a task: how its rows become tensors, which trainer takes them, and what is saved."""

from __future__ import annotations

from importlib import import_module

from ragcli.finetuning.recipe import Recipe

_HOMES = {
    "chat": ("ragcli.finetuning.recipes.chat", "ChatRecipe"),
    "text": ("ragcli.finetuning.recipes.chat", "TextRecipe"),
    "preference": ("ragcli.finetuning.recipes.preference", "PreferenceRecipe"),
    "embedding": ("ragcli.finetuning.recipes.embedding", "EmbeddingRecipe"),
    "reranker": ("ragcli.finetuning.recipes.reranker", "RerankerRecipe"),
}


def recipe_of(task: str) -> Recipe:
    """Return how a task is trained."""
    module, name = _HOMES[task]
    recipe: Recipe = getattr(import_module(module), name)()
    return recipe
