"""The load stage: inputs to documents, with every failure named and counted."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from ragcli.errors import LoadError, MissingExtraError, UsageError
from ragcli.loading.discover import Walker
from ragcli.loading.item import Item, Options
from ragcli.loading.kinds import kind_of, loader
from ragcli.loading.web import fetch, is_url
from ragcli.records import Document
from ragcli.report import Report

_BLOCK = 1 << 16
_MEDIA = {"text/html": "html", "application/xhtml+xml": "html", "application/json": "json", "text/csv": "csv"}


def paths_from(stream: IO[bytes], *, null: bool = False) -> Iterator[str]:
    """Yield the paths that a binary stream lists, one a line, or ended by NUL."""
    mark = b"\0" if null else b"\n"
    rest = b""
    while block := stream.read(_BLOCK) if null else stream.readline():
        *whole, rest = (rest + block).split(mark)
        for path in whole:
            path = path if null else path.removesuffix(b"\r")
            if path:
                yield os.fsdecode(path)
    if rest:
        yield os.fsdecode(rest)


def load(
    inputs: Iterable[str | Path],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    gitignore: bool = True,
    hidden: bool = False,
    encoding: str | None = None,
    text_field: str | None = None,
    id_field: str | None = None,
    title_field: str | None = None,
    report: Report | None = None,
) -> Iterator[Document]:
    """Read files, folders and http(s) addresses into documents.

    A file that cannot be read is recorded in the report as failed, and the rest goes on.

    Raises:
        UsageError: the encoding is not known.
    """
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except LookupError as error:
            raise UsageError(f"there is no encoding named {encoding!r}.", hint="Such as gb18030 or big5.") from error
    report = report if report is not None else Report("load")
    options = Options(encoding, text_field, id_field, title_field)
    return _load(inputs, options, Walker(report, include, exclude, gitignore, hidden), report)


def _load(inputs: Iterable[str | Path], options: Options, walker: Walker, report: Report) -> Iterator[Document]:
    for given in map(str, inputs):
        if is_url(given):
            yield from _one(Item(given, None, options, report), True)
        elif Path(given).is_dir():
            for found in walker.files(given):
                if isinstance(found, LoadError):
                    report.lose("failed", given, found.message)
                else:
                    yield from _file(*found, options, walker, False)
        else:
            yield from _file(given, Path(given), options, walker, True)


def _file(source: str, path: Path, options: Options, walker: Walker, named: bool) -> Iterator[Document]:
    try:
        fresh = walker.fresh(path)
    except (OSError, ValueError) as error:
        _fail(walker.report, source, getattr(error, "strerror", None) or str(error))
        return
    if fresh:
        yield from _one(Item(source, path, options, walker.report), named)
    else:
        walker.skip(source, "the same file was read before")


def _fail(report: Report, source: str, reason: str) -> None:
    report.count("files_seen")
    report.count("files_failed")
    report.lose("failed", source, reason)


def _one(item: Item, named: bool) -> Iterator[Document]:
    report, kind, media = item.report, None, ""
    try:
        if item.path is None:
            item.data, item.charset, media = fetch(item.source)
        elif not item.path.is_file():
            item.read()  # a pipe, as of <(command), can be read only once
        kind = kind_of(item)
        if kind == "text":
            kind = _MEDIA.get(media, kind)
        if kind is None:
            reason = "a binary file of no known format"
            if named:
                raise LoadError(f"{item.source}: {reason}.")
            report.count("files_seen")
            report.count("files_skipped")
            report.lose("skipped", item.source, reason)
            return
        for document in loader(kind)(item):
            report.count("documents")
            yield document
    except (LoadError, MissingExtraError) as error:
        reason = error.message.removeprefix(f"{item.source}: ")
        _fail(report, item.source, f"{reason} {error.hint}" if error.hint else reason)
    except OSError as error:
        _fail(report, item.source, error.strerror or str(error))
    except (MemoryError, RecursionError) as error:
        _fail(report, item.source, f"not readable as {kind} ({type(error).__name__}).")
    except Exception as error:  # noqa: BLE001 - parsers raise anything on broken files; the rest must go on
        _fail(report, item.source, f"not readable as {kind} ({type(error).__name__}: {error}).")
    else:
        report.count("files_seen")
        report.count("files_loaded")
