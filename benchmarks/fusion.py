"""Fusion against reciprocal rank fusion and each list alone, on three kinds of question.

The questions of a BEIR data set as they are; with the longest part that they share with their passage taken out
(a question that does not know the words); and, where opencc is installed, in traditional characters. Prints one
JSON line: nDCG@10 and recall@1 of each.

    python benchmarks/fusion.py ../shared/data/cmrc2018 --questions 800
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import ragcli
from ragcli.fusion import fuse
from ragcli.indexing import Writer
from ragcli.lexical import fold
from ragcli.records import Chunk, content_id
from ragcli.store import Table, of_rows

Scores = Mapping[int, float]
DEPTH = 100


def build(folder: Path, embedder, db: str) -> tuple[Table, dict[str, int], dict[str, str]]:
    """Index the passages, whole; return the table, the row of each id, and each passage's text."""
    documents = [json.loads(line) for line in (folder / "corpus.jsonl").read_bytes().splitlines()]
    chunks = [
        Chunk(
            id=content_id(one["_id"]),
            document_id=content_id(one["_id"], "document"),
            source=one["_id"],
            text=one["text"],
            start=0,
            end=len(one["text"]),
            title=one.get("title"),
        )
        for one in documents
    ]
    table = Table.create(db, "kb", {"model": embedder.contract})
    writer = Writer(table)
    for vector in ragcli.embed(writer.fresh(chunks), embedder):
        writer.add(vector)
    writer.finish()
    found = table.dataset.scanner(columns=["source"], with_row_id=True).to_table()
    rows = dict(zip(found["source"].to_pylist(), found["_rowid"].to_pylist(), strict=True))
    return table, rows, {one["_id"]: f"{one.get('title', '')}\n{one['text']}" for one in documents}


def vague(question: str, passage: str) -> str:
    """Take out of a question the longest part that its passage holds too."""
    best = ""
    for size in range(2, 9):
        for start in range(len(question) - size + 1):
            part = question[start : start + size]
            if part in passage and len(part) > len(best):
                best = part
    return question.replace(best, "") if len(best) >= 2 and len(question) - len(best) >= 6 else question


def candidates(table: Table, vector, text: str) -> tuple[dict[int, float], dict[int, float]]:
    """Return both scores of every candidate, as the search completes them."""
    cosine = {one.row: one.score for one in table.vector_search(vector, DEPTH)}
    folded = fold(text)
    bm25 = {one.row: one.score for one in table.text_search(folded, DEPTH)}
    for row, other in table.vectors([row for row in bm25 if row not in cosine]).items():
        cosine[row] = float(vector @ other)
    missing = [row for row in cosine if row not in bm25]
    if missing and bm25:
        bm25.update({one.row: one.score for one in table.text_search(folded, len(missing), of_rows(missing))})
    return cosine, {row: bm25.get(row, 0.0) for row in cosine}


def _ranks(scores: Scores) -> dict[int, int]:
    return {row: rank for rank, row in enumerate(sorted(scores, key=lambda row: -scores[row]), 1)}


def reciprocal(cosine: Scores, bm25: Scores) -> dict[int, float]:
    """Reciprocal rank fusion with the usual 60."""
    first, second = _ranks(cosine), _ranks(bm25)
    return {row: 1 / (60 + first[row]) + (1 / (60 + second[row]) if bm25[row] else 0) for row in cosine}


METHODS: dict[str, Callable[[Scores, Scores], Scores]] = {
    "vector": lambda cosine, _: cosine,
    "text": lambda _, bm25: bm25,
    "reciprocal rank": reciprocal,
    "ragcli": lambda cosine, bm25: {one.row: one.score for one in fuse({"vector": cosine, "text": bm25})},
}


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a BEIR data set: corpus.jsonl, queries.jsonl, qrels.tsv")
    parser.add_argument("--questions", type=int, default=800)
    options = parser.parse_args()
    questions = [json.loads(line) for line in (options.folder / "queries.jsonl").read_bytes().splitlines()]
    questions = random.Random(1).sample(questions, min(options.questions, len(questions)))
    rows = (options.folder / "qrels.tsv").read_text().splitlines()[1:]
    relevant = {row.split("\t")[0]: row.split("\t")[1] for row in rows}
    embedder = ragcli.open_embedder(device="cpu")
    with tempfile.TemporaryDirectory() as db:
        table, row_of, passages = build(options.folder, embedder, db)
        gold = [row_of[relevant[one["_id"]]] for one in questions]
        plain = [one["text"] for one in questions]
        kinds = {
            "as it is": plain,
            "vague": [vague(one["text"], passages[relevant[one["_id"]]]) for one in questions],
        }
        try:
            import opencc

            kinds["traditional"] = [opencc.OpenCC("s2t").convert(text) for text in plain]
        except ImportError:
            pass
        figures: dict[str, dict[str, dict[str, float]]] = {}
        for kind, texts in kinds.items():
            vectors = embedder.encode(texts, "query")
            lists = [candidates(table, vector, text) for vector, text in zip(vectors, texts, strict=True)]
            figures[kind] = {}
            for name, method in METHODS.items():
                ndcg = first = 0.0
                for (cosine, bm25), row in zip(lists, gold, strict=True):
                    scores = method(cosine, bm25)
                    if row in scores:
                        rank = 1 + sum(score > scores[row] for score in scores.values())
                        ndcg += 1 / math.log2(rank + 1) if rank <= 10 else 0
                        first += rank == 1
                figures[kind][name] = {"ndcg@10": round(ndcg / len(gold), 4), "recall@1": round(first / len(gold), 4)}
    print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main()
