"""`ragcli index` against the pipe load | split | embed: time and peak memory, in the same run, over the same files.

Each case is a folder of real files; the two take turns, and the median of their times is kept. A second run over the
unchanged folder follows (`load --new-to` in the pipe). Memory is the most that all processes of a run hold together at
one time, shared pages counted once (PSS, looked at ten times a second). The tables of both are compared row by row.

    cmrc N      N passages of a corpus as text files: mostly embedding
    office N    N times each PDF, DOCX, PPTX and XLSX of a folder: mostly loading
    mixed       the folder as it is
    long N      one text of N characters of the corpus, with a model that takes no time: what is left is the stages' own

Prints a JSON line for each case.

    python benchmarks/index.py ../shared/data/cmrc2018/corpus.jsonl ../shared/data/docs
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lance
import psutil

RAGCLI = Path(sys.executable).with_name("ragcli")
OFFICE = (".pdf", ".docx", ".pptx", ".xlsx")
DIMENSION, ROWS = 384, 1000


def quick_model(folder: Path) -> Path:
    """Write a model folder with the built-in vocabulary whose graph looks up one vector a token."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from ragcli.models import resolve

    base = resolve().path
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("*.onnx*", "*.safetensors", "*.data"))
    weights = np.random.default_rng(0).standard_normal((ROWS, DIMENSION)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Mod", ["input_ids", "rows"], ["low"]),
            helper.make_node("Gather", ["weights", "low"], ["last_hidden_state"]),
        ],
        "lookup",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", DIMENSION])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array(ROWS), "rows")],
    )
    (folder / "onnx").mkdir(exist_ok=True)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, folder / "onnx" / "model.onnx")
    return folder


def measured(script: str) -> tuple[float, float, float]:
    """Run a shell script that must end with 0 or, where a file fails, 3; return seconds, peak megabytes, CPU seconds.

    The CPU's are those of all processes that were waited for.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    root, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        total = 0
        try:
            for one in (root, *root.children(recursive=True)):  # a shell becomes its only command
                try:
                    total += one.memory_full_info().pss
                except psutil.Error:
                    continue
        except psutil.Error:
            break
        peak = max(peak, total)
        time.sleep(0.1)
    code = process.wait()
    seconds = time.perf_counter() - start
    assert process.stderr is not None
    if code not in (0, 3):
        sys.exit(process.stderr.read().decode())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, peak / 1e6, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rows(db: Path) -> list[dict]:
    """Return the rows of a table, all columns, in the order of their ids."""
    return lance.dataset(str(db / "kb.lance")).to_table().sort_by("id").to_pylist()


def compare(name: str, folder: Path, here: Path, repeat: int, model: Path | None) -> dict:
    """Return the figures of a case."""
    flag = f"-m '{model}'" if model else ""
    figures: dict[str, list[tuple[float, float, float]]] = {
        "pipe": [],
        "index": [],
        "pipe again": [],
        "index again": [],
    }
    dbs = {kind: here / f"{name}-{kind}" for kind in ("pipe", "index")}
    for _ in range(repeat):
        for kind, db in dbs.items():
            shutil.rmtree(db, ignore_errors=True)
            script = (
                f"'{RAGCLI}' index '{folder}' -d '{db}' -t kb {flag}"
                if kind == "index"
                else f"'{RAGCLI}' load '{folder}' -d '{db}' --new-to kb | '{RAGCLI}' split |"
                f" '{RAGCLI}' embed -d '{db}' -t kb {flag}"
            )
            figures[kind].append(measured(script))
            figures[f"{kind} again"].append(measured(script))
    found = {kind: rows(db) for kind, db in dbs.items()}
    out: dict = {
        "case": name,
        "files": sum(1 for one in folder.rglob("*") if one.is_file()),
        "chunks": len(found["index"]),
        "equal tables": found["pipe"] == found["index"],
    }
    for kind, values in figures.items():
        seconds = statistics.median(value[0] for value in values)
        out[kind] = {
            "s": round(seconds, 2),
            "best s": round(min(values)[0], 2),
            "CPU s": round(statistics.median(value[2] for value in values), 2),
            "MB": round(max(one[1] for one in values)),
        }
    out["faster"] = round(out["pipe"]["s"] / out["index"]["s"], 2)
    out["faster again"] = round(out["pipe again"]["s"] / out["index again"]["s"], 2)
    return out


def main() -> None:
    """Run the cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="JSON Lines with a text a line")
    parser.add_argument("docs", type=Path, help="a folder of documents")
    parser.add_argument("--cmrc", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--office", type=int, nargs="*", default=[2, 10])
    parser.add_argument("--long", type=int, nargs="*", default=[2_000_000])
    parser.add_argument("--no-mixed", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    texts = [json.loads(line)["text"] for line in options.corpus.read_bytes().splitlines()]
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed ragcli is compiled
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        cases: list[tuple[str, Path, Path | None]] = []
        for count in options.cmrc:
            folder = here / f"cmrc {count}"
            folder.mkdir()
            for number, text in enumerate(texts[:count]):
                (folder / f"{number:05}.txt").write_text(text, encoding="utf-8")
            cases.append((folder.name, folder, None))
        for count in options.office:
            folder = here / f"office {count}"
            for number in range(count):
                (folder / f"{number:03}").mkdir(parents=True)
                for path in sorted(options.docs.iterdir()):
                    if path.suffix in OFFICE and "password" not in path.name:
                        shutil.copy(path, folder / f"{number:03}" / path.name)
            cases.append((folder.name, folder, quick_model(here / f"model {count}")))
        if not options.no_mixed:
            cases.append(("mixed", options.docs, None))
        for count in options.long:
            folder = here / f"long {count}"
            folder.mkdir()
            text = "\n\n".join(texts)
            (folder / "long.txt").write_text((text * (count // len(text) + 1))[:count], encoding="utf-8")
            cases.append((folder.name, folder, quick_model(here / f"model of {count}")))
        for case, folder, model in cases:
            print(json.dumps(compare(case, folder, here, options.repeat, model)), flush=True)


if __name__ == "__main__":
    main()
