"""Loading: seconds, memory and what comes out, next to LlamaIndex's SimpleDirectoryReader, each in its own process.

Measured: a folder of small text files, cold; the real documents of a folder with a manifest, and the share of the
strings that must come out of them that do; a mixed folder of 200 such files with one job and with two; a folder of
10,000 files that a table holds already (`--new-to`); and `load | split` of one large JSON Lines file, the peak of each
process. The peers (LlamaIndex's SimpleDirectoryReader, markitdown) run in an environment of their own:

    python -m venv peers
    peers/bin/pip install llama-index-core llama-index-readers-file docx2txt python-pptx pandas openpyxl xlrd \\
        'markitdown[docx,pptx,xlsx,xls,pdf,outlook]' pypdf ebooklib html2text striprtf nbconvert
    python benchmarks/load.py --docs ../shared/data/docs --corpus ../shared/data/cmrc2018/corpus.jsonl \\
        --peer-python peers/bin/python
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
MARKITDOWN = """
import json, logging, os, sys
from markitdown import MarkItDown
logging.disable(logging.CRITICAL)
made = MarkItDown(enable_plugins=False)
for folder, _, names in os.walk(sys.argv[1]):
    for name in sorted(names):
        path = os.path.join(folder, name)
        try:
            text = made.convert(path).text_content
        except Exception as error:
            print(path, error, file=sys.stderr)
            continue
        sys.stdout.write(json.dumps({"source": path, "text": text}) + "\\n")
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


def peers(python: Path | None, folder: Path) -> dict[str, list[str]]:
    """Return the commands of the peers."""
    if python is None:
        return {}
    return {
        "LlamaIndex": [str(python), "-c", PEER, str(folder)],
        "markitdown": [str(python), "-c", MARKITDOWN, str(folder)],
    }


def mixed(options: argparse.Namespace, here: Path) -> dict[str, object]:
    """Measure a folder of real files of many formats, each many times; what is an error on purpose is left out."""
    folder = here / "mixed"
    folder.mkdir()
    failing = {row["path"] for row in map(json.loads, (options.docs / "manifest.jsonl").open()) if row["must_fail"]}
    seeds = sorted(
        path for path in options.docs.iterdir() if path.suffix not in (".md", ".jsonl") and path.name not in failing
    )
    seeds += sorted(options.docs.glob("*策略.md"))
    for number in range(options.mixed):
        origin = seeds[number % len(seeds)]
        (folder / f"{number:04}{origin.suffix}").write_bytes(origin.read_bytes())
    figures: dict[str, object] = {}
    who = {f"ragcli, {jobs} jobs": [str(RAGCLI), "load", str(folder), "--jobs", str(jobs)] for jobs in (1, 2)}
    for by, command in (who | peers(options.peer_python, folder)).items():
        times = [run(command, here / "out.jsonl") for _ in range(options.repeat if "ragcli" in by else 1)]
        figures[f"mixed folder of {options.mixed}, {by}"] = {
            "seconds": min(times)[0],
            "peak MB": max(peak for _, peak in times),
        }
    return figures


def known(count: int, texts: list[str], here: Path) -> dict[str, float]:
    """Measure `load --new-to` where all is unchanged, and where all has been touched.

    The table is written with Lance alone, so that nothing needs to be embedded.
    """
    import lance
    import pyarrow as pa

    folder, out = here / "known", here / "known.jsonl"
    for number in range(count):
        place = folder / f"{number // 500:03}" / f"{number:05}.md"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(texts[number % len(texts)], encoding="utf-8")
    db = ["--new-to", "kb", "-d", str(here / "db")]
    figures = {"files": float(count), "first, seconds": run([str(RAGCLI), "load", str(folder), *db], out)[0]}
    split = subprocess.run([str(RAGCLI), "split"], stdin=out.open("rb"), capture_output=True, check=True).stdout
    from ragcli.store.schema import FORMAT, schema

    contract = {"format": FORMAT, "model": {"dimension": 4}}
    made = schema(4, contract)
    chunks = [json.loads(line) for line in split.splitlines()]
    rows = [
        {name: chunk.get(name) for name in made.names if name not in ("extra", "metadata", "vector")}
        | {"extra": json.dumps({"file": chunk["file"]}) if "file" in chunk else None, "vector": [0.0] * 4}
        for chunk in chunks
    ]
    lance.write_dataset(pa.Table.from_pylist(rows, schema=made), str(here / "db" / "kb.lance"))
    load = [str(RAGCLI), "load", str(folder), *db]
    figures["unchanged, seconds"] = min(run(load, out)[0] for _ in range(3))
    assert not out.read_bytes()
    for path in folder.rglob("*.md"):
        path.touch()
    figures["touched, seconds"] = run(load, out)[0]
    assert not out.read_bytes()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, required=True, help="a folder of real files with manifest.jsonl")
    parser.add_argument("--corpus", type=Path, required=True, help="JSON Lines with a text a line")
    parser.add_argument("--files", type=int, default=2000, help="small text files")
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of JSON Lines; 0 leaves this out")
    parser.add_argument("--peer-python", type=Path, help="of an environment with the peers; without it, none")
    parser.add_argument("--mixed", type=int, default=200, help="files of the mixed folder")
    parser.add_argument("--known", type=int, default=10_000, help="files that a table holds; 0 leaves this out")
    parser.add_argument("--repeat", type=int, default=3, help="runs of the mixed folder; the fastest counts")
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
            who |= peers(options.peer_python, folder)
            for by, command in who.items():
                seconds, peak = run(command, here / "out.jsonl")
                figures[f"{what}, {by}"] = {"seconds": seconds, "peak MB": peak}
                if what == "documents":
                    figures[f"{what}, {by}"] |= {"strings": found(here / "out.jsonl", options.docs / "manifest.jsonl")}
        figures |= mixed(options, here)
        if options.known:
            figures["unchanged files"] = known(options.known, texts, here)
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
