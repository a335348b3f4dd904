"""`ragcli embed` of a stream that the table has nearly all of: the time is to be that of what is new.

A stream of chunk records is embedded into a new table, then once more as it is, then with some chunks changed; and the
changed ones alone, into a table of their own. The model takes next to no time (index.py), so that what is left is
ragcli's own: reading the records, comparing them with the table, writing.

    python benchmarks/again.py ../shared/data/cmrc2018 --chunks 100000 --changed 1000

Prints a JSON line for each: seconds (median, but of the first), peak memory in MB.

Measured on 2 cores, nothing else running: 100,000 into a new table 73.4 s; unchanged 2.65 s; 1,000 of them changed
6.8 s; those 1,000 alone into a new table 5.3 s, of which 4 are the start of the model and its tokenizer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from index import RAGCLI, measured, quick_model
from ragcli.jsonl import dumps
from ragcli.records import Chunk
from scale_data import Texts, chunks

ENGLISH = Path(__file__).parents[1] / "tests" / "data" / "english_qa.jsonl"


def written(path: Path, records: Iterable[Chunk]) -> Path:
    """Write records; return the file."""
    with path.open("wb") as out:
        for record in records:
            out.write(dumps(record.to_dict()) + b"\n")
    return path


def _edited(chunk: Chunk, number: int) -> Chunk:
    text = f"{chunk.text} edition {number}"
    return replace(chunk, text=text, end=chunk.start + len(text))


def main() -> None:
    """Run the cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cmrc", type=Path, help="the folder of CMRC2018 as BEIR has it")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--changed", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        model = quick_model(here / "model")
        all_ = list(chunks(Texts(given.cmrc, ENGLISH), given.chunks))
        step = max(1, len(all_) // given.changed)
        streams = {"first": written(here / "first.jsonl", all_)}
        streams["unchanged"] = streams["first"]
        for number in range(given.repeat):  # each time other texts, or the table would have them
            one = [_edited(chunk, number) if place % step == 0 else chunk for place, chunk in enumerate(all_)]
            streams[f"changed {number}"] = written(here / f"changed{number}.jsonl", one)
            streams[f"alone {number}"] = written(here / f"alone{number}.jsonl", one[::step])
        for case in ("first", "unchanged", "changed", "alone"):
            runs = []
            for number in range(1 if case == "first" else given.repeat):
                table = f"alone{number}" if case == "alone" else "kb"
                path = streams.get(f"{case} {number}") or streams[case]
                runs.append(measured(f"'{RAGCLI}' embed -q -d '{here}/db' -t {table} -m '{model}' < '{path}'"))
            seconds = statistics.median(one[0] for one in runs)
            line = {"case": case, "s": round(seconds, 2), "MB": round(max(one[1] for one in runs))}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
