"""The work in pieces and together again, without a cluster: tasks, parcels, who gets which chunk, the books."""

import json
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import chunk, jsonl
from ragcli.engines.keeping import Claims, Keeper
from ragcli.engines.ledger import Ledger
from ragcli.engines.parcels import CHANGED, LATER, NEW, REPEATED, UNCHANGED, parcels
from ragcli.engines.ray_cluster import sizes
from ragcli.engines.record_parts import read
from ragcli.engines.tasks import file_tasks, line_tasks, record_tasks
from ragcli.engines.work import Lines, Settings
from ragcli.errors import ContractError, InputError, RagcliError, UsageError
from ragcli.indexing.states import States
from ragcli.indexing.writer import Writer
from ragcli.pipeline.plan import Loading, Splitting
from ragcli.records import Vector
from ragcli.report import Report
from ragcli.store import Table

MODEL = {"id": "m", "hash": "h", "dimension": 2}
CONTRACT = {"model": MODEL, "headings": False}


def lines_of(*numbers: int, source: str = "a.txt", **more) -> bytes:
    return jsonl(*(chunk(n, f"文本 text {n}", source, **more) for n in numbers))


# Tasks.


def test_files_are_found_in_the_driver_and_named_as_in_one_process(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for n in range(300):
        Path(f"docs/{n % 7}").mkdir(parents=True, exist_ok=True)
        Path(f"docs/{n % 7}/{n}.md").write_text(f"# 第 {n} 页\n", "utf-8")
    Path("docs/.gitignore").write_text("*.log\n")
    Path("docs/x.log").write_text("no")
    report = Report("load")
    tasks = file_tasks(["docs", "gone.txt"], Loading(exclude=["0/"]), report, slots=2)
    assert [task.number for task in tasks] == list(range(len(tasks)))
    assert len(tasks) > 4 and max(len(task.files) for task in tasks) <= 64
    found = [file for task in tasks for file in task.files]
    assert len(found) == len({file.name for file in found}) == 300 - len(range(0, 300, 7))
    assert all(file.name.startswith("docs/") and Path(file.path).is_absolute() for file in found)
    assert report.counts["files_failed"] == 1 and report.losses[-1]["source"] == "gone.txt"
    with pytest.raises(UsageError, match="no encoding"):
        file_tasks(["docs"], Loading(encoding="utf-99"), report)


def test_a_part_of_a_file_of_records_has_the_lines_that_begin_in_it(tmp_path: Path) -> None:
    data = b"".join(lines_of(n) for n in range(60)) + b"\n" + lines_of(60).rstrip(b"\n")
    path = tmp_path / "chunks.jsonl"
    path.write_bytes(data)
    for size in (1, 7, 100, 155, 1000, len(data)):
        tasks = record_tasks([str(path)], part=size)
        assert len(tasks) == -(-len(data) // size)
        if len(tasks) < 5000:
            assert [one.id for task in tasks for one in read(task, None)] == [f"chunk-{n}" for n in range(61)]


def test_records_of_parquet(tmp_path: Path) -> None:
    rows = [json.loads(line) for n in range(10) for line in lines_of(n).splitlines()]
    for row in rows:
        row["metadata"] = json.dumps({"jahr": row["start"]})
        row["vector"] = [1.0, 2.0]
        del row["type"]
    path = tmp_path / "v.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=3)
    tasks = record_tasks([str(path)])
    assert len(tasks) == 4
    found = [one for task in tasks for one in read(task, None)]
    assert [one.id for one in found] == [f"chunk-{n}" for n in range(10)]
    assert isinstance(found[3], Vector) and found[3].metadata == {"jahr": 3000} and found[3].vector == [1.0, 2.0]


def test_bad_records_are_named(tmp_path: Path) -> None:
    first, second = line_tasks([*lines_of(1, 2).splitlines(keepends=True), b"{broken\n", *[lines_of(3)]], rows=2)
    with pytest.raises(InputError, match="stdin, line 3"):
        list(read(second, None))
    report = Report("embed")
    assert [one.id for one in read(second, report)] == ["chunk-3"]
    assert report.failed and report.counts["bad_lines"] == 1 and "line 3" in report.losses[0]["reason"]
    assert len(list(read(first, None))) == 2
    with pytest.raises(InputError, match="no file"):
        record_tasks([str(tmp_path / "gone.jsonl")])
    with pytest.raises(UsageError, match="neither"):
        record_tasks([str(tmp_path / "x.csv")])


# Parcels.


def test_parcels_are_cut_in_the_same_places_again() -> None:
    task = Lines(3, "stdin", 1, lines_of(*range(1500)))
    answers = []

    def meet(number, keys, ends, states, splitters, over):
        answers.append((number, len(keys), over))
        return bytes(NEW if n % 3 else UNCHANGED for n in range(len(keys)))

    once = list(parcels(task, Settings(), 100, meet))
    again = list(parcels(task, Settings(), 100, meet))
    assert [orjson.dumps([one.id for one in parcel.items]) for parcel in once] == [
        orjson.dumps([one.id for one in parcel.items]) for parcel in again
    ]
    assert [parcel.after for parcel in once[:-1]] == [parcel.before for parcel in once[1:]]
    assert [parcel.part for parcel in once] == list(range(len(once))) and once[-1].last
    assert [len(parcel.items) for parcel in once] == [100] * 9 + [99]
    assert sum(counts.get("chunks_in", 0) for parcel in once for _, counts, _ in parcel.events) == 1500
    assert answers[-1][2] and len(answers) == 2 * 3


def test_an_error_is_the_last_parcels(tmp_path: Path) -> None:
    task = Lines(0, "stdin", 1, lines_of(1, 2) + b"nonsense\n")
    (only,) = parcels(task, Settings(), 100, lambda *a: bytes(len(a[1])))
    assert only.last and only.failure is not None
    assert isinstance(only.failure.error(), InputError) and "line 3" in only.failure.error().message


def test_files_become_chunks_by_the_stages(tmp_path: Path) -> None:
    from ragcli.loading import load
    from ragcli.splitting import split

    (tmp_path / "a.md").write_text("# 手册\n\n" + "保修期为两年。" * 300, "utf-8")
    (tmp_path / "b.txt").write_text("The warranty lasts two years. " * 100)
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.7 broken")
    tasks = file_tasks([str(tmp_path)], Loading(), Report("load"))
    settings = Settings().cutting(Splitting(size=200, overlap=20))
    made = [parcel for task in tasks for parcel in parcels(task, settings, 16, lambda *a: bytes(len(a[1])))]
    report = Report("load")
    expected = list(split(load([str(tmp_path)], report=report), size=200, overlap=20))
    assert [one for parcel in made for one in parcel.items] == expected and len(expected) > 20
    lost = [loss for parcel in made for stage, _, losses in parcel.events if stage == "load" for loss in losses]
    assert lost == report.losses and len(lost) == 1


# Who gets which chunk.


def test_claims_over_many_levels() -> None:
    claims = Claims()
    for n in range(400_000):
        claims.set(n * 7919, n)
    for n in range(0, 400_000, 1000):
        claims.set(n * 7919, -5 + 2 * n + 5)
    assert claims.get([7919 * n for n in (0, 1, 1000, 399_000, 399_999)]) == [0, 1, 2000, 798_000, 399_999]
    assert claims.get([1, 2, -7919]) == [-1, -1, -1]
    assert len(claims._levels) < 8


def keeper(folder: Path, **more) -> Keeper:
    return Keeper(str(folder), "kb", CONTRACT, again=more.pop("again", False), folder=str(folder))


def fill(folder: Path, *numbers: int, text: str = "old", source: str = "a.txt") -> None:
    table = Table.create(str(folder), "kb", {**CONTRACT, "metric": "cosine", "splitter": None})
    writer = Writer(table)
    vectors = [
        Vector.from_dict({**chunk(n, text, source), "type": "vector", "vector": [1.0, float(n)]}) for n in numbers
    ]
    list(writer.fresh(vectors))
    for vector in vectors:
        writer.add(vector)
    writer.finish()


def test_a_task_that_is_done_twice_gets_the_same_answers(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2)
    from ragcli.indexing.content import digest
    from ragcli.records import Chunk

    same = digest(Chunk.from_dict(chunk(1, "old")))
    keys = [("chunk-1", same), ("chunk-2", "other"), ("chunk-3", "x")]
    one = keeper(tmp_path)
    for _ in range(3):  # a lost worker's task, done again
        assert one.meet(5, keys, [], States(), {""}, False) == bytes([UNCHANGED, CHANGED, NEW])
    assert one.meet(6, keys, [], States(), {""}, False) == bytes([REPEATED] * 3)
    assert one.meet(5, keys, [], States(), {""}, False) == bytes([UNCHANGED, CHANGED, NEW])
    # The same id with other content: the later task's stays, whichever comes first.
    assert one.meet(4, [("chunk-3", "y")], [], States(), {""}, False) == bytes([REPEATED])
    assert one.meet(7, [("chunk-3", "z"), ("chunk-1", "z")], [], States(), {""}, False) == bytes([LATER, LATER])
    assert one.meet(7, [("chunk-3", "z"), ("chunk-1", "z")], [], States(), {""}, False) == bytes([LATER, LATER])
    assert keeper(tmp_path, again=True).meet(1, keys, [], States(), {""}, False) == bytes([CHANGED, CHANGED, NEW])


def test_the_keeper_makes_the_table_and_obeys_its_contract(tmp_path: Path) -> None:
    one = keeper(tmp_path)
    assert one.state() is None
    one.meet(0, [("a", "x")], [], States(), {"structure/2 size=800"}, False)
    assert Table.open(str(tmp_path), "kb").contract["splitter"] == "structure/2 size=800"
    with pytest.raises(ContractError, match="size=100"):
        one.meet(1, [("b", "x")], [], States(), {"structure/2 size=100"}, False)
    with pytest.raises(ContractError, match="embedding model"):
        Keeper(str(tmp_path), "kb", {**CONTRACT, "model": {**MODEL, "hash": "i"}}, again=False, folder=str(tmp_path))


@pytest.mark.parametrize("whole", [True, False])
def test_a_document_over_three_tasks_is_whole_when_its_end_came(tmp_path: Path, whole: bool) -> None:
    fill(tmp_path, 1, 2, 9)
    one = keeper(tmp_path)
    ends = [("a.txt", "document-a.txt", False)]
    one.meet(1, [], ends, States(), set(), True)  # in whatever order
    one.meet(2, [], [("a.txt", "document-a.txt", whole), ("b.txt", "b", True)], States(), set(), True)
    one.meet(0, [("chunk-1", "new")], [("z.txt", "z", True), *ends], States(), {""}, True)
    report = Report("embed")
    one.finish(report)
    kinds = [loss["kind"] for loss in report.losses]
    assert (report.counts["chunks_replaced"], kinds) == ((2, []) if whole else (0, ["warning"]))


# The books.


def test_the_ledger_sees_what_is_missing_or_does_not_follow() -> None:
    books = Ledger(range(4))
    assert books.book(0, 0, b"a", b"b", False) and books.book(0, 1, b"b", b"c", True)
    assert books.book(1, 1, b"b", b"c", True)  # its first part is missing
    assert books.book(2, 0, b"a", b"b", False) and books.book(2, 1, b"X", b"c", True)  # another worker's other content
    assert not books.book(2, 1, b"b", b"c", True)
    assert not books.book(0, 0, b"a", b"b", False)
    assert books.open() == [1, 2, 3]
    assert books.book(1, 0, b"a", b"b", False)
    assert books.open() == [2, 3]


# Sizes.


@pytest.mark.parametrize("cpus", [1, 2, 3, 4, 7, 64])
@pytest.mark.parametrize("gpus", [0, 0.5, 1, 2])
def test_a_worker_and_a_loader_always_fit(cpus: int, gpus: float) -> None:
    made = sizes(cpus, gpus)
    assert made.embedders >= 1 and made.loaders >= 1
    assert made.embedders * made.embed_cpus + made.loaders * made.load_cpus <= cpus + 1e-9
    assert made.embedders * made.embed_gpus <= gpus


def test_too_little_is_said() -> None:
    for cpus in (0, 0.5):
        with pytest.raises(RagcliError, match="offers"):
            sizes(cpus, 0)
    with pytest.raises(UsageError, match="do not fit"):
        sizes(2, 0, workers=3)
    with pytest.raises(RagcliError, match="no GPU"):
        sizes(2, 0, device="cuda")
