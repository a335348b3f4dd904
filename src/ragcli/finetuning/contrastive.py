"""The contrastive loss of an embedding model: a query against every passage of its batch, but none that answers it.

sentence-transformers' MultipleNegativesRankingLoss in GradCache's form (https://arxiv.org/abs/2101.06983) does the
work: a large batch, ``micro_batch`` texts of it in memory at once. Three things that its users trip over are here:

- Rows have as many hard negatives as they have. There a row must have a column for each, so that rows of two kinds
  cannot train together; here the passages of a batch are one list, each text once.
- A passage that is known to answer a query is no negative of it, wherever it came from. There a sampler keeps equal
  texts apart and knows nothing of others; a guide model (GISTEmbedLoss) guesses and costs another pass.
- Every row is in a full batch. There the last batch may hold one row, which has nothing to learn from.

Shapes: B rows and P passages of this process; W rows and Q passages of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.trainer import SentenceTransformerTrainer
from sentence_transformers.util import all_gather_with_grad, get_rank
from sentence_transformers.util.distributed import all_gather, get_world_size
from torch.utils.data import Sampler

from ragcli.finetuning.encoders import negatives_of
from ragcli.finetuning.trained_state import TrainedState

NO_TEXT = torch.iinfo(torch.int64).min  # fills up lists; no text has it


def padded(texts: Sequence[Sequence[int]], pad: int, side: str = "right") -> dict[str, torch.Tensor]:
    """Return texts of token ids as a model takes them: ``input_ids`` and ``attention_mask`` (texts, longest) int64."""
    longest = max(map(len, texts))
    ids = torch.full((len(texts), longest), pad, dtype=torch.int64)
    mask = torch.zeros((len(texts), longest), dtype=torch.int64)
    for at, one in enumerate(texts):
        where = slice(0, len(one)) if side == "right" else slice(longest - len(one), longest)
        ids[at, where] = torch.tensor(one, dtype=torch.int64)
        mask[at, where] = 1
    return {"input_ids": ids, "attention_mask": mask}


@dataclass
class PairCollator(SentenceTransformerDataCollator):  # type: ignore[misc]
    """Rows of token ids to a batch: queries, the passages of all rows, each once, and who answers whom.

    The shortest come first, so that texts that are embedded together are of one length.
    """

    pad: int = 0
    side: str = "right"

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """Return ``query_…`` (B, tokens), ``passage_…`` (P, tokens) and ``label``, see `KnownRankingLoss.forward`."""
        rows = sorted(features, key=lambda row: len(row["query"]))
        texts: dict[int, Sequence[int]] = {}
        for row in rows:
            texts[row["positive_id"]] = row["positive"]
            texts.update(negatives_of(row))
        names = sorted(texts, key=lambda name: len(texts[name]))
        known = [[row["positive_id"], *row["known_ids"]] for row in rows]
        width = max(map(len, known))
        batch: dict[str, Any] = {}
        for name, some in (("query", [row["query"] for row in rows]), ("passage", [texts[one] for one in names])):
            batch.update({f"{name}_{key}": value for key, value in padded(some, self.pad, self.side).items()})
        batch["label"] = {
            "query": torch.tensor([row["query_id"] for row in rows]),
            "passage": torch.tensor(names),
            "known": torch.tensor([[*one, *[NO_TEXT] * (width - len(one))] for one in known]),
        }
        return batch


class PairTrainer(TrainedState, SentenceTransformerTrainer):  # type: ignore[misc]
    """sentence-transformers' trainer without its model card, for which it embeds examples; ragcli writes its own."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Add nothing."""


class FullBatches(Sampler[list[int]]):  # type: ignore[misc]
    """Every row once an epoch, in an order that the seed and the epoch decide, in batches of one size.

    A step takes one batch of each process, one after another, so that the order is that of one process with batches
    as many times as large. The last step is filled up with the first rows of the epoch's order.

    Args:
        dataset: what has the rows.
        batch_size: rows of one process in a step.
        seed: of the order.
        processes: how many train together.
    """

    drop_last = False

    def __init__(self, dataset: Sized, batch_size: int, *, seed: int = 0, processes: int = 1, **_: Any) -> None:
        self._rows = len(dataset)
        fitting = -(-self._rows // processes)
        self.batch_size = max(1, min(batch_size, fitting))
        self._step = self.batch_size * processes
        self._seed = seed
        self.epoch = 0
        self.sampler = self  # accelerate tells the epoch to what stands here

    def set_epoch(self, epoch: int) -> None:
        """Take the order of another epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self._rows // self._step) * (self._step // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = torch.randperm(self._rows, generator=torch.Generator().manual_seed(self._seed + self.epoch)).tolist()
        whole = len(self) * self.batch_size
        while len(order) < whole:
            order += order[: whole - len(order)]
        yield from (order[at : at + self.batch_size] for at in range(0, whole, self.batch_size))


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answers whom in the batch of all processes.

    Args:
        target: (B,) the column of each row's own passage.
        barred: (B, Q) which passages are no negatives of which row: they answer it, or stand there twice.
    """

    target: torch.Tensor
    barred: torch.Tensor


def answers(query: torch.Tensor, known: torch.Tensor, passage: torch.Tensor, every: Mapping[str, Any]) -> Answers:
    """Return who answers whom.

    Args:
        query: (B,) ids of this process's queries.
        known: (B, K) ids of passages that answer them; the first of each is the row's own.
        passage: (Q,) ids of the passages of all processes.
        every: of the rows of all processes, the ``query`` (W,) and the row's own ``positive`` (W,).
    """
    columns = torch.arange(len(passage), device=passage.device)
    names, place = torch.unique(passage, return_inverse=True)
    first = torch.full((len(names),), len(passage), device=passage.device)
    first = first.scatter_reduce(0, place, columns, "amin")
    target = first[torch.searchsorted(names, known[:, 0].contiguous())]
    barred = (first[place] != columns)[None, :] | (passage == NO_TEXT)[None, :]
    for column in known.T:
        barred = barred | (column[:, None] == passage[None, :])
    # What another row says of the same query is true of this one.
    same = query[:, None] == every["query"][None, :]
    holds = every["positive"][:, None] == passage[None, :]
    barred = barred | ((same.float() @ holds.float()) > 0)
    barred[torch.arange(len(query), device=passage.device), target] = False
    return Answers(target, barred)


class KnownRankingLoss(CachedMultipleNegativesRankingLoss):  # type: ignore[misc]
    """Cross-entropy of each query's own passage among all passages of the batch that do not answer it.

    A batch of at most ``mini_batch_size`` rows is embedded once, a larger one in pieces and twice (GradCache).

    Args:
        model: the `sentence_transformers.SentenceTransformer`.
        scale: 1 / temperature, by which cosines are multiplied.
        mini_batch_size: texts that are embedded together.
    """

    def __init__(self, model: Any, *, scale: float, mini_batch_size: int) -> None:
        together = get_world_size() > 1
        super().__init__(model, scale=scale, mini_batch_size=mini_batch_size, gather_across_devices=together)

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the mean loss of this process's rows.

        Args:
            sentence_features: the queries (B, tokens) and the passages (P, tokens).
            labels: ``query`` (B,), ``known`` (B, K) and ``passage`` (P,): ids of texts.
        """
        features = list(sentence_features)
        if len(labels["query"]) > self.mini_batch_size:
            return self.forward_cached(features, labels)
        return self.calculate_loss([[self.model(dict(one))["sentence_embedding"]] for one in features], labels)

    def calculate_loss(
        self, reps: list[list[torch.Tensor]], labels: Any = None, *, with_backward: bool = False
    ) -> torch.Tensor:
        """Return the loss of embedded texts; see `sentence_transformers.base.losses.gradcache.CachedLossMixin`."""
        queries, passages = torch.cat(reps[0]), torch.cat(reps[1])
        names = labels["passage"]
        every = {"query": labels["query"], "positive": labels["known"][:, 0].contiguous()}
        if self.gather_across_devices:
            passages, names = _together(passages, names)
            every = {key: _gathered(value) for key, value in every.items()}
        found = answers(labels["query"], labels["known"], names, every)
        scores = self.similarity_fct(queries, passages).float() * self.scale  # (B, Q)
        scores = scores.masked_fill(found.barred, -torch.inf)
        loss = torch.nn.functional.cross_entropy(scores, found.target)
        if with_backward:
            loss.backward()
            loss = loss.detach()
        return loss


def _gathered(values: torch.Tensor) -> torch.Tensor:
    """Return the values of all processes, which have as many of them."""
    return all_gather(values) if get_world_size() > 1 else values


def _together(passages: torch.Tensor, names: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the passages of all processes with their gradients; fewer are filled up with what has no name."""
    counts = torch.zeros(get_world_size(), dtype=torch.int64, device=names.device)
    counts[get_rank()] = len(names)
    if len(counts) > 1:
        torch.distributed.all_reduce(counts)
    missing = int(counts.max()) - len(names)
    if missing:
        passages = torch.cat([passages, passages.new_zeros(missing, passages.shape[1])])
        names = torch.cat([names, names.new_full((missing,), NO_TEXT)])
    return all_gather_with_grad(passages) if len(counts) > 1 else passages, _gathered(names)
