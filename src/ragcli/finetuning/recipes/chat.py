"""Supervised fine-tuning: conversations, with the loss on what the assistant says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ragcli.errors import InputError
from ragcli.finetuning.data.rows import ChatRow, Row
from ragcli.finetuning.encoding import IGNORED, Encoder
from ragcli.finetuning.recipe import Job
from ragcli.finetuning.recipes import language
from ragcli.finetuning.settings import Settings
from ragcli.finetuning.trainer import Watch, careful
from ragcli.jsonl import OnBad
from ragcli.models.folder import ModelFolder
from ragcli.records import Json


class ChatRecipe(language.LanguageRecipe):
    """See `ragcli.finetuning.recipe.Recipe`."""

    task = "chat"
    packs = "bfd"

    def encode(
        self, rows: Iterable[Row], settings: Settings, base: ModelFolder, on_bad: OnBad | None = None
    ) -> Iterator[Json]:
        """Yield ``input_ids`` and ``labels``."""
        encoder = Encoder(language.tokenizer_of(base, settings), base.path, settings.model)
        for row in rows:
            assert isinstance(row, ChatRow)
            try:
                turns = encoder.conversation(row)
            except InputError as error:
                if on_bad is None:
                    raise
                on_bad(error)
                continue
            for encoded in turns:
                yield {
                    "input_ids": encoded.ids,
                    "labels": encoded.labels,
                    "length": len(encoded.ids),
                    "place": str(row.place),
                    "empty": not encoded.trained,
                }

    def trainer(
        self, job: Job, model: Any, train: Any, evaluation: Any | None, arguments: Mapping[str, Any], watch: Watch
    ) -> Any:
        """Return TRL's SFTTrainer on rows that are encoded already."""
        from trl import SFTConfig, SFTTrainer

        settings = job.settings
        given = language.arguments_of(settings, arguments)
        if settings.packing:
            given |= {"packing": True, "packing_strategy": self.packs, "eval_packing": True}
        return careful(SFTTrainer, watch)(
            model=model,
            args=SFTConfig(**given),
            train_dataset=train,
            eval_dataset=evaluation,
            processing_class=language.tokenizer_of(job.base, settings),
            peft_config=language.adapter_config(settings),
        )


class TextRecipe(ChatRecipe):
    """Continued pretraining: texts, each with the token that ends it, packed."""

    task = "text"
    packs = "bfd_split"

    def encode(
        self, rows: Iterable[Row], settings: Settings, base: ModelFolder, on_bad: OnBad | None = None
    ) -> Iterator[Json]:
        """Yield ``input_ids`` and ``labels``, which are the same."""
        from ragcli.finetuning.data.rows import TextRow

        tokenizer = language.tokenizer_of(base, settings)
        end = tokenizer.eos_token_id
        for row in rows:
            assert isinstance(row, TextRow)
            ids = list(tokenizer(row.text, split_special_tokens=True, verbose=False)["input_ids"])
            if end is not None and ids[-1:] != [end]:
                ids.append(end)
            yield {
                "input_ids": ids,
                "labels": ids,
                "length": len(ids),
                "place": str(row.place),
                "empty": len(ids) < 2,
            }


def cut(example: Json, length: int) -> tuple[Json, int]:
    """Return a row of at most ``length`` tokens, and how many it lost; it may have nothing left to learn from."""
    lost = max(0, len(example["input_ids"]) - length)
    if not lost:
        return example, 0
    labels = example["labels"][:length]
    empty = all(label == IGNORED for label in labels)
    shorter = {"input_ids": example["input_ids"][:length], "labels": labels, "length": length, "empty": empty}
    return {**example, **shorter}, lost
