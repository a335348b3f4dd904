"""Embedding on the CPU: ragcli against sentence-transformers on the same weights, and what int8 costs.

Passages of 512 characters are cut from the corpus; both embed the same ones, turn by turn, in one process each
with all cores, sentence-transformers (32 bits) at each of its batch sizes. Recall is that of vectors alone over
the whole corpus, in int8 and in float32 on the same 4-bit weights. The cold query is a new process, from its
start to the vector. Prints one line of JSON.

    python benchmarks/embed.py --data ../shared/data/cmrc2018
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COLD = "from ragcli.embedding import open_embedder; open_embedder(device='cpu').encode(['保修期多久？'], 'query')"
MANY = """
import resource, sys
from ragcli.embedding import embed, open_embedder
from ragcli.records import Chunk
text = sys.stdin.read()
chunks = (Chunk(id=str(n), document_id="d", source="s", text=t, start=0, end=len(t))
          for n in range(int(sys.argv[1])) for t in [text[n % 97 * 512 : n % 97 * 512 + 512]])
print(sum(1 for _ in embed(chunks, open_embedder(device="cpu"))))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def recall(embedder, data: Path) -> tuple[float, float]:
    corpus, queries = jsonl(data / "corpus.jsonl"), jsonl(data / "queries.jsonl")
    place = {one["_id"]: at for at, one in enumerate(corpus)}
    rows = [line.split("\t") for line in (data / "qrels.tsv").read_text().splitlines()[1:]]
    wanted = {row[0]: place[row[1]] for row in rows}
    passages = embedder.encode([one["text"] for one in corpus], "passage")
    questions = embedder.encode([one["text"] for one in queries], "query")
    best = np.argsort(-(questions @ passages.T), axis=1)[:, :5]
    gold = np.array([wanted[one["_id"]] for one in queries])[:, None]
    return float((best[:, :1] == gold).mean()), float((best == gold).any(axis=1).mean())


def cold() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", COLD], check=True)
    return time.perf_counter() - start


def memory(text: str, chunks: int) -> int:
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(chunks)], input=text.encode(), stdout=subprocess.PIPE, check=True
    )
    made, megabytes = done.stdout.split()
    assert int(made) == chunks
    return int(megabytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder in BEIR's form (corpus, queries, qrels)")
    parser.add_argument("--passages", type=int, default=32, help="passages a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunks", type=int, default=600, help="chunks embedded to measure memory")
    parser.add_argument("--no-recall", action="store_true", help="skip recall, which takes two minutes")
    options = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "true"

    from ragcli.embedding import open_embedder
    from ragcli.embedding.onnx import OnnxEmbedder
    from ragcli.embedding.profile import profile
    from ragcli.models import resolve
    from ragcli.models.builtin import weights
    from ragcli.models.e5 import PackedModel
    from ragcli.models.e5_onnx import write_onnx

    folder = resolve()
    text = "".join(one["text"] for one in jsonl(options.data / "corpus.jsonl"))
    colds = [cold() for _ in range(5)]
    results: dict[str, object] = {
        "benchmark": "embed",
        "cores": len(os.sched_getaffinity(0)),
        "cold_query_s": {"median": round(statistics.median(colds), 3), "best": round(min(colds), 3)},
        "peak_mb": {str(count): memory(text, count) for count in (options.chunks // 4, options.chunks)},
    }
    ours = open_embedder(device="cpu")
    if not options.no_recall:
        with tempfile.TemporaryDirectory() as place:
            write_onnx(PackedModel(weights()), Path(place, "full.onnx"), full=True)
            full = OnnxEmbedder(folder, profile(folder), Path(place, "full.onnx"))
            for name, embedder in (("int8", ours), ("float32", full)):
                first, five = recall(embedder, options.data)
                results[f"recall_{name}"] = {"at_1": round(first, 4), "at_5": round(five, 4)}
            del full, embedder

    logging.disable(logging.WARNING)
    import torch
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(folder.path), device="cpu", model_kwargs={"dtype": torch.float32})
    passages = [text[at * 512 : at * 512 + 512] for at in range(options.passages)]
    ours.encode(passages[:4], "passage")
    peer.encode(passages[:4], prompt_name="passage")
    rates: dict[str, list[float]] = {"ragcli": [], "1": [], "8": [], "32": []}
    for _ in range(options.rounds):
        for name, found in rates.items():
            start = time.perf_counter()
            if name == "ragcli":
                mine = ours.encode(passages, "passage")
            else:
                theirs = peer.encode(passages, batch_size=int(name), prompt_name="passage", normalize_embeddings=True)
            found.append(len(passages) / (time.perf_counter() - start))
    middle = {name: round(statistics.median(found), 2) for name, found in rates.items()}
    best = max(value for name, value in middle.items() if name != "ragcli")
    results["passages_per_s"] = {"ragcli": middle.pop("ragcli"), "sentence_transformers": middle}
    results["ratio_to_best"] = round(statistics.median(rates["ragcli"]) / best, 2)
    results["cosine_to_peer"] = round(float((mine * theirs).sum(axis=1).mean()), 4)
    results["peak_mb_of_this_process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(results))


if __name__ == "__main__":
    main()
