"""How good the quotes are, on questions with gold answers: 567 in Chinese, 47 in English. Deterministic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragcli.answering import Extractive, answer
from ragcli.answering.terms import terms
from ragcli.records import Hit, Result

DATA = Path(__file__).parent / "data"


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def hits(ids: list[str], texts: dict[str, tuple[str, str]]) -> list[Hit]:
    return [
        Hit(
            id=one,
            document_id=one,
            source=one,
            text=texts[one][1],
            start=0,
            end=len(texts[one][1]),
            title=texts[one][0],
            rank=rank,
            score=1 / rank,
        )
        for rank, one in enumerate(ids, 1)
    ]


def nearest(question: str, held: dict[str, frozenset[str]], k: int = 5) -> list[str]:
    """The passages that share most terms with the question; ties in the order of their ids."""
    asked = terms(question, question=True).strong
    return sorted(held, key=lambda one: (-len(asked & held[one]), one))[:k]


def measure(
    texts: dict[str, tuple[str, str]], questions: list[tuple[str, str, list[str]]]
) -> tuple[float, float, float]:
    """Return the parts of the questions whose answer holds a gold one, that are refused, that are refused rightly.

    ``questions`` are (question, gold passage, gold answers). The last figure is without the gold passage.
    """
    held = {one: terms(f"{title}\n{text}").strong for one, (title, text) in texts.items()}
    answerable, without = [], []
    for number, (question, gold, answers) in enumerate(questions):
        found = nearest(question, held, 6)
        if gold not in found[:5]:
            continue
        row = {"answers": answers}
        answerable.append(Result(id=str(number), query=question, hits=hits(found[:5], texts), extra=row))
        others = [one for one in found if one != gold and texts[one][0] != texts[gold][0]][:5]
        without.append(Result(id=str(number), query=question, hits=hits(others, texts)))
    assert len(answerable) >= 0.95 * len(questions)
    made = list(answer(answerable, Extractive()))
    assert all(len(one.answer) <= 200 for one in made)
    contained = sum(
        any(gold.lower() in citation.quote.lower() for gold in one.extra["answers"] for citation in one.citations)
        for one in made
    )
    refused = sum(one.refused for one in made)
    rightly = sum(one.refused for one in answer(without, Extractive()))
    return contained / len(made), refused / len(made), rightly / len(made)


def test_chinese_answers_contain_a_gold_answer() -> None:
    folder = DATA / "cmrc_sample"
    texts = {row["_id"]: (row["title"], row["text"]) for row in lines(folder / "corpus.jsonl")}
    qrels = dict(row.split("\t")[:2] for row in (folder / "qrels.tsv").read_text("utf-8").split("\n")[1:] if row)
    questions = [(row["text"], qrels[row["_id"]], row["answers"]) for row in lines(folder / "queries.jsonl")]
    contained, refused, rightly = measure(texts, questions)
    assert contained >= 0.85
    assert refused <= 0.03
    assert rightly >= 0.75


def english() -> tuple[dict[str, tuple[str, str]], list[tuple[str, str, list[str]]], list[str]]:
    texts, questions, foreign = {}, [], []
    for row in lines(DATA / "english_qa.jsonl"):
        if "text" not in row:
            foreign = [one["question"] for one in row["questions"]]
            continue
        texts[row["id"]] = (row["title"], row["text"])
        questions += [(one["question"], row["id"], one["answers"]) for one in row["questions"]]
    return texts, questions, foreign


def test_english_answers_contain_a_gold_answer() -> None:
    texts, questions, _ = english()
    contained, refused, _ = measure(texts, questions)
    assert contained >= 0.8
    assert refused <= 0.03


def test_foreign_questions_are_refused() -> None:
    texts, _, foreign = english()
    held = {one: terms(f"{title}\n{text}").strong for one, (title, text) in texts.items()}
    results = [Result(id="q", query=one, hits=hits(nearest(one, held), texts)) for one in foreign]
    refused = [one.refused for one in answer(results, Extractive())]
    assert len(refused) == 20
    assert sum(refused) >= 17


@pytest.mark.parametrize("name", ["cmrc_sample/SOURCES.md", "english_qa.SOURCES.md"])
def test_the_data_names_its_licence(name: str) -> None:
    assert "CC BY" in (DATA / name).read_text("utf-8")
