"""What a task must bring: the seam between the run, which is the same for all, and the trainers of the libraries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ragcli.finetuning.data.rows import Row
from ragcli.finetuning.settings import Settings
from ragcli.finetuning.trainer import Watch
from ragcli.jsonl import OnBad
from ragcli.models.folder import ModelFolder
from ragcli.records import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run that is ready to begin: every process of it reads the same one from ``work``.

    Args:
        settings: with nothing left open.
        base: the folder of the base model.
        work: the folder of what is under way: prepared data, checkpoints, records.
        extra: what the recipe noted when it prepared the data.
    """

    settings: Settings
    base: ModelFolder
    work: Path
    extra: Json


class Recipe(Protocol):
    """How one task is trained. It is made without loading the model; torch is imported in `load` at the earliest."""

    task: str

    def encode(
        self, rows: Iterable[Row], settings: Settings, base: ModelFolder, on_bad: OnBad | None = None
    ) -> Iterator[Json]:
        """Yield for each row what the trainer's data set holds.

        Beside it stand ``length`` (its tokens, before cutting), ``cut`` (tokens lost at ``settings.length``) and
        ``place`` (as text). Rows come one by one: nothing holds them all. A row of which nothing is left to learn from
        is yielded with ``"empty": True`` and is left out by the caller, who counts it. A row that the model cannot take
        is an InputError, or goes to ``on_bad`` where there is one.
        """
        ...

    def load(self, job: Job) -> Any:
        """Return the model that is trained, adapters and quantization included, on its device (not wrapped)."""
        ...

    def trainer(
        self, job: Job, model: Any, train: Any, evaluation: Any | None, arguments: Mapping[str, Any], watch: Watch
    ) -> Any:
        """Return a `transformers.Trainer` of the task.

        Args:
            job: the run.
            model: from `load`.
            train: a `datasets.Dataset` of what `encode` yielded; its column ``row`` numbers the rows.
            evaluation: the same for the evaluation data.
            arguments: of `transformers.TrainingArguments`: output_dir, batch sizes, schedule, precision, seed …;
                the recipe adds those of its own trainer's configuration class.
            watch: what the trainer tells and asks; its class comes from `ragcli.finetuning.trainer.careful`.
        """
        ...

    def save(self, job: Job, model: Any, folder: Path, state: Mapping[str, Any] | None = None) -> None:
        """Write the tuned model to a folder that is there and empty: all that ``ask`` or ``embed`` needs.

        Args:
            job: the run.
            model: what was trained, not wrapped.
            folder: where to.
            state: its whole state, where each process holds only a part.
        """
        ...
