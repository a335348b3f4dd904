"""Tables of ten thousand to a million chunks: how writing, indexing, disk, recall and latency grow.

Chunks and vectors come from scale_data.py. Measured for each size, on one table that grows: vectors written a second
(`ragcli.indexing.Writer`, as ``embed`` writes them; making them is not counted), the upkeep behind it with all indexes,
bytes on disk, recall of the ten best against exact search (vectors: every vector; full text: BM25 of every row),
latency of a single question on an open table (p50, p95) by vectors, by full text and by both, seconds and memory of
``ragcli query`` as a process of its own, and the time to add 1,000 further chunks, with the upkeep behind them.

    python benchmarks/scale.py ../shared/data/cmrc2018 --sizes 10000 100000 1000000 --work /tmp/scale --plot scale.png

Measured on 2 cores, nothing else running (scale.png is of this run; the plot of MB counts old versions, too):

    chunks    | written/s | upkeep, s | vector p50/p95 | text      | hybrid    | recall  | cold  | memory | 1,000 more
    10,000    | 19,389    | 1.2       | 13.5/18.1 ms   | 6.7/8.4   | 30.1/36.8 | 1.0/1.0 | .8 s  | 353 MB | .39 s
    100,000   | 23,784    | 11.4      | 20.0/23.6 ms   | 8.9/11.2  | 33.2/38.4 | 1.0/1.0 | .6 s  | 378 MB | .36 s
    1,000,000 | 23,724    | 132       | 36.2/47.1 ms   | 21.8/27.9 | 74.6/92.2 | 1.0/1.0 | 1.1 s | 618 MB | .88 s

What grew faster than it must was writing: 2,300 a second at a million (other work beside it), because each batch was
compared with all rows that had come since the index of the ids was made; now that index is brought up to date every
four batches. The upkeep at a million holds a second training of the vector index, which had been trained on a tenth.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ragcli.embedding import open_embedder
from ragcli.indexing import Writer
from ragcli.lexical import TOKENIZER, fold_question
from ragcli.records import Chunk, Vector
from ragcli.retrieval import search
from ragcli.store import Table
from scale_data import DIMENSION, Texts, chunks, vectors

RAGCLI = Path(sys.executable).with_name("ragcli")
ENGLISH = Path(__file__).parents[1] / "tests" / "data" / "english_qa.jsonl"
_FIELDS = [field.name for field in fields(Chunk)]
_BLOCK = 20_000
_QUESTIONS = 100
_MORE = 1_000
_COLUMNS = {
    "rows": "chunks", "write": "written/s", "upkeep": "upkeep, s", "disk": "disk, MB", "recall_vector": "recall vector",
    "recall_text": "recall text", "vector": "vector p50/p95, ms", "text": "text p50/p95, ms",
    "hybrid": "hybrid p50/p95, ms", "cold": "cold query, s", "memory": "its memory, MB", "more": "1,000 more, s",
}  # fmt: skip


class Given:
    """Stands for an embedding model: the vectors of the questions are known."""

    def __init__(self, contract: dict[str, Any], made: np.ndarray[Any, Any]) -> None:
        self.contract, self._made = contract, made
        self.at = 0

    def encode(self, texts: list[str], kind: str, *, on_truncated: Any = None) -> np.ndarray[Any, Any]:
        """Return the vectors of the question whose turn it is."""
        return self._made[self.at : self.at + len(texts)]


def records(texts: Texts, count: int, seed: int) -> Iterator[list[Vector]]:
    """Yield vector records in blocks."""
    stream = chunks(texts, count, seed)
    for start, block in zip(range(0, count, _BLOCK), vectors(count, seed), strict=True):
        del start
        yield [
            Vector(**{name: getattr(chunk, name) for name in _FIELDS}, vector=row, model="m")
            for row, chunk in zip(block.tolist(), stream, strict=False)
        ]


def write(table: Table, texts: Texts, count: int, seed: int) -> tuple[float, float]:
    """Write so many chunks; return the seconds of writing and of the upkeep."""
    took = 0.0
    writer = Writer(table)
    for block in records(texts, count, seed):
        start = time.perf_counter()
        for vector in writer.fresh(block):
            writer.add(vector)
        took += time.perf_counter() - start
    start = time.perf_counter()
    writer.flush()
    took += time.perf_counter() - start
    start = time.perf_counter()
    writer.finish()
    return took, time.perf_counter() - start


def disk(folder: Path) -> int:
    """Return the bytes of what the newest version needs, and all old ones beside it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def asked(table: Table) -> list[str]:
    """Return questions: a few words of chunks, of a rare and some usual ones, as people ask for what they know."""
    rng = np.random.default_rng(7)
    rows = rng.choice(len(table), _QUESTIONS, replace=False).tolist()
    texts = table.dataset.take(rows, columns=["text"])["text"].to_pylist()
    import lance

    out = []
    for text in texts:
        words = list(dict.fromkeys(one.text for one in lance.tokenize(text, **{**TOKENIZER, "stem": False})))
        start = int(rng.integers(0, max(1, len(words) - 6)))
        out.append(("" if any(c >= "\u4e00" for c in text) else " ").join(words[start : start + 6]))
    return out


def exact_text(table: Table, questions: list[str]) -> list[list[str]]:
    """Return the ids of the ten best rows of each question by BM25 (k1 1.2, b .75), every row looked at."""
    import lance

    wanted = [list(dict.fromkeys(one.text for one in lance.tokenize(fold_question(q), **TOKENIZER))) for q in questions]
    terms = {term for one in wanted for term in one}
    posts: dict[str, list[tuple[int, int]]] = {term: [] for term in terms}
    lengths, ids = [], []
    for batch in table.dataset.to_batches(columns=["id", "search_text"], batch_size=8192):
        ids += batch.column("id").to_pylist()
        for text in batch.column("search_text").to_pylist():
            tokens = [one.text for one in lance.tokenize(text, **TOKENIZER)]
            for term, count in Counter(token for token in tokens if token in terms).items():
                posts[term].append((len(lengths), count))
            lengths.append(len(tokens))
    size = np.array(lengths, np.float64)
    mean, n = size.mean(), len(size)
    out = []
    for one in wanted:
        scores = np.zeros(n)
        for term in one:
            if not posts[term]:
                continue
            at, tf = (np.array(column) for column in zip(*posts[term], strict=True))
            idf = math.log(1 + (n - len(at) + 0.5) / (len(at) + 0.5))
            scores[at] += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * size[at] / mean))
        best = np.lexsort((np.arange(n), -scores))[:10]
        edge = scores[best[-1]] - 1e-3  # rows that score the same are all as good
        out.append([ids[at] for at in np.flatnonzero(scores >= max(edge, 1e-9))])
    return out


def timed(act: Callable[[int], Any]) -> tuple[list[Any], float, float]:
    """Do it for each question, the first ones once before; return what it gave, p50 and p95 in milliseconds."""
    for at in range(5):
        act(at)
    out, took = [], []
    for at in range(_QUESTIONS):
        start = time.perf_counter()
        out.append(act(at))
        took.append(1e3 * (time.perf_counter() - start))
    return out, float(np.median(took)), float(np.percentile(took, 95))


def measure(table: Table, db: Path) -> dict[str, Any]:
    """Return recall and latencies."""
    table.refresh()
    questions = asked(table)
    near = np.concatenate(list(vectors(_QUESTIONS, 9)))
    embedder = Given(table.contract["model"], near)
    out: dict[str, Any] = {}
    found = {}
    for mode in ("vector", "text", "hybrid"):

        def one(at: int, mode: Any = mode) -> list[str]:
            embedder.at = at
            (result,) = search([questions[at]], table, embedder=embedder, mode=mode, k=10)
            return [hit.id for hit in result.hits]

        found[mode], p50, p95 = timed(one)
        out[mode] = [round(p50, 1), round(p95, 1)]
    exact = [[one.id for one in some] for some in table.vector_search_batch(near, 10)]
    out["recall_vector"] = float(np.mean([len({*a} & {*b}) / 10 for a, b in zip(found["vector"], exact, strict=True)]))
    right = exact_text(table, questions)
    out["recall_text"] = float(
        np.mean([len({*a} & {*b}) / max(1, min(10, len(b))) for a, b in zip(found["text"], right, strict=True)])
    )
    cold = []
    for _ in range(3):
        code = (
            "import resource, subprocess, sys, time; start = time.perf_counter(); "
            "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
            "print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        command = [sys.executable, "-c", code, str(RAGCLI), "query", "-d", str(db), "-t", "kb", questions[0]]
        seconds, memory = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        cold.append((float(seconds), int(memory) / 1024))
    out["cold"], out["memory"] = (round(float(np.median(one)), 2) for one in zip(*cold, strict=True))
    return out


def main() -> None:
    """Grow one table through the sizes, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cmrc", type=Path, help="the folder of CMRC2018 as BEIR has it")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--work", type=Path, help="keep the table here")
    parser.add_argument("--plot", type=Path, help="draw how each grows")
    given = parser.parse_args()
    place = tempfile.TemporaryDirectory()
    db = (given.work or Path(place.name)).resolve() / "db"
    model = open_embedder(None).contract
    assert model["dimension"] == DIMENSION
    table = Table.create(str(db), "kb", {"model": model, "metric": "cosine", "splitter": None, "headings": False})
    texts = Texts(given.cmrc, ENGLISH)
    print(" | ".join(_COLUMNS.values()), flush=True)
    out: list[dict[str, Any]] = []
    for seed, size in enumerate(given.sizes):
        fresh = size - len(table)
        seconds, upkeep = write(table, texts, fresh, seed)
        row = {"rows": size, "write": round(fresh / seconds), "upkeep": round(upkeep, 1)}
        row["disk"] = disk(db) >> 20
        row |= measure(table, db)
        seconds, upkeep = write(table, texts, _MORE, 1000 + seed)
        row["more"] = round(seconds + upkeep, 2)
        out.append(row)
        shown = {key: "/".join(map(str, row[key])) if isinstance(row[key], list) else row[key] for key in _COLUMNS}
        cells = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in shown.values()]
        print(" | ".join(cells), flush=True)
    print(json.dumps(out))
    if given.plot:
        plot(out, given.plot)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw latencies, times and sizes over the number of chunks, both axes by powers of ten."""
    import matplotlib.pyplot as plt

    lines = {
        "latency p95, ms": {mode: [row[mode][1] for row in rows] for mode in ("vector", "text", "hybrid")},
        "seconds": {
            "cold query": [row["cold"] for row in rows],
            "1,000 more": [row["more"] for row in rows],
            "upkeep": [row["upkeep"] for row in rows],
        },
        "MB": {"disk": [row["disk"] for row in rows], "memory of a query": [row["memory"] for row in rows]},
    }
    figure, places = plt.subplots(1, len(lines), figsize=(14, 4))
    for axis, (title, drawn) in zip(places, lines.items(), strict=True):
        for name, values in drawn.items():
            axis.loglog([row["rows"] for row in rows], values, marker="o", label=name)
        axis.set_title(title)
        axis.set_xlabel("chunks")
        axis.legend()
        axis.grid(True, which="both", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()
