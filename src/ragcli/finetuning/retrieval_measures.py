"""How well a model finds: nDCG@10 and recall@10 of queries against passages, before and after it is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragcli.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from ragcli.embedding.protocols import Embedder
    from ragcli.store import Table

MEASURES = ("nDCG@10", "R@10")
_DEPTH = 10
PROBE_QUESTIONS = 200
PROBE_PASSAGES = 600

PerQuery = dict[str, list[float]]  # measure -> a value of each query, in order


def ranked(queries: np.ndarray[Any, Any], passages: np.ndarray[Any, Any], depth: int = _DEPTH) -> list[list[int]]:
    """Return the places of the passages that are nearest to each query, best first; of equals, the first.

    Args:
        queries: (q, dimension) float32.
        passages: (p, dimension) float32.
        depth: how many.
    """
    import numpy as np

    def unit(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)  # type: ignore[no-any-return]

    found: list[list[int]] = []
    whole = unit(passages).T
    for start in range(0, len(queries), 256):
        scores = unit(queries[start : start + 256]) @ whole
        found += np.argsort(-scores, axis=1, kind="stable")[:, :depth].tolist()
    return found


def measured(
    found: Sequence[Sequence[int]], right: Sequence[Iterable[int]], names: Sequence[str] = MEASURES
) -> PerQuery:
    """Return the value of every measure for every query.

    Args:
        found: of each query, the places of passages, best first.
        right: of each query, the places of those that answer it.
        names: of the measures, as `ragcli.evaluation.measures` knows them.
    """
    from ragcli.evaluation.measures import per_query

    qrels = {str(at): dict.fromkeys(map(str, places), 1) for at, places in enumerate(right)}
    run = {str(at): list(map(str, places)) for at, places in enumerate(found)}
    values = per_query(run, qrels, names)
    return {name: [values[name][str(at)] for at in range(len(found))] for name in names}


def named(values: PerQuery, prefix: str = "", suffix: str = "") -> PerQuery:
    """Return values by the names that `ragcli.finetuning.guard` knows: ``general_ndcg@10_zh``."""
    return {f"{prefix}{name.lower()}{suffix}": some for name, some in values.items() if some}


def means(values: PerQuery) -> dict[str, float]:
    """Return the mean of each measure."""
    return {name: sum(some) / len(some) for name, some in values.items() if some}


def of_embedder(
    embedder: Embedder, questions: Sequence[str], passages: Sequence[str], right: Sequence[int]
) -> PerQuery:
    """Return how an embedder finds the passage that answers each question.

    Args:
        embedder: the model, as ``query`` uses it.
        questions: the questions.
        passages: what is searched.
        right: of each question, the place of the passage that answers it.
    """
    found = ranked(embedder.encode(questions, "query"), embedder.encode(passages, "passage"))
    return measured(found, [[place] for place in right])


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a table is searched for, and in what: the same for both models.

    Args:
        questions: made from the table's own chunks by rules.
        passages: chunks of the table, those asked about first.
        right: of each question, the place of its chunk among the passages.
        table: its name.
    """

    questions: list[str]
    passages: list[str]
    right: list[int]
    table: str


def probe_of(table: Table, *, questions: int = PROBE_QUESTIONS, passages: int = PROBE_PASSAGES, seed: int = 0) -> Probe:
    """Make questions by rules from a sample of a table's chunks.

    Chunks are drawn evenly from the documents; with the same seed and content, the same. Nothing is searched while
    they are made, so that neither model chooses the questions.

    Args:
        table: the table.
        questions: at most so many.
        passages: at most so many chunks are searched, those asked about among them.
        seed: another one draws others.

    Raises:
        InputError: the rules make no question of any chunk.
    """
    from ragcli.embedding.stage import passage_text
    from ragcli.evaluation.normalising import fold
    from ragcli.questioning import RuleMaker
    from ragcli.questioning.sampling import Sampler

    headings = bool(table.contract.get("headings"))
    maker = RuleMaker()
    asked: list[tuple[str, str]] = []
    others: list[str] = []
    seen: set[str] = set()
    for chunk in Sampler(table, seed=seed, size=passages).chunks():
        text = passage_text(chunk, headings=headings)
        drafts = next(iter(maker.make([chunk]))).drafts if len(asked) < questions else ()
        draft = next((one for one in drafts if fold(one.question) not in seen), None)
        if draft is not None:
            seen.add(fold(draft.question))
            asked.append((draft.question, text))
        else:
            others.append(text)
        if len(asked) + len(others) >= passages:
            break
    if not asked:
        raise InputError(
            f"no question can be made by rules from the table {table.name!r}, so that there is nothing to probe.",
            hint="Give --eval-data with questions instead of --probe.",
        )
    texts = [text for _, text in asked] + others
    return Probe(
        questions=[question for question, _ in asked], passages=texts, right=list(range(len(asked))), table=table.name
    )
