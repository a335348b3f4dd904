"""Tables as training data: each row of a Parquet or CSV file is an object whose keys are the names of the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from ragcli.errors import InputError
from ragcli.finetuning.data.forms import MEND
from ragcli.finetuning.data.rows import Place, RowError
from ragcli.records import Json

_ROWS = 256  # of a Parquet file at once
_MOST_FIELD = 1 << 26  # characters


def parquet_items(path: Path, name: str) -> Iterator[tuple[Place, Json | RowError]]:
    """Yield the rows of a Parquet file; their places count rows from 1.

    Args:
        path: the file.
        name: what it is called in messages.

    Raises:
        InputError: it is damaged, or no Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield Place(name, number), {key: value for key, value in row.items() if value is not None}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"{name} cannot be read as Parquet behind row {number}: {str(error).splitlines()[0]}"
        ) from error


def csv_items(blocks: Iterable[str], name: str, mark: str) -> Iterator[tuple[Place, Json | RowError]]:
    """Yield the rows of a table of text; the first line names the columns, and places are those of lines.

    Args:
        blocks: the file's characters.
        name: what it is called in messages.
        mark: what stands between two fields.

    Raises:
        InputError: it has no names of columns, or two that are the same, or a quotation mark that is never closed.
    """
    csv.field_size_limit(_MOST_FIELD)
    reader = csv.reader(_lines(blocks), delimiter=mark, strict=True)
    try:
        names = [one.strip() for one in next(reader, [])]
        if not any(names):
            raise InputError(f"{name}:1: the first line should name the columns, as in: instruction,input,output.")
        if len(set(names)) < len(names):
            raise InputError(f"{name}:1: two columns have the same name.")
        begins = reader.line_num + 1
        for fields in reader:
            place, begins = Place(name, begins), reader.line_num + 1
            if not any(fields):
                continue
            if len(fields) != len(names):
                said = f"{place}: there are {len(fields)} fields, and {len(names)} columns."
                yield place, RowError(said, "form", hint=MEND)
                continue
            yield place, dict(zip(names, fields, strict=True))
    except csv.Error as error:
        raise InputError(f"{name}:{reader.line_num}: {error}.", hint="Write it as JSON Lines instead.") from error


def _lines(blocks: Iterable[str]) -> Iterator[str]:
    rest = ""
    for block in blocks:
        *lines, rest = (rest + block).split("\n")
        yield from (line + "\n" for line in lines)
    if rest:
        yield rest
