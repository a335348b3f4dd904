"""What a loader gets: one file, address or stream, with the user's options and the report."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from ragcli.errors import LoadError, RagcliError
from ragcli.loading.encodings import Decoded, decode
from ragcli.records import Document, content_id
from ragcli.report import Report

HEAD = 1 << 16  # bytes that the choice of the format and the encoding may look at
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user said about the content: the encoding of text, the names of fields, and what to do with pages.

    Args:
        encoding: of text that neither a byte order mark nor valid UTF-8 explains.
        text_field: the field of JSON, JSON Lines and CSV that holds the text.
        id_field: the field that holds the given id.
        title_field: the field that holds the title.
        password: opens encrypted files.
        ocr: which pages are read as pictures: ``auto`` (those without a text layer that can be read), ``always``
            (all, and the pictures in documents too) or ``never``.
        keep_headers: keep headers and footers that repeat on every page.
        mark: say in the last document of each file which state of the file it is (see `ragcli.loading.known`).
    """

    encoding: str | None = None
    text_field: str | None = None
    id_field: str | None = None
    title_field: str | None = None
    password: str | None = None
    ocr: Literal["auto", "always", "never"] = "auto"
    keep_headers: bool = False
    mark: bool = False


class Source:
    """One thing to load.

    Args:
        name: the source that its documents name: a path as given, or an address.
        options: what the user said about the content.
        report: where losses go.
        path: the file; or
        data: the bytes, where they do not come from a regular file.
        explicit: named by the user, not found in a folder.
        media_type: what a server called it, without parameters.
        charset: the encoding a server named.
        called: the file name that says the type, where the last part of ``name`` does not.
        status: size in bytes and time of the last change in nanoseconds, where they are not those of ``path``.
        depth: how many files this one lies in: an attachment of a message in an archive is 2.
    """

    def __init__(
        self,
        name: str,
        *,
        options: Options,
        report: Report,
        path: Path | None = None,
        data: bytes | None = None,
        explicit: bool = True,
        media_type: str | None = None,
        charset: str | None = None,
        called: str | None = None,
        status: tuple[int, int] | None = None,
        depth: int = 0,
    ) -> None:
        self.name = name
        self.options = options
        self.report = report
        self.path = path
        self.explicit = explicit
        self.media_type = media_type
        self.charset = charset
        self.called = called
        self.status = status
        self.depth = depth
        self.failures = 0
        self._data = data
        self._head: bytes | None = None
        self._sha256: str | None = None

    @property
    def suffix(self) -> str:
        """The suffix of the name in small letters, with its dot; of an address, that of its path."""
        name = self.called or self.name
        if self.path is None and self.called is None:
            name = name.partition("?")[0].partition("#")[0]
        name = name.rpartition("/")[2]
        stem, dot, suffix = name.rpartition(".")
        return f".{suffix.lower()}" if dot and stem else ""

    @property
    def head(self) -> bytes:
        """The first 64 KiB."""
        if self._head is None:
            with self.open() as stream:
                self._head = stream.read(HEAD)
            if len(self._head) < HEAD and self._data is None:
                self._data = self._head  # a small file is read once
        return self._head

    def open(self) -> IO[bytes]:
        """Open the bytes from their start."""
        if self._data is not None:
            return io.BytesIO(self._data)
        assert self.path is not None
        return self.path.open("rb", buffering=_BLOCK)

    def data(self) -> bytes:
        """All bytes."""
        if self._data is None:
            with self.open() as stream:
                self._data = stream.read()
        return self._data

    @property
    def size(self) -> int:
        """Bytes in all."""
        if self.status is not None:
            return self.status[0]
        if self._data is not None:
            return len(self._data)
        assert self.path is not None
        return self.path.stat().st_size

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes, in hexadecimal."""
        if self._sha256 is None:
            digest = hashlib.sha256()
            with self.open() as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
            self._sha256 = digest.hexdigest()
        return self._sha256

    def text(self, *, declared: str | None = None) -> Decoded:
        """Decode all bytes as text; what could not be decoded, or is a guess, goes to the report.

        Args:
            declared: the encoding that the content itself names, as an HTML page does.

        Raises:
            LoadError: the bytes are not text.
        """
        found = decode(self.data(), given=self.options.encoding, declared=self.charset or declared)
        self.lose_text(found)
        return found

    def lose_text(self, found: Decoded) -> None:
        """Report what decoding lost."""
        if found.undecodable:
            places = "place" if found.undecodable == 1 else "places"
            self.lose(
                f"{found.undecodable} {places} could not be decoded as {found.encoding}; U+FFFD stands there."
                " If it is another encoding, pass --encoding."
            )
        elif found.uncertain:
            self.lose(f"its encoding is a guess ({found.encoding}): too little text to be sure. Pass --encoding.")
        if found.nuls:
            self.lose(f"{found.nuls} NUL characters removed", kind="skipped")

    def document(
        self,
        text: str,
        *,
        format: str,
        title: str | None = None,
        spans: Sequence[dict[str, Any]] = (),
        metadata: dict[str, Any] | None = None,
        part: str | None = None,
        sha256: str | None = None,
    ) -> Document:
        """Make a document of this source.

        Args:
            text: the text.
            format: the name of the format.
            title: a title, where the format has one; blank ones are left out.
            spans: {start, end, page} objects, in characters of the text.
            metadata: facts that the content holds; empty values are left out.
            part: what names a part of the file: a line number or a given id.
            sha256: of the part's bytes; else that of the file.
        """
        name = self.name if part is None else f"{self.name}#{part}"
        return Document(
            id=content_id(name, text),
            text=text,
            source=name,
            format=format,
            sha256=self.sha256 if sha256 is None else sha256,
            title=" ".join(title.split()) or None if title else None,
            spans=list(spans),
            metadata={key: value for key, value in (metadata or {}).items() if value not in (None, "", [], {})},
        )

    def lose(self, reason: str, *, kind: str = "partial", **where: Any) -> None:
        """Report a loss inside this source; the rest of it goes on."""
        if kind == "partial":
            self.failures += 1
        self.report.lose(kind, self.name, reason, **where)

    def count_pages(self, *, loaded: int = 0, failed: int = 0, skipped: int = 0) -> None:
        """Count pages (slides, frames of a picture): ``pages_seen`` is the sum of the three kinds.

        Args:
            loaded: their text is in a document.
            failed: they hold something that could not be read; each is named by `lose`, too.
            skipped: blank.
        """
        self._count("pages", loaded, failed, skipped)

    def count_images(self, *, loaded: int = 0, failed: int = 0, skipped: int = 0) -> None:
        """Count the pictures inside a document, in the same way as pages."""
        self._count("images", loaded, failed, skipped)

    def _count(self, what: str, loaded: int, failed: int, skipped: int) -> None:
        for name, number in (("seen", loaded + failed + skipped), ("loaded", loaded), ("failed", failed),
                             ("skipped", skipped)):  # fmt: skip
            if number:
                self.report.count(f"{what}_{name}", number)

    def beat(self) -> None:
        """Say that a page, a sheet or a member is done: the time limit of a file starts anew."""
        self.report.beat()

    @contextmanager
    def parsing(self, what: str) -> Iterator[None]:
        """Turn whatever a parser library raises into a `LoadError` that says what was being read."""
        try:
            yield
        except (RagcliError, MemoryError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:  # the disk's, not a decompressor's
                raise
            said = " ".join(str(error).split())[:200]
            raise LoadError(f"not readable as {what}: {type(error).__name__}{': ' if said else ''}{said}") from error
