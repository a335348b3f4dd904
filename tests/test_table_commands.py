"""``ragcli table``: what tables are, and what is done to them as a whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from conftest import ROOT, jsonl, lines, run

QUESTION = "手机的保修期是多久？"


@pytest.fixture
def db(kb: Path, tmp_path: Path) -> Path:
    """A database of its own, with the example documents in ``kb``."""
    shutil.copytree(kb, tmp_path / "db")
    return tmp_path / "db"


def table(db: Path, *args: str | Path, **more):
    return run("table", args[0], "-d", db, *args[1:], **more)


def told(done) -> dict:
    assert done.returncode == 0, done.stderr.decode()
    return lines(done.stdout)[0]


def found(db: Path, name: str) -> list[tuple[str, float]]:
    done = run("query", "-d", db, "-t", name, QUESTION)
    assert done.returncode == 0, done.stderr.decode()
    return [(hit["id"], hit["score"]) for hit in lines(done.stdout)[0]["hits"]]


def test_list_and_info_say_what_is_there(db: Path) -> None:
    (db / "broken.lance").mkdir()
    listed = {one["name"]: one for one in lines(table(db, "list").stdout)}
    one = told(table(db, "info", "kb"))
    assert listed["kb"]["rows"] == one["rows"] > 5 and "fault" in listed["broken"]
    assert one["documents"] == one["sources"] > 1 and one["bytes_on_disk"] >= one["bytes"] > 1000
    on_disk = [path for path in (db / "kb.lance").rglob("*") if path.is_file()]
    assert (one["files"], one["bytes_on_disk"]) == (len(on_disk), sum(path.stat().st_size for path in on_disk))
    assert one["contract"]["model"]["dimension"] == 384 and one["index"] == {
        "wanted": "auto", "kind": None, "unindexed": one["rows"],
    }  # fmt: skip
    (text,) = one["indexes"]
    assert text["column"] == "search_text" and text["unindexed"] == 0 and text["bytes"] > 0
    shown = table(db, "info", "kb", "--format", "table").stdout.decode()
    assert "every vector is read" in shown and "builtin/multilingual-e5-small" in shown
    assert "fault" not in table(db, "list", "--format", "table").stdout.decode()
    none = table(db.parent / "nothing", "list")
    assert none.returncode == 0 and b"holds no tables" in none.stderr and not none.stdout


def test_what_is_deleted_comes_back_from_a_tag(db: Path) -> None:
    before, rows = found(db, "kb"), told(table(db, "info", "kb"))["rows"]
    assert table(db, "tag", "kb", "good").returncode == 0
    where = ("--where", f"id = '{before[0][0]}'")
    trial = told(table(db, "delete", "kb", *where, "--dry-run"))
    assert trial["rows"] == 1 and told(table(db, "info", "kb"))["rows"] == rows
    assert told(table(db, "delete", "kb", *where, "--keep-versions", "1"))["rows"] == 1
    assert before[0] not in found(db, "kb") and told(table(db, "info", "kb"))["rows"] == rows - 1
    kept = lines(table(db, "versions", "kb").stdout)
    assert [one["tags"] for one in kept] == [["good"], []] and [one["rows"] for one in kept] == [rows, rows - 1]
    again = table(db, "restore", "kb", "good")
    assert again.returncode == 0 and f"{rows} chunks".encode() in again.stderr
    assert found(db, "kb") == before
    assert table(db, "tag", "kb", "good", "--remove").returncode == 0
    assert told(table(db, "info", "kb"))["tags"] == {}


@pytest.mark.parametrize(
    "name", ["kb.parquet", pytest.param("kb.jsonl", marks=pytest.mark.slow), pytest.param("-", marks=pytest.mark.slow)]
)
def test_an_export_makes_the_same_table(db: Path, tmp_path: Path, name: str) -> None:
    before = found(db, "kb")
    rows = told(table(db, "info", "kb"))["rows"]
    if name == "-":
        stream = table(db, "export", "kb").stdout
        done = table(db, "import", "other", stdin=stream)
        again = table(db, "import", "other", stdin=stream)
    else:
        assert table(db, "export", "kb", "-o", tmp_path / name).returncode == 0
        done = table(db, "import", "other", tmp_path / name)
        again = table(db, "import", "other", tmp_path / name)
    assert f"{rows} written, 0 unchanged".encode() in done.stderr, done.stderr.decode()
    assert f"0 written, {rows} unchanged, 0 removed".encode() in again.stderr
    assert found(db, "other") == before
    one, other = (told(table(db, "info", name)) for name in ("kb", "other"))
    assert one["contract"] == other["contract"]
    # And embed takes it as it stands: nothing is to be embedded.
    piped = run("embed", "-d", db, "-t", "other", stdin=table(db, "export", "kb").stdout)
    assert b"0 written" in piped.stderr


@pytest.mark.slow
def test_a_part_of_a_table_goes_out(db: Path, tmp_path: Path) -> None:
    (source,) = {one["source"] for one in lines(table(db, "export", "kb").stdout)[:1]}
    where = ("--where", f"source = '{source}'")
    part = lines(table(db, "export", "kb", *where).stdout)
    assert part and {one["source"] for one in part} == {source} and len(part[0]["vector"]) == 384
    assert table(db, "export", "kb", *where, "-o", tmp_path / "part.parquet").returncode == 0
    assert f"{len(part)} written".encode() in table(db, "import", "part", tmp_path / "part.parquet").stderr


@pytest.mark.slow
def test_a_copy_is_whole_and_has_no_past(db: Path, tmp_path: Path) -> None:
    assert run("ask", "-d", db, "-t", "kb", QUESTION).returncode in (0, 4)
    there = tmp_path / "elsewhere"
    done = table(db, "copy", "kb", "--to", there, "--as", "twin")
    assert done.returncode == 0, done.stderr.decode()
    assert found(there, "twin") == found(db, "kb")
    one, twin = told(table(db, "info", "kb")), told(table(there, "info", "twin"))
    assert (one["contract"], one["rows"], one["calibrated"]) == (twin["contract"], twin["rows"], twin["calibrated"])
    again = table(db, "copy", "kb", "--to", there, "--as", "twin")
    assert again.returncode == 1 and b"already" in again.stderr


@pytest.mark.slow
def test_an_index_that_is_asked_for_is_built_and_remembered(db: Path) -> None:
    """Of tables below 256 rows none can be trained; what is wanted is remembered until they are larger."""
    stream = table(db, "export", "kb").stdout
    many = []
    for number in range(60):
        for one in lines(stream):
            vector = [value + 0.01 * ((number * 7 + at) % 13 - 6) for at, value in enumerate(one["vector"])]
            many.append({**one, "id": f"{one['id']}-{number}", "source": f"{number}.md", "vector": vector})
            many[-1]["document_id"] = f"{one['document_id']}-{number}"
    assert len(many) >= 256
    first = table(db, "import", "many", "--index", "ivf-rq", stdin=jsonl(*many[:100]))
    assert first.returncode == 0, first.stderr.decode()
    one = told(table(db, "info", "many"))["index"]
    assert (one["wanted"], one["kind"]) == ("ivf-rq", None)
    assert table(db, "import", "many", stdin=jsonl(*many)).returncode == 0
    one = told(table(db, "info", "many"))["index"]
    assert (one["wanted"], one["kind"], one["unindexed"]) == ("ivf-rq", "ivf-rq", 0)
    hits = {name for name, _ in found(db, "many")}
    for kind in ("ivf-hnsw-sq", "none"):
        done = table(db, "optimize", "many", "--index", kind)
        assert told(done)["index"]["kind"] == (None if kind == "none" else kind)
        assert {name for name, _ in found(db, "many")} == hits, kind
        assert not done.stderr, done.stderr.decode()
    again = told(table(db, "optimize", "many", "--index", "auto", "--retrain", "--keep-versions", "1"))
    assert again["index"]["kind"] is None and again["versions"] == 1


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("info", "nix"), 1, "there is no table 'nix'"),
        (("delete", "kb"), 2, "nothing says which rows"),
        (("delete", "kb", "--where", "nix = 1"), 2, "No field named nix"),
        (("tag", "kb", "7"), 2, "it is a number"),
        (("tag", "kb", "a b"), 2, "cannot be a tag"),
        (("tag", "kb", "x", "--version", "99"), 2, "has no version 99"),
        (("tag", "kb", "nix", "--remove"), 2, "has no tag 'nix'"),
        (("restore", "kb", "nix"), 2, "has no tag 'nix'"),
        (("restore", "kb", "99"), 2, "has no version 99"),
        (("optimize", "kb", "--index", "nix"), 2, "no such kind of index"),
        (("optimize", "kb", "--keep-versions", "soon"), 2, "neither a number from 1 nor an age"),
        (("copy", "kb"), 2, "nothing says where"),
        (("copy", "kb", "--as", "a b"), 2, "cannot be a table's name"),
        (("export", "kb", "-o", "kb.csv"), 2, "neither in .parquet nor in .jsonl"),
        (("export", "kb", "-o", "no/such/kb.parquet"), 1, "cannot be written"),
        (("import", "kb", "nix.parquet"), 1, "nix.parquet cannot be read: No such file"),
        (("import", "kb", "nix.jsonl"), 2, "nix.jsonl cannot be read"),
        (("import", "kb", "README.md"), 1, "README.md, line 1: expected a JSON object"),
        (("list", "kb"), 2, "unexpected extra argument"),
        (("nix",), 2, "No such command"),
    ],
)
def test_wrong_usage_is_a_sentence(kb: Path, args: tuple[str, ...], code: int, said: str) -> None:
    done = run("table", args[0], *args[1:], cwd=ROOT, RAGCLI_DB=str(kb))
    assert done.returncode == code and said in done.stderr.decode(), done.stderr.decode()
    assert b"Traceback" not in done.stderr and not done.stdout


def test_vectors_of_another_model_are_refused(db: Path, tmp_path: Path) -> None:
    rows = lines(table(db, "export", "kb").stdout)
    other = [{**rows[0], "model": "other", "model_hash": "0123"}]
    done = table(db, "import", "kb", stdin=jsonl(*other))
    assert done.returncode == 1 and b"the vector of chunk" in done.stderr
    assert b"is of other" in done.stderr and told(table(db, "info", "kb"))["rows"] == len(rows)
    for change, said in (({"with_headings": True}, b"without title and headings"), ({"splitter": "other"}, b"'other'")):
        done = table(db, "import", "kb", stdin=jsonl({**rows[0], **change}))
        assert done.returncode == 1 and said in done.stderr, done.stderr.decode()
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    broken = table(db, "import", "kb", tmp_path / "x.parquet")
    assert broken.returncode == 1 and b"x.parquet" in broken.stderr
    assert json.loads(table(db, "info", "kb").stdout)["rows"] == len(rows)
