"""Whether the table holds its files as they are now: changed, deleted and moved ones, and documents that lack a part.

A file whose state the table keeps (``load --new-to``) is compared as ``load --new-to`` does. Of others, what ragcli's
own code reads quickly is loaded again and compared by its documents' ids, which are made of name and text; the rest is
judged by its time alone.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ragcli.diagnosing.integrity_rows import Rows, Tally
from ragcli.errors import RagcliError
from ragcli.loading import Limits, load
from ragcli.loading.formats import identify
from ragcli.loading.known import same_content
from ragcli.loading.reading import how
from ragcli.loading.source import Options, Source
from ragcli.records import Json
from ragcli.report import Report
from ragcli.store import Table, is_remote, table_uri

_MOST_BYTES = 256 << 20  # of files that are loaded again
_WALKED = 50_000  # files that are looked at for what moved


@dataclass(slots=True)
class Files:
    """What became of the files: each in one of the tallies, or as it was."""

    looked_at: int = 0
    changed: Tally = field(default_factory=Tally)
    gone: Tally = field(default_factory=Tally)
    maybe: Tally = field(default_factory=Tally)  # newer than the table, and not compared
    other: Tally = field(default_factory=Tally)  # loaded with other options, most likely
    lacking: Tally = field(default_factory=Tally)  # documents without their beginning or end, or not there at all
    moved: dict[str, str] = field(default_factory=dict)  # old -> new
    by_time: int = 0  # judged by their time alone


def look(table: Table, rows: Rows) -> Files:
    """Compare the files that the table names with those on disk.

    Args:
        table: the table.
        rows: what was read of it.
    """
    found = Files(looked_at=len(rows.files))
    written = _written(table)
    groups = _documents(rows)
    left = _MOST_BYTES
    plainly = how(Options())
    for number, name in enumerate(rows.files):
        try:
            status = os.stat(name)  # noqa: PTH116
        except (OSError, ValueError):
            found.gone.add(name, name)
            continue
        states = rows.marks.get(name, [])
        marked = len(states) == 1
        if marked and not _same(name, states[0]):
            found.changed.add(name, name)
            continue
        if (marked and states[0].get("how") != plainly) or not stat.S_ISREG(status.st_mode):
            continue
        if status.st_size <= left and number not in rows.foreign and _is_light(name):
            left -= status.st_size
            newer = [written is not None and time > written for time in (status.st_mtime, status.st_ctime)]
            _compare(name, groups.get(number, {}), (False, False) if marked else (newer[0], any(newer)), found)
        elif not marked:
            found.by_time += 1
            if written is not None and status.st_mtime > written:
                found.maybe.add(name, name)
    if found.gone.count and found.gone.count < len(rows.files):
        found.moved = _moved(rows, list(found.gone.sources))
    return found


def _same(name: str, state: Json) -> bool:
    try:
        return same_content(name, state)
    except OSError:
        return False


def _written(table: Table) -> float | None:
    """Return when the table's last data file was written; None where that cannot be known."""
    if is_remote(table.db):
        return None
    folder = Path(table_uri(table.db, table.name), "data")
    times = []
    for fragment in table.dataset.get_fragments():
        for one in fragment.data_files():
            try:
                times.append((folder / one.path).stat().st_mtime)
            except OSError:
                continue
    return max(times, default=None)


def _documents(rows: Rows) -> dict[int, dict[int, tuple[int, int]]]:
    """Return of each file its documents (hashes of their ids), with where the first chunk starts and the last ends."""
    columns = rows.columns
    out: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for file, document, start, end in zip(
        *(columns[name].tolist() for name in ("file", "document", "start", "end")), strict=True
    ):
        if file >= 0:
            low, high = out[file].get(document, (start, end))
            out[file][document] = (min(low, start), max(high, end))
    return out


def _is_light(name: str) -> bool:
    """Whether ragcli's own code reads a file, in this process."""
    try:
        return identify(_source(name)).light
    except (RagcliError, OSError):
        return False


def _source(name: str) -> Source:
    return Source(name, options=Options(), report=Report("diagnose", keep=False), path=Path(name))


def _compare(name: str, held: dict[int, tuple[int, int]], newer: tuple[bool, bool], found: Files) -> None:
    """Load a file again and compare its documents with those that the table holds of it.

    Args:
        name: the file.
        held: what the table holds of each document.
        newer: whether the file was written after the table, and whether it came there after it: with its time kept.
        found: takes the result.
    """
    left = dict(held)
    missing: list[str] = []
    cut: list[str] = []
    report = Report("diagnose", keep=False)
    try:
        for document in load([name], limits=Limits(jobs=0), gitignore=False, hidden=True, report=report):
            text = document.text
            end = len(text.rstrip())
            if not end:
                continue
            extent = left.pop(hash(document.id), None)
            if extent is None:
                missing += [document.source] if hash(document.id) not in held else []
            elif extent[0] > len(text) - len(text.lstrip()) or extent[1] < end:
                cut.append(document.source)
    except (RagcliError, OSError):
        found.by_time += 1
        if newer[0]:
            found.maybe.add(name, name)
        return
    if left:
        options = len(held) > 1 and len(left) == len(held)  # not one row is as it was: another field, most likely
        (found.other if options or not newer[1] else found.changed).add(name, name)
        return
    if missing and newer[0]:
        found.changed.add(name, name)
        return
    for source in missing:
        found.lacking.add(source, name, "documents that are not there")
    for source in cut:
        found.lacking.add(source, name, "documents without their beginning or end")


def _moved(rows: Rows, gone: Sequence[str]) -> dict[str, str]:
    """Return where files that are gone are now: of the same content where it is known, else of the same name."""
    here = {name for name in rows.files if name not in set(gone)}
    by_name: dict[str, list[str]] = defaultdict(list)
    by_size: dict[int, list[str]] = defaultdict(list)
    sizes = {rows.marks[name][0]["size"] for name in gone if rows.marks.get(name)}
    names = {os.path.basename(name) for name in gone}  # noqa: PTH119
    for path in _walk({os.path.dirname(name) for name in rows.files}, here):  # noqa: PTH120
        if os.path.basename(path) in names:  # noqa: PTH119
            by_name[os.path.basename(path)].append(path)  # noqa: PTH119
        if sizes:
            try:
                size = os.stat(path).st_size  # noqa: PTH116
            except OSError:
                continue
            if size in sizes:
                by_size[size].append(path)
    out: dict[str, str] = {}
    for name in gone:
        states = rows.marks.get(name)
        if states:
            same = [path for path in by_size[states[0]["size"]] if _same(path, states[0])]
        else:
            same = by_name[os.path.basename(name)]  # noqa: PTH119
        if len(same) == 1:
            out[name] = same[0]
    return out


def _walk(folders: set[str], known: set[str]) -> Iterator[str]:
    """Yield files below the folders that the table does not have."""
    seen = 0
    tops = sorted(folder for folder in folders if not any(other != folder and _in(folder, other) for other in folders))
    for top in tops:
        for place, below, files in os.walk(top or "."):
            below[:] = [name for name in below if not name.startswith(".")]
            for name in files:
                seen += 1
                if seen > _WALKED:
                    return
                path = os.path.normpath(os.path.join(place, name))  # noqa: PTH118
                if path not in known:
                    yield path


def _in(folder: str, other: str) -> bool:
    return other == "" or folder.startswith(other.rstrip("/") + "/")
