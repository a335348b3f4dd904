"""How well a model finds: nDCG@10 and recall@10 of queries against passages, before and after it is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ragcli.errors import InputError
from ragcli.records import Json

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


def means(values: PerQuery, prefix: str = "", suffix: str = "") -> dict[str, float]:
    """Return the mean of each measure, by its name in lower case."""
    return {f"{prefix}{name.lower()}{suffix}": sum(some) / len(some) for name, some in values.items() if some}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question and the text that answers it."""

    question: str
    text: str
    language: str = ""


def read_general(rows: Iterable[Mapping[str, Any]]) -> list[Question]:
    """Return the questions on general texts.

    Args:
        rows: objects with ``question``, ``text`` and ``language``.

    Raises:
        InputError: one lacks a field.
    """
    made: list[Question] = []
    for at, row in enumerate(rows, 1):
        try:
            made.append(
                Question(question=str(row["question"]), text=str(row["text"]), language=str(row.get("language", "")))
            )
        except KeyError as error:
            raise InputError(
                f"the {at}. row of the general questions has no {error}.", hint="It takes question, text and language."
            ) from error
    return made


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

    def values(self, embedder: Embedder) -> PerQuery:
        """Return every measure of every question."""
        found = ranked(embedder.encode(self.questions, "query"), embedder.encode(self.passages, "passage"))
        return measured(found, [[place] for place in self.right])


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


def compared(before: PerQuery, after: PerQuery) -> Json:
    """Return each measure before and after, with intervals (95 %, bootstrap) and the difference of the same queries."""
    from ragcli.evaluation.measures import DIGITS
    from ragcli.evaluation.statistics import interval, paired

    def rounded(value: object) -> Json:
        return {key: round(one, DIGITS) for key, one in asdict(value).items()}  # type: ignore[call-overload]

    return {
        name: {
            "before": rounded(interval(before[name])),
            "after": rounded(interval(after[name])),
            "difference": rounded(paired(before[name], after[name])),
        }
        for name in before
    }


def probe(table: Table, base: str | None, tuned: str, *, device: str = "auto", seed: int = 0) -> Json:
    """Return how base and tuned model find what a table's own chunks answer; see `probe_of` and `compared`.

    Args:
        table: the table.
        base: as `ragcli.embedding.open_embedder` takes it.
        tuned: likewise: the folder that was written.
        device: auto, cpu, cuda or mps.
        seed: of the sample.
    """
    from ragcli.embedding import open_embedder

    made = probe_of(table, seed=seed)
    open_one: Callable[[str | None], PerQuery] = lambda name: made.values(open_embedder(name, device=device))  # noqa: E731
    return {
        "table": table.name,
        "questions": len(made.questions),
        "passages": len(made.passages),
        "measures": compared(open_one(base), open_one(tuned)),
    }
