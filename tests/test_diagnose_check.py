"""diagnose --check: a sound table passes every look; each fault is seen by its own look, and its command mends it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from conftest import DATA, ROOT, chunk, environment, jsonl, lines, run
from ragcli.diagnosing import check, mend
from ragcli.store import TEXT_INDEX

NAMES = [
    "contract", "readable", "rows", "ids", "vectors", "same_vectors", "copies", "text", "files", "documents", "model",
    "sample", "truncated", "vocabulary", "index", "vector_index", "keyword_chinese", "keyword_english",
]  # fmt: skip


def sh(command: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=cwd, env=environment(), capture_output=True)


def passages(count: int) -> list[str]:
    rows = (DATA / "cmrc_sample" / "corpus.jsonl").read_bytes().splitlines()[:count]
    return [json.loads(row)["text"] for row in rows]


@pytest.fixture(scope="session")
def sound(tmp_path_factory) -> Path:
    """A folder with documents (docs) and a database (db) whose table kb holds them; the table marked is like it."""
    folder = tmp_path_factory.mktemp("sound")
    shutil.copytree(ROOT / "examples", folder / "docs")
    (folder / "docs" / "long.md").write_text("# 百科\n\n" + "\n\n".join(passages(4)), encoding="utf-8")
    (folder / "docs" / "rows.jsonl").write_bytes(
        jsonl(*({"id": f"r{n}", "text": f"Row {n} describes the {word} valve."} for n, word in enumerate(WORDS)))
    )
    load = "ragcli load docs | ragcli split --size 400 | ragcli embed -q -d db -t kb"
    marked = "ragcli load docs --new-to marked -d db | ragcli split --size 400 | ragcli embed -q -d db -t marked"
    done = sh(f"{load} && {marked}", folder)
    assert done.returncode == 0, done.stderr.decode()
    return folder


WORDS = ("pressure", "butterfly", "solenoid", "thermostatic")


@pytest.fixture
def place(sound, tmp_path, monkeypatch) -> Path:
    """A copy of the sound folder, with times kept, as the current folder."""
    folder = tmp_path / "place"
    shutil.copytree(sound, folder)
    monkeypatch.chdir(folder)
    return folder


def look(table: str = "kb", db: str = "db", sample: int = 4) -> dict[str, dict]:
    return {one.name: one.to_dict() for one in check(db, table, sample=sample)}


def wrong(table: str = "kb", **more) -> dict[str, dict]:
    return {name: one for name, one in look(table, **more).items() if one["status"] in ("warn", "fail")}


def dataset(table: str = "kb", db: str = "db"):
    return lance.dataset(f"{db}/{table}.lance")


def rows(*names: str, table: str = "kb") -> list[dict]:
    return dataset(table).to_table(columns=list(names)).to_pylist()


def set_vectors(vectors: dict[str, np.ndarray | None]) -> None:
    """Write other vectors of some chunks, through Lance itself."""
    found = dataset().scanner(filter=f"id IN ({', '.join(map(repr, vectors))})").to_table()
    made = pa.array([vectors[name] for name in found["id"].to_pylist()], found.schema.field("vector").type)
    at = found.schema.get_field_index("vector")
    dataset().merge_insert("id").when_matched_update_all().execute(
        found.set_column(at, found.schema.field("vector"), made)
    )
    dataset().optimize.optimize_indices()


def mends(fault: dict, table: str = "kb") -> None:
    """Run the command of a look that failed; all is well then."""
    assert fault["mend"], fault
    done = sh(fault["mend"], Path.cwd())
    assert done.returncode == 0 and b"Traceback" not in done.stderr and b"cannot" not in done.stderr, done.stderr
    assert wrong(table) == {}


def mends_in_place(fault: dict) -> None:
    """The same where the command is that which mends from the table alone: by what it calls, as starting it costs."""
    assert fault["mend"] == "ragcli diagnose -d db -t kb --check --mend"
    mend("db", "kb")
    assert wrong() == {}


# --------------------------------------------------------------------------------------------------- a sound table


def test_a_sound_table_passes_every_look(sound):
    for table in ("kb", "marked"):
        done = run("diagnose", "-d", "db", "-t", table, "--check", cwd=sound)
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()
        found = lines(done.stdout)
        assert [one["name"] for one in found] == NAMES
        assert {one["status"] for one in found} == {"pass"}, found
        assert all(set(one) == {"type", "name", "status", "message", "count", "examples", "mend"} for one in found)
        assert all(one["type"] == "check" and not one["mend"] and not one["count"] for one in found)
    assert "7 files" in found[8]["message"]


def test_people_see_a_line_for_each_look(sound):
    done = run("diagnose", "-d", "db", "-t", "kb", "--check", "--format", "table", cwd=sound)
    said = done.stdout.decode()
    assert done.returncode == 0 and said.startswith("db/kb\n") and said.endswith(f"{len(NAMES)} pass\n")
    assert all(name in said for name in NAMES)


def test_mending_a_sound_table_changes_nothing(place):
    before = dataset().version
    done = run("diagnose", "-d", "db", "-t", "kb", "--check", "--mend", cwd=place)
    assert done.returncode == 0 and b"nothing to mend" in done.stderr
    assert dataset().version == before


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--check",), 2, "no table was named"),
        (("-t", "kb"), 2, "or --check"),
        (("-t", "nope", "--check"), 1, "there is no table 'nope' in db (there are: kb, marked)"),
        (("-t", "a/b", "--check"), 2, "cannot be a table's name"),
        (("-t", "kb", "--check", "--sample", "-1"), 2, "--sample is -1"),
        (("-t", "nope", "--check", "--mend"), 1, "there is no table 'nope'"),
    ],
)
def test_wrong_usage_is_a_sentence(sound, args, code, said):
    done = run("diagnose", "-d", "db", *args, cwd=sound)
    assert done.returncode == code and said in done.stderr.decode() and b"Traceback" not in done.stderr


def test_a_closed_pipe_ends_it_quietly(sound):
    done = sh("ragcli diagnose -d db -t kb --check | head -1", sound)
    assert json.loads(done.stdout)["name"] == "contract" and not done.stderr


# ------------------------------------------------------------------------------------------------- vectors and rows


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ([float("nan")] + [0.1] * 383, "1 with NaN or infinity"),
        ([0.0] * 384, "1 all zero"),
        ([1.0] * 384, "1 not of length 1"),
        (None, "1 null"),
    ],
)
def test_a_vector_that_is_none(place, vector, said):
    name = rows("id")[2]["id"]
    set_vectors({name: vector})
    found = wrong()
    assert set(found) == {"vectors"} and found["vectors"]["status"] == "fail"
    assert said in found["vectors"]["message"] and name in found["vectors"]["examples"][0]
    mends_in_place(found["vectors"])


def test_vectors_of_another_way_to_use_the_model(place):
    from ragcli.embedding import open_embedder

    held = rows("id", "text")
    made = open_embedder(device="cpu").encode([row["text"] for row in held], "query")  # the prefix of questions
    set_vectors({row["id"]: vector for row, vector in zip(held, made, strict=True)})
    found = wrong()
    assert set(found) == {"sample"} and found["sample"]["status"] == "fail"
    said = "4 of 4 chunks embedded again come out otherwise"
    assert said in found["sample"]["message"] and "made with the prefix of questions" in found["sample"]["message"]
    assert len(found["sample"]["examples"]) == 3
    assert wrong(sample=0) == {}
    mends(found["sample"])


def test_vectors_of_a_broken_model_are_all_the_same(place):
    held = rows("id", "vector")
    set_vectors({row["id"]: held[0]["vector"] for row in held})
    found = wrong()
    assert set(found) == {"same_vectors", "sample"}
    assert found["same_vectors"]["status"] == "fail" and found["same_vectors"]["count"] == len(held) - 1
    mends_in_place(found["same_vectors"])


def test_doubled_rows(place):
    whole = dataset().to_table()
    lance.write_dataset(whole.slice(1, 2), "db/kb.lance", mode="append")
    found = wrong()
    assert set(found) == {"ids", "index"} and found["ids"]["status"] == "fail" and found["ids"]["count"] == 2
    assert found["index"]["status"] == "warn"
    mends(found["ids"])
    assert sorted(row["id"] for row in rows("id")) == sorted(whole["id"].to_pylist())


def test_a_row_that_another_program_altered(place):
    name = next(row["id"] for row in rows("id", "source") if row["source"].endswith("leave.md"))
    dataset().update({"title": "'Altered'"}, where=f"id = '{name}'")
    found = wrong()
    assert "rows" in found and found["rows"]["status"] == "fail" and "digest differs" in found["rows"]["message"]
    mends(found["rows"])


def test_a_row_that_is_no_chunk(place):
    name = next(row["id"] for row in rows("id", "source") if row["source"].endswith("leave.md"))
    dataset().update({"extra": "'{broken'"}, where=f"id = '{name}'")
    found = wrong()
    assert found["rows"]["status"] == "fail" and "whose metadata is no JSON" in found["rows"]["message"]
    assert found["rows"]["examples"] == [f"docs/handbook/leave.md (chunk {name})"]
    mends(found["rows"])


def test_several_faults_at_once_are_mended_at_once(place):
    held = [row for row in rows("id", "source") if row["source"] == "docs/long.md"]
    altered = held[-1]["id"]
    set_vectors({held[0]["id"]: None, altered: np.zeros(384)})
    dataset().update({"title": "'Altered'"}, where=f"id = '{altered}'")
    dataset().update({"extra": "'{broken'"}, where=f"id = '{held[1]['id']}'")
    lance.write_dataset(dataset().to_table().slice(0, 3), "db/kb.lance", mode="append")
    dataset().drop_index(TEXT_INDEX)
    assert {"rows", "ids", "vectors", "index"} <= set(wrong())
    assert mend("db", "kb")["vectors made again"] == 2
    assert set(wrong()) == {"rows", "documents"}  # the row that is no chunk is a gap, too
    assert sh("ragcli load docs | ragcli split --size 400 | ragcli embed -q -d db -t kb", place).returncode == 0
    assert wrong() == {}


def test_text_that_is_there_twice_is_a_warning(place):
    shutil.copy("docs/handbook/leave.md", "docs/copy.md")
    done = sh("ragcli load docs | ragcli split --size 400 | ragcli embed -q -d db -t kb", place)
    assert done.returncode == 0
    found = wrong()
    assert set(found) == {"copies"} and found["copies"]["status"] == "warn"
    assert "1 whole document" in found["copies"]["message"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("维修保养手册：每三个月清洁一次滤网，请勿使用酒精。".encode().decode("latin-1"), "read as Latin-1"),
        ("Le résumé de l’été: “déjà vu” à Besançon".encode().decode("cp1252", "replace"), "read as Latin-1"),
        (
            "维修保养手册：每三个月清洁一次滤网，请勿使用酒精。这是第二句话。".encode().decode("gbk", "ignore"),
            "read as GBK",
        ),
        ("维修保养手册每三个月清洁一次滤网".encode("gbk").decode("latin-1"), "GBK that was read as Latin-1"),
        ("维修手册第一章\ufffd\ufffd\ufffd清洁", "replacement characters"),
        ("\ue001\ue002\ue003\ue004\ue005 text \ue006", "private-use characters"),
        ("  \n\u3000", "blank"),
    ],
)
def test_text_that_was_read_wrongly(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    done = run(
        "embed", "-q", "-d", "db", "-t", "kb", stdin=jsonl(chunk(1, text), chunk(2, "A right text.")), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr.decode()
    found = look()["text"]
    assert found["status"] == "warn" and found["count"] == 1 and said in found["message"]


def test_right_text_is_not_called_garbled():
    from ragcli.diagnosing.integrity_garbled import garbled

    right = [*passages(60), *(path.read_text("utf-8") for path in sorted((ROOT / "examples").rglob("*.md")))]
    right += [
        "Ça été «déjà vu» à l’hôtel – 50 € … naïve façade",
        "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏ",
        "Größe: 5 ½ °C ± 2 µm × 3",
        "涓涓细流",
    ]
    right += ["U+FFFD (\ufffd) replaces what cannot be decoded.", "\uf0b7 item one\n\uf0b7 item two of the list"]
    assert [text for text in right if garbled(text)] == []


# ------------------------------------------------------------------------------------------- documents and files


def remove(condition: str, table: str = "kb") -> None:
    dataset(table).delete(condition)


@pytest.mark.parametrize(("which", "said"), [(1, "gap"), (0, "beginning"), (-1, "end")])
def test_a_document_that_lacks_a_chunk(place, which, said):
    held = sorted((row["start"], row["id"]) for row in rows("start", "id", "source") if row["source"] == "docs/long.md")
    assert len(held) > 4
    remove(f"id = '{held[which][1]}'")
    found = wrong()
    assert set(found) == {"documents"} and found["documents"]["status"] == "fail"
    assert said in found["documents"]["message"] and "docs/long.md" in found["documents"]["examples"]
    assert "docs/long.md" in found["documents"]["mend"]
    mends(found["documents"])


def test_a_document_that_is_not_there(place):
    remove("source = 'docs/rows.jsonl#r2'")
    found = wrong()
    assert set(found) == {"documents"} and "docs/rows.jsonl#r2" in found["documents"]["examples"]
    mends(found["documents"])


@pytest.mark.parametrize("table", ["kb", "marked"])
def test_a_file_that_changed(place, table):
    path = Path("docs/handbook/leave.md")
    path.write_text(path.read_text("utf-8") + "\nOne more paragraph on parental leave.\n", encoding="utf-8")
    found = wrong(table)
    assert set(found) == {"files"} and found["files"]["status"] == "fail"
    assert found["files"]["examples"] == ["docs/handbook/leave.md"] and "1 changed" in found["files"]["message"]
    mends(found["files"], table)


def test_names_are_quoted_in_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("资料 $x").mkdir()
    for name in ("资料 $x/a b'c.md", "资料 $x/-d.md"):
        Path(name).write_text("# Title\n\nSome text of the guarantee.\n", encoding="utf-8")
    pipe = "ragcli load '资料 $x' | ragcli split | ragcli embed -q -d 'my db' -t kb"
    assert sh(pipe, tmp_path).returncode == 0
    Path("资料 $x/a b'c.md").write_text("# Title\n\nOther text, of the warranty.\n", encoding="utf-8")
    Path("资料 $x/-d.md").unlink()
    found = {name: one for name, one in look(db="my db").items() if one["status"] == "fail"}
    assert set(found) == {"files"}
    done = sh(found["files"]["mend"], tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert look(db="my db")["files"]["status"] == "pass"


def test_rows_loaded_with_other_options_are_not_called_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_bytes(jsonl(*({"id": n, "text": f"text {n}", "body": f"body {n}"} for n in range(3))))
    pipe = "ragcli load rows.jsonl --text-field body | ragcli split | ragcli embed -q -d db -t kb"
    assert sh(pipe, tmp_path).returncode == 0
    os.utime("rows.jsonl")
    found = look()
    assert found["files"]["status"] == "pass" and "1 of them loaded with other options" in found["files"]["message"]


def test_a_stream_is_no_file_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pipe = "ragcli load <(echo 'Some text.') | ragcli split | ragcli embed -q -d db -t kb"
    assert sh(pipe, tmp_path).returncode == 0
    assert rows("source")[0]["source"].startswith("/dev/fd/")
    assert look()["files"]["status"] == "skipped"


@pytest.mark.parametrize("table", ["kb", "marked"])
def test_a_file_that_was_only_touched_is_the_same(place, table):
    os.utime("docs/handbook/leave.md")
    os.utime("docs/rows.jsonl")
    assert wrong(table) == {}


def test_a_changed_file_whose_time_is_kept(place):
    path = Path("docs/handbook/leave.md")
    times = path.stat()
    path.write_text(path.read_text("utf-8").replace("leave", "LEAVE"), encoding="utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert set(wrong()) == {"files"}


@pytest.mark.parametrize("table", ["kb", "marked"])
def test_files_that_are_gone_or_elsewhere(place, table):
    Path("docs/handbook/products.csv").unlink()
    found = wrong(table)
    assert set(found) == {"files"} and "1 deleted" in found["files"]["message"]
    assert "--prune docs/handbook" in found["files"]["mend"]
    shutil.move("docs/handbook/leave.md", "docs/leave.md")
    found = wrong(table)
    assert "1 deleted, 1 moved" in found["files"]["message"]
    assert "docs/handbook/leave.md -> docs/leave.md" in found["files"]["examples"]
    mends(found["files"], table)
    assert "docs/leave.md" in {row["source"] for row in rows("source", table=table)}


def test_from_another_folder_no_file_is_called_deleted(place, monkeypatch):
    Path("else").mkdir()
    monkeypatch.chdir("else")
    found = {name: one for name, one in look(db="../db").items() if one["status"] != "pass"}
    assert set(found) == {"files"} and found["files"]["status"] == "warn"
    assert "all 7 files" in found["files"]["message"]
    assert sh(found["files"]["mend"].replace("…", ".."), Path()).returncode == 0


def test_rows_of_streams_and_addresses_are_not_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = [chunk(1, "Some text.", "https://example.org/a"), chunk(2, "Other text.", "note 7")]
    assert run("embed", "-q", "-d", "db", "-t", "kb", stdin=jsonl(*records), cwd=tmp_path).returncode == 0
    found = look()["files"]
    assert found["status"] == "skipped" and "2 rows not of files" in found["message"]


def test_an_old_state_beside_the_new_one(place):
    old = [row for row in dataset().to_table().to_pylist() if row["source"] == "docs/handbook/leave.md"]
    assert old
    path = Path("docs/handbook/leave.md")
    path.write_text("# Leave\n\nEverything is new.\n", encoding="utf-8")
    before = dataset().to_table(filter="source = 'docs/handbook/leave.md'")
    assert (
        sh("ragcli load docs/handbook | ragcli split --size 400 | ragcli embed -q -d db -t kb", place).returncode == 0
    )
    lance.write_dataset(before, "db/kb.lance", mode="append")  # as a run that was killed before its end leaves it
    found = wrong()
    assert found["documents"]["status"] == "fail" and "two states" in found["documents"]["message"]
    mends(found["documents"])


# ------------------------------------------------------------------------------------------------------ the model


def test_chunks_longer_than_the_model_reads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    Path("docs/long.txt").write_text("\n".join(passages(4)), encoding="utf-8")
    pipe = "ragcli load docs | ragcli split --size 3000 | ragcli embed -q -d db -t kb"
    assert sh(pipe, tmp_path).returncode == 0
    found = wrong()
    assert set(found) == {"truncated"} and found["truncated"]["status"] == "warn"
    from ragcli.embedding import open_embedder

    lost = []
    texts = [row["text"] for row in rows("text")]
    open_embedder(device="cpu").encode(texts, "passage", on_truncated=lambda _, tokens: lost.append(tokens))
    assert found["truncated"]["count"] == len(lost) and f"last {sum(lost)} tokens" in found["truncated"]["message"]
    assert sh(found["truncated"]["mend"], tmp_path).returncode == 0
    assert wrong("kb-new") == {}


def alter(**model) -> None:
    contract = json.loads(dataset().schema.metadata[b"ragcli"])
    contract["model"].update(model)
    contract["model"] = {key: value for key, value in contract["model"].items() if value != "gone"}
    dataset().update_schema_metadata({"ragcli": json.dumps(contract)})


@pytest.mark.parametrize(
    ("model", "name", "said"),
    [
        ({"pooling": "cls"}, "model", "pooling: cls in the table, mean here"),
        ({"hash": "0" * 64}, "model", "hash: 000000000000…"),
        ({"prefixes": {"query": "", "passage": ""}}, "model", "prefixes"),
        ({"max_tokens": "gone"}, "contract", "has no max_tokens"),
        ({"dimension": 128}, "contract", "128 dimensions, and the vectors have 384"),
        ({"normalize": "yes"}, "contract", "normalize 'yes'"),
    ],
)
def test_a_contract_that_was_altered(place, model, name, said):
    alter(**model)
    found = wrong()
    assert set(found) == {name} and found[name]["status"] == "fail" and said in found[name]["message"]
    mends_in_place(found[name])


def test_a_contract_that_is_gone(place):
    dataset().update_schema_metadata({}, replace=True)
    done = run("diagnose", "-d", "db", "-t", "kb", "--check", cwd=place)
    found = lines(done.stdout)
    assert done.returncode == 4 and found[0]["status"] == "fail" and "not made by ragcli" in found[0]["message"]
    assert {one["status"] for one in found[1:]} == {"skipped"} and b"contract failed" in done.stderr


def test_a_table_of_another_program(place):
    lance.write_dataset(pa.table({"text": ["a"], "vector": [[1.0, 2.0]]}), "db/other.lance")
    found = wrong("other")
    assert set(found) == {"contract"} and "not made by ragcli" in found["contract"]["message"]


def test_a_model_that_is_not_here(place):
    alter(id="nobody/no-such-model", hash="0" * 64)
    found = look()
    assert found["model"]["status"] == "fail" and "not on this machine" in found["model"]["message"]
    assert found["model"]["mend"] == "ragcli download nobody/no-such-model"
    assert {name for name, one in found.items() if one["status"] == "skipped"} == {"sample", "truncated", "vocabulary"}
    done = run("diagnose", "-d", "db", "-t", "marked", "--check", "--embed-model", "/nowhere", cwd=place)
    found = {one["name"]: one for one in lines(done.stdout)}
    assert done.returncode == 4 and "the model of --embed-model, /nowhere," in found["model"]["message"]
    assert found["model"]["mend"] == "ragcli diagnose -d db -t marked --check"


# ------------------------------------------------------------------------------------------------------ the index


def test_a_full_text_index_that_is_missing(place):
    dataset().drop_index(TEXT_INDEX)
    found = wrong()
    assert found["index"]["status"] == "fail" and "no full-text index" in found["index"]["message"]
    mends_in_place(found["index"])


def test_a_full_text_index_of_another_tokenizer(place):
    dataset().create_scalar_index("search_text", "INVERTED", name=TEXT_INDEX, with_position=True, replace=True)
    found = wrong()
    assert found["index"]["status"] == "fail" and "base_tokenizer: simple, not icu" in found["index"]["message"]
    assert found["keyword_chinese"]["status"] == "fail" and "keyword_english" not in found
    mends_in_place(found["index"])


def test_rows_that_no_index_holds_are_found_all_the_same(place):
    texts = ("A zymurgical treatise.", "鳜鱼洄游的记录。")
    records = [chunk(n, text, "later.txt", document_id=f"later {n}") for n, text in enumerate(texts)]
    made = run("embed", "-q", "-d", "db", "-t", "late", stdin=jsonl(*records), cwd=place)
    assert made.returncode == 0, made.stderr.decode()
    lance.write_dataset(dataset("late").to_table(), "db/kb.lance", mode="append")
    found = wrong()
    assert set(found) == {"index"} and found["index"]["status"] == "warn" and found["index"]["count"] == 2
    for question in ("zymurgical", "鳜鱼"):
        done = run("query", "-d", "db", "-t", "kb", "--mode", "text", question, cwd=place)
        assert lines(done.stdout)[0]["hits"][0]["source"] == "later.txt"
    mends_in_place(found["index"])


def test_an_indexed_text_that_is_not_what_is_indexed_now(place):
    dataset().update({"search_text": "'something else'"}, where="source = 'docs/long.md'")
    found = wrong()
    assert found["index"]["status"] == "fail" and "is not what this version" in found["index"]["message"]
    mends_in_place(found["index"])


def test_an_index_whose_files_are_gone(place):
    shutil.rmtree("db/kb.lance/_indices")
    found = wrong()
    assert {one["status"] for one in found.values()} == {"fail"} and found
    mends_in_place(next(iter(found.values())))


# ---------------------------------------------------------------------------------------------------- damaged files


def test_a_data_file_that_is_missing(place):
    more = [chunk(n, f"Later text number {n}.", "later.txt") for n in range(3)]
    assert run("embed", "-q", "-d", "db", "-t", "kb", stdin=jsonl(*more), cwd=place).returncode == 0
    names = sorted(Path("db/kb.lance/data").iterdir(), key=lambda path: path.stat().st_size)
    lost = names[-1]  # the documents
    lost.unlink()
    found = wrong()
    assert found["readable"]["status"] == "fail" and f"data/{lost.name} (missing)" in found["readable"]["examples"]
    assert f"of {dataset().count_rows()} rows are lost" in found["readable"]["message"]
    done = run("diagnose", "-d", "db", "-t", "kb", "--check", cwd=place)
    assert done.returncode == 4 and b"Traceback" not in done.stderr
    done = run("diagnose", "-d", "db", "-t", "kb", "--check", "--mend", cwd=place)
    assert done.returncode == 1 and b"cannot be mended in place" in done.stderr


def test_a_data_file_that_was_cut_short_is_mended_by_making_the_table_again(place):
    lost = max(Path("db/kb.lance/data").iterdir(), key=lambda path: path.stat().st_size)
    lost.write_bytes(lost.read_bytes()[: lost.stat().st_size // 2])
    found = wrong()
    assert found["readable"]["status"] == "fail" and lost.name in found["readable"]["examples"][0]
    command = found["readable"]["mend"]
    assert command.startswith("mv db/kb.lance db/kb.damaged && ragcli load … | ragcli split --size 400 | ragcli embed")
    assert sh(command.replace("…", "docs"), place).returncode == 0
    assert wrong() == {}


def test_a_manifest_that_is_damaged_is_one_sentence(place):
    for path in Path("db/kb.lance/_versions").iterdir():
        path.write_bytes(b"garbage")
    found = look()
    assert list(found) == ["readable"] and found["readable"]["status"] == "fail"
    assert (
        "cannot open the table 'kb' in db" in found["readable"]["message"] and ".rs" not in found["readable"]["message"]
    )


def test_a_table_that_is_empty_is_a_warning(place):
    dataset().delete("true")
    found = wrong()
    assert set(found) == {"readable"} and found["readable"]["status"] == "warn"
    assert sh(found["readable"]["mend"].replace("…", "docs"), place).returncode == 0
    assert wrong() == {}


def test_a_folder_without_a_version(place):
    shutil.rmtree("db/kb.lance/_versions")
    done = run("diagnose", "-d", "db", "-t", "kb", "--check", cwd=place)
    found = lines(done.stdout)
    assert done.returncode == 4 and found[0]["name"] == "readable" and "no version" in found[0]["message"]
