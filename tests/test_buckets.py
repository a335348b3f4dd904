"""Documents on object storage, by a real S3 server behind a proxy that can fail: the same documents as from disk."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import DATA, RAGCLI, ROOT, environment, jsonl, lines
from faulty_proxy import Fault
from object_store import KEYS, SECRET, Store, serving

TOP = "s3://docs/库/"


class Bucket(Store):
    """The store, and what puts objects into it."""

    def put(self, key: str, data: bytes) -> None:
        self._ask("PUT", key, data)

    def delete(self, key: str) -> None:
        self._ask("DELETE", key, None)

    def _ask(self, method: str, key: str, data: bytes | None) -> None:
        url = f"http://127.0.0.1:{self.proxy.upstream}/docs/{urllib.parse.quote(f'库/{key}')}"
        said = {"Content-Type": "application/octet-stream"}  # what urllib says of itself is a form's
        said["Authorization"] = "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/s3/aws4_request"
        urllib.request.urlopen(urllib.request.Request(url, data, said, method=method)).close()

    def put_folder(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(path.relative_to(folder).as_posix(), path.read_bytes())

    def contents_asked(self) -> list[str]:
        """The keys whose bytes were asked for."""
        return [
            urllib.parse.unquote(path) for method, path in self.proxy.requests if method == "GET" and "?" not in path
        ]


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    with serving(tmp_path / "server.log") as port:
        store = Bucket(port)
        yield store
        store.proxy.close()


def loaded(bucket: Bucket, *args: str, code: int = 0, cwd: Path = ROOT, **more: str) -> list[dict]:
    done = bucket.run("load", *args, cwd=cwd, **more)
    assert done.returncode == code, done.stderr.decode()
    return lines(done.stdout)


def without_place(documents: list[dict], top: str) -> list[dict]:
    """Documents whose source is what comes below a folder; the id is of the source and the text."""
    return [{**one, "id": "", "source": one["source"].removeprefix(top)} for one in documents]


def test_documents_are_those_of_the_same_files_on_disk(bucket: Bucket, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    shutil.copytree(ROOT / "examples", folder)
    for name in ("markitdown_test.docx", "scotus-transcript-p1.pdf"):
        shutil.copy(DATA / "docs" / name, folder)
    (folder / "rows.jsonl").write_bytes(jsonl(*({"text": f"row {number}"} for number in range(3))))
    (folder / "100% ?a#b.txt").write_text("a name that an address would have to quote")
    (folder / ".hidden").write_text("not read")
    (folder / "empty.txt").write_text("")
    (folder / "drafts").mkdir()
    (folder / "drafts" / "one.txt").write_text("a draft")
    bucket.put_folder(folder)
    for name in ("a/x.txt", "a-b/y.txt", "a.txt", "A.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"named {name}")
    bucket.put_folder(folder)
    bucket.put("folder/", b"")  # as consoles make one
    for options in ([], ["--exclude", "drafts/", "--hidden"], ["--include", "*.txt"], ["--jobs", "0"]):
        here = loaded(bucket, "files", *options, cwd=tmp_path)
        there = loaded(bucket, TOP, *options)
        assert without_place(there, TOP) == without_place(here, "files/"), options
        assert len(here) >= 2
    one = loaded(bucket, f"{TOP}drafts/one.txt", f"{TOP}drafts//", "s3://docs/库/rows.jsonl", f"{TOP}drafts/one.txt")
    assert [(each["source"], each["text"]) for each in one] == [
        (f"{TOP}drafts/one.txt", "a draft"),
        *((f"{TOP}rows.jsonl#{number + 1}", f"row {number}") for number in range(3)),
    ]


def test_a_bucket_is_kept_in_a_table(bucket: Bucket, tmp_path: Path) -> None:
    """What is new or changed is fetched, nothing else; what is gone is removed; the table is on object storage, too."""
    for number in range(4):
        bucket.put(f"{number}.txt", f"第{number}条：保修期为{number + 1}年。".encode())
    bucket.put("0.txt/more.txt", "第零条的附件。".encode())  # a folder may have an object's name
    bucket.put("rows.jsonl", jsonl(*({"text": f"row {number}"} for number in range(3))))
    index = ("index", TOP, "-d", "s3://docs/tables", "-t", "kb", "--prune", "--report", tmp_path / "r.json")

    def indexed() -> tuple[dict, list[str]]:
        time.sleep(3)  # what changed just now may change again without another time
        bucket.proxy.fault(None)
        done = bucket.run(*index)
        assert done.returncode == 0, done.stderr.decode()
        asked = [key for key in bucket.contents_asked() if key.startswith("/docs/库")]
        return json.loads((tmp_path / "r.json").read_bytes())["stages"], asked

    stages, asked = indexed()
    assert stages[0]["counts"]["files_loaded"] == 6 and len(asked) == 6
    stages, asked = indexed()
    assert stages[0]["counts"]["files_unchanged"] == 6 and not asked
    done = bucket.run("index", f"{TOP}0.txt", "-d", "s3://docs/tables", "-t", "kb", "--prune")
    assert done.returncode == 0 and b"6 chunks" not in done.stderr and b"8 chunks" in done.stderr, done.stderr
    bucket.put("1.txt", "第1条：保修期为九年。".encode())
    bucket.put("rows.jsonl", jsonl({"text": "row 0"}, {"text": "row two"}))
    bucket.delete("2.txt")
    stages, asked = indexed()
    assert sorted(asked) == ["/docs/库/1.txt", "/docs/库/rows.jsonl"]
    assert stages[2]["counts"]["chunks_written"] == 2 and stages[2]["counts"]["chunks_pruned"] == 2
    found = lines(bucket.run("query", "-d", "s3://docs/tables", "-t", "kb", "-k", "9", "保修期").stdout)[0]["hits"]
    sources = {f"{TOP}{name}" for name in ("0.txt", "0.txt/more.txt", "1.txt", "3.txt", "rows.jsonl#1", "rows.jsonl#2")}
    assert {hit["source"] for hit in found} == sources
    # A folder that is not there is no reason to remove what the table has of it.
    for name in ("0.txt", "0.txt/more.txt", "1.txt", "3.txt"):
        bucket.delete(name)
    bucket.delete("rows.jsonl")
    done = bucket.run(*index)
    assert done.returncode == 2 and b"so nothing was removed" in done.stderr, done.stderr.decode()
    assert len(bucket.contents("s3://docs/tables")) == 6


def test_large_objects_that_are_no_documents_are_not_fetched(bucket: Bucket) -> None:
    bucket.put("film.bin", bytes(range(256)) * (20 << 12))
    bucket.put("long.txt", b"a line of text\n" * (20 << 16))
    documents = loaded(bucket, TOP)
    assert [(one["source"], len(one["text"])) for one in documents] == [(f"{TOP}long.txt", 15 * (20 << 16))]
    asked = bucket.contents_asked()
    assert asked.count("/docs/库/film.bin") == 1 < asked.count("/docs/库/long.txt")
    done = bucket.run("load", TOP, "--max-bytes", "1M")
    assert done.returncode == 1 and b"long.txt (text): 19,660,800 bytes are more than --max-bytes" in done.stderr


@pytest.mark.parametrize(
    "fault",
    [
        Fault(delay=0.3),
        Fault(status=503, code="SlowDown", times=2),
        Fault(status=500, code="InternalError", times=2),
        Fault(cut=True, times=2),
    ],
)
def test_failures_that_pass_are_survived(bucket: Bucket, fault: Fault) -> None:
    for number in range(3):
        bucket.put(f"{number}.txt", f"text {number}".encode())
    bucket.proxy.fault(fault)
    assert [one["text"] for one in loaded(bucket, TOP)] == ["text 0", "text 1", "text 2"]
    assert bucket.proxy.faults >= 2


def test_what_is_refused_is_a_sentence(bucket: Bucket) -> None:
    bucket.put("a.txt", b"a")
    bucket.put("b.txt", b"b")

    def said(*args: str, code: int = 1, fault: Fault | None = None, **more: str) -> str:
        bucket.proxy.fault(fault)
        done = bucket.run("load", *args, **more)
        text = done.stderr.decode()
        assert done.returncode == code, text
        assert "Traceback" not in text and SECRET not in text
        return text

    assert "'ftp' is no store that files are read from; there are s3://" in said("ftp://host/x")
    assert "s3://no-such/x: no such object or folder" in said("s3://no-such/x")
    assert f"{TOP}c.txt: no such object or folder" in said(f"{TOP}c.txt")
    denied = Fault(status=403, code="AccessDenied")
    text = said(TOP, fault=denied)
    assert "access denied. The key needs s3:ListBucket" in text and "AWS_ACCESS_KEY_ID" in text
    text = said(f"s3://AKIATEST:{SECRET}@docs/x")
    assert "s3://docs/x: keys do not belong in an address." in text
    one = Fault(status=403, code="AccessDenied", only=lambda method, path: path.endswith("a.txt"))
    text = said(TOP, code=3, fault=one)  # the rest goes on
    assert f"failed: {TOP}a.txt: access denied." in text
    text = said(TOP, fault=Fault(status=403, code="InvalidAccessKeyId"))
    assert "the store does not take the key" in text or "access denied" in text


@pytest.mark.slow
def test_a_store_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    made = {**environment(), **KEYS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = subprocess.run([RAGCLI, "load", TOP], env=made, capture_output=True, timeout=60)
    assert done.returncode == 1
    assert "cannot be reached, or does not answer in time. Check AWS_ENDPOINT_URL" in done.stderr.decode()


@pytest.mark.slow
def test_a_cluster_reads_and_writes_object_storage(bucket: Bucket, tmp_path: Path) -> None:
    """Documents, records (JSON Lines, Parquet) and tables in a bucket: by Ray the same as by one process."""
    pytest.importorskip("ray")
    import pyarrow as pa
    from pyarrow import parquet

    for number in range(12):
        bucket.put(
            f"{number % 3}/{number}.md", f"# 手册 {number}\n\n第 {number} 号产品的保修期为 {number} 年。".encode()
        )
    db, ray = "s3://docs/tables", ("--engine", "ray")

    def ran(*args: str | Path, stdin: bytes = b"") -> bytes:
        done = bucket.run(*args, stdin=stdin, cwd=tmp_path)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    for _ in range(2):
        ran("index", TOP, "-d", db, "-t", "one", "--prune")
        ran("index", TOP, "-d", db, "-t", "ray", "--prune", "--rows", "4", *ray)
        assert bucket.contents(db, "ray") == bucket.contents(db, "one")
        bucket.put("1/4.md", "# 手册 4\n\n保修期现为九年。".encode())
        bucket.put("2/new.md", b"# New\n\nSupport moved to Berlin.")
        bucket.delete("0/3.md")
    documents = ran("load", TOP)
    assert ran("load", TOP, *ray) == documents
    chunks = ran("split", stdin=documents)
    bucket.put("records/chunks.jsonl", chunks)
    values = lines(chunks)
    for value in values:
        value["metadata"] = json.dumps(value["metadata"])
    parquet.write_table(pa.Table.from_pylist(values), tmp_path / "chunks.parquet")
    bucket.put("records/chunks.parquet", (tmp_path / "chunks.parquet").read_bytes())
    ran("embed", "-d", db, "-t", "piped", stdin=chunks)
    for name in ("jsonl", "parquet"):
        ran("embed", "-d", db, "-t", name, *ray, "--records", f"{TOP}records/chunks.{name}")
        assert bucket.contents(db, name) == bucket.contents(db, "piped")


def test_ctrl_c_does_not_wait_for_a_silent_store(bucket: Bucket, tmp_path: Path) -> None:
    for number in range(20):
        bucket.put(f"{number}.txt", f"text {number}".encode())
    bucket.proxy.fault(Fault(hang=60, only=lambda method, path: method == "GET" and "?" not in path))
    process = subprocess.Popen(
        [RAGCLI, "load", TOP],
        env=bucket.environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until = time.monotonic() + 30
    while not bucket.proxy.faults and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, said = process.communicate(timeout=30)
    assert (process.returncode, out, said) == (130, b"", b"")
    assert time.monotonic() - began < 5
    assert not list(tmp_path.glob("ragcli-*"))
