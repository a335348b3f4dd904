"""What keeps a table quick and small: parts of indexes, fragments, old versions; and nothing is lost by it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.errors import UsageError
from ragcli.indexing import Writer, delete
from ragcli.records import Vector
from ragcli.store import TEXT_INDEX, Table, vector_indexes
from ragcli.store.upkeep import Keep, maintain

DIMENSION = 16
RNG = np.random.default_rng(3)


def made(numbers: range, text: str = "") -> Iterator[Vector]:
    """Records whose text has a word of its own, and whose vectors lie around a few places."""
    for number in numbers:
        rng = np.random.default_rng(number)
        vector = np.eye(DIMENSION)[number % DIMENSION] + 0.3 * rng.standard_normal(DIMENSION)
        yield Vector(
            id=f"c{number}", document_id=f"d{number // 4}", source=f"{number // 4}.md", start=number % 4 * 100,
            end=number % 4 * 100 + 50, text=f"零件 P{number:05} part{text}", vector=vector.tolist(), model="m",
        )  # fmt: skip


def create(db: Path) -> Table:
    return Table.create(str(db), "kb", {"model": {"id": "m", "hash": "x", "dimension": DIMENSION}, "metric": "cosine"})


def write(table: Table, numbers: range, text: str = "", keep: Keep | None = None) -> None:
    writer = Writer(table, **({} if keep is None else {"keep": keep}))
    for vector in writer.fresh(made(numbers, text)):
        assert isinstance(vector, Vector)
        writer.add(vector)
    writer.finish()


def parts(table: Table, name: str) -> list[int]:
    """The rows of each part of an index."""
    found = table.index_parts()[name]
    (index,) = [one for one in table.dataset.describe_indices() if one.name == name]
    assert len(index.segments) == len(found)
    return found


def ids(table: Table) -> set[str]:
    return set(table.dataset.to_table(columns=["id"])["id"].to_pylist())


def test_new_rows_are_folded_in_by_parts(tmp_path: Path) -> None:
    """Small runs do not write the whole index again, and their parts do not pile up."""
    table = create(tmp_path)
    table.keep_index_wish("ivf-flat")
    write(table, range(2000))
    assert parts(table, TEXT_INDEX) == [2000] and parts(table, vector_indexes.VECTOR_INDEX) == [2000]
    for run in range(20):
        start = 2000 + 40 * run
        write(table, range(start, start + 40))
        for name in (TEXT_INDEX, vector_indexes.VECTOR_INDEX):
            found = parts(table, name)
            assert sum(found) == start + 40 and len(found) <= 7, found
            assert table.dataset.stats.index_stats(name).get("num_unindexed_rows", 0) == 0
        (best,) = table.text_search(f"P{start:05}", 1)
        assert best.id == f"c{start}"
        wanted = next(made(range(start, start + 1))).vector
        assert table.vector_search(np.array(wanted, np.float32), 1)[0].id == f"c{start}"
    maintain(table, thorough=True)
    assert parts(table, TEXT_INDEX) == [2800] == parts(table, vector_indexes.VECTOR_INDEX)
    assert len(table.dataset.get_fragments()) == 1 and len(ids(table)) == 2800


def test_what_was_replaced_is_found_no_more(tmp_path: Path) -> None:
    """Also when its rows are in an index, and after all parts are merged and all fragments written again."""
    table = create(tmp_path)
    table.keep_index_wish("ivf-rq")
    write(table, range(1000), " old")
    for stage in ("updated", "thorough"):
        if stage == "updated":
            write(table, range(200), " new")
        else:
            maintain(table, thorough=True, keep=Keep(last=1))
        assert len(table) == 1000
        old = {one.id for one in table.text_search("old", 1000)}
        assert old == {f"c{n}" for n in range(200, 1000)}, stage
        assert {one.id for one in table.text_search("new", 1000)} == {f"c{n}" for n in range(200)}, stage


def test_a_search_with_an_index_finds_what_the_scan_finds(tmp_path: Path) -> None:
    table = create(tmp_path)
    table.keep_index_wish("ivf-rq")
    write(table, range(6000))
    assert table.has_vector_index()
    queries = np.stack([next(made(range(n, n + 1))).vector for n in range(0, 6000, 200)]).astype(np.float32)
    queries += 0.05 * RNG.standard_normal(queries.shape).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    exact = table.vector_search_batch(queries, 10)
    near = [table.vector_search(query, 10) for query in queries]
    share = [len({a.id for a in x} & {b.id for b in y}) / 10 for x, y in zip(exact, near, strict=True)]
    assert np.mean(share) >= 0.98
    # A condition that few rows meet, none of them near: all that meet it are found.
    where = table.check_where("id IN ('c5', 'c4999', 'c3')")
    assert {one.id for one in table.vector_search(queries[9], 10, where)} == {"c5", "c4999", "c3"}


def test_the_kind_of_index_follows_the_size() -> None:
    assert vector_indexes.wanted("auto", 49_999) is None
    assert vector_indexes.wanted("auto", 50_000) == "IVF_RQ"
    assert vector_indexes.wanted("none", 10**7) is None
    assert vector_indexes.wanted("ivf-hnsw-sq", 256) == "IVF_HNSW_SQ" and vector_indexes.wanted("ivf-pq", 255) is None
    with pytest.raises(UsageError, match="no such kind"):
        vector_indexes.check("hnsw")


def test_nightly_runs_leave_few_files(tmp_path: Path) -> None:
    table = create(tmp_path)
    write(table, range(400))
    counts = []
    for run in range(60):
        write(table, range(run * 4, run * 4 + 4), f" {run}", Keep(last=2))
        counts.append(sum(path.is_file() for path in tmp_path.rglob("*")))
        assert len(table.dataset.versions()) <= 2
    assert max(counts[-20:]) <= 1.5 * max(counts[:20]), counts
    assert len(table) == len(ids(table)) == 400


def test_tagged_versions_stay(tmp_path: Path) -> None:
    table = create(tmp_path)
    write(table, range(100))
    table.dataset.tags.create("first", table.dataset.version)
    for run in range(3):
        write(table, range(50), f" {run}", Keep(last=1))
    delete(table, "id <> ''")
    maintain(table, keep=Keep(last=1))
    assert len(table) == 0 and len(table.dataset.versions()) == 2
    assert table.dataset.checkout_version("first").count_rows() == 100


def test_what_keep_versions_says() -> None:
    assert Keep.parse("3") == Keep(last=3) and Keep.parse("12h").age == timedelta(hours=12)
    for text in ("", "0", "-1", "7 d", "d", "1.5d", "七"):
        with pytest.raises(UsageError):
            Keep.parse(text)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 60 * 24 * 20), min_size=1, max_size=60, unique=True),
    st.one_of(st.integers(1, 9), st.integers(1, 20).map(lambda days: timedelta(days=days))),
)
def test_versions_are_thinned_to_one_a_day(minutes: list[int], kept: int | timedelta) -> None:
    now = datetime(2026, 3, 20, 3, 0)
    times = sorted(now - timedelta(minutes=one) for one in minutes)
    versions = list(enumerate(times, 1))
    keep = Keep(last=kept) if isinstance(kept, int) else Keep(age=kept)
    gone = set(keep.gone(versions, now))
    left = [(number, time) for number, time in versions if number not in gone]
    assert left[-1] == versions[-1]
    if isinstance(kept, int):
        assert left == versions[-kept:]
        return
    young = {number for number, time in versions if now - time <= timedelta(hours=1)}
    assert young <= {number for number, _ in left}
    for day, some in itertools.groupby(left[:-1], key=lambda one: one[1].date()):
        older = [one for one in some if one[0] not in young]
        assert len(older) <= 1, day
    assert all(now - time <= keep.age for _, time in left[:-1])
