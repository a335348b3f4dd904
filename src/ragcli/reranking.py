"""Cross-encoders: a model that reads question and text together and says how well they fit.

Loaded through transformers (any sequence classification model with one output, such as BAAI/bge-reranker-base).
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol

from ragcli.embedding.torch import torch_device
from ragcli.errors import MissingExtraError, ModelError
from ragcli.jsonl import clean

_MOST_TOKENS = 8192  # memory grows with the square


class Reranker(Protocol):
    """Scores texts for a question."""

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return a relevance for each text; higher is better."""
        ...


def pair_limit(tokenizer: Any, config: Any) -> int:
    """Return the tokens of question and text together that a model has positions for.

    Args:
        tokenizer: transformers' tokenizer.
        config: the model's; RoBERTa's positions begin after that of the padding.
    """
    positions = int(getattr(config, "max_position_embeddings", None) or _MOST_TOKENS)
    if "roberta" in str(getattr(config, "model_type", "")):
        positions -= int(config.pad_token_id or 0) + 1
    return min(int(tokenizer.model_max_length), positions, _MOST_TOKENS)


class CrossEncoder:
    """A cross-encoder of transformers.

    Args:
        folder: the model's folder.
        name: what to call it in an error.
        device: auto (a GPU where there is one), cpu, cuda or mps.

    Attributes:
        limit: the tokens that the model reads of question and text together.
        read: how many texts were scored so far.
        truncated: how many of them were longer, and scored by their beginning.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ModelError: the folder holds no such model.
    """

    def __init__(self, folder: str, name: str, *, device: str = "auto") -> None:
        try:
            import torch
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            raise MissingExtraError("--rerank", "torch") from error
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
            self._model: Any
            self._model, loaded = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"{name} cannot be loaded as a cross-encoder: {str(error).splitlines()[0]}",
                hint="--rerank takes a sequence classification model, such as BAAI/bge-reranker-base.",
            ) from error
        if loaded["missing_keys"]:  # filled with random numbers: an embedding model, most often
            raise ModelError(
                f"{name} is no cross-encoder: it has no weights for {sorted(loaded['missing_keys'])[0]}.",
                hint="--rerank takes a reranker, such as BAAI/bge-reranker-base.",
            )
        if self._model.config.num_labels != 1:
            raise ModelError(
                f"{name} is no cross-encoder: it has {self._model.config.num_labels} outputs, and one is needed.",
                hint="--rerank takes a reranker, such as BAAI/bge-reranker-base.",
            )
        self._torch = torch
        self._device = torch_device(device)
        self._model.to(self._device).eval()
        self.read = self.truncated = 0
        self._lock = Lock()  # a fast tokenizer's settings are changed by each call
        self.limit = pair_limit(self._tokenizer, self._model.config)

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return the model's output for each pair, before any sigmoid; higher is better."""
        with self._lock:
            return self._score(question, texts)

    def _score(self, question: str, texts: Sequence[str]) -> list[float]:
        torch = self._torch
        if not texts:
            return []
        question, texts = clean(question), [clean(text) for text in texts]
        scores = [0.0] * len(texts)
        whole = self._tokenizer([question] * len(texts), texts, truncation=False, verbose=False)["input_ids"]
        order = sorted(range(len(texts)), key=lambda at: len(whole[at]))
        self.read += len(texts)
        self.truncated += sum(len(ids) > self.limit for ids in whole)
        for start in range(0, len(order), 8):
            some = order[start : start + 8]
            batch = self._tokenizer(
                [question] * len(some),
                [texts[at] for at in some],
                padding=True,
                truncation="longest_first",
                max_length=self.limit,
                return_tensors="pt",
            ).to(self._device)
            with torch.inference_mode():
                logits = self._model(**batch).logits[:, 0].float().cpu().tolist()
            for at, value in zip(some, logits, strict=True):
                scores[at] = value
        return scores
