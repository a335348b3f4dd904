"""``--task embedding``: the model that retrieval stands on, from queries and the passages that answer them."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragcli.embedding.profile import PROMPTS_MEANT, Profile, profile
from ragcli.errors import ModelError, RagcliError
from ragcli.finetuning.data.rows import PairRow, Row
from ragcli.finetuning.encoders import (
    TextIds,
    add_adapter,
    copy_tokenizer,
    merged,
    negatives_of,
    sentence_model,
    text_id,
)
from ragcli.finetuning.recipe import Job
from ragcli.finetuning.retrieval_measures import PerQuery, measured, named, ranked
from ragcli.finetuning.settings import Settings
from ragcli.jsonl import OnBad
from ragcli.models.folder import ModelFolder
from ragcli.records import Json

if TYPE_CHECKING:
    import numpy as np

    from ragcli.finetuning.trainer import Watch

_BATCH_TOKENS = {"cpu": 2_048, "cuda": 32_768, "mps": 8_192}  # of one pass without gradients
MOST_QUERIES = {"cpu": 300, "cuda": 3_000, "mps": 1_000}  # that are measured, of a larger evaluation file
_LEAST_COSINE = 0.98  # of the graph's vectors to those of the weights it was made from
_CHECKED = (
    "保修期为两年，自购买之日起计算，人为损坏不在保修范围之内。",
    "员工每年享有十五天带薪年假，须提前两周申请。",
    "The warranty covers two years from the date of purchase; damage by water is not covered.",
    "Error E1042 means that the controller has lost the connection to the pump.",
    "def load(path): return json.loads(path.read_bytes())",
)

_log = logging.getLogger("ragcli")


class EmbeddingRecipe:
    """Contrastive training of an embedding model."""

    task = "embedding"

    def encode(
        self, rows: Iterable[Row], settings: Settings, base: ModelFolder, on_bad: OnBad | None = None
    ) -> Iterator[Json]:
        """Yield what the trainer reads of each row; see `ragcli.finetuning.recipe.Recipe`.

        ``length`` is that of the longest text of a row, as ``settings.length`` is a limit of each; ``tokens`` is the
        sum. A negative that also answers the query is none: ``contradictions`` counts those of a row.
        """
        how = profile(base)
        made = TextIds(base.path, min(settings.length or how.max_tokens, how.max_tokens))
        for row in rows:
            if not isinstance(row, PairRow):
                raise TypeError(f"{row.place}: {type(row).__name__} is no row of an embedding task")
            passages = (row.positive, *row.negatives, *row.known)
            yield _encoded(row, made([how.query + row.query, *(how.passage + passage for passage in passages)]))

    def load(self, job: Job) -> Any:
        """Return the `sentence_transformers.SentenceTransformer`, with adapters where the method has them."""
        model = sentence_model(job.base, profile(job.base), job.settings)
        if job.settings.method != "full":
            add_adapter(model, job.settings, "FEATURE_EXTRACTION")
        return model

    def trainer(
        self, job: Job, model: Any, train: Any, evaluation: Any | None, arguments: Mapping[str, Any], watch: Watch
    ) -> Any:
        """Return the trainer.

        A step is one batch of ``settings.batch`` rows over all processes, each of them a negative of the others, so
        that passes are not accumulated: ``settings.micro_batch`` says how many texts are embedded at once.
        """
        from sentence_transformers import SentenceTransformerTrainingArguments

        from ragcli.finetuning.contrastive import FullBatches, KnownRankingLoss, PairCollator, PairTrainer
        from ragcli.finetuning.trainer import careful

        settings = job.settings
        ids = TextIds(job.base.path, settings.length)
        rows = max(1, settings.batch // settings.processes)
        changed = {
            **arguments,
            "per_device_train_batch_size": rows,
            "per_device_eval_batch_size": rows,
            "gradient_accumulation_steps": 1,
            "batch_sampler": partial(FullBatches, processes=settings.processes),
            "dataloader_drop_last": False,
        }
        loss = KnownRankingLoss(model, scale=1 / settings.temperature, mini_batch_size=settings.micro_batch)
        return careful(PairTrainer, watch)(
            model=model,
            args=SentenceTransformerTrainingArguments(**changed),
            train_dataset=train,
            eval_dataset=evaluation,
            loss=loss,
            data_collator=PairCollator(model.preprocess, pad=ids.pad, side=ids.side),
        )

    def save(self, job: Job, model: Any, folder: Path, state: Mapping[str, Any] | None = None) -> None:
        """Write a folder that ``embed -m`` opens, with the base's profile, and the graph for the CPU if it is a BERT.

        Raises:
            ModelError: what was written does not say what the base says of itself.
        """
        from ragcli.models.bert import fits

        how = profile(job.base)
        if state is not None:
            model = self.load(job)
            model.load_state_dict(state)
        write_model(job, model, how, folder)
        now = profile(ModelFolder(str(folder), folder, ""))
        if now != how:
            raise ModelError(f"the folder {folder} would be used as {now}, and its base is used as {how}.")
        if fits(folder):
            write_graph(folder, how, model)

    def values(self, job: Job, model: Any, evaluation: Any) -> PerQuery:
        """Return how each evaluation query finds its passage among those of all evaluation rows.

        Of a large file, `MOST_QUERIES` rows that stand evenly in it are measured.
        """
        most = MOST_QUERIES[model.device.type]
        places = range(len(evaluation))
        if len(evaluation) > most:
            places = [at * len(evaluation) // most for at in range(most)]  # type: ignore[assignment]
            _log.info("%d of %d evaluation rows are measured", most, len(evaluation))
        queries: dict[int, Sequence[int]] = {}
        passages: dict[int, Sequence[int]] = {}
        right: dict[int, set[int]] = defaultdict(set)
        for at in places:
            row = evaluation[at]
            queries[row["query_id"]] = row["query"]
            passages[row["positive_id"]] = row["positive"]
            passages.update(negatives_of(row))
            right[row["query_id"]] |= {row["positive_id"], *row["known_ids"]}
        column = {name: at for at, name in enumerate(passages)}
        found = ranked(embedded(job, model, list(queries.values())), embedded(job, model, list(passages.values())))
        return named(measured(found, [[column[one] for one in right[name] if one in column] for name in queries]))


def _encoded(row: PairRow, texts: Sequence[tuple[list[int], int]]) -> Json:
    """Return what the trainer reads of a row.

    Args:
        row: the row.
        texts: ids, and tokens cut, of its query, positive, negatives and known ones.
    """
    (query, _), (positive, _), *rest = texts
    negatives, known = rest[: len(row.negatives)], rest[len(row.negatives) :]
    positive_id = text_id(positive)
    known_ids = sorted({text_id(ids) for ids, _ in known} - {positive_id})
    bad = {positive_id, *known_ids}
    kept = {name: ids for ids, _ in negatives if (name := text_id(ids)) not in bad}
    sizes = [len(ids) + lost for ids, lost in texts[: 2 + len(negatives)]]
    return {
        "query": query,
        "positive": positive,
        "negatives": [token for ids in kept.values() for token in ids],
        "negative_sizes": [len(ids) for ids in kept.values()],
        "query_id": text_id(query),
        "positive_id": positive_id,
        "negative_ids": list(kept),
        "known_ids": known_ids,
        "contradictions": sum(text_id(ids) in bad for ids, _ in negatives),
        "length": max(sizes),
        "tokens": sum(sizes),
        "cut": sum(lost for _, lost in texts[: 2 + len(negatives)]),
        "place": str(row.place),
        "empty": not row.query.strip() or not row.positive.strip(),
    }


def embedded(job: Job, model: Any, texts: Sequence[Sequence[int]]) -> np.ndarray[Any, Any]:
    """Return vectors (texts, dimension) float32 of texts of token ids, by the model as it is now."""
    import numpy as np
    import torch

    from ragcli.finetuning.contrastive import padded

    ids = TextIds(job.base.path, 1)
    device = model.device
    most = _BATCH_TOKENS[device.type]
    out: list[Any] = [None] * len(texts)
    training = model.training
    model.eval()
    try:
        some: list[int] = []
        for at in [*sorted(range(len(texts)), key=lambda at: len(texts[at])), None]:
            if some and (at is None or (len(some) + 1) * len(texts[at]) > most):
                batch = padded([texts[one] for one in some], ids.pad, ids.side)
                with torch.inference_mode():
                    vectors = model({key: value.to(device) for key, value in batch.items()})["sentence_embedding"]
                for one, vector in zip(some, vectors.float().cpu().numpy(), strict=True):
                    out[one] = vector
                some = []
            if at is not None:
                some.append(at)
    finally:
        model.train(training)
    return np.stack(out) if out else np.zeros((0, model.get_embedding_dimension()), np.float32)


def write_model(job: Job, model: Any, how: Profile, folder: Path) -> None:
    """Write weights, tokenizer and what sentence-transformers and `ragcli.embedding.profile` read."""
    transformer = model[0]
    transformer.model = merged(transformer.model)
    model.save_pretrained(str(folder), create_model_card=False)
    copy_tokenizer(job.base.path, folder)
    for name, more in (
        ("config_sentence_transformers.json", {PROMPTS_MEANT: True}),
        ("sentence_bert_config.json", {"max_seq_length": how.max_tokens}),
    ):
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **more}, ensure_ascii=False, indent=2) + "\n")


def write_graph(folder: Path, how: Profile, model: Any) -> None:
    """Write the ONNX graph that makes embedding fast on a CPU, and keep it only where its vectors are the model's."""
    import numpy as np

    try:
        from ragcli.models.bert import BertWeights
        from ragcli.models.e5_onnx import write_onnx
    except ImportError:
        _log.warning("no ONNX graph is written, so that embedding on a CPU is slower: pip install 'ragcli[offline]'")
        return
    from ragcli.embedding.onnx import OnnxEmbedder
    from ragcli.embedding.torch import TorchEmbedder

    path = folder / "onnx" / "model_int8.onnx"
    try:
        write_onnx(BertWeights(folder), path, name=folder.name)
        written = ModelFolder(str(folder), folder, "")
        fast = OnnxEmbedder(written, how, path).encode(_CHECKED, "passage")
        whole = TorchEmbedder(written, how, "cpu").encode(_CHECKED, "passage")
        lengths = np.linalg.norm(fast, axis=1) * np.linalg.norm(whole, axis=1)
        lowest = float(((fast * whole).sum(axis=1) / np.maximum(lengths, 1e-12)).min())
    except RagcliError as error:
        path.unlink(missing_ok=True)
        _log.warning("no ONNX graph is kept, so that embedding on a CPU is slower: %s", error.message)
        return
    if lowest < _LEAST_COSINE:
        path.unlink(missing_ok=True)
        _log.warning(
            "no ONNX graph is kept, so that embedding on a CPU is slower: in 8 bits the vectors are no longer the"
            " model's (cosine %.3f)",
            lowest,
        )
    else:
        _log.info("the ONNX graph for the CPU gives the model's vectors (cosine %.4f at the lowest)", lowest)
