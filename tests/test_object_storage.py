"""Tables on object storage: a real S3 server (moto's) on 127.0.0.1, and a proxy before it that makes it fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT, jsonl, lines, run
from faulty_proxy import Fault
from object_store import KEYS, SECRET, Store, is_commit, is_content, said, serving, vectors
from ragcli.errors import UsageError
from ragcli.store import remote

QUESTION = "保修期多久？"
CASE = {"question": QUESTION, "answers": ["十二个月"]}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an S3 server."""
    with serving(tmp_path_factory.mktemp("s3") / "server.log") as port:
        yield port


@pytest.fixture(scope="session")
def filled(server: int) -> Iterator[Store]:
    """A store whose table ``kb`` holds the example documents, made by load | split | embed."""
    store = Store(server)
    pipe = f"ragcli load examples --new-to kb -d '{store.db}' | ragcli split | ragcli embed -d '{store.db}' -t kb"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", pipe], cwd=ROOT, env=store.environment(), capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    yield store
    store.proxy.close()


@pytest.fixture
def store(filled: Store) -> Iterator[Store]:
    """The same, with no fault left over from another test."""
    filled.proxy.fault(None)
    yield filled
    filled.proxy.fault(None)


@pytest.fixture(scope="session")
def template() -> dict:
    """A vector record of the built-in model; rows made of it are not embedded again."""
    one = {"type": "chunk", "id": "x", "document_id": "d", "source": "a.txt", "text": "x", "start": 0, "end": 1}
    done = run("embed", stdin=jsonl(one))
    assert done.returncode == 0, done.stderr.decode()
    return lines(done.stdout)[0]


# ---------------------------------------------------------------- the same as on disk


@pytest.mark.parametrize(
    ("args", "stdin"),
    [
        (["query", QUESTION], b""),
        (["query", "--mode", "text", "-k", "3", "--where", "format = 'markdown'", "How many days of leave?"], b""),
        pytest.param(["query"], "保修\nannual leave\n".encode(), marks=pytest.mark.slow),
        (["ask", QUESTION], b""),
        pytest.param(["diagnose", "-"], jsonl(CASE), marks=pytest.mark.slow),
        pytest.param(["questions", "-n", "4"], b"", marks=pytest.mark.slow),
    ],
)
def test_answers_are_those_of_a_table_on_disk(store: Store, kb: Path, args: list[str], stdin: bytes) -> None:
    there = store.run(args[0], "-d", store.db, "-t", "kb", *args[1:], stdin=stdin)
    here = store.run(args[0], "-d", kb, "-t", "kb", *args[1:], stdin=stdin)
    assert there.returncode == here.returncode and here.stdout, (there.stderr, here.stderr)
    assert _plain(there.stdout, store.db) == _plain(here.stdout, str(kb))
    assert store.proxy.requests


def _plain(out: bytes, db: str) -> list:
    """A command's output without where the table lies and how long it took."""
    return json.loads(
        json.dumps([{k: v for k, v in row.items() if k not in {"seconds", "created"}} for row in lines(out)]).replace(
            json.dumps(db)[1:-1], "DB"
        )
    )


@pytest.mark.slow
def test_eval_check_and_new_files_work(store: Store, kb: Path, tmp_path: Path) -> None:
    (tmp_path / "cases.jsonl").write_bytes(jsonl(CASE))
    results = [store.run("eval", "-d", db, "-t", "kb", tmp_path / "cases.jsonl") for db in (store.db, kb)]
    assert [done.returncode for done in results] == [0, 0], results[0].stderr
    assert _plain(results[0].stdout, store.db) == _plain(results[1].stdout, str(kb))
    checked = store.run("diagnose", "-d", store.db, "-t", "kb", "--check")
    assert checked.returncode == 0, checked.stderr + checked.stdout
    new = store.run("load", "examples", "--new-to", "kb", "-d", store.db)
    assert new.returncode == 0, new.stderr
    assert new.stdout == b""  # all of it is in the table
    before = store.contents(store.db)
    pipe = f"ragcli load examples | ragcli split | ragcli embed -d '{store.db}' -t kb"
    again = subprocess.run(["bash", "-c", pipe], cwd=ROOT, env=store.environment(), capture_output=True)
    assert b"0 written, 7 unchanged, 0 removed" in again.stderr
    assert store.contents(store.db) == before


@pytest.mark.slow
def test_tables_are_kept_as_on_disk(store: Store, tmp_path: Path) -> None:
    """index, and each action of ``table``: what is written to the store, comes back from it, goes back in time."""

    def done(*args: str | Path) -> list[dict]:
        ended = store.run(*args, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr.decode()
        return lines(ended.stdout)

    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    at = ("-d", "s3://docs/kept")
    done("index", "examples", *at, "-t", "kb")
    (one,) = done("table", "info", *at, "kb")
    assert one["rows"] == 7 and one["indexes"][0]["unindexed"] == 0 and one["bytes"] > 1000
    before = store.contents("s3://docs/kept")
    done("table", "tag", *at, "kb", "good")
    done("table", "delete", *at, "kb", "--where", "format = 'markdown'")
    assert done("table", "info", *at, "kb")[0]["rows"] < 7
    done("table", "restore", *at, "kb", "good")
    assert store.contents("s3://docs/kept") == before
    done("table", "optimize", *at, "kb", "--keep-versions", "1")
    assert {"good"} <= {tag for version in done("table", "versions", *at, "kb") for tag in version["tags"]}
    done("table", "export", *at, "kb", "-o", "kb.parquet")
    done("table", "import", *at, "twin", "kb.parquet")
    done("table", "copy", *at, "kb", "--to", "here")
    done("table", "copy", "-d", "here", "kb", "--to", "s3://docs/kept", "--as", "back")
    for name in ("twin", "back"):
        assert store.contents("s3://docs/kept", name) == before
    assert {one["name"] for one in done("table", "list", *at)} == {"back", "kb", "twin"}
    (tmp_path / "examples" / "README.md").unlink()
    done("index", "examples", *at, "-t", "kb", "--prune")
    hits = done("query", *at, "-t", "kb", "-k", "9", QUESTION)[0]["hits"]
    assert hits and not [hit for hit in hits if "README" in hit["source"]]


def test_a_file_address_is_a_folder(kb: Path) -> None:
    plain = run("query", "-d", kb, "-t", "kb", QUESTION)
    assert run("query", "-d", f"file://{kb}/", "-t", "kb", QUESTION).stdout == plain.stdout
    done = run("query", "-d", f"file://{kb}", "-t", "nokb", QUESTION)
    assert done.returncode == 1 and b"(there are: kb)" in done.stderr


# ---------------------------------------------------------------- what is not there, and what is refused


def test_a_missing_table_names_those_there_are(store: Store) -> None:
    text = said(store.run("query", "-d", store.db, "-t", "nokb", "x"))
    assert f"there is no table 'nokb' in {store.db} (there are: kb)" in text
    assert f"embed -d {store.db} -t nokb" in text
    assert "(it holds no tables)" in said(store.run("query", "-d", "s3://docs/empty", "-t", "kb", "x"))


def test_a_wrong_bucket_is_named(store: Store) -> None:
    for command in (["query", "x"], ["embed"], ["load", "examples", "--new-to", "kb"]):
        if command[0] == "load":
            done = store.run(*command, "-d", "s3://nobucket/kb")
        else:
            done = store.run(command[0], "-d", "s3://nobucket/kb", "-t", "kb", *command[1:], stdin=b"{}\n")
        text = said(done)
        assert "there is no bucket 'nobucket' at http://127.0.0.1:" in text and "AWS_ENDPOINT_URL" in text


@pytest.mark.parametrize(
    ("fault", "more", "without", "words"),
    [
        (Fault(status=403, code="AccessDenied"), {}, (), ["access denied", "AccessDenied", "AWS_ACCESS_KEY_ID", "s3:"]),
        (Fault(status=403, code="InvalidAccessKeyId"), {}, (), ["does not take the key", "AWS_SECRET_ACCESS_KEY"]),
        pytest.param(
            Fault(status=403, code="SignatureDoesNotMatch"), {}, (), ["does not take the key", "AWS_SECRET_ACCESS_KEY"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            Fault(status=400, code="ExpiredToken"), {}, (), ["does not take the key (ExpiredToken)", "SESSION_TOKEN"],
            marks=pytest.mark.slow,
        ),
        (Fault(status=301, code="PermanentRedirect"), {}, (), ["another region", "AWS_REGION"]),
        (None, {"AWS_EC2_METADATA_DISABLED": "true"}, tuple(KEYS), ["no credentials", "AWS_ACCESS_KEY_ID", "PROFILE"]),
        (None, {"AWS_ALLOW_HTTP": "false"}, (), ["plain http is switched off", "AWS_ALLOW_HTTP=true"]),
        (None, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, (), ["cannot be reached", "AWS_ENDPOINT_URL", "TIMEOUT"]),
        (Fault(hang=60), {"TIMEOUT": "1s"}, (), ["has not answered for 2 seconds", "AWS_ENDPOINT_URL", "TIMEOUT"]),
    ],
)  # fmt: skip
def test_what_is_refused_is_a_sentence_that_names_the_variable(
    store: Store, tmp_path: Path, fault: Fault | None, more: dict[str, str], without: tuple[str, ...], words: list[str]
) -> None:
    store.proxy.fault(fault)
    began = time.monotonic()
    made = {"HOME": str(tmp_path), "OBJECT_STORE_CLIENT_MAX_RETRIES": "1", **more}
    text = said(store.run("query", "-d", store.db, "-t", "kb", "x", without=without, **made))
    assert time.monotonic() - began < 25
    assert all(word in text for word in words), text


def test_a_profile_is_a_key(store: Store, tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        f"[work]\naws_access_key_id = AKIATEST\naws_secret_access_key = {SECRET}\n"
    )
    without = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    made = {"HOME": str(tmp_path), "AWS_PROFILE": "work", "AWS_EC2_METADATA_DISABLED": "true"}
    done = store.run("query", "-d", store.db, "-t", "kb", "--mode", "text", QUESTION, without=without, **made)
    assert done.returncode == 0, done.stderr


def test_a_write_that_is_refused_says_what_the_key_needs(store: Store) -> None:
    store.proxy.fault(Fault(status=403, code="AccessDenied", only=lambda method, path: method == "PUT"))
    row = {"type": "chunk", "id": "x", "document_id": "d", "source": "a", "text": "保修", "start": 0, "end": 2}
    text = said(store.run("embed", "-d", "s3://docs/new", "-t", "kb", stdin=jsonl(row)))
    assert "cannot create the table 'kb' in s3://docs/new: access denied" in text and "s3:PutObject" in text
    assert store.run("query", "-d", store.db, "-t", "kb", "--mode", "text", QUESTION).returncode == 0


def test_a_store_without_conditional_writes_is_refused(store: Store) -> None:
    store.proxy.fault(Fault(status=501, code="NotImplemented", only=is_commit))
    row = {"type": "chunk", "id": "x", "document_id": "d", "source": "a", "text": "保修", "start": 0, "end": 2}
    more = {"OBJECT_STORE_CLIENT_MAX_RETRIES": "1"}
    text = said(store.run("embed", "-d", "s3://docs/old", "-t", "kb", stdin=jsonl(row), **more))
    assert "does not know what was asked: 501" in text and "If-None-Match" in text


# ---------------------------------------------------------------- failures that pass, and those that do not


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500, code="InternalError", times=6),
        pytest.param(Fault(cut=True, times=3), marks=pytest.mark.slow),
        pytest.param(Fault(status=503, code="SlowDown", times=6), marks=pytest.mark.slow),
        pytest.param(Fault(delay=0.15), marks=pytest.mark.slow),
    ],
    ids=["500", "cut", "SlowDown", "slow"],
)
def test_failures_that_pass_are_survived(store: Store, fault: Fault, template: dict) -> None:
    store.proxy.fault(fault)
    done = store.run("query", "-d", store.db, "-t", "kb", "--mode", "text", QUESTION)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b"" and lines(done.stdout)[0]["hits"]
    assert store.proxy.faults >= (fault.times or 5)
    db = f"s3://docs/survived/{fault.status or fault.cut}{fault.code}"
    store.proxy.fault(fault)
    wrote = store.run("embed", "-d", db, "-t", "kb", stdin=vectors(template, range(40), "a.txt"))
    assert wrote.returncode == 0, wrote.stderr
    store.proxy.fault(None)
    assert [row[0] for row in store.contents(db)] == [f"row-{number:05}" for number in range(40)]


@pytest.mark.parametrize(
    ("status", "code"), [pytest.param(500, "InternalError", marks=pytest.mark.slow), (503, "SlowDown")]
)
def test_a_store_that_goes_on_failing_ends_in_a_sentence(store: Store, status: int, code: str) -> None:
    store.proxy.fault(Fault(status=status, code=code))
    more = {"OBJECT_STORE_CLIENT_MAX_RETRIES": "1"}
    text = said(store.run("query", "-d", store.db, "-t", "kb", "x", **more))
    assert f"goes on answering {status} " in text and f"({code})" in text
    assert "OBJECT_STORE_CLIENT_MAX_RETRIES" in text and store.proxy.faults > 2
    store.proxy.fault(Fault(status=status, code=code, only=is_content))
    text = said(store.run("query", "-d", store.db, "-t", "kb", "x", **more))
    assert "the store at http" in text and f"goes on answering {status} " in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "limit"),
    [
        (Fault(status=500, code="InternalError"), 90),
        (Fault(status=503, code="SlowDown"), 90),
        (Fault(cut=True), 90),
        (Fault(hang=300), 70),
    ],
    ids=["500", "SlowDown", "cut", "hang"],
)
def test_with_no_setting_at_all_it_ends_in_time(store: Store, fault: Fault, limit: float) -> None:
    store.proxy.fault(fault)
    began = time.monotonic()
    said(store.run("query", "-d", store.db, "-t", "kb", "x"))
    assert time.monotonic() - began < limit


# ---------------------------------------------------------------- what is asked of the store


@pytest.mark.slow
def test_nothing_is_asked_where_nothing_is_needed(store: Store, tmp_path: Path) -> None:
    store.proxy.fault(None)
    done = store.run("load", "examples")
    assert done.returncode == 0 and done.stdout
    assert store.run("split", stdin=done.stdout, RAGCLI_DB=store.db).returncode == 0
    assert store.run("query", "--help", RAGCLI_DB=store.db).returncode == 0
    for args in (["-d", "s3:///x", "-t", "kb"], ["-d", "http://x/y", "-t", "kb"], ["-d", store.db, "-t", "a/b"]):
        said(store.run("embed", *args, stdin=b""), 2)
    assert store.proxy.requests == []


@pytest.mark.slow
def test_a_command_asks_little(store: Store, template: dict) -> None:
    def asked(*args: str, stdin: bytes = b"") -> int:
        store.proxy.fault(None)
        done = store.run(*args, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return len(store.proxy.requests)

    rows = vectors(template, range(200), "a.txt")
    assert asked("embed", "-d", "s3://docs/counted", "-t", "kb", stdin=rows) <= 50
    assert asked("embed", "-d", "s3://docs/counted", "-t", "kb", stdin=rows) <= 24
    assert asked("query", "-d", "s3://docs/counted", "-t", "kb", QUESTION) <= 20
    assert asked("query", "-d", "s3://docs/counted", "-t", "kb", "--mode", "text", QUESTION) <= 20


# ---------------------------------------------------------------- two writers, and a writer that is killed


@pytest.mark.slow
def test_two_writers_at_once_lose_nothing_and_a_reader_sees_no_error(store: Store, template: dict) -> None:
    db = "s3://docs/two"
    first = vectors(template, range(20), "first.txt")
    assert store.run("embed", "-d", db, "-t", "kb", stdin=first).returncode == 0
    shared = vectors(template, range(5000, 5400), "c.txt")
    parts = [
        vectors(template, range(1000, 2000), "a.txt") + shared,
        vectors(template, range(3000, 4000), "b.txt") + shared,
    ]
    store.proxy.fault(Fault(delay=1.0, only=is_commit))  # so that they meet
    writers = [store.embed(db, part) for part in parts]
    read = 0
    while read < 3 or any(writer.poll() is None for writer in writers):
        done = store.run("query", "-d", db, "-t", "kb", "--mode", "text", QUESTION)
        assert done.returncode == 0 and done.stderr == b"", done.stderr
        assert lines(done.stdout)[0]["hits"]
        read += 1
    for writer in writers:
        with writer:
            errors = writer.stderr.read()
            assert writer.wait(60) == 0, errors
    assert store.proxy.lost
    wanted = [*range(20), *range(1000, 2000), *range(3000, 4000), *range(5000, 5400)]
    assert [row[0] for row in store.contents(db)] == [f"row-{number:05}" for number in wanted]


def _killed(store: Store, template: dict, db: str, at: int) -> None:
    """Kill an embed when the proxy has seen so many writes, run it again, and compare."""
    rows = vectors(template, range(1500), "a.txt")
    store.proxy.fault(None)
    process = store.embed(db, rows)
    with process:
        while sum(method == "PUT" for method, _ in store.proxy.requests) < at and process.poll() is None:
            time.sleep(0.002)
        process.kill()  # -9
        process.wait(20)
    seen = store.run("query", "-d", db, "-t", "kb", "--mode", "text", QUESTION)
    assert seen.returncode == 0 or "there is no table" in said(seen)
    again = store.run("embed", "-d", db, "-t", "kb", stdin=rows)
    assert again.returncode == 0, again.stderr
    assert [row[0] for row in store.contents(db)] == [f"row-{number:05}" for number in range(1500)]
    found = lines(store.run("query", "-d", db, "-t", "kb", "--mode", "text", "第1234条").stdout)[0]["hits"]
    assert found[0]["id"] == "row-01234"


@pytest.mark.slow
def test_a_killed_embed_is_completed_by_the_next(store: Store, template: dict) -> None:
    _killed(store, template, "s3://docs/killed", 6)


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14])
def test_a_killed_embed_is_completed_wherever_it_was(store: Store, template: dict, at: int) -> None:
    _killed(store, template, f"s3://docs/killed-slowly{at}", at)


# ---------------------------------------------------------------- addresses and sentences, without a store


def test_addresses() -> None:
    assert remote.place("kb/") == "kb" and remote.place("/") == "/"
    assert remote.place("file:///srv/%E5%BA%93/") == "/srv/库"
    assert remote.place("s3://bucket/") == "s3://bucket"
    assert not remote.is_remote("file:///srv") and remote.is_remote("gs://b/x")
    for wrong in ("file://srv", "S4://x/y", "s3://", "gs:///x"):
        with pytest.raises(UsageError):
            remote.place(wrong)
    from ragcli.store import table_uri

    assert table_uri("s3+ddb://b/x?ddbTableName=t", "kb") == "s3+ddb://b/x/kb.lance?ddbTableName=t"
    assert table_uri("s3://b", "kb") == "s3://b/kb.lance"


def test_what_is_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*remote._ENDPOINTS, *remote._ALLOWING, "TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    assert remote.options("kb") is None and remote.options("file:///kb") is None
    assert "allow_http" not in remote.options("s3://b/x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    assert remote.options("s3://b/x")["allow_http"] == "true"
    monkeypatch.setenv("AWS_ALLOW_HTTP", "false")
    monkeypatch.setenv("OBJECT_STORE_CLIENT_MAX_RETRIES", "2")
    made = remote.options("s3://b/x")
    assert "allow_http" not in made and "client_max_retries" not in made
    assert remote.first_answer() == 60
    for value, seconds in (("5s", 10), ("1m", 120), ("500ms", 1), ("7", 14), ("soon", 60)):
        monkeypatch.setenv("TIMEOUT", value)
        assert remote.first_answer() == seconds


def test_nothing_secret_is_said() -> None:
    text = (
        "LanceError(IO): Generic S3 error: Error performing GET http://user:geheim@host:9000/b?X-Amz-Signature=geheim"
        " in 5ms - HTTP error: error sending request, /home/x/object_store.rs:1:2"
    )
    found = remote.explain(text)
    assert found is not None and "http://host:9000" in found.sentence
    assert "geheim" not in found.sentence + found.hint + remote.short(text)
    azure = "Generic MicrosoftAzure error: Error performing GET https://a.blob.core.windows.net/c?sig=geheim in 1ms"
    assert "geheim" not in remote.short(azure)
    assert remote.explain("Invalid user input: column x does not exist") is None
