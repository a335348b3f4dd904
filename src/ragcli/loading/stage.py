"""The load stage: inputs to documents, in their order, whatever a single file does.

A thread finds the files and looks at each one's head, ahead of the output. Text that ragcli's own code reads is read
in this process; everything else in worker processes (`ragcli.loading.pool`).
"""

from __future__ import annotations

import os
import queue
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Union, cast

from ragcli.errors import LoadError, RagcliError, UsageError
from ragcli.loading.buckets import is_address
from ragcli.loading.discovery import Discovery, Found
from ragcli.loading.encodings import canonical
from ragcli.loading.formats import Format, NotADocumentError, identify
from ragcli.loading.reading import end, read, why
from ragcli.loading.source import Options, Source
from ragcli.records import Document, Json
from ragcli.report import Report

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ragcli.loading.fetching import Fetching
    from ragcli.loading.pool import Pool, Ticket
    from ragcli.loading.reader import Reader

_LOOK = 0.2  # seconds
_URL = re.compile(r"https?://", re.I)
_STREAM_LIMIT = 1 << 30  # bytes of a pipe or device that is named like a file
_WHOLE_LIMIT = 1 << 30  # bytes of a file that is read as a whole, where the user has not said
_STREAMED = ("csv", "jsonl", "mbox")
_UNCHANGED = "unchanged in the table"
_WINDOW = 256  # files looked at ahead of the output,
_OBJECTS = 8  # and objects on their way


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What protects a run from a single file.

    Args:
        jobs: worker processes; 0 reads everything in this process, unwatched. None: one a core.
        timeout: seconds in which a file must get on by a page, a sheet or a member; 0 for ever.
        max_bytes: the largest file; None: 1 GiB, and any size for CSV, JSON Lines and MBOX, which are read as streams.
        max_memory: bytes that a worker process may take, where the system can be told so (Linux); 0: any.
    """

    jobs: int | None = None
    timeout: float = 120.0
    max_bytes: int | None = None
    max_memory: int = 4 << 30


def load(
    inputs: Iterable[str | Path | Found],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    gitignore: bool = True,
    hidden: bool = False,
    follow_links: bool = False,
    encoding: str | None = None,
    text_field: str | None = None,
    id_field: str | None = None,
    title_field: str | None = None,
    password: str | None = None,
    ocr: Literal["auto", "always", "never"] = "auto",
    keep_headers: bool = False,
    reader: Reader | None = None,
    new_to: Callable[[Found, Options], bool] | None = None,
    limits: Limits | None = None,
    outputs: Sequence[Path] = (),
    unwanted: threading.Event | None = None,
    report: Report | None = None,
) -> Iterator[Document]:
    """Turn files, folders, http(s) addresses and what lies on object storage into documents, in a fixed order.

    A file that cannot be read is reported as a failure and the rest goes on. Without a report, losses are
    logged as warnings of the logger ``ragcli.loading``. The report counts ``files_seen`` = ``files_loaded`` +
    ``files_failed`` + ``files_skipped``, of which ``files_unchanged`` are those of ``new_to``; in the same way
    ``pages_…`` (of PDFs, slides, pictures), ``parts_…`` (attachments and members of archives) and ``images_…``
    (inside documents); ``documents``; and ``ignored`` (what hidden names, .gitignore and globs left out of folders,
    whole folders counted once).

    Args:
        inputs: paths and addresses (``s3://bucket/folder``: all objects below it); a document's source is the path as
            given, without redundant ``./``. A `Found` is a
            file that `ragcli.loading.discovery.Discovery` found elsewhere, whose rules are not asked again.
        include: globs as in .gitignore; with any, only files that match one.
        exclude: globs as in .gitignore of files and folders to leave out.
        gitignore: leave out what .gitignore files name.
        hidden: read files and folders whose name starts with a dot too.
        follow_links: follow symbolic links that lead out of the folder they are found in.
        encoding: of text that neither a byte order mark nor valid UTF-8 explains; detected where not given.
        text_field: the field of JSON, JSON Lines and CSV that holds the text.
        id_field: the field that holds the given id, which goes to ``metadata.id``.
        title_field: the field that holds the title.
        password: opens encrypted PDF and Office files.
        ocr: which pages are read as pictures, see `Options`.
        keep_headers: keep headers and footers that repeat on every page of a PDF.
        reader: reads every file, in place of ragcli's loaders (see `ragcli.loading.reader`).
        new_to: says of a file whether a table holds it unchanged (see
            `ragcli.loading.known`); it is then skipped. With it, the last document of each file is marked.
        limits: what protects the run from a single file.
        outputs: files that the caller writes meanwhile; in a folder, they are left out.
        unwanted: set by another thread, it ends the documents soon, also in the middle of a file.
        report: where counts and losses go.

    Raises:
        UsageError: an encoding or a glob that is none.
    """
    if encoding is not None and canonical(encoding) is None:
        raise UsageError(f"there is no encoding called {encoding!r}.", hint="For example: gb18030, big5, utf-16-le.")
    if isinstance(inputs, (str, Path)):
        inputs = (inputs,)
    report = Report("load", _log) if report is None else report
    limits = limits or Limits()
    if isinstance(inputs, Sequence) and not any(map(_is_folder, inputs)):
        # One file gets all threads of the OCR engine, not those of one process in many.
        limits = replace(limits, jobs=min(limits.jobs or _cores(), len(inputs) or 1) if limits.jobs != 0 else 0)
    discovery = Discovery(
        include=include,
        exclude=exclude,
        gitignore=gitignore,
        hidden=hidden,
        follow_links=follow_links,
        report=report,
        outputs=outputs,
    )
    options = Options(
        encoding=encoding, text_field=text_field, id_field=id_field, title_field=title_field, password=password,
        ocr=ocr, keep_headers=keep_headers, mark=new_to is not None,
    )  # fmt: skip
    return _Run(discovery, options, reader, new_to, limits, report, unwanted or threading.Event()).documents(inputs)


def _is_folder(given: object) -> bool:
    return is_address(given) or (isinstance(given, (str, Path)) and os.path.isdir(given))  # noqa: PTH112


def _log(loss: Json) -> None:
    import logging

    logging.getLogger("ragcli.loading").warning("%(source)s: %(kind)s: %(reason)s", loss)


class _Lost(NamedTuple):
    """An input that gives nothing."""

    kind: str
    name: str
    reason: str
    format: str = ""


class _Here(NamedTuple):
    """A file to be read in this process."""

    source: Source
    row: str | None


class _Coming(NamedTuple):
    """An object on its way."""

    found: Found
    path: Path
    future: Future[None]


_Ahead = Union[_Lost, _Here, "Ticket", BaseException, None]


def _next(ahead: queue.Queue[_Ahead], unwanted: threading.Event) -> _Ahead:
    while not unwanted.is_set():
        try:
            return ahead.get(timeout=_LOOK)  # a Ctrl-C that comes just before a wait does not end it
        except queue.Empty:
            continue
    return None


@dataclass(slots=True)
class _Run:
    """One run of the stage."""

    discovery: Discovery
    options: Options
    reader: Reader | None
    new_to: Callable[[Found, Options], bool] | None
    limits: Limits
    report: Report
    unwanted: threading.Event
    pool: Pool | None = None
    fetching: Fetching | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def documents(self, inputs: Iterable[str | Path | Found]) -> Iterator[Document]:
        ahead: queue.Queue[_Ahead] = queue.Queue(_WINDOW)
        threading.Thread(target=self._look_ahead, args=(inputs, ahead), daemon=True).start()
        try:
            while (item := _next(ahead, self.unwanted)) is not None:
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, _Lost):
                    if item.reason == _UNCHANGED:
                        self.report.count("files_unchanged")
                    end(self.report, *item)
                elif isinstance(item, _Here):
                    yield from read(item.source, item.row, self.reader.read if self.reader else None)
                    self._release(item.source.path)
                else:
                    yield from self._events(item)
                    self._release(item.task.path)
        finally:
            self.stopped.set()
            self._close()

    def _close(self) -> None:
        for one in (self.pool, self.fetching):
            if one is not None:
                one.close()

    def _release(self, path: str | Path | None) -> None:
        if self.fetching is not None:
            self.fetching.release(path)

    def _look_ahead(self, inputs: Iterable[str | Path | Found], ahead: queue.Queue[_Ahead]) -> None:
        try:
            for item in self._items(inputs):
                self._put(ahead, item)
                if self.stopped.is_set():
                    return
            self._put(ahead, None)
        except BaseException as error:  # noqa: BLE001  raised where the documents are taken
            self._put(ahead, error)
        finally:  # this thread makes the pools, maybe after the documents were no longer wanted
            if self.stopped.is_set():
                self._close()

    def _put(self, ahead: queue.Queue[_Ahead], item: _Ahead) -> None:
        while not self.stopped.is_set():
            try:
                ahead.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def _items(self, inputs: Iterable[str | Path | Found]) -> Iterator[_Lost | _Here | Ticket]:
        addresses: set[str] = set()
        given: str | Path | Found | None = None
        if isinstance(inputs, Sequence) and inputs and all(isinstance(one, Found) for one in inputs):
            yield from self._files(cast("Sequence[Found]", inputs))
            return
        for given in inputs:
            if isinstance(given, Found):
                yield from self._files([given])
                continue
            if isinstance(given, str) and _URL.match(given):
                if given not in addresses:
                    addresses.add(given)
                    yield self._address(given) if self.reader is None else self._named(given)
                continue
            yield from self._files(self.discovery.find(given))
        if given is None and self.reader is not None:
            yield self._named(self.reader.place)

    def _named(self, name: str) -> _Lost | _Here | Ticket:
        """Have a reader read what only it can reach."""
        return self._source(Source(name, options=self.options, report=self.report, data=b""))

    def _address(self, given: str) -> _Lost | _Here | Ticket:
        from ragcli.loading.web import fetch, without_password

        name = without_password(given)
        try:
            answer = fetch(given)
        except LoadError as error:
            return _Lost("failed", name, error.message)
        return self._source(
            Source(
                name,
                options=self.options,
                report=self.report,
                data=answer.data,
                media_type=answer.media_type,
                charset=answer.charset,
            )
        )

    def _files(self, found: Iterable[Found]) -> Iterator[_Lost | _Here | Ticket]:
        """Yield files in their order; objects are on their way while those before them are read."""
        waiting: deque[_Lost | Found | _Coming] = deque()
        for one in found:
            if one.lost or one.status is None:
                waiting.append(_Lost(one.lost[0], one.name, one.lost[1]) if one.lost else one)
            elif self.new_to is not None and self.new_to(one, self.options):
                waiting.append(_Lost("skipped", one.name, _UNCHANGED))
            else:
                from ragcli.loading.fetching import Fetching

                if self.fetching is None:
                    self.fetching = Fetching(self._wanted, self.stopped, _OBJECTS)
                if not self.fetching.room(one):
                    while waiting:  # those before it must be read to make room
                        yield self._come(waiting.popleft())
                    self.fetching.wait(one)
                waiting.append(_Coming(one, *self.fetching.begin(one)))
            while waiting and (not isinstance(waiting[0], _Coming) or len(waiting) > _OBJECTS):
                yield self._come(waiting.popleft())
        while waiting:
            yield self._come(waiting.popleft())

    def _come(self, item: _Lost | Found | _Coming) -> _Lost | _Here | Ticket:
        """Return what was waited for, as it can be read."""
        if isinstance(item, Found):  # not before: a file is read in its turn
            return self._file(item)
        if not isinstance(item, _Coming):
            return item
        assert self.fetching is not None
        found = item.found
        try:
            self.fetching.end(item.future)
        except (RagcliError, OSError) as error:
            self._release(item.path)
            return _Lost("failed", found.name, why(error))
        made = self._source(self._object(found, path=item.path))
        if isinstance(made, _Lost):
            self._release(item.path)
        return made

    def _object(self, found: Found, *, path: Path | None = None, data: bytes | None = None) -> Source:
        return Source(
            found.name, options=self.options, report=self.report, path=path, data=data, explicit=found.explicit,
            called=found.name, status=found.status,
        )  # fmt: skip

    def _wanted(self, found: Found, start: bytes) -> bool:
        """Whether the rest of an object is wanted, by its first bytes."""
        assert found.status is not None
        source = self._object(found, data=start)
        if self.reader is not None or found.status[0] <= len(start):
            return self._too_large(source, None) is None
        try:
            return self._too_large(source, identify(source)) is None
        except NotADocumentError:
            return False
        except RagcliError:
            return True  # of the whole it may be known

    def _file(self, found: Found) -> _Lost | _Here | Ticket:
        data = None
        try:
            if not found.regular:
                with Path(found.path).open("rb") as stream:
                    data = stream.read(_STREAM_LIMIT + 1)
                if len(data) > _STREAM_LIMIT:
                    return _Lost("failed", found.name, "a stream of more than 1 GiB; write it to a file first")
            elif self.new_to is not None and self.new_to(found, self.options):
                return _Lost("skipped", found.name, _UNCHANGED)
        except OSError as error:
            return _Lost("failed", found.name, why(error))
        return self._source(
            Source(
                found.name,
                options=self.options,
                report=self.report,
                path=None if data is not None else Path(found.path),
                data=data,
                explicit=found.explicit,
            )
        )

    def _source(self, source: Source) -> _Lost | _Here | Ticket:
        row: Format | None = None
        try:
            if self.reader is None:
                row = identify(source)
            if (lost := self._too_large(source, row)) is not None:
                return lost
        except NotADocumentError as error:
            return _Lost("failed" if source.explicit else "skipped", source.name, error.message)
        except (RagcliError, OSError) as error:
            return _Lost("failed", source.name, why(error))
        if self.limits.jobs == 0 or (row is not None and row.light):
            return _Here(source, row.name if row else None)
        return self._submit(source, row)

    def _too_large(self, source: Source, row: Format | None) -> _Lost | None:
        most = self.limits.max_bytes
        if most is None and row is not None and row.name not in _STREAMED:
            most = _WHOLE_LIMIT
        if most is None or source.size <= most:
            return None
        reason = f"{source.size:,} bytes are more than --max-bytes {most:,}."
        return _Lost("failed", source.name, reason, row.name if row else "")

    def _submit(self, source: Source, row: Format | None) -> Ticket:
        from ragcli.loading.worker import Task

        if self.pool is None:
            self.pool = self._new_pool()
        data = None if source.path is not None else source.data()
        return self.pool.submit(
            Task(
                name=source.name,
                row=row.name if row else None,
                options=source.options,
                path=None if source.path is None else str(source.path),
                data=data,
                explicit=source.explicit,
                media_type=source.media_type,
                charset=source.charset,
                status=source.status,
                reader=self.reader,
            )
        )

    def _new_pool(self) -> Pool:
        from ragcli.loading.pool import Pool
        from ragcli.loading.worker import Settings

        cores = _cores()
        jobs = self.limits.jobs or cores
        settings = Settings(memory=self.limits.max_memory, threads=max(1, cores // jobs))
        return Pool(jobs, settings, self.limits.timeout)

    def _events(self, ticket: Ticket) -> Iterator[Document]:
        """Take in what a worker process tells of a file."""
        made = 0
        for event in ticket.events(self.unwanted):
            if event[0] == "document":
                made += 1
                yield event[1]
            elif event[0] == "count":
                self.report.count(event[1], event[2])
            else:
                _, kind, source, reason, where = event
                self.report.lose(kind, source, reason, **where)
        if ticket.lost is not None:
            reason = ticket.lost + (f" ({made} documents of it were delivered)" if made else "")
            end(self.report, "failed", ticket.task.name, reason, ticket.task.row or "reader")


def _cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1
