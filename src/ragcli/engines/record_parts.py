"""Records of one task: lines that the driver sent, a part of a file of JSON Lines, or row groups of Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragcli.errors import InputError, LoadError
from ragcli.jsonl import loads, records
from ragcli.loading import buckets
from ragcli.loading.buckets import is_address
from ragcli.records import Chunk, Document, Json, Record, Vector
from ragcli.store.remote import clean

if TYPE_CHECKING:
    from ragcli.engines.work import Lines, Part
    from ragcli.report import Report

_JSON_COLUMNS = ("metadata", "extra", "spans")


def file_system(uri: str) -> tuple[Any, str]:
    """Return pyarrow's file system of a path or URI, and the path in it.

    Raises:
        InputError: there is no such file, or no way to it.
    """
    from pathlib import Path

    from pyarrow import ArrowException, fs

    try:
        if is_address(uri):
            system, path = buckets.file_system(uri)
        elif "://" in uri:
            system, path = fs.FileSystem.from_uri(uri)
        else:
            system, path = fs.LocalFileSystem(), str(Path(uri).absolute())
        if system.get_file_info(path).type is not fs.FileType.File:
            raise InputError(f"there is no file {uri}.")
    except (OSError, ValueError, LoadError, ArrowException) as error:
        if isinstance(error, LoadError):
            raise InputError(f"{clean(uri)}: {error.message}", hint=error.hint) from error
        if is_address(uri):
            said = buckets.failure(error, uri)
            raise InputError(f"{uri}: {said.message}", hint=said.hint) from error
        raise InputError(f"{uri} cannot be read: {' '.join(str(error).split())[:300]}.") from error
    return system, path


def read(task: Lines | Part, skipped: Report | None, *, documents: bool = False) -> Iterator[Record]:
    """Yield the records of a task: documents, chunks or vectors.

    Args:
        task: what to read.
        skipped: where bad lines are counted and named; None: the first one ends the run.
        documents: whether only documents are records here.

    Raises:
        InputError: a line or row is no such record; it names the line as far as that can be known.
    """
    from ragcli.engines.work import Lines

    name = task.name if isinstance(task, Lines) else task.uri

    def on_bad(error: InputError) -> None:
        assert skipped is not None
        skipped.count("bad_lines")
        skipped.lose("failed", name, error.message.removeprefix(f"{name}, "))

    def lines() -> Iterator[bytes]:
        if isinstance(task, Lines):
            yield from _numbered(task)
        else:
            yield from _part(task)

    if not isinstance(task, Lines) and task.form == "parquet":
        yield from _rows(task, skipped)
        return
    called = name if isinstance(task, Lines) or not task.start else f"{name} from byte {task.start}"
    bad = None if skipped is None else on_bad
    if documents:
        yield from records(lines(), Document, name=called, on_bad=bad)
    else:
        yield from records(lines(), Chunk, Vector, Document, name=called, on_bad=bad)


def _numbered(task: Lines) -> Iterator[bytes]:
    """Yield a task's lines after as many empty ones as came before it, so that an error names the true line."""
    for _ in range(task.first - 1):
        yield b"\n"
    yield from task.data.splitlines(keepends=True) if b"\r" not in task.data else _split(task.data)


def _split(data: bytes) -> Iterator[bytes]:
    for line in data.split(b"\n"):
        yield line + b"\n"


def _part(task: Part) -> Iterator[bytes]:
    """Yield the lines that begin between two bytes of a file."""
    system, path = file_system(task.uri)
    try:
        with io.BufferedReader(system.open_input_file(path), 1 << 20) as stream:
            at = 0
            if task.start:
                stream.seek(task.start - 1)  # a line that begins at the very start is this part's
                at = task.start - 1 + len(stream.readline())
            while at < task.end:
                line = stream.readline()
                if not line:
                    return
                at += len(line)
                yield line
    except OSError as error:
        raise InputError(f"{task.uri} cannot be read: {error}.") from error


def _rows(task: Part, skipped: Report | None) -> Iterator[Record]:
    import pyarrow as pa
    from pyarrow import parquet

    system, path = file_system(task.uri)
    kinds: dict[str, type[Record]] = {kind.type: kind for kind in (Document, Chunk, Vector)}
    try:
        with parquet.ParquetFile(path, filesystem=system) as file:
            for batch in file.iter_batches(batch_size=512, row_groups=list(range(task.start, task.end))):
                for row in batch.to_pylist():
                    try:
                        value = _record(row)
                        yield kinds[value["type"]].from_dict(value)
                    except (InputError, KeyError, ValueError) as error:
                        said = error.message if isinstance(error, InputError) else str(error)
                        bad = f"a row of the row groups {task.start} to {task.end - 1}: {said}"
                        if skipped is None:
                            raise InputError(f"{task.uri}: {bad}.") from error
                        skipped.count("bad_lines")
                        skipped.lose("failed", task.uri, bad)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{task.uri} cannot be read: {' '.join(str(error).split())[:300]}.") from error


def _record(row: Json) -> Json:
    """Make a record's object of a row: columns of JSON are read, and the type is told by what is there."""
    value = {name: item for name, item in row.items() if item is not None}
    for name in _JSON_COLUMNS:
        if isinstance(value.get(name), (str, bytes)):
            text = value[name]
            value[name] = loads(text.encode() if isinstance(text, str) else text)
    value.update(value.pop("extra", None) or {})
    for name in ("search_text", "digest"):  # a table's own columns
        value.pop(name, None)
    if "type" not in value:
        value["type"] = "vector" if "vector" in value else "chunk" if "document_id" in value else "document"
    return value
