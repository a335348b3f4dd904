"""The load stage: inputs to documents, one file at a time, whatever a single file does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ragcli.errors import LoadError, UsageError
from ragcli.loading.discovery import Discovery, Found
from ragcli.loading.encodings import canonical
from ragcli.loading.formats import NoLoaderError, identify, loader
from ragcli.loading.source import Options, Source
from ragcli.records import Document
from ragcli.report import Report

_URL = re.compile(r"https?://", re.I)
_STREAM_LIMIT = 1 << 30  # bytes of a pipe or device that is named like a file


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
    """Turn files, folders and http(s) addresses into documents, in a fixed order.

    A file that cannot be read is reported as a failure and the rest goes on. Without a report, losses are
    logged as warnings of the logger ``ragcli.loading``. The report counts ``files_seen`` = ``files_loaded`` +
    ``files_failed`` + ``files_skipped``, ``documents``, and ``ignored`` (what hidden names, .gitignore and
    globs left out of folders, whole folders counted once).

    Args:
        inputs: paths and addresses; a document's source is the path as given, without redundant ``./``.
        include: globs as in .gitignore; with any, only files that match one.
        exclude: globs as in .gitignore of files and folders to leave out.
        gitignore: leave out what .gitignore files name.
        hidden: read files and folders whose name starts with a dot too.
        encoding: of text that neither a byte order mark nor valid UTF-8 explains; detected where not given.
        text_field: the field of JSON, JSON Lines and CSV that holds the text.
        id_field: the field that holds the given id, which goes to ``metadata.id``.
        title_field: the field that holds the title.
        report: where counts and losses go.

    Raises:
        UsageError: an encoding or a glob that is none.
    """
    if encoding is not None and canonical(encoding) is None:
        raise UsageError(f"there is no encoding called {encoding!r}.", hint="For example: gb18030, big5, utf-16-le.")
    if isinstance(inputs, (str, Path)):
        inputs = (inputs,)
    report = Report("load", _log) if report is None else report
    discovery = Discovery(include=include, exclude=exclude, gitignore=gitignore, hidden=hidden, report=report)
    options = Options(encoding=encoding, text_field=text_field, id_field=id_field, title_field=title_field)
    return _documents(inputs, discovery, options, report)


def _log(kind: str, source: str, reason: str) -> None:
    import logging

    logging.getLogger("ragcli.loading").warning("%s: %s: %s", source, kind, reason)


def _documents(
    inputs: Iterable[str | Path], discovery: Discovery, options: Options, report: Report
) -> Iterator[Document]:
    addresses: set[str] = set()
    for given in inputs:
        if isinstance(given, str) and _URL.match(given):
            if given not in addresses:
                addresses.add(given)
                yield from _address(given, options, report)
            continue
        for found in discovery.find(given):
            if found.lost is not None:
                kind, reason = found.lost
                _end(report, kind, found.name, reason)
            else:
                yield from _file(found, options, report)


def _address(given: str, options: Options, report: Report) -> Iterator[Document]:
    from ragcli.loading.web import fetch, without_password

    name = without_password(given)
    try:
        answer = fetch(given)
    except LoadError as error:
        _end(report, "failed", name, error.message)
        return
    yield from _read(
        Source(
            name,
            options=options,
            report=report,
            data=answer.data,
            media_type=answer.media_type,
            charset=answer.charset,
        ),
        report,
    )


def _file(found: Found, options: Options, report: Report) -> Iterator[Document]:
    data = None
    if not found.regular:
        try:
            with Path(found.path).open("rb") as stream:
                data = stream.read(_STREAM_LIMIT + 1)
        except OSError as error:
            _end(report, "failed", found.name, error.strerror or str(error))
            return
        if len(data) > _STREAM_LIMIT:
            _end(report, "failed", found.name, "a stream of more than 1 GiB; write it to a file first")
            return
    source = Source(
        found.name,
        options=options,
        report=report,
        path=None if data is not None else Path(found.path),
        data=data,
        explicit=found.explicit,
    )
    yield from _read(source, report)


def _read(source: Source, report: Report) -> Iterator[Document]:
    made = 0
    try:
        try:
            row = identify(source)
        except LoadError as error:
            left_out = not isinstance(error, NoLoaderError) and "not readable" not in error.message
            if left_out and not source.explicit and not source.failures:
                _end(report, "skipped", source.name, error.message)
                return
            raise
        for document in loader(row)(source):
            report.count("documents")
            made += 1
            yield document
    except (LoadError, OSError) as error:
        if isinstance(error, LoadError):
            reason = f"{error.message} {error.hint}" if error.hint else error.message
        else:
            reason = error.strerror or str(error)
        if made:
            reason += f" ({made} documents of it were delivered)"
        _end(report, "failed", source.name, reason)
        return
    if made:
        report.count("files_seen")
        report.count("files_loaded")
    elif source.failures:  # each has been named already
        report.count("files_seen")
        report.count("files_failed")
    else:
        _end(report, "skipped", source.name, "it holds no text")


def _end(report: Report, kind: str, name: str, reason: str) -> None:
    """Count a file that gave nothing, together with its loss, so that the counts add up at any moment."""
    report.count("files_seen")
    report.count(f"files_{kind}")
    report.lose(kind, name, reason)
