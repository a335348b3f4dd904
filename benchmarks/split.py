"""Million characters a second of `split`, Chinese and English, next to semantic-text-splitter where it is installed.

    python benchmarks/split.py --chinese ../shared/data/cmrc2018/corpus.jsonl --english tests/data/english_qa.jsonl

Both run in turns on the same text in this process, on one core; the best of the rounds counts. One JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from ragcli.records import Document
from ragcli.splitting import split


def text_of(path: Path, characters: int) -> str:
    with path.open(encoding="utf-8") as lines:
        text = "\n\n".join(filter(None, (json.loads(line).get("text") for line in lines))) + "\n\n"
    return (text * (characters // len(text) + 1))[:characters]


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chinese", type=Path, required=True, help="JSON Lines with 'text'")
    parser.add_argument("--english", type=Path, required=True, help="JSON Lines with 'text'")
    parser.add_argument("--characters", type=int, default=1_000_000, help="of each language")
    parser.add_argument("--size", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    try:
        from semantic_text_splitter import TextSplitter
    except ImportError:
        peer = None
    else:
        peer = TextSplitter(options.size)
    result: dict[str, object] = {"benchmark": "split", "characters": options.characters, "size": options.size}
    for name, path in (("chinese", options.chinese), ("english", options.english)):
        text = text_of(path, options.characters)
        document = Document(id=name, text=text, source=name)
        ours, theirs = [], []
        for _ in range(options.rounds):
            ours.append(seconds(lambda d=document: sum(1 for _ in split([d], size=options.size))))
            if peer is not None:
                theirs.append(seconds(lambda t=text: peer.chunk_indices(t)))
        million = options.characters / 1e6
        result[name] = {
            "ragcli": round(million / min(ours), 1),
            "semantic-text-splitter": round(million / min(theirs), 1) if theirs else None,
            "ratio": round(min(theirs) / min(ours), 2) if theirs else None,
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
