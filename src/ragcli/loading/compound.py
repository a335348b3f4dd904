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
        LoadError: it is broken; olefile's own errors are of the kind that missing files raise.
    """
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(data)) as container:
            yield container
    except OSError as error:
        raise LoadError(f"not readable as {what}: its container is broken ({error}).") from error
