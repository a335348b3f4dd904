"""Preference: a better and a worse answer to the same conversation, by DPO [Rafailov et al. 2023]."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ragcli.errors import InputError
from ragcli.finetuning.data.rows import PreferenceRow, Row
from ragcli.finetuning.encoding import Encoder
from ragcli.finetuning.recipe import Job
from ragcli.finetuning.recipes import language
from ragcli.finetuning.settings import Settings
from ragcli.finetuning.trainer import Watch, careful
from ragcli.jsonl import OnBad
from ragcli.models.folder import ModelFolder
from ragcli.records import Json


class PreferenceRecipe(language.LanguageRecipe):
    """See `ragcli.finetuning.recipe.Recipe`."""

    task = "preference"

    def encode(
        self, rows: Iterable[Row], settings: Settings, base: ModelFolder, on_bad: OnBad | None = None
    ) -> Iterator[Json]:
        """Yield ``prompt_ids``, ``chosen_ids`` and ``rejected_ids``."""
        encoder = Encoder(language.tokenizer_of(base, settings), base.path, settings.model)
        for row in rows:
            assert isinstance(row, PreferenceRow)
            try:
                prompt, chosen, rejected = encoder.preference(row)
            except InputError as error:
                if on_bad is None:
                    raise
                on_bad(error)
                continue
            yield {
                "prompt_ids": prompt,
                "chosen_ids": chosen,
                "rejected_ids": rejected,
                "length": len(prompt) + max(len(chosen), len(rejected)),
                "place": str(row.place),
                "empty": chosen == rejected,
            }

    def trainer(
        self, job: Job, model: Any, train: Any, evaluation: Any | None, arguments: Mapping[str, Any], watch: Watch
    ) -> Any:
        """Return TRL's DPOTrainer on rows that are encoded already."""
        from trl import DPOConfig, DPOTrainer

        class Encoded(DPOTrainer):  # type: ignore[misc]
            """Takes the rows as they are: their prompts are those of ``ask``."""

            def _prepare_dataset(self, dataset: Any, *_: object) -> Any:
                return dataset

        settings = job.settings
        given = language.arguments_of(settings, arguments)
        for one in ("dataset_kwargs", "shuffle_dataset"):
            given.pop(one)
        model.name_or_path = str(job.base.path)
        model.config._name_or_path = str(job.base.path)  # from which the reference is loaded, in full training
        return careful(Encoded, watch)(
            model=model,
            args=DPOConfig(**given, beta=settings.beta),
            train_dataset=train,
            eval_dataset=evaluation,
            processing_class=language.tokenizer_of(job.base, settings),
            peft_config=language.adapter_config(settings),
        )


def cut(example: Json, length: int) -> tuple[Json, int]:
    """Return a row whose prompt and answers have at most ``length`` tokens, and how many the longer pair lost.

    Where the prompt leaves no room, or the answers are the same as far as they go, nothing is left to learn.
    """
    lost = max(0, example["length"] - length)
    if not lost:
        return example, 0
    room = max(0, length - len(example["prompt_ids"]))
    chosen, rejected = example["chosen_ids"][:room], example["rejected_ids"][:room]
    shorter = {"chosen_ids": chosen, "rejected_ids": rejected, "length": length, "empty": chosen == rejected}
    return {**example, **shorter}, lost
