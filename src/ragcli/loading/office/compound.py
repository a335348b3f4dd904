"""The container of old Office files (OLE, "compound file")."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.encodings import canonical

_SUMMARY = "\x05SummaryInformation"
_TEXTS = {2: "title", 3: "subject", 4: "author", 5: "keywords"}
_CREATED, _SAVED = 12, 13
_CODECS = {65001: "utf-8", 1200: "utf-16-le"}
_MOST = 1 << 12  # bytes of a text
_EPOCH = datetime(1601, 1, 1)


class OlderError(LoadError):
    """A file of another program or version, which only LibreOffice reads."""


@contextmanager
def compound(data: bytes, what: str) -> Iterator[Any]:
    """Open a compound file.

    Args:
        data: its bytes.
        what: the name of its format, for messages.

    Raises:
        LoadError: it is broken.
    """
    import olefile

    with intact(what), olefile.OleFileIO(io.BytesIO(data)) as container:
        yield container


@contextmanager
def intact(what: str) -> Iterator[None]:
    """Turn olefile's errors, which are of the kind that missing files raise, into a `LoadError`.

    Args:
        what: the name of the format, for messages.
    """
    try:
        yield
    except OSError as error:
        raise LoadError(f"not readable as {what}: its container is broken ({error}).") from error


def summary(container: Any) -> dict[str, str]:
    """Return title, subject, author, keywords and date of a compound file; what is broken of it is left out.

    The properties are those of [MS-OLEPS]; olefile's own reading of them takes hours over a count that lies.
    """
    try:
        data = container.openstream(_SUMMARY).read(1 << 20)
        start = struct.unpack_from("<I", data, 44)[0]
        count = min(struct.unpack_from("<I", data, start + 4)[0], 256)
        pairs = struct.unpack_from(f"<{2 * count}I", data, start + 8)
    except (OSError, struct.error):
        return {}
    places = dict(zip(pairs[::2], pairs[1::2], strict=True))
    page = _property(data, start, places.get(1))
    codec = _CODECS.get(page, canonical(f"cp{page}") or "cp1252") if isinstance(page, int) else "cp1252"
    facts: dict[str, str] = {}
    for key, name in _TEXTS.items():
        raw = _property(data, start, places.get(key))
        if isinstance(raw, bytes) and (text := raw.decode(codec, "replace").split("\0")[0].strip()):
            facts[name] = text
        elif isinstance(raw, str) and raw.strip():
            facts[name] = raw.strip()
    for key in (_CREATED, _SAVED):
        when = _property(data, start, places.get(key))
        if isinstance(when, datetime) and when.year > 1601:
            facts["date"] = when.date().isoformat()
    return facts


def _property(data: bytes, start: int, at: int | None) -> bytes | str | int | datetime | None:
    """Return one property: a text as bytes in the file's code page or as Unicode, a number, a time."""
    if at is None:
        return None
    try:
        kind = struct.unpack_from("<I", data, start + at)[0] & 0xFFFF
        at += start + 4
        if kind == 2:
            return int(struct.unpack_from("<H", data, at)[0])
        if kind in (30, 31):
            size = struct.unpack_from("<I", data, at)[0] * (1 if kind == 30 else 2)
            raw = data[at + 4 : at + 4 + min(size, _MOST)]
            return raw if kind == 30 else raw.decode("utf-16-le", "replace").split("\0")[0]
        if kind == 64:
            return _EPOCH + timedelta(microseconds=struct.unpack_from("<Q", data, at)[0] // 10)
    except (struct.error, OverflowError):
        pass
    return None
