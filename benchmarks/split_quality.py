"""The size and overlap of chunks against what is then found: where the defaults of `ragcli split` come from.

Ten passages with their titles as headings make a document; each is split, embedded and searched through the
command line, once for each size and overlap. The gold answer must stand in the text of the first hit (@1) or of the
first five (@5); beside them the mean number of characters in the five, which is what a reader or a prompt pays.
Prints a line of JSON for each.

    python benchmarks/split_quality.py --data ../shared/data/cmrc2018 --every 4
    python benchmarks/split_quality.py --questions tests/data/english_qa.jsonl
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

RAGCLI = Path(sys.executable).with_name("ragcli")


def jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def documents(passages: list[tuple[str, str]]) -> Iterator[dict]:
    for start in range(0, len(passages), 10):
        text = "\n\n".join(f"# {title}\n\n{text}" for title, text in passages[start : start + 10])
        yield {"type": "document", "id": f"d{start}", "source": f"d{start}.md", "format": "markdown", "text": text}


def chinese(folder: Path, every: int) -> tuple[list[tuple[str, str]], list[tuple[str, list[str]]]]:
    passages = [(one["title"], one["text"]) for one in jsonl(folder / "corpus.jsonl")]
    return passages, [(one["text"], one["answers"]) for one in jsonl(folder / "queries.jsonl")[::every]]


def own(path: Path, every: int) -> tuple[list[tuple[str, str]], list[tuple[str, list[str]]]]:
    rows = [row for row in jsonl(path) if row.get("text")]
    passages = [(" - ".join([row.get("title") or "", *row.get("headings", [])]), row["text"]) for row in rows]
    asked = [(one["question"], one["answers"]) for row in rows for one in row.get("questions", [])]
    return passages, asked[::every]


def ragcli(*args: object, given: bytes = b"") -> bytes:
    return subprocess.run([RAGCLI, *map(str, args)], input=given, stdout=subprocess.PIPE, check=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder in BEIR's form whose queries hold answers")
    parser.add_argument("--questions", type=Path, help="JSON Lines of passages with their questions and answers")
    parser.add_argument("--every", type=int, default=1, help="ask every so many-th question only")
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 500, 800, 1200])
    parser.add_argument("--overlaps", type=int, nargs="+", default=[0, 10, 20], help="percent of the size")
    parser.add_argument("--modes", nargs="+", default=["hybrid"], choices=["hybrid", "vector", "text"])
    parser.add_argument("--embed", nargs="*", default=[], help="flags for ragcli embed, without their dashes")
    options = parser.parse_args()
    if (options.data is None) == (options.questions is None):
        parser.error("give --data or --questions")
    passages, asked = chinese(options.data, options.every) if options.data else own(options.questions, options.every)
    given = b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in documents(passages))
    questions = b"".join(json.dumps({"id": str(n), "text": q}).encode() + b"\n" for n, (q, _) in enumerate(asked))
    for size in options.sizes:
        for percent in options.overlaps:
            with tempfile.TemporaryDirectory() as db:
                chunks = ragcli("split", "--size", size, "--overlap", size * percent // 100, given=given)
                flags = [f"--{flag}" for flag in options.embed]
                ragcli("embed", "-q", "-d", db, "-t", "kb", *flags, given=chunks)
                for mode in options.modes:
                    first = among = length = 0
                    found = ragcli("query", "-d", db, "-t", "kb", "--mode", mode, "-k", 5, given=questions)
                    for line, (_, answers) in zip(found.splitlines(), asked, strict=True):
                        texts = [hit["text"] for hit in json.loads(line)["hits"]]
                        holds = [any(answer in text for answer in answers) for text in texts]
                        first += any(holds[:1])
                        among += any(holds)
                        length += sum(map(len, texts))
                    figures = {"size": size, "overlap %": percent, "mode": mode, "chunks": chunks.count(b"\n")}
                    figures |= {"@1": round(first / len(asked), 4), "@5": round(among / len(asked), 4)}
                    print(json.dumps({**figures, "characters": length // len(asked)}), flush=True)


if __name__ == "__main__":
    main()
