"""Files inside files: attachments, members of archives, and whatever else a loader finds whole in another file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ragcli.errors import LoadError, RagcliError
from ragcli.loading.source import Source
from ragcli.records import Document

MOST_DEEP = 5


def part(
    source: Source, name: str, data: bytes, *, media_type: str | None = None, kind: str = "partial"
) -> Iterator[Document]:
    """Yield the documents of a file inside another; one that cannot be read is a loss of the outer file.

    The report counts ``parts_seen`` = ``parts_loaded`` + ``parts_failed`` + ``parts_skipped``.

    Args:
        source: the file it lies in.
        name: its own file name, which says its type; its documents name ``outer#name``.
        data: its bytes.
        media_type: what the outer file calls it.
        kind: the kind of loss where it cannot be read.
    """
    from ragcli.loading.formats import NotADocumentError, identify, loader

    if source.depth >= MOST_DEEP:
        lose_part(source, name, f"lies in more than {MOST_DEEP} files, one in the other, and was not read.")
        return
    inner = Source(
        f"{source.name}#{name}",
        options=source.options,
        report=source.report,
        data=data,
        media_type=media_type,
        called=name,
        depth=source.depth + 1,
    )
    source.beat()
    made = 0
    row = None
    try:
        row = identify(inner)
        for document in loader(row)(inner):
            made += 1
            yield document
    except NotADocumentError as error:
        lose_part(source, name, error.message, kind="skipped")
        return
    except RagcliError as error:
        reason = f"{error.message} {error.hint}" if error.hint else error.message
        lose_part(source, name, reason, kind=kind, format=row.name if row else None)
        return
    except Exception as error:  # noqa: BLE001  one broken part does not lose the others
        reason = f"it cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        lose_part(source, name, reason, kind=kind, format=row.name if row else None)
        return
    source.failures += inner.failures
    if made:
        count_part(source, "loaded")
    elif inner.failures:
        count_part(source, "failed")
    else:
        lose_part(source, name, "it holds no text", kind="skipped")


def instead(source: Source, data: bytes, *, suffix: str = "") -> Iterator[Document]:
    """Yield the documents of what a file really is, once it is decrypted or converted: under the file's own name.

    Args:
        source: the file as it is stored; its documents name it, and its hash.
        data: the bytes of what it holds.
        suffix: of a name that says the type of ``data``, with its dot.
    """
    from ragcli.loading.formats import identify, loader

    inner = Source(
        source.name,
        options=source.options,
        report=source.report,
        data=data,
        explicit=source.explicit,
        called=f"file{suffix}",
        depth=source.depth + 1,
    )
    if inner.depth > MOST_DEEP:
        raise LoadError(f"it lies in more than {MOST_DEEP} files, one in the other, and was not read.")
    for document in loader(identify(inner))(inner):
        yield replace(document, sha256=source.sha256)
    source.failures += inner.failures


def count_part(source: Source, how: str) -> None:
    """Count a part as ``loaded``, ``failed`` or ``skipped``."""
    source.report.count("parts_seen")
    source.report.count(f"parts_{how}")


def lose_part(source: Source, name: str, reason: str, *, kind: str = "partial", format: str | None = None) -> None:
    """Count and report a part that gives nothing."""
    count_part(source, "skipped" if kind == "skipped" else "failed")
    where = {"format": format} if format else {}
    source.lose(f"{name}: {reason}", kind=kind, part=name, **where)


def texts(source: Source, name: str, data: bytes) -> Iterator[str]:
    """Yield the texts of a file inside another where it stands; one that cannot be read is a loss of the outer file.

    Args:
        source: the file it lies in.
        name: its own file name, which says its type.
        data: its bytes.
    """
    for document in part(source, name, data):
        yield document.text
