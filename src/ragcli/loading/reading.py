"""One file to its documents, with every way it can end counted once: the same in this process and in a worker."""

from __future__ import annotations

import hashlib
import os
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import lru_cache

from ragcli import __version__
from ragcli.errors import RagcliError
from ragcli.loading.formats import BY_NAME, NotADocumentError, identify, loader
from ragcli.loading.source import Options, Source
from ragcli.records import FILE_STATE, Document, Json
from ragcli.report import Report

_HASHED = 1 << 28  # bytes: a larger file is not read a second time for its hash


def read(
    source: Source, row: str | None = None, reader: Callable[[Source], Iterator[Document]] | None = None
) -> Iterator[Document]:
    """Yield the documents of a source; whatever happens to it ends in its report.

    Args:
        source: the file.
        row: the name of its format, where it is known already.
        reader: what reads it, in place of the loader of its format.
    """
    report = source.report
    before = _state(source)
    made = 0
    held: Document | None = None
    name = row or ("reader" if reader else "")
    try:
        if reader is None:
            found = BY_NAME[row] if row else identify(source)
            name, reader = found.name, loader(found)
        for document in reader(source):
            if held is not None:
                yield held
            report.count("documents")
            made += 1
            held = document
        if held is not None:
            last, held = _last(source, held, before), None
            yield last
    except NotADocumentError as error:
        end(report, "failed" if source.explicit else "skipped", source.name, error.message)
        return
    except Exception as error:  # noqa: BLE001  whatever one file does, the others are read
        if held is not None:
            yield held
        reason = why(error)
        if made:
            reason += f" ({made} documents of it were delivered)"
        end(report, "failed", source.name, reason, name)
        return
    if made:
        report.count("files_seen")
        report.count("files_loaded")
    elif source.failures:  # each loss in it has been named already
        end(report, "failed", source.name, "nothing in it could be read.", name)
    else:
        end(report, "skipped", source.name, "it holds no text")


def why(error: Exception) -> str:
    """Return what an error says, as one line; of one that should not be, also where it came from."""
    if isinstance(error, RagcliError):
        return f"{error.message} {error.hint}" if error.hint else error.message
    if isinstance(error, MemoryError):
        return "it needs more memory than a file may take. Pass a larger --max-memory."
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    place = traceback.extract_tb(error.__traceback__)[-1]
    at = f"{os.path.basename(place.filename)}:{place.lineno}"  # noqa: PTH119
    return f"a fault in ragcli, {type(error).__name__} at {at}: {' '.join(str(error).split())[:200]}"


def end(report: Report, kind: str, name: str, reason: str, format: str = "") -> None:
    """Count a file that gave nothing, together with its loss, so that the counts add up at any moment."""
    report.count("files_seen")
    report.count(f"files_{kind}")
    where = {"format": format} if format else {}
    report.lose(kind, name, reason, **where)


def state(path: str, options: Options) -> Json:
    """Return what tells one state of a file from another, without reading it: size, time and how it is loaded.

    Raises:
        OSError: there is no such file.
    """
    status = os.stat(path)  # noqa: PTH116
    return {"size": status.st_size, "mtime": status.st_mtime_ns, "how": how(options)}


@lru_cache(maxsize=8)
def how(options: Options) -> str:
    """Return a digest of everything but the file itself that its documents depend on."""
    from ragcli.loading.ocr import available

    ocr = options.ocr != "never" and available()
    said = asdict(replace(options, password=None, mark=True))
    return hashlib.sha256(repr((__version__, ocr, said)).encode()).hexdigest()[:16]


def _state(source: Source) -> Json | None:
    """Return the state of a file that is about to be read, where its documents are to be marked with it."""
    if not source.options.mark:
        return None
    if source.status is not None:
        if not source.status[1]:
            return None
        return {"size": source.status[0], "mtime": source.status[1], "how": how(source.options)}
    if source.path is None:
        return None
    try:
        return state(str(source.path), source.options)
    except OSError:
        return None


def _last(source: Source, document: Document, before: Json | None) -> Document:
    """Mark the last document of a file that was read without a loss with the file's state (see `loading.known`)."""
    if before is None or source.failures:
        return document
    digest = source.sha256 if before["size"] <= _HASHED else ""
    return replace(document, extra={**document.extra, FILE_STATE: {"path": source.name, "sha256": digest, **before}})
