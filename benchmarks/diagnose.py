"""``ragcli diagnose``: seconds and memory for cases of CMRC 2018, as they are and with most of them lost.

The table is made by load, split and embed: whole passages (a healthy one), and chunks of 60 characters, of which many
cut an answer, so that documents are looked at as a whole, answered again and cut in other ways. Answers are extractive.
Prints one JSON object a table.

    python benchmarks/diagnose.py ../shared/data/cmrc2018 --cases 100 --passages 150
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

RAGCLI = Path(sys.executable).with_name("ragcli")
SIZES = {"whole passages": "3000", "chunks of 60": "60"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with corpus.jsonl and queries.jsonl")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--passages", type=int, default=150)
    args = parser.parse_args()
    rows = [json.loads(line) for line in (args.data / "corpus.jsonl").read_bytes().splitlines()[: args.passages]]
    names = {row["_id"] for row in rows}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAGCLI_")}
    environment["PATH"] = f"{RAGCLI.parent}{os.pathsep}{environment['PATH']}"
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        (folder / "docs").mkdir()
        for row in rows:
            (folder / "docs" / f"{row['_id']}.txt").write_text(row["text"], encoding="utf-8")
        cases = []
        for line in (args.data / "queries.jsonl").read_bytes().splitlines():
            row = json.loads(line)
            name = row["_id"].split("_QUERY")[0]
            if name in names and len(cases) < args.cases:
                case = {"id": row["_id"], "question": row["text"], "answers": row["answers"]}
                cases.append(case | {"source": f"docs/{name}.txt"})
        (folder / "cases.jsonl").write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases))
        for table, size in SIZES.items():
            pipe = f"ragcli load docs | ragcli split --size {size} | ragcli embed -q -t kb{size}"
            subprocess.run(["bash", "-c", pipe], cwd=folder, env=environment, check=True)
            start = time.perf_counter()
            with (folder / "out.jsonl").open("wb") as out:
                process = subprocess.Popen(
                    [RAGCLI, "diagnose", "-t", f"kb{size}", "cases.jsonl"],
                    cwd=folder, env=environment, stdout=out, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - start
            whole = json.loads((folder / "out.jsonl").read_bytes().splitlines()[-1])
            made = {"table": table, "rows": whole["settings"]["rows"], "cases": whole["questions"]}
            made |= {"right": whole["right"], "causes": whole["causes"], "seconds": round(seconds, 1)}
            print(
                json.dumps(
                    made | {"cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1), "mb": usage.ru_maxrss >> 10}
                )
            )


if __name__ == "__main__":
    main()
