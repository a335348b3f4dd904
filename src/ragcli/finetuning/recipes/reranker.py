"""``--task reranker``: what reads query and passage together and says how well they fit (``query --rerank``)."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragcli.errors import ModelError
from ragcli.finetuning.data.rows import PairRow, Row, ScoredRow
from ragcli.finetuning.encoders import (
    add_adapter,
    copy_tokenizer,
    load_tokenizer,
    merged,
    model_arguments,
    opened,
    train_device,
)
from ragcli.finetuning.general import LANGUAGES, general
from ragcli.finetuning.recipe import Job
from ragcli.finetuning.retrieval_measures import PerQuery, measured, named
from ragcli.finetuning.settings import Settings
from ragcli.jsonl import OnBad, clean, loads
from ragcli.models.folder import ModelFolder
from ragcli.records import Json
from ragcli.reranking import pair_limit

if TYPE_CHECKING:
    from ragcli.finetuning.trainer import Watch

MEASURES = ("nDCG@10", "RR@10")
_DRAWN = 3  # passages of earlier rows that a row without negatives is given
_RESERVOIR = 512  # passages that they are drawn from
_CANDIDATES = 10  # that a query ranks
MOST_QUERIES = {"cpu": 50, "cuda": 1_000, "mps": 200}  # that are measured
_HEADS = ("classifier", "score", "pooler")

_log = logging.getLogger("ragcli")


class RerankerRecipe:
    """Training of a cross-encoder with one output and binary cross-entropy."""

    task = "reranker"

    def encode(
        self, rows: Iterable[Row], settings: Settings, base: ModelFolder, on_bad: OnBad | None = None
    ) -> Iterator[Json]:
        """Yield what the trainer reads of each row: its query, the passages and what each is worth, from 0 to 1.

        A row that has no negatives is given passages of rows before it (``drawn`` counts them), as a model that sees
        only what is good learns to say yes. ``length`` is that of the longest pair, ``tokens`` the sum.
        """
        tokenizer = load_tokenizer(base.path)
        limit = self._limit(tokenizer, settings, base)
        generator = random.Random(settings.seed)
        reservoir: list[str] = []
        for row in rows:
            if not isinstance(row, PairRow | ScoredRow):
                raise TypeError(f"{row.place}: {type(row).__name__} is no row of a reranker task")
            passages, labels, drawn = _passages(row, reservoir, generator)
            query = [clean(row.query)] * len(passages)
            ids = tokenizer(query, [clean(one) for one in passages], truncation=False, verbose=False)["input_ids"]
            sizes = [len(one) for one in ids]
            yield {
                "query": query[0],
                "passages": passages,
                "labels": labels,
                "drawn": drawn,
                "length": max(sizes),
                "tokens": sum(sizes),
                "cut": sum(max(0, size - limit) for size in sizes),
                "place": str(row.place),
                "empty": not query[0].strip() or not passages[0].strip(),
            }

    def load(self, job: Job) -> Any:
        """Return the `sentence_transformers.CrossEncoder`, with adapters where the method has them.

        Raises:
            UsageError: the method is QLoRA.
            ModelError: the base is no encoder.
        """
        notes = self.notes(job)
        model = self._open(job, job.settings)
        for note in notes:
            _log.info("%s", note)
        return model

    def notes(self, job: Job) -> list[str]:
        """Return what a record and the card should say of the base."""
        if not new_head(job.base.path):
            return []
        return [f"the head is new: {job.base.id} is no reranker, so that its scores mean nothing before training"]

    def trainer(
        self, job: Job, model: Any, train: Any, evaluation: Any | None, arguments: Mapping[str, Any], watch: Watch
    ) -> Any:
        """Return the trainer."""
        from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments
        from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

        from ragcli.finetuning.pair_scoring import ScoreCollator, ScoreTrainer
        from ragcli.finetuning.trainer import careful

        return careful(ScoreTrainer, watch)(
            model=model,
            args=CrossEncoderTrainingArguments(**arguments),
            train_dataset=train,
            eval_dataset=evaluation,
            loss=BinaryCrossEntropyLoss(model),
            data_collator=ScoreCollator(model.preprocess),
        )

    def save(self, job: Job, model: Any, folder: Path, state: Mapping[str, Any] | None = None) -> None:
        """Write a folder that ``query --rerank`` takes."""
        if state is not None:
            model = self._open(job, job.settings)
            model.load_state_dict(state)
        transformer = model[0]
        transformer.model = merged(transformer.model)
        transformer.model.config.architectures = [type(transformer.model).__name__]
        model.save_pretrained(str(folder), create_model_card=False)
        copy_tokenizer(job.base.path, folder)

    def values(self, job: Job, model: Any, evaluation: Any) -> PerQuery:
        """Return nDCG@10 and RR@10 of each evaluation query's passages, filled up with others to `_CANDIDATES`."""
        good: dict[str, list[str]] = defaultdict(list)
        bad: dict[str, list[str]] = defaultdict(list)
        for row in evaluation:
            for passage, label in zip(row["passages"], row["labels"], strict=True):
                (good if label >= 0.5 else bad)[row["query"]].append(passage)
        return named(_ranked(model, good, bad, MOST_QUERIES[model.device.type]))

    def general(self, job: Job, model: Any) -> PerQuery:
        """Return how the general questions rank their texts among others, by language."""
        found: PerQuery = {}
        for language in LANGUAGES:
            some = {one.question: [one.text] for one in general(language)}
            values = _ranked(model, some, {}, MOST_QUERIES[model.device.type])
            found |= named(values, "general_", f"_{language}")
        return found

    def _limit(self, tokenizer: Any, settings: Settings, base: ModelFolder) -> int:
        from transformers import AutoConfig

        code = settings.trust_remote_code
        config = opened(
            lambda: AutoConfig.from_pretrained(base.path, local_files_only=True, trust_remote_code=code), base.path
        )
        limit = pair_limit(tokenizer, config)
        return min(settings.length or limit, limit)

    def _open(self, job: Job, settings: Settings) -> Any:
        limit = self._limit(load_tokenizer(job.base.path), settings, job.base)

        def make() -> Any:
            import torch
            from sentence_transformers.cross_encoder import CrossEncoder
            from sentence_transformers.sentence_transformer.modules import Transformer

            code = {"trust_remote_code": settings.trust_remote_code, "local_files_only": True}
            torch.manual_seed(settings.seed)  # of a new head
            transformer = Transformer(
                str(job.base.path),
                transformer_task="sequence-classification",
                model_kwargs={**model_arguments(settings), "ignore_mismatched_sizes": True},
                processor_kwargs={**code, "model_max_length": limit},
                config_kwargs={**code, "num_labels": 1},
            )
            return CrossEncoder(modules=[transformer], device=train_device(settings))

        model = opened(make, job.base.path)
        if settings.method != "full":
            heads = [name for name in _HEADS if any(one.endswith(f".{name}") for one, _ in model.named_modules())]
            add_adapter(model, settings, "SEQ_CLS", keep=heads)
        return model


def new_head(folder: Path) -> bool:
    """Whether a folder holds an encoder without a head for one score.

    Raises:
        ModelError: it holds a model that writes text, which no reranker is made of here.
    """
    try:
        config = loads((folder / "config.json").read_bytes())
        kinds = [str(one) for one in config.get("architectures") or ()]
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"the model's file {folder / 'config.json'} is damaged: {error}.") from error
    if any(kind.endswith(("ForCausalLM", "ForConditionalGeneration")) for kind in kinds):
        raise ModelError(
            f"the model in {folder} writes text ({kinds[0]}), and a reranker is made of an encoder.",
            hint="Take a reranker such as BAAI/bge-reranker-base, or an embedding model.",
        )
    labels = config.get("num_labels") or len(config.get("id2label") or {0: "", 1: ""})
    return not any(kind.endswith("ForSequenceClassification") for kind in kinds) or labels != 1


def _passages(
    row: PairRow | ScoredRow, reservoir: list[str], generator: random.Random
) -> tuple[list[str], list[float], int]:
    """Return a row's passages, what each is worth, and how many of them are other rows'.

    Args:
        row: the row.
        reservoir: passages of rows before it; this row's own takes its place among them.
        generator: chooses.
    """
    if isinstance(row, ScoredRow):
        return [row.passage], [float(row.score)], 0
    good = {row.positive, *row.known}
    negatives = [one for one in dict.fromkeys(row.negatives) if one not in good]
    drawn = 0
    if not negatives:
        others = [one for one in reservoir if one not in good]
        negatives = generator.sample(others, min(_DRAWN, len(others)))
        drawn = len(negatives)
    if row.positive not in reservoir:
        if len(reservoir) < _RESERVOIR:
            reservoir.append(row.positive)
        else:
            reservoir[generator.randrange(_RESERVOIR)] = row.positive
    return [row.positive, *negatives], [1.0, *[0.0] * len(negatives)], drawn


def _ranked(model: Any, good: Mapping[str, Sequence[str]], bad: Mapping[str, Sequence[str]], most: int) -> PerQuery:
    """Return how each query ranks what answers it among what does not, filled up with what answers others."""
    queries = [query for query in good if good[query]]
    queries = [queries[at * len(queries) // min(most, len(queries))] for at in range(min(most, len(queries)))]
    others = list(dict.fromkeys(passage for some in good.values() for passage in some))
    found: list[list[int]] = []
    right: list[range] = []
    training = model.training
    for at, query in enumerate(queries):
        passages = list(dict.fromkeys([*good[query], *bad.get(query, ())]))
        start = at * _CANDIDATES % len(others)
        fresh = (one for one in [*others[start:], *others[:start]] if one not in passages)
        passages += islice(fresh, max(0, _CANDIDATES - len(passages)))
        scores = model.predict([(query, passage) for passage in passages], batch_size=8, show_progress_bar=False)
        # A model that says the same of all has found nothing: of equals, what is right comes last.
        found.append(sorted(range(len(passages)), key=lambda one: (-float(scores[one]), -one)))
        right.append(range(len(set(good[query]))))
    model.train(training)
    return measured(found, right, MEASURES)
