"""What protects a run of load from single files, and the accounting: workers, limits, archives, links, --new-to."""

import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pexpect
import pytest

from conftest import RAGCLI, environment, lines, run
from ragcli.errors import UsageError
from ragcli.loading import Limits, load
from ragcli.report import Report

DOCS = Path(__file__).parent / "data" / "docs"
READERS = """
import os, sys, time
class Document:
    def __init__(self, text, metadata=None):
        self.text, self.metadata = text, metadata or {}
class Reader:
    def __init__(self, prefix=""):
        self.prefix = prefix
    def load_data(self, file, extra_info=None, suffix=""):
        print("noise")
        print("noise", file=sys.stderr)
        name = file.name
        if name.startswith("hang"):
            time.sleep(1000)
        if name.startswith("crash"):
            os.abort()
        if name.startswith("killed"):
            os.kill(os.getpid(), 9)
        if name.startswith("raise"):
            raise KeyError("no such thing")
        if name.startswith("large"):
            return [Document("x" * len(bytearray(8 << 30)))]
        text = file.read_text()
        return [Document(self.prefix + line + suffix, {"page_label": str(at)})
                for at, line in enumerate(text.splitlines(), 1)]
class Service:
    def load_data(self, query):
        return [Document(f"answer to {query}", {"title": "Answers"})]
class NoReader:
    pass
"""


def counted(*inputs, **options):
    report = Report("load")
    documents = list(load(inputs, report=report, **options))
    for what in ("files", "pages", "parts", "images"):
        kinds = sum(report.counts[f"{what}_{kind}"] for kind in ("loaded", "failed", "skipped"))
        assert report.counts[f"{what}_seen"] == kinds, what
    return documents, report


def named(report):
    return {Path(loss["source"]).name: (loss["kind"], loss["reason"]) for loss in report.losses}


# Readers from elsewhere, and processes that hang, crash, or take too much.


@pytest.fixture
def readers(tmp_path):
    (tmp_path / "myreaders.py").write_text(READERS)
    (tmp_path / "in").mkdir()
    return tmp_path


def test_files_that_hang_crash_or_grow_are_named_and_the_rest_is_read(readers):
    for name in ("a", "crash", "hang", "killed", "large", "raise", "z"):
        (readers / "in" / f"{name}.txt").write_text(f"text of {name}")
    done = run("load", "in", "--reader", "myreaders:Reader", "--timeout", "1", "--errors", "errors.jsonl",
               "--report", "report.json", cwd=readers)  # fmt: skip
    assert done.returncode == 3
    assert [record["text"] for record in lines(done.stdout)] == ["text of a", "text of z"]
    errors = {record["source"]: record for record in lines((readers / "errors.jsonl").read_bytes())}
    assert list(errors) == [f"in/{name}.txt" for name in ("crash", "hang", "killed", "large", "raise")]
    assert all(record["type"] == "error" and record["format"] == "reader" for record in errors.values())
    assert "crashed (signal 6)" in errors["in/crash.txt"]["reason"]
    assert "no sign of life for 1 seconds" in errors["in/hang.txt"]["reason"]
    assert "killed" in errors["in/killed.txt"]["reason"]
    assert errors["in/raise.txt"]["reason"] == "myreaders:Reader failed: KeyError: 'no such thing'"
    if sys.platform.startswith("linux"):
        assert "more memory" in errors["in/large.txt"]["reason"]
    said = done.stderr.decode().splitlines()
    assert len(said) == 5
    assert said[0] == f"ragcli load: failed: in/crash.txt (reader): {errors['in/crash.txt']['reason']}"
    report = json.loads((readers / "report.json").read_bytes())
    assert report["counts"] == {"documents": 2, "files_failed": 5, "files_loaded": 2, "files_seen": 7}


def test_reader_options_and_a_reader_without_files(readers):
    (readers / "in" / "a.txt").write_text("one\ntwo\n")
    done = run("load", "in/a.txt", "--reader", "myreaders:Reader", "--reader-options", '{"prefix": "<"}',
               "--reader-load", '{"suffix": ">"}', cwd=readers)  # fmt: skip
    first, second = lines(done.stdout)
    assert (first["text"], first["source"], first["format"]) == ("<one>", "in/a.txt#1", "reader")
    assert second["spans"] == [{"start": 0, "end": 5, "page": 2}]
    assert second["metadata"]["reader"] == "myreaders:Reader"
    done = run("load", "--reader", "myreaders:Service", "--reader-load", '{"query": "什么"}', cwd=readers)
    (answer,) = lines(done.stdout)
    assert (answer["text"], answer["title"]) == ("answer to 什么", "Answers")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x.txt", "--reader", "myreaders"], "does not name a class"),
        (["x.txt", "--reader", "nowhere_at_all:Reader"], "No module named"),
        (["x.txt", "--reader", "myreaders:Missing"], "has no class Missing"),
        (["x.txt", "--reader", "myreaders:NoReader"], "no load_data"),
        (["x.txt", "--reader", "myreaders:Reader", "--reader-options", '{"no": 1}'], "unexpected keyword"),
        (["x.txt", "--reader", "myreaders:Reader", "--reader-options", "{"], "--reader-options is no JSON"),
        (["x.txt", "--reader-load", "{}"], "go with --reader"),
        (["x.txt", "--max-bytes", "many"], "--max-bytes 'many' is no size"),
        ([], "no PATH"),
    ],
)
def test_wrong_usage(readers, arguments, said):
    done = run("load", *arguments, cwd=readers)
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr and not done.stdout


def test_llama_index_reader(tmp_path):
    pytest.importorskip("llama_index.core")
    (tmp_path / "a.txt").write_text("保修期为十二个月。")
    (tmp_path / "b.html").write_text("<p>Twelve months.</p>")
    done = run("load", "a.txt", "b.html", "--reader", "llama_index.core:SimpleDirectoryReader", cwd=tmp_path)
    assert done.returncode == 2  # it wants its files when it is made
    done = run("load", "a.txt", "--reader", "llama_index.core.readers.base:BaseReader", cwd=tmp_path)
    assert done.returncode == 1 and b"NotImplementedError" in done.stderr
    done = run("load", "--reader", "llama_index.core:SimpleDirectoryReader",
               "--reader-options", '{"input_files": ["a.txt"]}', cwd=tmp_path)  # fmt: skip
    assert [record["text"] for record in lines(done.stdout)] == ["保修期为十二个月。"], done.stderr


# Processes: order, jobs, early ends.


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    names = [row for row in DOCS.iterdir() if row.suffix in (".docx", ".html", ".pdf", ".md", ".csv")]
    for number in range(30):
        origin = sorted(names)[number % len(names)]
        (folder / f"{number:02}{origin.suffix}").write_bytes(origin.read_bytes())
    return folder


def test_output_is_the_same_for_any_number_of_jobs(mixed):
    outputs = {jobs: run("load", mixed, "--jobs", str(jobs)) for jobs in (0, 1, 3)}
    assert len({done.stdout for done in outputs.values()}) == 1
    assert len({done.stderr for done in outputs.values()}) == 1
    sources = [record["source"].partition("#")[0] for record in lines(outputs[1].stdout)]
    assert len(set(sources)) > 20 and sources == sorted(sources)


def _children(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [int(one) for one in found.stdout.split()]


def _gone(pids):
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL, "pipe"])
def test_no_worker_outlives_the_command(readers, how):
    (readers / "in" / "a.txt").write_text("text")
    (readers / "in" / "hang.txt").write_text("text")
    (readers / "in" / "hang2.txt").write_text("text")
    process = subprocess.Popen(
        [RAGCLI, "load", "in", "--reader", "myreaders:Reader", "-j", "2"],
        cwd=readers, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background ignores it
    )  # fmt: skip
    assert process.stdout.readline()
    workers = _children(process.pid)
    assert workers
    if how == "pipe":
        process.stdout.close()
        process.terminate()
    else:
        process.send_signal(how)
    process.wait(10)
    assert _gone(workers)
    if how is signal.SIGINT:
        assert process.returncode == 130 and not process.stderr.read()
    process.stderr.close()
    process.stdout.close()


def test_documents_come_before_all_paths_are_known(tmp_path):
    (tmp_path / "a.md").write_text("# One\n")
    (tmp_path / "b.html").write_text("<h1>Two</h1>")
    process = subprocess.Popen([RAGCLI, "load", "-"], cwd=tmp_path, env=environment(),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    for name, title in (("a.md", "One"), ("b.html", "Two")):
        process.stdin.write(name.encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["title"] == title
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()


# Limits.


def test_max_bytes(tmp_path):
    (tmp_path / "a.txt").write_text("small")
    (tmp_path / "b.txt").write_text("large " * 1000)
    (tmp_path / "c.jsonl").write_text('{"text": "row"}\n' * 1000)
    done = run("load", ".", "--max-bytes", "5K", cwd=tmp_path)
    assert done.returncode == 3
    assert [record["text"] for record in lines(done.stdout)] == ["small"]
    assert done.stderr.decode().splitlines() == [
        "ragcli load: failed: b.txt (text): 6,000 bytes are more than --max-bytes 5,120.",
        "ragcli load: failed: c.jsonl (jsonl): 16,000 bytes are more than --max-bytes 5,120.",
    ]


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.md").write_text("# Secret\n")
    (tmp_path / "in" / "below").mkdir(parents=True)
    (tmp_path / "in" / "below" / "a.md").write_text("# Inside\n")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "file.md").symlink_to(tmp_path / "outside" / "secret.md")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "near.md").symlink_to("below/a.md")
    documents, report = counted(tmp_path / "in")
    assert [document.title for document in documents] == ["Inside"]
    assert named(report)["folder"] == named(report)["file.md"] == (
        "skipped", "a link that leads out of the folder; pass --follow-links"
    )  # fmt: skip
    documents, _ = counted(tmp_path / "in", follow_links=True)
    assert [document.title for document in documents] == ["Inside", "Secret"]
    documents, _ = counted(tmp_path / "in" / "file.md")  # what is named is read
    assert [document.title for document in documents] == ["Secret"]


# Archives.


def test_zip_with_all_that_can_be_in_one(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("深/文.md", "# 里面\n")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("docs/word.docx", (DOCS / "markitdown_test.docx").read_bytes())
        archive.writestr("rows.csv", "name,price\n笔,3\n")
        archive.writestr("../../escape.txt", "Nothing is written.")
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("empty.txt", "")
        archive.writestr("program", b"\x7fELF" + bytes(range(256)))
        archive.writestr("broken.docx", b"PK\x03\x04 broken")
        archive.writestr("__MACOSX/._rows.csv", b"\0\0")
        archive.writestr("zeros.txt", bytes(40 << 20))
    documents, report = counted(tmp_path / "a.zip")
    sources = [document.source.removeprefix(f"{tmp_path}/") for document in documents]
    assert sources == ["a.zip#docs/word.docx", "a.zip#rows.csv#2", "a.zip#../../escape.txt", "a.zip#inner.zip#深/文.md"]
    assert documents[0].format == "docx" and documents[0].title
    counts = report.counts
    assert (counts["parts_loaded"], counts["parts_skipped"], counts["parts_failed"]) == (5, 2, 2)
    lost = {loss["part"]: (loss["kind"], loss["reason"]) for loss in report.losses if "part" in loss}
    assert lost["empty.txt"] == ("skipped", "empty.txt: it holds no text")
    assert lost["program"][0] == "skipped"
    assert lost["broken.docx"][0] == "partial"
    assert lost["zeros.txt"] == ("partial", "zeros.txt: unpacks to more than 500 times its size and was not read.")
    assert not list(tmp_path.rglob("escape*"))


def test_zip_that_is_cut_off_gives_what_is_whole(tmp_path):
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("a.txt", "b.md", "c.txt"):
            made.writestr(name, f"text of {name} " * 50)
    data = whole.read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: data.find(b"PK\x03\x04", data.find(b"c.txt") - 40) + 60])
    done = run("load", "cut.zip", cwd=tmp_path)
    assert done.returncode == 3 and b"damaged or cut off" in done.stderr
    assert {"cut.zip#a.txt", "cut.zip#b.md"} <= {record["source"] for record in lines(done.stdout)}


def test_zip_names_from_a_chinese_machine(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("AAAAAA.txt", "正文")
    raw = (tmp_path / "a.zip").read_bytes().replace(b"AAAAAA", "说明书".encode("gbk"))
    (tmp_path / "a.zip").write_bytes(raw)
    (document,), _ = counted(tmp_path / "a.zip")
    assert document.source == f"{tmp_path}/a.zip#说明书.txt"


def test_zip_with_a_password(tmp_path):
    (tmp_path / "a.txt").write_text("the secret text")
    made = subprocess.run(["zip", "-q", "-P", "pass1", "a.zip", "a.txt"], cwd=tmp_path, capture_output=True)
    if made.returncode:
        pytest.skip("zip is not installed")
    _, report = counted(tmp_path / "a.zip")
    assert report.losses[0]["reason"] == "a.txt: it needs a password. Pass --password."
    _, report = counted(tmp_path / "a.zip", password="wrong")
    assert report.losses[0]["reason"] == "a.txt: the password does not open it."
    done = run("load", tmp_path / "a.zip", RAGCLI_PASSWORD="pass1")
    assert [record["text"] for record in lines(done.stdout)] == ["the secret text"]


def _tar(members, mode="w:gz"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if data is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(("suffix", "mode"), [("tar", "w"), ("tgz", "w:gz"), ("tar.bz2", "w:bz2"), ("tar.xz", "w:xz")])
def test_tar(tmp_path, suffix, mode):
    (tmp_path / f"a.{suffix}").write_bytes(_tar([("x/一.md", "# 一\n".encode()), ("link.md", None)], mode))
    (document,), report = counted(tmp_path / f"a.{suffix}")
    assert document.source.endswith(f"a.{suffix}#x/一.md")
    assert [(loss["kind"], loss["reason"]) for loss in report.losses] == [("skipped", "link.md: a link")]


def test_tar_that_is_cut_off_gives_what_is_whole(tmp_path):
    noise = os.urandom(200_000)
    data = _tar([("a.md", b"# A\n"), ("b.bin", noise), ("c.md", b"# C\n")])
    (tmp_path / "a.tar.gz").write_bytes(data[: len(data) // 2])
    documents, report = counted(tmp_path / "a.tar.gz")
    assert [document.title for document in documents] == ["A"]
    assert [loss["kind"] for loss in report.losses] == ["partial"]
    assert "cut off" in report.losses[0]["reason"] and report.losses[0]["part"]


def test_compressed_file(tmp_path):
    (tmp_path / "说明.md.gz").write_bytes(gzip.compress("# 说明\n".encode()))
    (document,), _ = counted(tmp_path / "说明.md.gz")
    assert (document.source, document.title) == (f"{tmp_path}/说明.md.gz#说明.md", "说明")
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(gzip.compress(bytes(1 << 30), 9), 9))
    _, report = counted(tmp_path / "bomb.gz")
    assert "unpacks to more than" in report.losses[0]["reason"]


def test_archives_in_archives_end(tmp_path):
    data = b"# Deep\n"
    name = "a.md"
    for depth in range(8):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(name, data)
        name, data = f"{depth}.zip", out.getvalue()
    (tmp_path / "a.zip").write_bytes(data)
    documents, report = counted(tmp_path / "a.zip")
    assert not documents
    assert any("more than 5 files" in loss["reason"] for loss in report.losses)


# The accounting.


def test_every_kind_of_end_is_counted_exactly(tmp_path):
    for name in ("scotus-transcript-p1.pdf", "encrypted_user_password_r3.pdf", "markitdown_test.docx"):
        (tmp_path / name).write_bytes((DOCS / name).read_bytes())
    (tmp_path / "text.txt").write_text("words")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "program").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "broken.docx").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "link.txt").symlink_to("/etc/hostname")
    (tmp_path / "bad.jsonl").write_text('{"text": "good"}\n{"no": 1}\n')
    (tmp_path / ".hidden.txt").write_text("hidden")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("in.txt", "inside")
        archive.writestr("broken.pdf", b"%PDF-1.4 broken")
    done = run("load", ".", "--report", "report.json", "--errors", "errors.jsonl", cwd=tmp_path)
    assert done.returncode == 3
    report = json.loads((tmp_path / "report.json").read_bytes())
    counts = report["counts"]
    assert {key: value for key, value in counts.items() if not key.startswith("images")} == {
        "documents": 5,
        "files_failed": 2,
        "files_loaded": 5,
        "files_seen": 10,
        "files_skipped": 3,
        "ignored": 2,
        "lines_failed": 1,
        "pages_loaded": 1,
        "pages_seen": 1,
        "parts_failed": 1,
        "parts_loaded": 1,
        "parts_seen": 2,
    }
    kinds = {}
    for loss in report["losses"]:
        kinds.setdefault(loss["kind"], []).append(loss["source"])
    assert sorted(kinds["failed"]) == ["broken.docx", "encrypted_user_password_r3.pdf"]
    assert sorted(kinds["partial"]) == ["a.zip", "bad.jsonl"]
    assert {"empty.txt", "link.txt", "program"} <= set(kinds["skipped"])
    errors = [(record["source"], record.get("part")) for record in lines((tmp_path / "errors.jsonl").read_bytes())]
    assert sorted(errors, key=str) == [
        ("a.zip", "broken.pdf"), ("broken.docx", None), ("encrypted_user_password_r3.pdf", None)
    ]  # fmt: skip


# --new-to.


def _load_new(folder, *more):
    return run("load", "docs", "--new-to", "kb", "-d", "db", *more, cwd=folder)


def test_new_to_reads_what_changed(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# A\n\n" + "About apples. " * 200)
    (docs / "b.csv").write_text("name,price\npen,3\nbook,4\n")
    (docs / "c.html").write_text("<h1>C</h1><p>About cherries.</p>")
    (docs / "d.jsonl").write_text('{"text": "good"}\n{"no": 1}\n')

    def embed(stream):
        split = run("split", stdin=stream)
        done = run("embed", "-d", "db", "-t", "kb", "--prune", "docs", stdin=split.stdout, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done

    first = _load_new(tmp_path)
    assert {record["source"].partition("#")[0] for record in lines(first.stdout)} == {
        "docs/a.md", "docs/b.csv", "docs/c.html", "docs/d.jsonl"
    }  # fmt: skip
    embed(first.stdout)
    again = _load_new(tmp_path, "--report", "report.json")
    assert [record["source"] for record in lines(again.stdout)] == ["docs/d.jsonl#1"]  # it was not read whole
    assert again.returncode == 3
    losses = json.loads((tmp_path / "report.json").read_bytes())["losses"]
    assert [loss["source"] for loss in losses if loss["reason"] == "unchanged in the table"] == [
        "docs/a.md", "docs/b.csv", "docs/c.html"
    ]  # fmt: skip
    embed(again.stdout)  # what was skipped stays in the table
    hits = lines(run("query", "-d", "db", "-t", "kb", "--mode", "text", "apples pen cherries", cwd=tmp_path).stdout)
    assert {hit["source"] for hit in hits[0]["hits"]} >= {"docs/a.md", "docs/b.csv#2", "docs/c.html"}
    (docs / "d.jsonl").unlink()
    nothing = _load_new(tmp_path)
    assert (nothing.returncode, nothing.stdout) == (0, b"")
    assert embed(nothing.stdout).returncode == 0

    os.utime(docs / "a.md", (1, 1))  # touched, not changed
    os.utime(docs / "c.html", (1, 1))
    same = (docs / "c.html").stat()
    (docs / "c.html").write_text("<h1>C</h1><p>About chestnut.</p>")  # of the same size
    os.utime(docs / "c.html", ns=(same.st_atime_ns, same.st_mtime_ns + 1))
    (docs / "e.md").write_text("# E\n")
    changed = _load_new(tmp_path)
    assert [record["source"] for record in lines(changed.stdout)] == ["docs/c.html", "docs/e.md"]
    done = embed(changed.stdout)
    assert _load_new(tmp_path).stdout == b""
    options = _load_new(tmp_path, "--ocr", "never")  # what is loaded in another way is read again
    assert len(lines(options.stdout)) == 5
    hits = run("query", "-d", "db", "-t", "kb", "--mode", "text", "chestnut", cwd=tmp_path)
    (result,) = lines(hits.stdout)
    assert "chestnut" in result["hits"][0]["text"] and "file" not in result["hits"][0]
    assert done.returncode == 0


def test_new_to_makes_up_for_a_run_that_was_cut_short(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.csv").write_text("name\n" + "".join(f"word{n}\n" for n in range(50)))
    first = _load_new(tmp_path)
    part = b"".join(first.stdout.splitlines(keepends=True)[:30])
    split = run("split", stdin=part)
    assert run("embed", "-d", "db", "-t", "kb", stdin=split.stdout, cwd=tmp_path).returncode == 0
    assert len(lines(_load_new(tmp_path).stdout)) == 50


def test_new_to_a_table_that_is_not_ragclis(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n")
    (tmp_path / "db" / "kb.lance").mkdir(parents=True)
    assert len(lines(_load_new(tmp_path).stdout)) == 1  # an empty folder is no table yet


# In a terminal.


def test_a_terminal_shows_what_was_read(tmp_path):
    (tmp_path / "a.md").write_text(
        "# 手册\n\n正文\ufffd\ufffd在此。\n\n## 价格\n\n| 型号 | 价格 |\n| --- | --- |\n| X | 3 |\n"
    )
    shown = pexpect.run(
        f"{RAGCLI} load a.md", cwd=str(tmp_path), encoding="utf-8", env={**environment(), "TERM": "xterm-256color"}
    )
    assert "手册" in shown and "价格" in shown and "table of 2 columns: 型号, 价格" in shown
    assert "1 doubtful place" in shown and re.search(r"\x1b\[[0-9;]*31m", shown)
    preview = run("load", "a.md", "--preview", "6", cwd=tmp_path).stdout.decode()
    assert preview.splitlines()[1:3] == ["# 手册", ""] and "more characters" in preview


def test_a_loader_is_called_with_limits_of_its_own(tmp_path):
    (tmp_path / "a.html").write_text("<h1>A</h1>")
    here, _ = counted(tmp_path / "a.html", limits=Limits(jobs=0))
    there, _ = counted(tmp_path / "a.html", limits=Limits(jobs=1, timeout=0, max_memory=0))
    assert here == there and here[0].title == "A"
    with pytest.raises(UsageError):
        load([tmp_path], encoding="nonsense")
