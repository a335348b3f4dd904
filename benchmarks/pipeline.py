"""The whole job against the script that a person would write with LlamaIndex, both cold, in the same run.

200 files of 512 characters are cut from a corpus. Timed, each as a process of its own: files to a searchable table;
one question on that table; and one on a table of the whole corpus (ragcli only). The peer runs SimpleDirectoryReader,
VectorStoreIndex and HuggingFaceEmbedding on the same weights, and keeps its index on disk. Prints one JSON line.

    pip install llama-index-core llama-index-embeddings-huggingface
    python benchmarks/pipeline.py ../shared/data/cmrc2018/corpus.jsonl
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ragcli.models

RAGCLI = Path(sys.executable).with_name("ragcli")
QUESTION = "战国无双3是由哪两个公司合作开发的？"
PEER = """
import sys
from llama_index.core import Settings, SimpleDirectoryReader, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
model, kept, folder = sys.argv[1:4]
Settings.embed_model = HuggingFaceEmbedding(model, query_instruction="query: ", text_instruction="passage: ")
Settings.llm = None
if folder:
    index = VectorStoreIndex.from_documents(SimpleDirectoryReader(folder).load_data())
    index.storage_context.persist(kept)
else:
    index = load_index_from_storage(StorageContext.from_defaults(persist_dir=kept))
    print(index.as_retriever(similarity_top_k=5).retrieve(sys.argv[4])[0].node.get_content()[:80])
"""


def timed(command: list[str] | str) -> float:
    """Return the seconds that a command takes; it must succeed."""
    start = time.perf_counter()
    shell = isinstance(command, str)
    subprocess.run(["bash", "-o", "pipefail", "-c", command] if shell else command, check=True, capture_output=True)
    return round(time.perf_counter() - start, 3)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="JSON Lines with a text a line")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    text = "".join(json.loads(line)["text"] for line in options.corpus.read_bytes().splitlines())
    model = str(ragcli.models.resolve().path)
    figures: dict[str, object] = {"files": options.files}
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        (here / "docs").mkdir()
        for number in range(options.files):
            part = text[number * 512 : (number + 1) * 512]
            (here / "docs" / f"{number:04}.txt").write_text(part, encoding="utf-8")
        pipe = f"'{RAGCLI}' load '{here}/docs' | '{RAGCLI}' split | '{RAGCLI}' embed -q -d '{here}/db' -t kb"
        figures["index"] = timed(pipe)
        whole = f"'{RAGCLI}' load '{options.corpus}' | '{RAGCLI}' split | '{RAGCLI}' embed -q -d '{here}/db' -t whole"
        figures["index of the corpus"] = timed(whole)
        ask = [str(RAGCLI), "query", "-d", f"{here}/db", QUESTION]
        for table in ("kb", "whole"):
            for mode in ("hybrid", "text"):
                runs = sorted(timed([*ask, "-t", table, "--mode", mode]) for _ in range(options.repeat))
                figures[f"query {table} {mode}"] = {"median": runs[len(runs) // 2], "best": runs[0]}
        figures["help"] = min(timed([str(RAGCLI), "--help"]) for _ in range(options.repeat))
        if not options.no_peer:
            peer = [sys.executable, "-c", PEER, model, str(here / "kept")]
            figures["peer index"] = timed([*peer, str(here / "docs"), ""])
            figures["peer query"] = timed([*peer, "", QUESTION])
    print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main()
