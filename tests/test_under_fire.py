"""Tables under fire: many writers and readers at once, kills at any moment, disks that fill up; a year of nightly runs.

The vectors come with the records, so that no model runs and the table is what is tried.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import RAGCLI, environment, jsonl, lines, run
from ragcli.contract import model_hash
from ragcli.embedding import open_embedder
from ragcli.store import Table

pytestmark = pytest.mark.slow
MODEL = open_embedder(None).contract
WORDS = ["保修", "期限", "pump", "valve", "零件", "员工", "leave", "手册"]


def vectors(document: int, chunks: int, edition: str = "") -> list[dict[str, Any]]:
    """The records of a document."""
    out = []
    for at in range(chunks):
        rng = np.random.default_rng(document * 1000 + at)
        made = rng.standard_normal(MODEL["dimension"])
        text = f"{WORDS[document % 8]} {WORDS[at % 8]} D{document}C{at} {edition}".strip()
        out.append(
            {
                "type": "vector",
                "id": f"d{document}-{at}",
                "document_id": f"d{document}",
                "source": f"docs/{document}.md",
                "text": text,
                "start": at * 100,
                "end": at * 100 + len(text),
                "format": "markdown",
                "model": MODEL["id"],
                "model_hash": model_hash(MODEL),
                "vector": [round(float(value), 4) for value in made / np.linalg.norm(made)],
            }
        )
    out[-1]["last"] = True
    return out


def stream(path: Path, documents: Iterator[int] | range | list[int], chunks: int = 10, edition: str = "") -> Path:
    path.write_bytes(b"".join(jsonl(*vectors(document, chunks, edition)) for document in documents))
    return path


def embed(db: Path, path: Path) -> subprocess.Popen[bytes]:
    with path.open("rb") as given:
        return subprocess.Popen(
            [RAGCLI, "embed", "-d", db, "-t", "kb", "-q"], stdin=given, stderr=subprocess.PIPE, env=environment()
        )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Its exit code and what it said."""
    _, said = process.communicate()
    return process.returncode, said.decode()


def rows(db: Path) -> dict[str, str]:
    """Id and text of every row; none is there twice."""
    found = Table.open(str(db), "kb").dataset.to_table(columns=["id", "text"]).to_pylist()
    assert len({one["id"] for one in found}) == len(found)
    return {one["id"]: one["text"] for one in found}


def expected(documents: range | list[int], chunks: int = 10, edition: str = "") -> dict[str, str]:
    return {one["id"]: one["text"] for document in documents for one in vectors(document, chunks, edition)}


@pytest.mark.timeout(600)
def test_eight_writers_and_readers_all_the_time(tmp_path: Path) -> None:
    """Half of what each writer brings, others bring too."""
    db = tmp_path / "db"
    assert ended(embed(db, stream(tmp_path / "first.jsonl", range(900, 910)))) == (0, "")
    parts = []
    for number in range(8):
        own = list(range(number * 20, number * 20 + 20))
        shared = list(range(200, 220))
        random.Random(number).shuffle(shared)
        parts.append(stream(tmp_path / f"{number}.jsonl", own + shared, 25))
    writers = [embed(db, part) for part in parts]
    reads = 0
    while reads < 5 or any(writer.poll() is None for writer in writers):
        done = run("query", "-d", db, "-t", "kb", "--mode", ("text", "vector", "hybrid")[reads % 3], "保修 pump D905C3")
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()
        assert lines(done.stdout)[0]["hits"]
        reads += 1
    for writer in writers:
        assert ended(writer) == (0, "")
    wanted = expected(range(900, 910)) | expected([*range(160), *range(200, 220)], 25)
    assert rows(db) == wanted
    again = run("embed", "-d", db, "-t", "kb", stdin=parts[3].read_bytes())
    assert b"0 written, 1000 unchanged, 0 removed" in again.stderr


@pytest.mark.timeout(1800)
def test_killed_at_fifty_moments(tmp_path: Path) -> None:
    """Each run brings another edition of some documents, and is killed; what is there is readable and whole."""
    db, rng = tmp_path / "db", random.Random(5)
    assert ended(embed(db, stream(tmp_path / "first.jsonl", range(60)))) == (0, "")
    alone = embed(db, stream(tmp_path / "one.jsonl", range(60), edition="0"))
    began = time.monotonic()
    assert ended(alone) == (0, "")
    whole = time.monotonic() - began
    killed = 0
    for number in range(1, 51):
        before = rows(db)
        path = stream(tmp_path / "next.jsonl", range(60), edition=str(number))
        process = embed(db, path)
        time.sleep(rng.uniform(0.2, 1.0) * whole)
        process.kill()
        killed += ended(process)[0] == -9
        seen = rows(db)
        new = expected(range(60), edition=str(number))
        assert seen.keys() == new.keys()
        assert all(text in (before[name], new[name]) for name, text in seen.items())
        found = run("query", "-d", db, "-t", "kb", "--mode", "text", "D7C3")
        assert found.returncode == 0, found.stderr.decode()
        if number % 5 == 0:
            assert ended(embed(db, path)) == (0, "")
            assert rows(db) == new
    assert killed > 25
    assert ended(embed(db, stream(tmp_path / "last.jsonl", range(60), edition="last"))) == (0, "")
    assert rows(db) == expected(range(60), edition="last")
    hits = lines(run("query", "-d", db, "-t", "kb", "--mode", "text", "D7C3 last").stdout)[0]["hits"]
    assert hits[0]["id"] == "d7-3"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place]).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield place
    subprocess.run(["umount", "-l", place], check=False)


def test_a_disk_that_fills_up_and_one_that_becomes_read_only(small: Path, tmp_path: Path) -> None:
    db = small / "db"
    assert ended(embed(db, stream(tmp_path / "first.jsonl", range(40)))) == (0, "")
    before = rows(db)
    large = stream(tmp_path / "large.jsonl", range(100, 600))
    full = run("embed", "-d", db, "-t", "kb", stdin=large.read_bytes())
    assert full.returncode == 1 and b"the disk is full" in full.stderr and b"Traceback" not in full.stderr
    seen = rows(db)
    assert before.items() <= seen.items() <= (before | expected(range(100, 600))).items()
    assert lines(run("query", "-d", db, "-t", "kb", "--mode", "text", "D7C3").stdout)[0]["hits"][0]["id"] == "d7-3"
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    read_only = run("embed", "-d", db, "-t", "kb", stdin=stream(tmp_path / "more.jsonl", range(90, 95)).read_bytes())
    assert read_only.returncode == 1 and b"Traceback" not in read_only.stderr
    assert b"ead-only" in read_only.stderr or b"no permission" in read_only.stderr, read_only.stderr.decode()
    assert rows(db) == seen
    assert lines(run("query", "-d", db, "-t", "kb", "--mode", "text", "D7C3").stdout)[0]["hits"][0]["id"] == "d7-3"
    subprocess.run(["mount", "-o", "remount,rw,size=40m", small], check=True)
    assert run("embed", "-d", db, "-t", "kb", stdin=large.read_bytes()).returncode == 0
    assert rows(db) == before | expected(range(100, 600))


@pytest.mark.timeout(3600)
def test_a_year_of_nightly_runs(tmp_path: Path) -> None:
    """Each of 365 runs over 100 files finds one changed; the end is as quick and as small as the beginning."""
    docs, db = tmp_path / "docs", tmp_path / "db"
    docs.mkdir()
    for number in range(100):
        (docs / f"{number}.md").write_text(
            f"# 文件 {number}\n\n第 {number} 号零件的保修期为 {number + 1} 天。", "utf-8"
        )
    index = ("index", docs, "-d", db, "-t", "kb", "--prune", "-q", "--keep-versions", "3")
    assert run(*index).returncode == 0
    seconds, asked, files, sizes = [], [], [], []
    for night in range(365):
        number = night * 37 % 100
        (docs / f"{number}.md").write_text(f"# 文件 {number}\n\n第 {number} 号零件的保修期为 {night + 1} 月。", "utf-8")
        began = time.perf_counter()
        done = run(*index)
        seconds.append(time.perf_counter() - began)
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()
        if night % 5 == 0:
            began = time.perf_counter()
            found = run("query", "-d", db, "-t", "kb", f"{number} 号零件的保修期")
            asked.append(time.perf_counter() - began)
            assert f"{night + 1} 月" in lines(found.stdout)[0]["hits"][0]["text"]
        there = [path for path in db.rglob("*") if path.is_file()]
        files.append(len(there))
        sizes.append(sum(path.stat().st_size for path in there))
    table = Table.open(str(db), "kb")
    assert len(table) == 100
    for name, values in (("seconds", seconds), ("query", asked), ("files", files), ("bytes", sizes)):
        part = max(5, len(values) // 6)
        first, last = float(np.median(values[:part])), float(np.median(values[-part:]))
        said = f"{name}: {first:.4g} at the beginning, {last:.4g} at the end, {max(values):.4g} at most"
        sys.stdout.write(said + "\n")  # shown with -s
        assert last <= 1.5 * first, said
