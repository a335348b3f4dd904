"""sentence-transformers' CrossEncoder trainer on rows that hold a query and all of its passages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sentence_transformers.cross_encoder.data_collator import CrossEncoderDataCollator
from sentence_transformers.cross_encoder.trainer import CrossEncoderTrainer

from ragcli.finetuning.trained_state import TrainedState


@dataclass
class ScoreCollator(CrossEncoderDataCollator):  # type: ignore[misc]
    """Rows to pairs, as the loss reads them: ``query``, ``passage`` and ``label``, each once for each passage."""

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the batch; what else stands in the rows is left out."""
        pairs = [
            {"query": row["query"], "passage": passage, "label": label}
            for row in features
            for passage, label in zip(row["passages"], row["labels"], strict=True)
        ]
        return super().__call__(pairs)  # type: ignore[no-any-return]


class ScoreTrainer(TrainedState, CrossEncoderTrainer):  # type: ignore[misc]
    """The library's trainer without its model card; ragcli writes its own."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Add nothing."""
