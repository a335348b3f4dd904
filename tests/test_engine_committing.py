"""Fragments of many writers in one commit, beside others that write the same ids at the same time."""

import threading
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from ragcli.engines.committing import Committer, Written, last_fragment, write_fragment
from ragcli.indexing.writer import rows_of
from ragcli.records import Vector
from ragcli.store import Table

MODEL = {"id": "m", "hash": "h", "dimension": 2}


def vectors(*names: str, text: str = "保修期为两年。", value: float = 1.0) -> list[Vector]:
    return [
        Vector(
            id=name,
            document_id="d",
            source="a.txt",
            text=text,
            start=0,
            end=len(text),
            vector=[value, 0.0],
            model="m",
            metadata={"year": 2024},
        )
        for name in names
    ]


def new(folder: Path, *names: str) -> Table:
    table = Table.create(str(folder), "kb", {"model": MODEL, "metric": "cosine", "splitter": None, "headings": False})
    if names:
        merge(table, *names)
    return table


def merge(table: Table, *names: str, value: float = 0.0) -> None:
    rows = rows_of(vectors(*names, value=value), table.dataset.schema)
    builder = lance.dataset(table.dataset.uri).merge_insert("id").when_matched_update_all()
    builder.when_not_matched_insert_all().conflict_retries(30).execute(rows)
    table.refresh()


def committer(table: Table) -> Committer:
    return Committer(table, [fragment.fragment_id for fragment in table.dataset.get_fragments()])


def written(table: Table, *names: str, value: float = 1.0, text: str = "保修期为两年。") -> Written:
    rows = rows_of(vectors(*names, value=value, text=text), table.dataset.schema)
    (fragment,) = write_fragment(rows, table.dataset.uri)
    return Written(fragment, list(names))


def held(table: Table) -> list[tuple[str, float]]:
    table.refresh()
    found = table.dataset.to_table(columns=["id", "vector"])
    return sorted(zip(found["id"].to_pylist(), [vector[0] for vector in found["vector"].to_pylist()], strict=True))


def test_one_commit_for_many_fragments(tmp_path: Path) -> None:
    table = new(tmp_path, "x")
    before = table.dataset.version
    assert committer(table).add([written(table, f"a{n}", f"b{n}") for n in range(5)]) == 0
    assert table.dataset.version == before + 1
    assert held(table) == sorted([("x", 0.0), *((f"{c}{n}", 1.0) for n in range(5) for c in "ab")])
    table.dataset.validate()


@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize("old", [("a", "b"), ("a", "d"), ("a", "b", "c", "d")])
def test_rows_of_the_same_ids_are_replaced_in_one_commit(tmp_path: Path, index: bool, old: tuple[str, ...]) -> None:
    table = new(tmp_path, "a", "b", "c")
    merge(table, "d")
    if index:
        table.dataset.create_scalar_index("id", "BTREE", name="id_idx")
        table.dataset.optimize.optimize_indices()
        table.refresh()
    before = table.dataset.version
    committer(table).put([written(table, name, text="The warranty lasts three years.") for name in old])
    assert table.dataset.version == before + 1
    rest = sorted({"a", "b", "c", "d"} - set(old))
    for _ in range(2):
        assert held(table) == sorted([*((name, 1.0) for name in old), *((name, 0.0) for name in rest)])
        assert table.dataset.to_table(filter="id = 'a'").num_rows == 1
        assert sorted(one.id for one in table.text_search("warranty", 10)) == sorted(old)
        assert sorted(one.id for one in table.text_search("保修", 10)) == rest
        assert {one.id for one in table.vector_search(np.array([1.0, 0.0]), len(old))} == set(old)
        table.dataset.validate()
        table.dataset.optimize.compact_files()
        table.dataset.optimize.optimize_indices()


def test_rows_that_are_gone_meanwhile_are_added(tmp_path: Path) -> None:
    table = new(tmp_path, "a", "b")
    ours = committer(table)
    made = [written(table, "a", "b")]
    table.dataset.delete("id = 'a'")
    ours.put(made)
    assert held(table) == [("a", 1.0), ("b", 1.0)]


def test_rows_that_another_writer_brought_meanwhile_are_not_doubled(tmp_path: Path) -> None:
    table = new(tmp_path, "x")
    ours = committer(table)
    made = [written(table, "a", "b"), written(table, "c")]
    merge(Table.open(str(tmp_path), "kb"), "a", "c")  # after our run read what the table holds
    assert ours.add(made) == 2
    assert held(table) == [("a", 0.0), ("b", 1.0), ("c", 0.0), ("x", 0.0)]
    row = table.dataset.to_table(filter="id = 'b'").to_pylist()[0]  # of a fragment that was written a second time
    assert row["metadata"] == '{"year":2024}' and [one.id for one in table.text_search("保修", 9)]


@pytest.mark.parametrize("kind", ["add", "put"])
def test_a_merge_insert_that_runs_meanwhile_is_not_doubled(tmp_path: Path, kind: str) -> None:
    table = new(tmp_path, "x", *(["a", "b"] if kind == "put" else []))
    ours = committer(table)
    made = [written(table, "a", "b")]

    def batches():  # merge_insert has read its version of the table when it asks for the first batch
        getattr(ours, kind)(made)
        yield from rows_of(vectors("a", value=5.0), table.dataset.schema).to_batches()

    source = pa.RecordBatchReader.from_batches(table.dataset.schema, batches())
    theirs = lance.dataset(table.dataset.uri).merge_insert("id").when_matched_update_all()
    theirs.when_not_matched_insert_all().conflict_retries(30).execute(source)
    assert held(table) == [("a", 5.0), ("b", 1.0), ("x", 0.0)]


@pytest.mark.parametrize("kind", ["add", "put"])
def test_many_writers_of_both_kinds_of_the_same_ids(tmp_path: Path, kind: str) -> None:
    names = [f"k{n}" for n in range(40)]
    table = new(tmp_path, "x", *(names if kind == "put" else []))
    failed: list[BaseException] = []

    def with_commits(value: float) -> None:
        mine = Table.open(str(tmp_path), "kb")
        ours = committer(mine)
        for start in range(0, 40, 8):
            getattr(ours, kind)([written(mine, *names[start : start + 8], value=value)])

    def with_merges(value: float) -> None:
        mine = Table.open(str(tmp_path), "kb")
        for start in range(0, 40, 8):
            merge(mine, *names[start : start + 8], value=value)

    def caught(act, value: float) -> None:
        try:
            act(value)
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    acts = [(with_commits, 2.0), (with_merges, 4.0), (with_commits, 3.0), (with_merges, 5.0)]
    writers = [threading.Thread(target=caught, args=one) for one in acts]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert not failed
    assert [name for name, _ in held(table)] == sorted([*names, "x"])
    table.dataset.validate()


def test_the_number_of_a_fragment_that_is_gone_is_not_used_again(tmp_path: Path) -> None:
    table = new(tmp_path, "a")
    merge(table, "b")
    highest = last_fragment(table.dataset)
    assert highest == max(fragment.fragment_id for fragment in table.dataset.get_fragments())
    table.dataset.delete("id = 'b'")
    table.refresh()
    assert max(fragment.fragment_id for fragment in table.dataset.get_fragments()) < highest
    assert last_fragment(table.dataset) == highest
    committer(table).add([written(table, "c")])
    assert last_fragment(table.dataset) == highest + 1
