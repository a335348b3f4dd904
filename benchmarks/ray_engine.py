"""What ``--engine ray`` costs beside one process: seconds a row, bytes a row, seconds a commit by fragments.

python benchmarks/ray_engine.py rows 20000      # the same vector records by one process and on a local cluster
python benchmarks/ray_engine.py commits         # a commit of 16 fragments into tables of 10 to 10,000 fragments
python benchmarks/ray_engine.py keeper          # answers a second of the one process that all workers ask
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RAGCLI = [sys.executable, "-m", "ragcli"]
WORDS = ["保修", "退货", "地址", "发票", "warranty", "invoice", "Berlin", "delivery", "合同", "期限", "meeting", "产品"]


def contract() -> dict:
    """The built-in model's, so that the vectors count as its own."""
    from ragcli.embedding.opening import model_contract

    return model_contract()


def write_records(path: Path, count: int) -> None:
    """Vector records of about 300 characters and 384 numbers, 10 to a document."""
    from ragcli.embedding.stage import model_hash

    made = contract()
    rng, words = np.random.default_rng(1), random.Random(1)
    with path.open("w", encoding="utf-8") as out:
        for n in range(count):
            text = f"{n}: " + " ".join(words.choices(WORDS, k=55))
            vector = rng.standard_normal(made["dimension"]).astype(np.float32)
            vector /= np.linalg.norm(vector)
            start = n % 10 * 1000
            record = {
                "type": "vector", "id": f"{n:024x}", "document_id": f"{n // 10:024x}", "source": f"docs/{n // 10}.md",
                "text": text, "start": start, "end": start + len(text), "last": n % 10 == 9, "metadata": {"n": n},
                "vector": [round(float(x), 7) for x in vector], "model": made["id"], "model_hash": model_hash(made),
            }  # fmt: skip
            out.write(json.dumps(record, ensure_ascii=False) + "\n")


def timed(*args: str) -> float:
    """Run ragcli; return the seconds that it took."""
    start = time.perf_counter()
    subprocess.run([*RAGCLI, *args], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def rows(count: int) -> None:
    """Compare one process and a local cluster on the same records."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "v.jsonl")
        write_records(path, count)
        few = Path(folder, "few.jsonl")
        few.write_bytes(b"".join(path.open("rb").readline() for _ in range(1)))
        print(f"{path.stat().st_size / count:.0f} bytes of JSON a row")
        db = f"{folder}/db"
        start = time.perf_counter()
        with path.open("rb") as stream:
            subprocess.run([*RAGCLI, "embed", "-q", "-d", db, "-t", "one"], stdin=stream, check=True)
        one = time.perf_counter() - start
        print(f"one process: {one:.1f} s, {count / one:.0f} rows/s")
        idle = timed("embed", "-q", "-d", db, "-t", "idle", "--engine", "ray", "--records", str(few))
        print(f"ray, one row: {idle:.1f} s")
        for workers in (1, 2):
            ray = timed(
                "embed", "-q", "-d", db, "-t", f"ray{workers}", "--engine", "ray", "--workers", str(workers),
                "--records", str(path),
            )  # fmt: skip
            more = 1e6 * (ray - idle - one) / count
            rate = count / (ray - idle)
            print(f"ray, {workers} workers: {ray:.1f} s, less its start {rate:.0f} rows/s, {more:+.0f} µs a row")
        import lance

        for name in ("one", "ray1", "ray2"):
            data = Path(db, f"{name}.lance", "data")
            size = sum(file.stat().st_size for file in data.iterdir())
            fragments = len(lance.dataset(f"{db}/{name}.lance").get_fragments())
            print(f"{name}: {size / count:.0f} bytes a row in data, {fragments} fragments")


def commits() -> None:
    """Time a commit by the number of fragments that the table has."""
    from ragcli.engines.committing import Committer, Written, write_fragment
    from ragcli.indexing.writer import rows_of
    from ragcli.records import Vector
    from ragcli.store import Table

    with tempfile.TemporaryDirectory() as folder:
        table = Table.create(folder, "kb", {"model": contract(), "metric": "cosine", "splitter": None})
        vector = [1.0] + [0.0] * 383

        def fragment(n: int) -> Written:
            made = Vector(id=f"{n}", document_id="d", source="s", text="t", start=0, end=1, vector=vector)
            return Written(write_fragment(rows_of([made], table.dataset.schema), table.dataset.uri)[0], [made.id])

        committer = Committer(table, [])
        done = 0
        for target in (10, 100, 1000, 10_000):
            while done < target:
                some = [fragment(n) for n in range(done, min(target, done + 1000))]
                committer.add(some)
                done += len(some)
            times = []
            for _ in range(5):
                some = [fragment(n) for n in range(done, done + 16)]
                start = time.perf_counter()
                committer.add(some)
                times.append(time.perf_counter() - start)
                done += 16
            manifest = max(one.stat().st_size for one in Path(folder, "kb.lance", "_versions").iterdir())
            middle = 1000 * sorted(times)[2]
            print(f"{target:6} fragments: {middle:.0f} ms a commit, manifest {manifest:,} bytes")


def keeper() -> None:
    """Time the answers of the keeper."""
    from ragcli.engines.keeping import Keeper
    from ragcli.indexing.states import States

    with tempfile.TemporaryDirectory() as folder:
        one = Keeper(folder, "kb", {"model": contract(), "headings": False}, again=False, folder=folder)
        start = time.perf_counter()
        for task in range(2000):
            keys = [(f"{task}-{n:020}", f"{task * 31}-{n:020}") for n in range(512)]
            one.meet(task, keys, [(f"{task}.md", f"{task}", True)], States(), {""}, True)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{2000 * 512 / seconds:.0f} chunks a second; {2000 * 512:,} of them: {peak:.0f} MB peak")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if sys.argv[1:2] == ["rows"]:
        rows(int(sys.argv[2]))
    elif sys.argv[1:] == ["commits"]:
        commits()
    elif sys.argv[1:] == ["keeper"]:
        keeper()
    else:
        print(__doc__)
