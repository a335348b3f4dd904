"""What a run of embed replaces and removes, through the real pipe: no more and no less than what has gone."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from conftest import chunk, environment, jsonl, run


def sh(command: str, cwd) -> str:
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=cwd, env=environment(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stderr.decode()


def column(db, name: str = "id") -> list[str]:
    import lance

    return sorted(lance.dataset(f"{db}/kb.lance").to_table(columns=[name])[name].to_pylist())


def embed(db, *records: dict, flags: tuple = (), **more) -> str:
    done = run("embed", "-d", db, "-t", "kb", *flags, stdin=jsonl(*records), **more)
    assert done.returncode == 0, done.stderr.decode()
    return done.stderr.decode()


def document(name: str, source: str, text: str) -> str:
    return json.dumps({"type": "document", "id": name, "source": source, "text": text})


def test_a_changed_document_replaces_its_own_chunks(tmp_path):
    embed(tmp_path, *(chunk(n, f"old {n}", document_id="old") for n in range(3)), chunk(9, "other", source="b.txt"))
    embed(tmp_path, chunk(7, "new text", document_id="new"))
    assert column(tmp_path) == ["chunk-7", "chunk-9"]
    # Also where it keeps its id.
    embed(tmp_path, chunk(8, "newer text", document_id="new"))
    assert column(tmp_path) == ["chunk-8", "chunk-9"]


def test_documents_that_change_places_stay(tmp_path):
    for first, second in (("a.txt", "b.txt"), ("b.txt", "a.txt")):
        feed = f"{document('D1', first, 'alpha')}\n{document('D2', second, 'beta')}\n"
        (tmp_path / "in.jsonl").write_text(feed)
        sh("ragcli split < in.jsonl | ragcli embed -d db -t kb", tmp_path)
        assert column(tmp_path / "db", "text") == ["alpha", "beta"]


def test_the_last_of_two_chunks_with_one_id_stays(tmp_path):
    both = [chunk(0, "text", metadata={"v": 1}), chunk(0, "text", metadata={"v": 2})]
    for _ in range(3):
        embed(tmp_path, *both)
        assert [json.loads(str(value)) for value in column(tmp_path, "metadata")] == [{"v": 2}]


def test_a_document_that_is_cut_off_takes_nothing_away(tmp_path):
    for name, word in (("v1", "old"), ("v2", "new")):
        text = "\n\n".join(f"# {word} {n}\n\n" + f"{word} words. " * 30 for n in range(4))
        (tmp_path / f"{name}.jsonl").write_text(document(name, "a.md", text) + "\n")
    sh("ragcli split < v1.jsonl | ragcli embed -d db -t kb", tmp_path)
    said = sh("(ragcli split < v2.jsonl | head -1; true) | ragcli embed -d db -t kb", tmp_path)
    assert "warning: a.md: its document came in without its end" in said
    assert len(column(tmp_path / "db")) == 5
    sh("ragcli split < v2.jsonl | ragcli embed -d db -t kb", tmp_path)
    assert len(column(tmp_path / "db")) == 4
    assert all(text.startswith("# new") for text in column(tmp_path / "db", "text"))


def test_rows_that_left_a_file_go_with_prune(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "p.csv").write_text("product,price\nmouse,99\nkeys,199\npump,7\n")
    (docs / "r.md").write_text("# Returns\n\nSeven days.\n")
    pipe = "ragcli load docs | ragcli split | ragcli embed -d db -t kb --prune docs"
    sh(pipe, tmp_path)
    assert len(column(tmp_path / "db")) == 4
    (docs / "p.csv").write_text("product,price\nkeys,199\npump,7\n")
    (docs / "r.md").write_text("")
    sh(pipe, tmp_path)
    assert column(tmp_path / "db", "text") == ["product: keys\nprice: 199", "product: pump\nprice: 7"]


def test_prune_removes_what_is_gone_and_nothing_else(tmp_path):
    docs, elsewhere = tmp_path / "docs", tmp_path / "elsewhere"
    docs.mkdir(), elsewhere.mkdir()
    (docs / "kept.txt").write_text("x")
    (docs / "a#1.txt").write_text("x")
    names = ["docs/kept.txt", "docs/gone.txt", "elsewhere/gone.txt", "https://example.org/gone.txt"]
    names += ["docs/rows.csv#3", "docs/a#1.txt"]
    files = [chunk(n, "t", source=name, document_id=name, format="text") for n, name in enumerate(names)]
    own = chunk(9, "t", source="docs/a page of a wiki", document_id="own")
    embed("db", *files, own, flags=("--prune", "docs"), cwd=tmp_path)
    assert column(tmp_path / "db") == ["chunk-0", "chunk-2", "chunk-3", "chunk-5", "chunk-9"]
    before = column(tmp_path / "db")
    for root in ("nowhere", "", " "):
        done = run("embed", "-d", "db", "-t", "kb", "--prune", root, stdin=jsonl(own), cwd=tmp_path)
        assert done.returncode == 2
        assert b"no such folder" in done.stderr
    # From another folder nothing can be found, which is no reason to remove all.
    shutil.move(docs, elsewhere)
    (tmp_path / "docs").mkdir()
    done = run("embed", "-d", "db", "-t", "kb", "--prune", "docs", cwd=tmp_path)
    assert done.returncode == 2
    assert b"not one of the 2 sources" in done.stderr
    assert column(tmp_path / "db") == before


@pytest.mark.parametrize("left", ["no index", "no version"])
def test_a_table_that_was_killed_while_it_was_made_is_finished(tmp_path, left):
    if left == "no version":
        (tmp_path / "kb.lance" / "_versions").mkdir(parents=True)
    else:
        import lance

        from ragcli.embedding import open_embedder
        from ragcli.store import Table

        contract = {"model": open_embedder().contract, "metric": "cosine", "splitter": None, "headings": False}
        made = Table.create(str(tmp_path), "kb", contract)
        made.dataset.drop_index("search_text_idx")
        assert lance.dataset(f"{tmp_path}/kb.lance").describe_indices() == []
    embed(tmp_path, chunk(0, "手机的保修期为两年。"))
    done = run("query", "-d", tmp_path, "-t", "kb", "--mode", "text", "保修期")
    assert [hit["id"] for hit in json.loads(done.stdout)["hits"]] == ["chunk-0"]
