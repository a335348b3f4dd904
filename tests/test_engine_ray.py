"""``--engine ray``: the rows of one process, on a cluster of this machine, whatever is killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import lance
import numpy as np
import psutil
import pytest

from conftest import RAGCLI, environment, lines, run
from ragcli.lexical import TOKENIZER
from ragcli.store import TEXT_INDEX, Table

pytest.importorskip("ray")

MODEL_SECONDS = 200


def corpus(folder: Path, files: int, chunks: int = 4) -> Path:
    """Files in Chinese and English, with headings, metadata and text of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(files):
        parts = []
        for k in range(chunks):
            parts.append(f"## 第 {n}-{k} 节 Section {k}\n\n产品 {n * 31 % 97} 的保修期为 {k + 1} 年，编号 {n}-{k}。")
            parts.append(f"Product {n * 17 % 89} ships within {k + 2} days; order {n}-{k}. 退货须在 {n % 30} 天内。")
        (folder / f"{n:04}.md").write_text(f"# 手册 {n}\n\n" + "\n\n".join(parts) + "\n", "utf-8")
    return folder


def rows(db: Path, name: str) -> tuple[dict[str, dict], dict[str, np.ndarray]]:
    """Every row by its id, without and with its vector; no id may be there twice."""
    found = lance.dataset(str(db / f"{name}.lance")).to_table()
    ids = found["id"].to_pylist()
    assert len(ids) == len(set(ids))
    vectors = {one: np.array(v) for one, v in zip(ids, found["vector"].to_pylist(), strict=True)}
    return {row["id"]: row for row in found.drop_columns(["vector"]).to_pylist()}, vectors


def check_equal(db: Path, ours: str, theirs: str) -> None:
    """Two tables hold the same: every column, the contract, the vectors; and are searched alike."""
    (a, va), (b, vb) = rows(db, ours), rows(db, theirs)
    assert a.keys() == b.keys()
    for key, row in a.items():
        assert row == b[key]
        assert np.array_equal(va[key], vb[key]), np.abs(va[key] - vb[key]).max()
    one, two = (lance.dataset(str(db / f"{name}.lance")) for name in (ours, theirs))
    assert one.schema.equals(two.schema, check_metadata=True)
    one.validate()
    for name in (ours, theirs):  # Lance's BM25 counts removed rows until the index is made anew
        table = Table.open(str(db), name)
        dataset, options = table.dataset, {"with_position": True, **TOKENIZER}
        assert dataset.stats.index_stats(TEXT_INDEX)["num_unindexed_rows"] == 0
        dataset.create_scalar_index("search_text", "INVERTED", name=TEXT_INDEX, replace=True, **options)
    for question in ("保修期多久？", "When does product 34 ship?"):
        for mode in ("vector", "text"):
            hits = [
                lines(run("query", "-d", db, "-t", t, "--mode", mode, question).stdout)[0]["hits"]
                for t in (ours, theirs)
            ]
            scores = [[hit["score"] for hit in some] for some in hits]
            assert len(scores[0]) > 3
            assert scores[0] == pytest.approx(scores[1], rel=1e-6)
            # Of rows that score alike, any may come first, and any may be the last that is still shown.
            above = scores[0][-1] * (1 + 1e-5)
            best = [{hit["id"] for hit in some if hit["score"] > above} for some in hits]
            assert best[0] == best[1]


def only_ours(stderr: bytes) -> None:
    for line in stderr.decode().splitlines():
        assert re.match(r"ragcli [a-z]+: |  hint: ", line), stderr.decode()


def tally(path: Path) -> dict[str, dict[str, int]]:
    return {stage["stage"]: stage["counts"] for stage in json.loads(path.read_text())["stages"]}


def files_of(db: Path, name: str) -> set[str]:
    return {path.name for path in (db / f"{name}.lance" / "data").iterdir()}


def referenced(db: Path, name: str) -> set[str]:
    dataset = lance.dataset(str(db / f"{name}.lance"))
    return {Path(file.path).name for one in dataset.get_fragments() for file in one.metadata.files}


def test_the_rows_of_one_process(tmp_path: Path) -> None:
    docs = corpus(tmp_path / "docs", 12)
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    done, other = (
        run("index", "docs", "-d", "db", "-t", name, "--size", "120", "--report", f"{name}.json", *more, cwd=tmp_path)
        for name, more in (("ray", ["--engine", "ray", "--rows", "16", "--address", "local"]), ("one", []))
    )
    assert done.returncode == other.returncode == 3, done.stderr.decode()
    only_ours(done.stderr)
    assert done.stdout == b"" and b"broken.pdf" in done.stderr
    assert done.stderr.decode().replace("db/ray", "db/one") == other.stderr.decode()
    counts = tally(tmp_path / "ray.json")
    assert counts == tally(tmp_path / "one.json")
    embed = counts["embed"]
    assert embed["chunks_in"] == embed["chunks_written"] == counts["split"]["chunks_out"] > 40
    check_equal(tmp_path / "db", "ray", "one")
    # One file changes, one goes, one comes: only what is new is read and embedded, and nothing stale stays.
    (docs / "0003.md").write_text("# 新的\n\n保修期改为五年。\n", "utf-8")
    (docs / "0004.md").unlink()
    (docs / "new.md").write_text("# New\n\nSupport moved to Berlin.\n", "utf-8")
    for name, more in (("ray", ["--engine", "ray"]), ("one", [])):
        again = run(
            "index", "docs", "-d", "db", "-t", name, "--size", "120", "--prune", "--report", f"{name}.json", *more,
            cwd=tmp_path,
        )  # fmt: skip
        assert again.returncode == 3, again.stderr.decode()
    counts = tally(tmp_path / "ray.json")
    assert counts == tally(tmp_path / "one.json")
    assert counts["embed"]["chunks_written"] == 2 and counts["load"]["files_unchanged"] == 10
    check_equal(tmp_path / "db", "ray", "one")


@pytest.mark.slow
def test_load_split_and_embed_give_what_one_process_gives(tmp_path: Path) -> None:
    corpus(tmp_path / "docs", 60)
    (tmp_path / "docs" / "bad.docx").write_bytes(b"PK\x03\x04 broken")
    given = b""
    for stage, args in (("load", ["docs"]), ("split", ["--size", "120"]), ("embed", [])):
        one = run(stage, *args, stdin=given, cwd=tmp_path)
        ray = run(stage, *args, "--engine", "ray", stdin=given, cwd=tmp_path)
        assert one.returncode == ray.returncode == (3 if stage == "load" else 0), ray.stderr.decode()
        assert one.stdout == ray.stdout and len(one.stdout) > 1000
        only_ours(ray.stderr)
        given = one.stdout
    # Vectors that are there go into the table as they are, from a pipe or from files.
    (tmp_path / "v.jsonl").write_bytes(given)
    for name, more in (("one", []), ("ray", ["--engine", "ray"])):
        assert run("embed", "-d", "db", "-t", name, *more, stdin=given, cwd=tmp_path).returncode == 0
    check_equal(tmp_path / "db", "ray", "one")
    done = run("embed", "-d", "db", "-t", "files", "--engine", "ray", "--records", "v.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    check_equal(tmp_path / "db", "files", "one")
    done = run("embed", "-d", "db", "-t", "files", "--engine", "ray", "--again", stdin=given, cwd=tmp_path)
    assert b"unchanged" in done.stderr and b" 0 unchanged" in done.stderr
    check_equal(tmp_path / "db", "files", "one")


def test_wrong_use_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\nText.\n")
    for more, code, said in (
        (["--engine", "rya"], 2, "no engine 'rya'"),
        (["--workers", "2"], 2, "--workers goes with --engine ray"),
        (["--engine", "ray", "--address", "127.0.0.1:1"], 1, "no Ray cluster answers at 127.0.0.1:1"),
        (["--engine", "ray", "--address", "ray://x:1"], 2, "is not HOST:PORT"),
        (["--engine", "ray", "--workers", "99"], 2, "99 workers do not fit"),
    ):
        done = run("index", "a.md", "-d", "db", "-t", "t", *more, cwd=tmp_path)
        assert done.returncode == code, done.stderr.decode()
        assert said in done.stderr.decode() and done.stdout == b""
        only_ours(done.stderr)
    assert not (tmp_path / "db").exists()


def started(folder: Path, name: str) -> subprocess.Popen:
    args = ["index", "docs", "-d", "db", "-t", name, "--size", "120", "--engine", "ray", "--rows", "24"]
    return subprocess.Popen(
        [RAGCLI, *args, "--report", f"{name}.json"], cwd=folder, env=environment(), stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip


def embedders(driver: int) -> list[psutil.Process]:
    found = []
    for one in psutil.Process(driver).children(recursive=True):
        try:
            if "MapWorker" in " ".join(one.cmdline()):
                found.append(one)
        except psutil.Error:
            continue
    return found


def wait(condition, seconds: float = 120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("it did not come to that")


def in_data(folder: Path, name: str) -> int:
    data = folder / "db" / f"{name}.lance" / "data"
    return len(list(data.iterdir())) if data.is_dir() else 0


@pytest.mark.slow
def test_a_worker_that_is_killed_is_made_up_for(tmp_path: Path) -> None:
    corpus(tmp_path / "docs", 120)
    process = started(tmp_path, "ray")
    try:
        wait(lambda: in_data(tmp_path, "ray") >= 2)
        killed = embedders(process.pid)
        assert killed
        killed[0].send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=MODEL_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0 and out == b"", err.decode()
    only_ours(err)
    assert run("index", "docs", "-d", "db", "-t", "one", "--size", "120", "--report", "one.json", cwd=tmp_path)
    assert tally(tmp_path / "ray.json") == tally(tmp_path / "one.json")
    check_equal(tmp_path / "db", "ray", "one")


@pytest.mark.slow
def test_a_driver_that_is_killed_leaves_whole_batches_and_the_next_run_completes_them(tmp_path: Path) -> None:
    corpus(tmp_path / "docs", 900)
    process = started(tmp_path, "ray")
    children: list[psutil.Process] = []

    def committed() -> int:
        try:
            return lance.dataset(str(tmp_path / "db" / "ray.lance")).count_rows()
        except ValueError:
            return 0

    try:
        wait(committed)
        wait(lambda: in_data(tmp_path, "ray") > len(referenced(tmp_path / "db", "ray")), 20)  # in the middle of more
        children = [one for one in psutil.Process(process.pid).children(recursive=True) if "Agent" not in one.name()]
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    before, _ = rows(tmp_path / "db", "ray")
    assert run("query", "-d", "db", "-t", "ray", "保修期", cwd=tmp_path).returncode == 0
    # Ray's processes end with the driver; two agents of its dashboard wait for their raylet a while longer.
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    process = started(tmp_path, "ray")
    _, err = process.communicate(timeout=MODEL_SECONDS)
    assert process.returncode == 0, err.decode()
    counts = tally(tmp_path / "ray.json")["embed"]
    after, _ = rows(tmp_path / "db", "ray")
    assert 0 < len(before) < len(after)
    assert counts["chunks_written"] == len(after) - len(before)
    assert run("index", "docs", "-d", "db", "-t", "one", "--size", "120", cwd=tmp_path).returncode == 0
    check_equal(tmp_path / "db", "ray", "one")
    # What the killed run had written and not committed is a file that no version knows; upkeep removes it.
    assert files_of(tmp_path / "db", "ray") > referenced(tmp_path / "db", "ray")
    from datetime import timedelta

    lance.dataset(str(tmp_path / "db" / "ray.lance")).cleanup_old_versions(timedelta(0), delete_unverified=True)
    assert files_of(tmp_path / "db", "ray") == referenced(tmp_path / "db", "ray")
    check_equal(tmp_path / "db", "ray", "one")


@pytest.mark.slow
def test_two_machines(tmp_path: Path, namespaces: list[str]) -> None:
    corpus(tmp_path / "docs", 80)
    ray = str(RAGCLI.with_name("ray"))
    short = Path(tempfile.mkdtemp(prefix="r"))  # Ray's sockets lie in it, and their paths must be short
    auth = environment(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="a" * 64, RAY_USAGE_STATS_ENABLED="0")
    nodes = []
    try:
        for number, space in enumerate(namespaces, 1):
            ip = f"10.99.0.{number}"
            role = (
                ["--head", "--port=6379", "--include-dashboard=false"] if number == 1 else ["--address=10.99.0.1:6379"]
            )
            command = [
                "ip", "netns", "exec", space, ray, "start", *role, f"--node-ip-address={ip}", "--num-cpus=1", "--block",
                f"--temp-dir={short}/{number}", "--object-store-memory=150000000", "--disable-usage-stats",
            ]  # fmt: skip
            with (tmp_path / f"node{number}.log").open("wb") as log:
                nodes.append(subprocess.Popen(command, env=auth, stdout=log, stderr=log, start_new_session=True))
            time.sleep(8)
        done = subprocess.run(
            ["ip", "netns", "exec", namespaces[0], RAGCLI, "index", "docs", "-d", "db", "-t", "ray", "--size", "120",
             "--engine", "ray", "--rows", "24", "--address", "10.99.0.1:6379"],
            cwd=tmp_path, env=auth, capture_output=True, timeout=MODEL_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode() + (tmp_path / "node2.log").read_text()
        only_ours(done.stderr)
        assert done.stdout == b""
        logs = [list((short / f"{n}").glob("session_*/logs/worker-*")) for n in (1, 2)]
        assert all(logs)
    finally:
        for one in nodes:
            os.killpg(one.pid, signal.SIGTERM)
        for one in nodes:
            try:
                one.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(one.pid, signal.SIGKILL)
                one.wait()
        shutil.rmtree(short, ignore_errors=True)
    assert run("index", "docs", "-d", "db", "-t", "one", "--size", "120", cwd=tmp_path).returncode == 0
    check_equal(tmp_path / "db", "ray", "one")
