"""ZIP and TAR archives, and single compressed files: each member as documents of its own, inside limits.

Nothing is written to disk: a member's name is only a name. Links and devices are left out and counted. Names in old
ZIP files are in whatever encoding the machine had that wrote them.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from ragcli.errors import LoadError
from ragcli.loading.encodings import decode
from ragcli.loading.parts import lose_part, part
from ragcli.loading.source import Source
from ragcli.loading.zipped import opened
from ragcli.records import Document

MOST_MEMBERS = 20_000
MOST_BYTES = 4 << 30  # unpacked, of all members
MOST_MEMBER = 1 << 29  # unpacked, of one
MOST_RATIO = 500  # unpacked to packed: text reaches 20, zeros 1,000
_SMALL = 16 << 20  # bytes: below it, no ratio is a bomb
_BLOCK = 1 << 20
_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_ENDINGS = {".tgz": ".tar", ".tbz": ".tar", ".tbz2": ".tar", ".txz": ".tar"}
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, ValueError,
            NotImplementedError)  # fmt: skip


def read(source: Source) -> Iterator[Document]:
    """Yield the documents of each member.

    Raises:
        LoadError: the archive is broken from its start, or goes beyond a limit.
    """
    head = source.head
    if head.startswith(b"PK"):
        yield from _Members(source).of_zip()
        return
    opener = next((made for magic, made in _OPENERS.items() if head.startswith(magic)), None)
    if opener is None:
        yield from _Members(source).of_tar(source.open())
        return
    with source.parsing("a compressed file"), opener(source.open()) as stream:
        start = stream.read(512)
    name = (source.called or source.name).rpartition("/")[2]
    stem, _, suffix = name.rpartition(".")
    inner = stem + _ENDINGS.get(f".{suffix.lower()}", "") if stem else name
    with opener(source.open()) as stream:
        if start[257:262] == b"ustar" or inner.lower().endswith(".tar"):
            yield from _Members(source).of_tar(stream)
        else:
            yield from _Members(source).of_file(stream, inner)


class _Members:
    """The members of one archive, and how much of the limits they have used."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._packed = source.size
        self._bytes = 0
        self._count = 0

    def of_zip(self) -> Iterator[Document]:
        """Yield the documents of a ZIP file."""
        source = self._source
        with source.parsing("ZIP"):
            try:
                archive = zipfile.ZipFile(source.open())
            except (zipfile.BadZipFile, ValueError, NotImplementedError):
                archive = opened(source.data(), source.lose)  # cut off: what is whole in it
            members = archive.infolist()
        if source.options.password:
            archive.setpassword(source.options.password.encode())
        with archive:
            for member in members:
                name = _named(member) or "unnamed"
                if name.endswith("/") or self._left_out(name):
                    continue
                if not self._room():
                    return
                if member.flag_bits & 1 and not source.options.password:
                    lose_part(source, name, "it needs a password. Pass --password.")
                    continue
                try:
                    with archive.open(member) as stream:
                        data = self._content(name, stream, member.compress_size)
                except RuntimeError:
                    lose_part(source, name, "the password does not open it.")
                    continue
                except _DAMAGED as error:
                    lose_part(source, name, f"damaged or cut off: {_said(error)}")
                    continue
                if data is not None:
                    yield from part(source, name, data)

    def of_tar(self, stream: IO[bytes]) -> Iterator[Document]:
        """Yield the documents of a TAR file, which is read from its start to its end once."""
        source = self._source
        name = ""
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    name = member.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                    if member.isdir() or self._left_out(name):
                        continue
                    if not self._room():
                        return
                    if not member.isreg():
                        what = "a link" if member.issym() or member.islnk() else "not a regular file"
                        lose_part(source, name, what, kind="skipped")
                        continue
                    content = archive.extractfile(member)
                    assert content is not None
                    data = self._content(name, content, member.size)
                    if data is None:
                        continue
                    if len(data) < member.size:
                        lose_part(source, name, f"the archive is cut off in it: {len(data)} of {member.size} bytes.")
                        return
                    yield from part(source, name, data)
        except _DAMAGED as error:
            if not self._count:
                raise LoadError(f"not readable as TAR: {_said(error)}") from error
            source.lose(f"the archive is damaged or cut off after {name}: {_said(error)}", part=name)

    def of_file(self, stream: IO[bytes], name: str) -> Iterator[Document]:
        """Yield the documents of a compressed file."""
        try:
            data = self._content(name, stream, self._packed)
        except _DAMAGED as error:
            raise LoadError(f"the compressed file is damaged or cut off: {_said(error)}") from error
        if data is not None:
            yield from part(self._source, name, data)

    def _left_out(self, name: str) -> bool:
        """Whether a member is what systems put beside the user's files."""
        places = name.split("/")
        return "__MACOSX" in places or places[-1] in (".DS_Store", "Thumbs.db", "desktop.ini") or not places[-1]

    def _room(self) -> bool:
        """Count a member; say whether the archive is still inside the limits."""
        self._count += 1
        if self._count > MOST_MEMBERS:
            self._source.lose(f"more than {MOST_MEMBERS:,} members; the others were not read")
            return False
        if self._bytes > MOST_BYTES:
            self._source.lose(f"unpacks to more than {MOST_BYTES >> 30} GiB; the other members were not read")
            return False
        return True

    def _content(self, name: str, stream: IO[bytes], packed: int) -> bytes | None:
        """Return a member's bytes, or None where they are beyond a limit, whatever its header says of its size."""
        pieces: list[bytes] = []
        size = 0
        while piece := stream.read(_BLOCK):
            pieces.append(piece)
            size += len(piece)
            self._bytes += len(piece)
            if size > MOST_MEMBER:
                lose_part(self._source, name, f"unpacks to more than {MOST_MEMBER >> 20} MiB and was not read.")
                return None
            if size > _SMALL and size > MOST_RATIO * max(1, min(packed, self._packed)):
                lose_part(self._source, name, f"unpacks to more than {MOST_RATIO} times its size and was not read.")
                return None
        return b"".join(pieces)


def _named(member: zipfile.ZipInfo) -> str:
    """Return a member's name as the one who packed it saw it."""
    if member.flag_bits & 0x800 or member.filename.isascii():
        return member.filename
    try:
        raw = member.filename.encode("cp437")
    except UnicodeEncodeError:
        return member.filename
    return decode(raw).text.replace("\\", "/")


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
