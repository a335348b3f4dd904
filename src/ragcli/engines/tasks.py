"""The driver's side of the input: what there is, in tasks that workers can do one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.engines.record_parts import file_system
from ragcli.engines.work import Files, Lines, Part
from ragcli.errors import UsageError
from ragcli.loading.discovery import Discovery, Found
from ragcli.loading.reading import end, why
from ragcli.loading.source import Options
from ragcli.report import Report

if TYPE_CHECKING:
    from ragcli.pipeline.plan import Loading

_MOST_FILES = 64  # of a task: a lost worker does one again
_MOST_BYTES = 32 << 20
_PART = 16 << 20  # bytes of JSON Lines in a task


def file_tasks(
    inputs: Iterable[str],
    loading: Loading,
    report: Report,
    *,
    slots: int = 1,
    new_to: Callable[[Found, Options], bool] | None = None,
    outputs: Sequence[Path] = (),
) -> list[Files]:
    """Find the files of inputs, as `ragcli.loading.load` would, and put them into tasks in their order.

    Args:
        inputs: paths and addresses.
        loading: which files of folders are wanted, and how they are read.
        report: where what is left out is counted and named.
        slots: how many tasks the cluster does at once: there are a few for each, where there are files enough.
        new_to: whether a table holds a file as it is; such files are left out.
        outputs: files that the caller writes meanwhile; they are left out.

    Raises:
        UsageError: an encoding or a glob that is none.
    """
    discovery = Discovery(
        include=loading.include, exclude=loading.exclude, gitignore=loading.gitignore, hidden=loading.hidden,
        follow_links=loading.follow_links, report=report, outputs=outputs,
    )  # fmt: skip
    loading.documents((), report=Report("load"))  # an encoding that is none is said here
    options = Options(
        encoding=loading.encoding, text_field=loading.text_field, id_field=loading.id_field,
        title_field=loading.title_field, password=loading.password, ocr=loading.ocr,
        keep_headers=loading.keep_headers, mark=new_to is not None,
    )  # fmt: skip
    found = list(_wanted(inputs, discovery, report, new_to, options))
    most = max(1, min(_MOST_FILES, len(found) // (4 * slots)))
    tasks: list[Files] = []
    now: list[Found | str] = []
    size = 0
    for one, bytes_ in found:
        if now and (len(now) >= most or size + bytes_ > _MOST_BYTES):
            tasks.append(Files(len(tasks), tuple(now)))
            now, size = [], 0
        now.append(one)
        size += bytes_
    if now:
        tasks.append(Files(len(tasks), tuple(now)))
    return tasks


def _wanted(
    inputs: Iterable[str],
    discovery: Discovery,
    report: Report,
    new_to: Callable[[Found, Options], bool] | None,
    options: Options,
) -> Iterator[tuple[Found | str, int]]:
    addresses: set[str] = set()
    for given in inputs:
        if given.lower().startswith(("http://", "https://")):
            if given not in addresses:
                addresses.add(given)
                yield given, 0
            continue
        for found in discovery.find(given):
            try:
                if found.lost:
                    end(report, found.lost[0], found.name, found.lost[1])
                elif not found.regular:
                    end(report, "failed", found.name, "a pipe can be read by one process only; write it to a file")
                elif new_to is not None and new_to(found, options):
                    report.count("files_unchanged")
                    end(report, "skipped", found.name, "unchanged in the table")
                elif found.status is not None:
                    yield found, found.status[0]
                else:
                    path = os.path.abspath(found.path)  # noqa: PTH100  workers are in other folders
                    yield replace(found, path=path), os.stat(path).st_size  # noqa: PTH116
            except OSError as error:
                end(report, "failed", found.name, why(error))


def line_tasks(stream: Iterable[bytes], *, name: str = "stdin", rows: int = 2048) -> Iterator[Lines]:
    """Put the lines of a stream into tasks of so many rows, or of 4 MB."""
    data: list[bytes] = []
    size, number, first, at = 0, 0, 1, 1
    for at, line in enumerate(stream, 1):
        if not data:
            first = at
        data.append(line)
        size += len(line)
        if len(data) >= rows or size >= 4 << 20:
            yield Lines(number, name, first, b"".join(data))
            data, size, number = [], 0, number + 1
    if data:
        yield Lines(number, name, first, b"".join(data))


def record_tasks(uris: Sequence[str], *, part: int = _PART) -> list[Part]:
    """Put files of records (JSON Lines, Parquet; on disk or object storage) into tasks, large ones into several.

    Args:
        uris: paths and URIs.
        part: bytes of JSON Lines in a task; Parquet is cut at its row groups.

    Raises:
        UsageError: a file is of neither kind.
        InputError: a file is not there or cannot be read.
    """
    tasks: list[Part] = []
    for uri in uris:
        name = uri.lower()
        if name.endswith((".jsonl", ".ndjson")):
            system, path = file_system(uri)
            size = int(system.get_file_info(path).size)
            for start in range(0, size, part):
                tasks.append(Part(len(tasks), _absolute(uri), "jsonl", start, min(size, start + part)))
        elif name.endswith(".parquet"):
            from pyarrow import parquet

            system, path = file_system(uri)
            with parquet.ParquetFile(path, filesystem=system) as file:
                groups = file.metadata.num_row_groups
            tasks.extend(
                Part(number, _absolute(uri), "parquet", group, group + 1)
                for number, group in enumerate(range(groups), len(tasks))
            )
        else:
            raise UsageError(f"{uri} is neither .jsonl nor .parquet.", hint="Records come in files of these two kinds.")
    return tasks


def _absolute(uri: str) -> str:
    return uri if "://" in uri else os.path.abspath(uri)  # noqa: PTH100  workers are in other folders
