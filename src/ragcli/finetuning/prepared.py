"""Encoded rows on disk: written once, before the model is loaded, and mapped into memory by every process.

Beside each file of rows stands one that says where they came from, so that a message can name the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragcli.finetuning.trainer import LENGTH, ROW
from ragcli.records import Json

_BLOCK = 256  # rows in a batch of the file
_NOT_WRITTEN = ("place", "empty", "cut")
TRAIN, EVALUATION = "train", "evaluation"


@dataclass(slots=True)
class Written:
    """What was written.

    Args:
        rows: that are trained on.
        empty: rows of which nothing was left to learn.
        tokens: of the rows.
        longest: tokens of the longest row.
        cut_rows: rows that lost tokens.
        cut_tokens: tokens that were lost.
        trained: tokens that are learnt.
        empty_places: where the first empty rows stand.
    """

    rows: int = 0
    empty: int = 0
    tokens: int = 0
    longest: int = 0
    cut_rows: int = 0
    cut_tokens: int = 0
    trained: int = 0
    empty_places: list[str] = field(default_factory=list)


def path_of(work: Path, name: str) -> Path:
    """Return the file of a part of the data."""
    return work / f"{name}.arrow"


def write(rows: Iterable[Json], work: Path, name: str, on_row: Callable[[Json], None] | None = None) -> Written:
    """Write rows as a recipe encodes them; return what became of them.

    Args:
        rows: see `ragcli.finetuning.recipe.Recipe.encode`.
        work: the folder.
        name: ``train`` or ``evaluation``.
        on_row: is told each row.
    """
    done = Written()
    work.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        places = stack.enter_context((work / f"{name}.places").open("w", encoding="utf-8"))
        sink = _Sink(path_of(work, name))
        stack.callback(sink.close)
        for row in rows:
            if on_row is not None:
                on_row(row)
            cut = row.get("cut", 0)
            done.cut_rows += bool(cut)
            done.cut_tokens += cut
            if row.get("empty"):
                done.empty += 1
                if len(done.empty_places) < 10:
                    done.empty_places.append(row["place"])
                continue
            bare = {key: value for key, value in row.items() if key not in _NOT_WRITTEN}
            sink.add({**bare, ROW: done.rows})
            places.write(row["place"].replace("\n", " ") + "\n")
            done.rows += 1
            done.tokens += row[LENGTH]
            done.trained += sum(label >= 0 for label in row.get("labels", ()))
            done.longest = max(done.longest, row[LENGTH])
    return done


class _Sink:
    """An Arrow stream, whose columns are those of the first row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: list[Json] = []
        self._writer: Any = None
        self._schema: Any = None

    def add(self, row: Json) -> None:
        self._kept.append(row)
        if len(self._kept) >= _BLOCK:
            self._flush()

    def close(self) -> None:
        self._flush()
        if self._writer is None:  # no row at all
            self._path.unlink(missing_ok=True)
        else:
            self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._kept:
            return
        if self._writer is None:
            self._schema = pa.schema([(name, _type(pa, name, value)) for name, value in self._kept[0].items()])
            self._writer = pa.ipc.new_stream(str(self._path), self._schema)
        self._writer.write_batch(pa.RecordBatch.from_pylist(self._kept, schema=self._schema))
        self._kept = []


def _type(pa: Any, name: str, value: object) -> Any:
    number = pa.int64() if name.endswith(("_id", "_ids")) else pa.int32()  # ids are hashes
    if isinstance(value, bool):
        return pa.bool_()
    if isinstance(value, int):
        return number
    if isinstance(value, float):
        return pa.float32()
    if isinstance(value, list):
        first = value[0] if value else None
        return pa.list_(pa.string() if isinstance(first, str) else pa.float32() if isinstance(first, float) else number)
    return pa.large_string()


def read(work: Path, name: str) -> Any:
    """Return a part of the data as a `datasets.Dataset`, mapped into memory; None where there is none."""
    from datasets import Dataset

    path = path_of(work, name)
    return Dataset.from_file(str(path)) if path.is_file() else None


def read_rows(work: Path, name: str) -> Iterator[Json]:
    """Yield the rows of a part with their places."""
    import pyarrow as pa

    places = (work / f"{name}.places").open(encoding="utf-8")
    with places, pa.memory_map(str(path_of(work, name))) as source, pa.ipc.open_stream(source) as stream:
        for batch in stream:
            for row in batch.to_pylist():
                row.pop(ROW)
                yield {**row, "place": next(places).rstrip("\n")}


def place_of(work: Path, name: str) -> Callable[[int], str]:
    """Return what tells where a row stands."""

    def place(row: int) -> str:
        with (work / f"{name}.places").open(encoding="utf-8") as stream:
            for at, line in enumerate(stream):
                if at == row:
                    return line.rstrip("\n")
        return f"row {row + 1}"

    return place


def recut(work: Path, name: str, cut: Callable[[Json], tuple[Json, int]]) -> Written:
    """Write a part again with its rows cut."""
    whole = path_of(work, name).rename(work / f"{name}.whole.arrow")
    places = (work / f"{name}.places").rename(work / f"{name}.whole.places")

    def shorter() -> Iterator[Json]:
        for row in read_rows(work, f"{name}.whole"):
            made, lost = cut(row)
            yield {**made, "cut": lost}

    done = write(shorter(), work, name)
    whole.unlink()
    places.unlink()
    return done


def pack(work: Path, name: str, length: int, strategy: str) -> int:
    """Put rows together into sequences of at most ``length`` tokens, by TRL; return how many sequences there are.

    Which rows a sequence holds is kept token by token.
    """
    from trl import pack_dataset

    path = path_of(work, name)
    data = read(work, name)

    def rows_by_token(batch: Json) -> Json:
        return {"rows": [[row] * len(ids) for row, ids in zip(batch[ROW], batch["input_ids"], strict=True)]}

    apart = path.with_suffix(".cache")
    by_token = data.map(rows_by_token, batched=True, cache_file_name=str(apart), features=None)
    packed = pack_dataset(
        by_token.select_columns(["input_ids", "labels", "rows"]),
        length,
        strategy,
        {"cache_file_name": str(path.with_suffix(".packed"))},
    )
    sink = _Sink(path.with_suffix(".new"))
    for row in packed:
        ids = row["input_ids"]
        sink.add({"input_ids": ids, "labels": row["labels"], "seq_lengths": row["seq_lengths"], ROW: row["rows"]})
    sink.close()
    count = len(packed)
    del data, by_token, packed
    path.with_suffix(".new").replace(path)
    apart.unlink(missing_ok=True)
    path.with_suffix(".packed").unlink(missing_ok=True)
    return count
