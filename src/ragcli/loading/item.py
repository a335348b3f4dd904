"""What a loader gets: one file's name, bytes, options and report; and how a document is made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from ragcli.records import Document, content_id
from ragcli.report import Report


@dataclass(frozen=True)
class Options:
    """What the user asked for, the same for every file."""

    encoding: str | None = None
    text_field: str | None = None
    id_field: str | None = None
    title_field: str | None = None


@dataclass
class Item:
    """One file or fetched page. ``data`` is None where the bytes lie in ``path``."""

    source: str
    path: Path | None
    options: Options
    report: Report
    data: bytes | None = None
    charset: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    _sha256: str = ""

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the bytes as a stream."""
        if self.data is not None or self.path is None:
            yield BytesIO(self.data or b"")
        else:
            with self.path.open("rb") as stream:
                yield stream

    def read(self) -> bytes:
        """Return all bytes."""
        if self.data is None:
            with self.open() as stream:
                self.data = stream.read()
        return self.data

    def document(self, text: str, format_: str, *, source: str | None = None, **fields: Any) -> Document:
        """Make a document of this file; ``metadata`` is added to that of the file."""
        if "sha256" not in fields:
            self._sha256 = self._sha256 or hashlib.sha256(self.read()).hexdigest()
            fields["sha256"] = self._sha256
        metadata = {**self.metadata, **fields.pop("metadata", {})}
        where = source if source is not None else self.source
        return Document(
            id=content_id(where, text), text=text, source=where, format=format_, metadata=metadata, **fields
        )
