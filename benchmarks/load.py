"""Loading: seconds, memory and what comes out, next to LlamaIndex's SimpleDirectoryReader, each in its own process.

Measured: a folder of small text files, cold; the real documents of a folder with a manifest, and the share of the
strings that must come out of them that do; and `load | split` of one large JSON Lines file, the peak of each process.

    pip install llama-index-core llama-index-readers-file docx2txt python-pptx pandas openpyxl
    python benchmarks/load.py --docs ../shared/data/docs --corpus ../shared/data/cmrc2018/corpus.jsonl
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RAGCLI = Path(sys.executable).with_name("ragcli")
PEER = """
import json, sys
from llama_index.core import SimpleDirectoryReader
folder = SimpleDirectoryReader(sys.argv[1], recursive=True)
for path in folder.input_files:  # one by one: a file that it cannot read ends the whole otherwise
    try:
        documents = SimpleDirectoryReader(input_files=[path]).load_data()
    except Exception as error:
        print(path, error, file=sys.stderr)
        continue
    for one in documents:
        sys.stdout.write(json.dumps({"source": one.metadata["file_path"], "text": one.text}) + "\\n")
"""
# Runs a command, and writes its peak memory in kilobytes to a file.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def run(command: list[str], into: Path) -> tuple[float, int]:
    """Return the seconds and the peak memory in MB of a command; its stdout goes to a file."""
    peak = into.with_suffix(".peak")
    start = time.perf_counter()
    with into.open("wb") as out:  # broken files are in the folder on purpose: any exit code will do
        subprocess.run([sys.executable, "-c", MEASURED, str(peak), *command], stdout=out, stderr=subprocess.DEVNULL)
    return round(time.perf_counter() - start, 2), int(peak.read_text()) // 1024


def found(out: Path, manifest: Path) -> str:
    """Return how many of the manifest's strings came out, white space aside."""
    texts: dict[str, str] = {}
    for line in out.read_bytes().split(b"\n"):
        if line.startswith(b"{"):  # LlamaIndex says on stdout what it cannot read
            one = json.loads(line)
            name = Path(one["source"].partition("#")[0]).name
            texts[name] = texts.get(name, "") + re.sub(r"\s+", "", one["text"])
    wanted = [json.loads(line) for line in manifest.read_bytes().split(b"\n") if line]
    strings = [(row["path"], text) for row in wanted if not row["must_fail"] for text in row["must_contain"]]
    there = sum(re.sub(r"\s+", "", text) in texts.get(path, "") for path, text in strings)
    return f"{there} of {len(strings)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, required=True, help="a folder of real files with manifest.jsonl")
    parser.add_argument("--corpus", type=Path, required=True, help="JSON Lines with a text a line")
    parser.add_argument("--files", type=int, default=2000, help="small text files")
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of JSON Lines; 0 leaves this out")
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    lines = [line for line in options.corpus.read_bytes().split(b"\n") if line]
    texts = [json.loads(line)["text"] for line in lines]
    figures: dict[str, object] = {"files": options.files}
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        (here / "small").mkdir()
        for number in range(options.files):
            (here / "small" / f"{number:05}.txt").write_text(texts[number % len(texts)], encoding="utf-8")
        for what, folder in (("small files", here / "small"), ("documents", options.docs)):
            who = {"ragcli": [str(RAGCLI), "load", str(folder)]}
            if not options.no_peer:
                who["LlamaIndex"] = [sys.executable, "-c", PEER, str(folder)]
            for by, command in who.items():
                seconds, peak = run(command, here / "out.jsonl")
                figures[f"{what}, {by}"] = {"seconds": seconds, "peak MB": peak}
                if what == "documents":
                    figures[f"{what}, {by}"] |= {"strings": found(here / "out.jsonl", options.docs / "manifest.jsonl")}
        if options.gigabytes:
            block = b"\n".join(lines) + b"\n"
            with (here / "large.jsonl").open("wb") as out:
                for _ in range(int(options.gigabytes * 1e9 / len(block)) + 1):
                    out.write(block)
            loading, splitting = ([sys.executable, "-c", MEASURED, str(here / f"{one}.peak")] for one in "ab")
            start = time.perf_counter()
            command = [*loading, str(RAGCLI), "load", str(here / "large.jsonl")]
            first = subprocess.Popen(command, stdout=subprocess.PIPE)
            subprocess.run(
                [*splitting, str(RAGCLI), "split"], stdin=first.stdout, stdout=subprocess.DEVNULL, check=True
            )
            assert first.wait() == 0
            took = round(time.perf_counter() - start, 1)
            peaks = [int((here / f"{one}.peak").read_text()) // 1024 for one in "ab"]
            figures["load | split"] = {"GB": options.gigabytes, "seconds": took, "peak MB": peaks}
    print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main()
