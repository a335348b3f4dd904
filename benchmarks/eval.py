"""``ragcli eval`` on a whole BEIR data set: its measures against trec_eval's own code, its time and its memory.

Each mode is a process of its own. Its run file and the judgements are then measured by pytrec_eval directly: the
largest difference of any default measure, and of any question, is printed beside both figures. Embedding the questions
is timed apart, in a process that does only that, so that what evaluation itself takes is the rest. The table is made
by load, split and embed where --db is not given, which takes minutes. Prints one JSON object.

    python benchmarks/eval.py ../shared/data/cmrc2018 --db out/db --table cmrc
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytrec_eval

RAGCLI = Path(sys.executable).with_name("ragcli")
MODES = ("text", "vector", "hybrid")
NAMES = {
    "nDCG@10": "ndcg_cut_10",
    "RR@10": "recip_rank",
    "R@1": "recall_1",
    "R@5": "recall_5",
    "R@10": "recall_10",
    "P@5": "P_5",
    "AP": "map",
    "Success@5": "success_5",
}
EMBED = """
import json, sys, time
from ragcli.embedding import open_embedder
questions = [json.loads(line)["text"] for line in open(sys.argv[1], "rb").read().split(b"\\n") if line]
embedder = open_embedder(device="cpu")
start = time.perf_counter()
for at in range(0, len(questions), 64):
    embedder.encode(questions[at : at + 64], "query")
print(time.perf_counter() - start, time.process_time())
"""


def measured(command: list[str | Path], out: Path) -> tuple[float, float, int]:
    """Run a command; return its seconds, those of all its threads, and its peak memory in MB. Its stdout is a file."""
    start = time.perf_counter()
    with out.open("wb") as stream:
        process = subprocess.Popen([str(part) for part in command], stdout=stream)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def by_trec_eval(run: Path, qrels: dict[str, dict[str, int]]) -> dict[str, dict[str, float]]:
    """Return each measure's value for each question, 0 for what a question did not find."""
    with run.open(encoding="utf-8") as stream:
        found = pytrec_eval.parse_run(stream)
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, set(NAMES.values()))
    values = evaluator.evaluate(found)
    out: dict[str, dict[str, float]] = {}
    for name, theirs in NAMES.items():
        out[name] = {query: values.get(query, {}).get(theirs, 0.0) for query in qrels}
    out["RR@10"] = {query: value if value >= 0.1 else 0.0 for query, value in out["RR@10"].items()}  # rank 10 is .1
    return out


def compare(record: dict, run: Path, qrels: dict[str, dict[str, int]]) -> dict[str, object]:
    """Return our means and trec_eval's, and the largest difference of a mean and of a question."""
    ours = record["levels"]["document"]
    start = time.perf_counter()
    theirs = by_trec_eval(run, qrels)
    seconds = time.perf_counter() - start
    means, questions = 0.0, 0.0
    figures: dict[str, object] = {}
    for name, values in theirs.items():
        mean = sum(values.values()) / len(values)
        mine = ours["measures"][name]["value"]
        figures[name] = [mine, round(mean, 6)]
        means = max(means, abs(mine - mean))
        for query, value in zip(ours["queries"], ours["values"][name], strict=True):
            questions = max(questions, abs(value - values[query]))
    if set(ours["queries"]) != set(qrels):
        raise SystemExit("not every question was measured")
    return {
        "measures [ragcli, pytrec_eval]": figures,
        "largest difference of a mean": means,
        "largest difference of a question": questions,
        "seconds of pytrec_eval": round(seconds, 2),
    }


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a BEIR data set: corpus.jsonl, queries.jsonl, qrels.tsv")
    parser.add_argument("--db", help="a database that holds the table already")
    parser.add_argument("--table", default="kb")
    options = parser.parse_args()
    queries, judged = options.folder / "queries.jsonl", options.folder / "qrels.tsv"
    qrels: dict[str, dict[str, int]] = {}
    for line in judged.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        qrels.setdefault(query, {})[document] = int(grade)
    figures: dict[str, object] = {"questions": len(qrels)}
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        db = options.db or str(here / "db")
        if options.db is None:
            pipe = f"'{RAGCLI}' load '{options.folder}/corpus.jsonl' | '{RAGCLI}' split"
            pipe += f" | '{RAGCLI}' embed -q -d '{db}' -t {options.table}"
            subprocess.run(["bash", "-o", "pipefail", "-c", pipe], check=True)
        done = subprocess.run([sys.executable, "-c", EMBED, queries], check=True, stdout=subprocess.PIPE)
        embedding, cpu = map(float, done.stdout.split())
        figures["embedding the questions"] = {"seconds": round(embedding, 1), "cpu seconds": round(cpu, 1)}
        figures["load of the machine before"] = os.getloadavg()[0]
        for mode in MODES:
            run, out = here / f"{mode}.run", here / f"{mode}.json"
            command = [RAGCLI, "eval", "-d", db, "-t", options.table, "--queries", queries, "--qrels", judged]
            seconds, cpu, peak = measured([*command, "--mode", mode, "--run", run], out)
            record = json.loads(out.read_bytes())
            figures[mode] = {
                "seconds": round(seconds, 1),
                "seconds beyond embedding": round(seconds - (embedding if mode != "text" else 0.0), 1),
                "cpu seconds": round(cpu, 1),
                "peak_mb": peak,
                **compare(record, run, qrels),
            }
    print(json.dumps(figures, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
