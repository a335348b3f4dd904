"""Cross-encoders: a model that reads question and text together and says how well they fit.

Loaded through transformers (any sequence classification model with one output, such as BAAI/bge-reranker-base).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ragcli.errors import MissingExtraError, ModelError


class Reranker(Protocol):
    """Scores texts for a question."""

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return a relevance for each text; higher is better."""
        ...


class CrossEncoder:
    """A cross-encoder of transformers; on the GPU where there is one.

    Args:
        folder: the model's folder.
        name: what to call it in an error.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ModelError: the folder holds no such model.
    """

    def __init__(self, folder: str, name: str) -> None:
        try:
            import torch
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
        except ImportError as error:
            raise MissingExtraError("--rerank", "torch") from error
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
            self._model: Any = AutoModelForSequenceClassification.from_pretrained(folder)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"{name} cannot be loaded as a cross-encoder: {str(error).splitlines()[0]}",
                hint="--rerank takes a sequence classification model, such as BAAI/bge-reranker-base.",
            ) from error
        if self._model.config.num_labels != 1:
            raise ModelError(
                f"{name} is no cross-encoder: it has {self._model.config.num_labels} outputs, and one is needed.",
                hint="--rerank takes a reranker, such as BAAI/bge-reranker-base.",
            )
        self._torch = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model.to(self._device).eval()
        limit = min(self._tokenizer.model_max_length, getattr(self._model.config, "max_position_embeddings", 512))
        self._limit = min(int(limit), 512)

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return the model's output for each pair, before any sigmoid; higher is better."""
        torch = self._torch
        scores = [0.0] * len(texts)
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        for start in range(0, len(order), 8):
            some = order[start : start + 8]
            batch = self._tokenizer(
                [question] * len(some),
                [texts[at] for at in some],
                padding=True,
                truncation="longest_first",
                max_length=self._limit,
                return_tensors="pt",
            ).to(self._device)
            with torch.inference_mode():
                logits = self._model(**batch).logits[:, 0].float().cpu().tolist()
            for at, value in zip(some, logits, strict=True):
                scores[at] = value
        return scores
