"""The container of old Office files (OLE, "compound file")."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ragcli.errors import LoadError


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
