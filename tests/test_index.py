"""index and run as processes: the table of the pipe in one command, and what must not happen on the way."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import DATA, RAGCLI, ROOT, environment, jsonl, lines, run
from test_embedding_openai import Server, good

CHINESE = "保修期自购买之日起计算，共二十四个月。"
CODES = "The code of part {} is QX-{}77. 配件编号见第{}条。\n"


def rows(db: Path, table: str = "kb") -> list[dict]:
    """All columns of a table, vectors included, in the order of the ids."""
    import lance

    return lance.dataset(f"{db}/{table}.lance").to_table().sort_by("id").to_pylist()


def metadata(db: Path) -> dict:
    import lance

    return lance.dataset(f"{db}/kb.lance").schema.metadata


def versions(db: Path) -> int:
    import lance

    return len(lance.dataset(f"{db}/kb.lance").versions())


def pipe(script: str, cwd: Path) -> None:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], cwd=cwd, env=environment(), capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()


def write_docs(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:03}.txt").write_text(CODES.format(*[number] * 3), encoding="utf-8")


def counts(report: Path) -> list[dict]:
    """The counts of loading, splitting and embedding."""
    made = json.loads(report.read_bytes())
    assert [made["type"], made["stage"]] == ["report", "index"]
    assert [stage["stage"] for stage in made["stages"]] == ["load", "split", "embed"]
    return [stage["counts"] for stage in made["stages"]]


def adds_up(report: Path) -> list[dict]:
    load, split, embed = counts(report)
    files = ("files_loaded", "files_failed", "files_skipped")
    assert load["files_seen"] == sum(load.get(name, 0) for name in files)
    assert load.get("documents", 0) == split.get("documents_in", 0)
    assert split.get("chunks_out", 0) == embed.get("chunks_in", 0)
    ended = ("chunks_written", "chunks_unchanged", "chunks_repeated")
    assert embed.get("chunks_in", 0) == sum(embed.get(name, 0) for name in ended)
    return [load, split, embed]


@pytest.fixture(scope="module")
def docs(tmp_path_factory) -> Path:
    """Text, Markdown, HTML, PDF, CSV and more, in Chinese and English."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "examples" / "rows.jsonl").write_bytes(jsonl(*({"text": f"第 {n} 条：{CHINESE}"} for n in range(5))))
    return folder


@pytest.mark.parametrize(
    ("splitting", "embedding"),
    [
        ("", ""),
        pytest.param("--size 200 --overlap 40", "--headings", marks=pytest.mark.slow),
        pytest.param("--unit tokens --size 64", "", marks=pytest.mark.slow),
    ],
)
def test_the_table_is_that_of_the_pipe(docs, tmp_path, splitting, embedding):
    pipe(
        f"ragcli load examples --new-to kb -d {tmp_path}/a --exclude '*.svg' | ragcli split {splitting}"
        f" | ragcli embed {embedding} -d {tmp_path}/a -t kb",
        docs,
    )
    pipe(f"ragcli index examples -d {tmp_path}/b -t kb --exclude '*.svg' {splitting} {embedding}", docs)
    made = rows(tmp_path / "b")
    assert len(made) > 10
    assert made == rows(tmp_path / "a")  # ids, digests, vectors to the last bit, metadata, states of files
    assert metadata(tmp_path / "a") == metadata(tmp_path / "b")
    done = run("query", "-d", tmp_path / "b", "-t", "kb", "手机的保修期是多久？", cwd=docs)
    assert "保修条款.md" in lines(done.stdout)[0]["hits"][0]["source"]


def test_the_report_adds_up_and_a_broken_file_is_named(tmp_path):
    write_docs(tmp_path / "docs", 3)
    (tmp_path / "docs" / "broken.pdf").write_bytes(b"%PDF-1.7\nbroken")
    (tmp_path / "docs" / "empty.txt").write_text(" \n")
    (tmp_path / "docs" / "picture.bin").write_bytes(bytes(range(256)))
    # The same text twice in a file of rows: the second is counted as repeated, and no row is doubled.
    (tmp_path / "docs" / "rows.jsonl").write_bytes(jsonl({"text": "one row"}, {"text": "another"}, {"nothing": 1}))
    done = run("index", "docs", "-t", "kb", "--report", "r.json", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stdout == b""
    assert b"ragcli index: failed: docs/broken.pdf (pdf)" in done.stderr
    assert b"rows.jsonl" in done.stderr
    assert b"line 3" in done.stderr
    load, _, embed = adds_up(tmp_path / "r.json")
    assert load["files_failed"] == 1
    assert embed["chunks_written"] == len(rows(tmp_path / ".ragcli")) == 5
    losses = json.loads((tmp_path / "r.json").read_bytes())["stages"][0]["losses"]
    assert any(loss["source"] == "docs/broken.pdf" and loss["kind"] == "failed" for loss in losses)
    # Again: what failed fails again, and nothing else is read, but for the file of which a line is missing.
    done = run("index", "docs", "-t", "kb", "--report", "r.json", cwd=tmp_path)
    assert done.returncode == 3
    load, split, embed = adds_up(tmp_path / "r.json")
    assert load["files_unchanged"] == 3
    assert load["files_failed"] == 1
    assert split["documents_in"] == embed["chunks_unchanged"] == 2
    (tmp_path / "docs" / "rows.jsonl").unlink()  # now nothing comes in, and still a file is missing
    assert run("index", "docs", "-t", "kb", cwd=tmp_path).returncode == 3


def test_a_report_in_the_folder_is_no_document(tmp_path):
    write_docs(tmp_path / "docs", 1)
    for _ in range(2):
        done = run("index", "docs", "-t", "kb", "--report", "docs/report.json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert {row["source"] for row in rows(tmp_path / ".ragcli")} == {"docs/000.txt"}


def test_an_unchanged_run_does_nothing_and_needs_no_model(tmp_path):
    write_docs(tmp_path / "docs", 3)
    assert run("index", "docs", "-t", "kb", cwd=tmp_path).returncode == 0
    before = versions(tmp_path / ".ragcli")
    (tmp_path / "file").write_text("no folder")
    done = run("index", "docs", "-t", "kb", "--report", "r.json", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "file"))
    assert done.returncode == 0, done.stderr
    assert b"(3 unchanged, 0 skipped by rule, 0 failed)" in done.stderr
    load, split, embed = adds_up(tmp_path / "r.json")
    assert (load["files_unchanged"], split, embed) == (3, {}, {})
    assert versions(tmp_path / ".ragcli") == before
    # That the model cannot be opened there is said where it is needed.
    (tmp_path / "docs" / "new.txt").write_text("something new")
    done = run("index", "docs", "-t", "kb", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "file"))
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    done = run("index", "docs", "-t", "kb", "--again", "--report", "r.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert counts(tmp_path / "r.json")[2]["chunks_written"] == 4
    assert len(rows(tmp_path / ".ragcli")) == 4


def test_a_file_whose_last_chunk_stays_is_not_read_again(tmp_path):
    write_docs(tmp_path / "docs", 2)
    file, index = tmp_path / "docs" / "rows.jsonl", ("index", "docs", "-t", "kb", "--prune", "--report", "r.json")
    held = [f"第 {number} 条：{CHINESE}" for number in range(4)]
    for change in ("none", "grown", "changed before the end", "shorter", "another way", "lost its state"):
        if change == "grown":
            held += ["a row more", "and one"]
        elif change == "changed before the end":
            held[1] = "the second row now"
        elif change == "shorter":
            del held[4:]
        elif change == "lost its state":  # as where load was run without --new-to
            import lance

            lance.dataset(f"{tmp_path}/.ragcli/kb.lance").update({"extra": "NULL"}, where="source LIKE '%rows%'")
        file.write_bytes(jsonl(*({"text": text} for text in held)))
        way = ["--encoding", "utf-8"] if change == "another way" else []
        done = run(*index, *way, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        load, _, embed = adds_up(tmp_path / "r.json")
        assert load["files_loaded"] == {"none": 3, "another way": 3}.get(change, 1) + 2 * (change == "lost its state")
        written = {"none": 6, "grown": 2, "changed before the end": 1}.get(change, 0)
        assert embed.get("chunks_written", 0) == written, change
        before = versions(tmp_path / ".ragcli")
        assert run(*index, *way, cwd=tmp_path).returncode == 0
        assert counts(tmp_path / "r.json")[0]["files_unchanged"] == 3, change
        assert versions(tmp_path / ".ragcli") == before
    pipe("ragcli load docs --new-to kb -d fresh | ragcli split | ragcli embed -d fresh -t kb", tmp_path)
    assert rows(tmp_path / ".ragcli") == rows(tmp_path / "fresh")


def test_fields_called_file_are_the_users(tmp_path):
    """What stands beside a file's state in a table, and looks like it, is left alone."""
    given = [
        {"origin": {"file": "b.pdf"}},
        {"file": {"path": "r.pdf", "page": 3}},
        {"file": {"path": "r.pdf", "page": 4}},
    ]
    made = [
        {
            "type": "chunk",
            "id": f"c{n}",
            "document_id": f"d{n}",
            "source": f"s{n}",
            "text": "x",
            "start": 0,
            "end": 1,
            **one,
        }
        for n, one in enumerate(given)
    ]
    write_docs(tmp_path / "docs", 1)
    for stdin in (jsonl(*made[:1]), jsonl(*made)):
        assert run("embed", "-t", "kb", cwd=tmp_path, stdin=stdin).returncode == 0
        assert run("index", "docs", "-t", "kb", "--prune", cwd=tmp_path).returncode == 0
        (tmp_path / "docs" / "000.txt").write_text("It reads otherwise now.")
    held = {row["id"]: json.loads(row["extra"]) for row in rows(tmp_path / ".ragcli") if row["id"].startswith("c")}
    assert held == {f"c{n}": one for n, one in enumerate(given)}


def test_changed_replaced_removed_and_pruned(tmp_path):
    write_docs(tmp_path / "docs", 4)
    assert run("index", "docs", "-t", "kb", cwd=tmp_path).returncode == 0
    (tmp_path / "docs" / "000.txt").write_text("It reads otherwise now, as file zero.")
    (tmp_path / "docs" / "001.txt").unlink()
    (tmp_path / "docs" / "rows.jsonl").write_bytes(jsonl(*({"text": f"row {n} {CHINESE}"} for n in range(3))))
    done = run("index", "docs", "-t", "kb", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    texts = {row["source"]: row["text"] for row in rows(tmp_path / ".ragcli")}
    assert texts["docs/000.txt"].startswith("It reads otherwise")
    assert "docs/001.txt" in texts  # without --prune nothing that is gone is looked for
    done = run("index", "docs", "-t", "kb", "--prune", "--report", "r.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"ragcli index: removed, the file is gone: docs/001.txt\n" in done.stderr
    assert counts(tmp_path / "r.json")[2] == {"chunks_pruned": 1}  # no chunk came in
    rest = {f"docs/{name}" for name in ("000.txt", "002.txt", "003.txt", *(f"rows.jsonl#{n}" for n in (1, 2, 3)))}
    assert {row["source"] for row in rows(tmp_path / ".ragcli")} == rest
    # A row that is gone is removed, as its file comes in; those of unread files stay.
    (tmp_path / "docs" / "rows.jsonl").write_bytes(jsonl(*({"text": f"row {n} {CHINESE}"} for n in (0, 7))))
    assert run("index", "docs", "-t", "kb", "--prune", cwd=tmp_path).returncode == 0
    pipe("ragcli load docs --new-to kb -d fresh | ragcli split | ragcli embed -d fresh -t kb", tmp_path)
    assert rows(tmp_path / ".ragcli") == rows(tmp_path / "fresh")
    # A root that is not there fails, and nothing is removed for it.
    (tmp_path / "docs").rename(tmp_path / "moved")
    done = run("index", "docs", "-t", "kb", "--prune", cwd=tmp_path)
    assert done.returncode == 1
    assert rows(tmp_path / ".ragcli") == rows(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["-t", "kb"], 2, "no PATH"),
        (["docs"], 2, "-t"),
        (["docs", "-t", "a b"], 2, "a b"),
        (["docs", "-t", "kb", "--engine", "locl"], 2, "Did you mean local"),
        (["docs", "-t", "kb", "--size", "10", "--overlap", "10"], 2, "overlap"),
        (["docs", "-t", "kb", "--size", "0"], 2, "size"),
        (["docs", "-t", "kb", "--splitter-options", "{}"], 2, "--splitter"),
        (["docs", "-t", "kb", "--splitter", "nowhere:Nothing"], 2, "nowhere"),
        (["docs", "-t", "kb", "--max-bytes", "many"], 2, "--max-bytes"),
        (["docs", "-t", "kb", "--encoding", "utf-99"], 2, "utf-99"),
        (["-", "-t", "kb", "--prune"], 2, "--prune"),
        (["http://127.0.0.1:1/x", "-t", "kb", "--prune"], 2, "--prune"),
        (["docs", "-t", "kb", "-m", "no-such-model"], 1, "no-such-model"),
        (["nowhere", "-t", "kb"], 1, "nowhere"),
        (["docs", "-t", "kb", "--include", "*.none"], 1, "no document"),
        (["docs", "-t", "kb", "-d", "docs/000.txt"], 1, "docs/000.txt"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, options, code, said):
    write_docs(tmp_path / "docs", 1)
    done = run("index", *options, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert not (tmp_path / ".ragcli" / "kb.lance").exists()


def started(*args: str, cwd: Path, **more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [RAGCLI, *args],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def workers(process: subprocess.Popen[bytes]) -> list[int]:
    import psutil

    return [one.pid for one in psutil.Process(process.pid).children(recursive=True)]


def gone(pids: list[int]) -> bool:
    import psutil

    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


@pytest.fixture
def slow_model():
    """An endpoint that takes its time, and what a process needs to ask it."""
    made = Server()
    made.answer = lambda number, body: (time.sleep(0.3), good(number, body))[1]
    names = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    yield made, {"OPENAI_BASE_URL": made.url, "OPENAI_API_KEY": "key", **dict.fromkeys(names, "")}
    made.http.shutdown()
    made.thread.join()
    made.http.server_close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ended_in_the_middle_then_again_completes_it(tmp_path, slow_model, how):
    server, env = slow_model
    write_docs(tmp_path / "docs", 300)
    shutil.copy(DATA / "docs" / "scotus-transcript-p1.pdf", tmp_path / "docs" / "zz.pdf")  # read by a process
    command = ("index", "docs", "-t", "kb", "-m", "openai:m", "--jobs", "1")
    process = started(*command, cwd=tmp_path, **env)
    wait_for(lambda: len(server.asked) >= 3)  # of about six requests
    children = workers(process)
    process.send_signal(how)
    assert process.wait(30) == (130 if how == signal.SIGINT else -signal.SIGKILL)
    with process:
        assert b"Traceback" not in process.stderr.read()
    wait_for(lambda: gone(children), 10)
    there = rows(tmp_path / ".ragcli")
    assert len(there) == len({row["id"] for row in there}) < 300
    if how == signal.SIGINT:
        assert len(there) >= 64  # what was embedded is there
    server.answer = good
    asked = len(server.asked)
    done = run(*command, "--report", "r.json", cwd=tmp_path, **env)
    assert done.returncode == 0, done.stderr
    load, _, embed = adds_up(tmp_path / "r.json")
    assert load.get("files_unchanged", 0) == len({row["source"] for row in there})
    assert embed["chunks_written"] == sum(len(body["input"]) for body in server.asked[asked:])
    pipe_env = {**environment(**env)}
    script = "ragcli load docs --new-to kb -d p | ragcli split | ragcli embed -d p -t kb -m openai:m"
    subprocess.run(["bash", "-o", "pipefail", "-c", script], cwd=tmp_path, env=pipe_env, check=True, timeout=60)
    assert rows(tmp_path / ".ragcli") == rows(tmp_path / "p")


def test_loading_does_not_wait_for_embedding_nor_pile_up(tmp_path, slow_model):
    server, env = slow_model
    held = threading.Event()
    server.answer = lambda number, body: (held.wait(60) if number > 1 else None, good(number, body))[1]
    line = json.dumps({"text": CHINESE * 20}, ensure_ascii=False).encode() + b"\n"
    with (tmp_path / "long.jsonl").open("wb") as stream:
        for _ in range(1500):
            stream.write(line * 100)  # 150 MB in all, of 150,000 rows
    process = started("index", "long.jsonl", "-t", "kb", "-m", "openai:m", "--jobs", "0", cwd=tmp_path, **env)
    try:
        proc = Path(f"/proc/{process.pid}")

        def place() -> int:
            for link in (proc / "fd").iterdir():
                try:
                    if link.readlink().name == "long.jsonl":
                        return int((proc / "fdinfo" / link.name).read_text().split()[1])
                except OSError:
                    continue
            return 0

        wait_for(lambda: len(server.asked) >= 1 and place() > 64 * 2 * len(line))
        last = -1
        while last != (now := place()):  # loading goes on by itself, until what waits is enough
            last = now
            time.sleep(1.5)
        size = (tmp_path / "long.jsonl").stat().st_size
        assert 5_000 * len(line) < last < size / 2
        status = (proc / "status").read_text().splitlines()
        memory = {key: value for key, _, value in (one.partition(":") for one in status)}
        assert int(memory["VmHWM"].split()[0]) < 450_000  # kilobytes; all of it would be more than 600,000
        process.send_signal(signal.SIGINT)
        held.set()
        assert process.wait(30) == 130
    finally:
        held.set()
        process.kill()
        process.communicate()


def test_embedding_does_not_wait_for_loading(tmp_path, slow_model):
    server, env = slow_model
    write_docs(tmp_path / "docs", 70)
    process = started("index", "-", "-t", "kb", "-m", "openai:m", cwd=tmp_path, **env)
    for numbers in (range(3), range(3, 70)):
        process.stdin.write("".join(f"docs/{number:03}.txt\n" for number in numbers).encode())
        process.stdin.flush()  # and not closed: more might come
        last = f"part {numbers[-1]} "
        wait_for(lambda last=last: last in str(server.asked), 20)
    process.stdin.close()
    assert process.wait(60) == 0
    with process:
        assert b"70 chunks (70 written" in process.stderr.read()


def test_an_error_of_one_stage_ends_the_others(tmp_path, slow_model):
    server, env = slow_model
    write_docs(tmp_path / "docs", 200)
    # The model refuses in the middle, while stdin may still bring files.
    server.answer = lambda number, body: good(number, body) if number < 3 else (401, {}, {"error": {"message": "no"}})
    process = started("index", "-", "-t", "kb", "-m", "openai:m", cwd=tmp_path, **env)
    process.stdin.write(b"".join(f"docs/{n:03}.txt\n".encode() for n in range(200)))
    process.stdin.flush()
    assert process.wait(30) == 1
    with process:
        said = process.stderr.read()
    assert b"ragcli index: " in said
    assert b"Traceback" not in said
    assert len(rows(tmp_path / ".ragcli")) >= 64  # what was embedded before is kept


def test_paths_from_stdin(tmp_path):
    write_docs(tmp_path / "docs", 2)
    done = run("index", "-0", "-", "-t", "kb", stdin=b"docs/000.txt\0docs/001.txt\0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(rows(tmp_path / ".ragcli")) == 2
    done = run("index", "-", "-t", "kb", stdin=b"", cwd=tmp_path)
    assert done.returncode == 1
    assert b"no path came in" in done.stderr


@pytest.mark.slow
def test_what_is_not_said_is_done_as_the_table_was_made(tmp_path):
    write_docs(tmp_path / "docs", 2)
    (tmp_path / "docs" / "long.txt").write_text(CHINESE * 60, encoding="utf-8")
    base = ("index", "docs", "-t", "kb")
    assert run(*base, "--size", "300", "--headings", cwd=tmp_path).returncode == 0
    (tmp_path / "docs" / "more.txt").write_text(CHINESE * 70, encoding="utf-8")
    assert run(*base, cwd=tmp_path).returncode == 0
    made = [row for row in rows(tmp_path / ".ragcli") if row["source"] == "docs/more.txt"]
    assert len(made) > 3
    assert max(len(row["text"]) for row in made) <= 300
    before = rows(tmp_path / ".ragcli")
    for options in (["--size", "400"], ["--overlap", "10"], ["--unit", "tokens"]):
        done = run(*base, *options, cwd=tmp_path)  # nothing changed on disk, and still it is no success
        assert done.returncode == 1
        assert b"size=300 overlap=0 unit=chars" in done.stderr
    assert b"headings" in run(*base, "--no-headings", "--again", cwd=tmp_path).stderr
    from ragcli.models import resolve

    other = tmp_path / "other"
    shutil.copytree(resolve().path, other)
    with (other / "tokenizer.json").open("ab") as stream:
        stream.write(b"\n")
    done = run(*base, "-m", other, cwd=tmp_path)
    assert done.returncode == 1
    assert str(other).encode() in done.stderr
    assert rows(tmp_path / ".ragcli") == before


@pytest.mark.slow
def test_people_see_one_bar_and_nothing_on_stdout(tmp_path):
    pexpect = pytest.importorskip("pexpect")
    write_docs(tmp_path / "docs", 150)
    command = "ragcli index docs -t kb > out"
    env = environment(TERM="xterm")
    bar = pexpect.spawn("bash", ["-c", command], env=env, dimensions=(24, 120), timeout=60, cwd=str(tmp_path))
    bar.expect(r"files, embedding.*?/150.*?\d/s")
    bar.expect("150 written")
    bar.expect(pexpect.EOF)
    assert (tmp_path / "out").read_bytes() == b""
    (tmp_path / "docs" / "new.txt").write_text("new")
    done = run("index", "docs", "-t", "kb", "-q", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.slow
def test_a_node_parser_cuts_and_its_prints_are_no_data(tmp_path):
    pytest.importorskip("llama_index.core")
    (tmp_path / "a.txt").write_text("The first sentence. The second one. " * 30)
    (tmp_path / "mine.py").write_text(
        "from llama_index.core.node_parser import SentenceSplitter\n"
        "class Loud(SentenceSplitter):\n"
        "    def get_nodes_from_documents(self, *args, **more):\n"
        "        print('loud')\n"
        "        return super().get_nodes_from_documents(*args, **more)\n"
    )
    (tmp_path / "p.toml").write_text(
        '[index]\npaths = "a.txt"\ntable = "kb"\n[split]\nsplitter = "mine:Loud"\n'
        "splitter-options = {chunk_size = 64, chunk_overlap = 0}\n"
    )
    done = run("run", "p.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    made = rows(tmp_path / ".ragcli")
    assert len(made) > 2
    pipe(
        "ragcli load a.txt --new-to kb -d p | ragcli split --splitter mine:Loud --splitter-options"
        """ '{"chunk_size": 64, "chunk_overlap": 0}' | ragcli embed -d p -t kb""",
        tmp_path,
    )
    assert rows(tmp_path / "p") == made


PIPELINE = """\
[index]
paths = ["docs"]
table = "kb"
db = "base"
prune = true

[load]
include = "*.txt"  # one is enough where many may stand
jobs = 1

[split]
size = 100

[embed]
headings = true
"""


def test_a_pipeline_file(tmp_path):
    write_docs(tmp_path / "docs", 2)
    (tmp_path / "docs" / "no.md").write_text("# Not included\n")
    (tmp_path / "docs" / "long.txt").write_text(CHINESE * 30, encoding="utf-8")
    (tmp_path / "p.toml").write_text(PIPELINE)
    done = run("run", "p.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = rows(tmp_path / "base")
    assert {row["source"] for row in made} == {"docs/000.txt", "docs/001.txt", "docs/long.txt"}
    assert max(len(row["text"]) for row in made) <= 100
    assert json.loads(metadata(tmp_path / "base")[b"ragcli"])["headings"] is True
    (tmp_path / "docs" / "000.txt").unlink()
    done = run("run", "p.toml", cwd=tmp_path)
    assert b"removed, the file is gone: docs/000.txt" in done.stderr
    # Flags stand above the environment, and that above the file.
    done = run("run", "p.toml", "docs/no.md", "--include", "*", "--no-prune", cwd=tmp_path, RAGCLI_DB="env")
    assert done.returncode == 0, done.stderr
    assert [row["source"] for row in rows(tmp_path / "env")] == ["docs/no.md"]
    done = run("run", "p.toml", "-d", "flag", "--size", "50", cwd=tmp_path, RAGCLI_DB="env", RAGCLI_SIZE="60")
    assert done.returncode == 0, done.stderr
    assert max(len(row["text"]) for row in rows(tmp_path / "flag")) <= 50


def test_a_dry_run_shows_a_pipeline_file_and_does_nothing(tmp_path):
    write_docs(tmp_path / "docs", 2)
    (tmp_path / "p.toml").write_text(PIPELINE)
    options = ("--exclude", 'a"b\\c\n中', "--password", "secret", "--max-bytes", "1M")
    shown = run("run", "p.toml", *options, "--dry-run", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert not (tmp_path / "base").exists()
    text = shown.stdout.decode()
    assert "secret" not in text
    assert "structure/2 size=100 overlap=0 unit=chars" in text
    assert "which is not there yet" in text
    (tmp_path / "again.toml").write_bytes(shown.stdout)
    again = run("run", "again.toml", "--password", "secret", "--dry-run", cwd=tmp_path)
    assert again.stdout == shown.stdout
    assert run("run", "again.toml", cwd=tmp_path).returncode == 0
    assert len(rows(tmp_path / "base")) == 2
    shown = run("index", "docs", "-d", "base", "-t", "kb", "--dry-run", cwd=tmp_path).stdout.decode()
    assert "size = 100" in shown  # as the table was made
    assert "headings = true" in shown
    assert "which has 2 chunks" in shown
    done = run("index", "docs", "-d", "base", "-t", "kb", "--size", "7", "--dry-run", cwd=tmp_path)
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[index]\ntable = "kb"\npath = ["docs"]\n', ["'path'", "[index]", "paths"]),
        ("[split]\nsise = 4\n", ["'sise'", "[split]", "size"]),
        ("[load]\nsize = 4\n", ["'size'", "[load]"]),
        ("[query]\nk = 4\n", ["'query'", "section", "embed"]),
        ("nonsense = 4\n", ["'nonsense'"]),
        ("[load\n", ["no TOML"]),
        ('[split]\nsplitter = "a:B"\nsize = 4\n', ["splitter and size"]),
        ('[index]\npaths = ["docs"]\ntable = "kb"\n[split]\nsize = "many"\n', ["--size", "many"]),
    ],
)
def test_a_wrong_pipeline_file_is_one_sentence(tmp_path, text, said):
    write_docs(tmp_path / "docs", 1)
    (tmp_path / "p.toml").write_text(text)
    done = run("run", "p.toml", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert b"Traceback" not in done.stderr
    shown = done.stderr.decode()
    for part in said if "--size" in said else ["p.toml", *said]:
        assert part in shown
    assert not (tmp_path / ".ragcli").exists()


def test_where_a_pipeline_file_is_to_be_run(tmp_path):
    (tmp_path / "project").mkdir()
    write_docs(tmp_path / "project" / "docs", 1)
    (tmp_path / "project" / "p.toml").write_text('[index]\npaths = ["docs"]\ntable = "kb"\n')
    done = run("run", "project/p.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert b"cd project && ragcli run p.toml" in done.stderr
    assert run("run", "p.toml", cwd=tmp_path / "project").returncode == 0
    assert b"is not there" in run("run", "p.toml", cwd=tmp_path).stderr


def test_settings_of_the_stages_reach_the_command(tmp_path):
    write_docs(tmp_path / "docs", 1)
    (tmp_path / "docs" / "long.txt").write_text(CHINESE * 30, encoding="utf-8")
    (tmp_path / "ragcli.toml").write_text('table = "kb"\nsize = 900\n[split]\nsize = 90\n[load]\nreport = "l.json"\n')
    assert run("index", "docs", cwd=tmp_path).returncode == 0
    assert max(len(row["text"]) for row in rows(tmp_path / ".ragcli")) <= 90
    assert not (tmp_path / "l.json").exists()  # that is what load writes
    with (tmp_path / "ragcli.toml").open("a") as stream:
        stream.write('[index]\nsize = 60\ndb = "other"\n')
    assert run("index", "docs", cwd=tmp_path).returncode == 0
    assert max(len(row["text"]) for row in rows(tmp_path / "other")) <= 60


@pytest.mark.slow
def test_two_at_once_lose_nothing(tmp_path):
    write_docs(tmp_path / "docs", 40)
    processes = [started("index", "docs", "-t", "kb", cwd=tmp_path) for _ in range(2)]
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    there = rows(tmp_path / ".ragcli")
    assert len(there) == len({row["id"] for row in there}) == 40
