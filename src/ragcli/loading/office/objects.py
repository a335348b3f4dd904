"""Files that Office embeds in its own: as they are, in an old container, or wrapped by the packager of Windows."""

from __future__ import annotations

import struct
from typing import Any

from ragcli.loading.office.compound import compound
from ragcli.loading.source import Source

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_NATIVE = "\x01Ole10Native"
_STREAMS = {"WordDocument": ".doc", "Workbook": ".xls", "Book": ".xls", "PowerPoint Document": ".ppt",
            "__properties_version1.0": ".msg", "EncryptedPackage": ""}  # fmt: skip


def embedded(source: Source, name: str, data: bytes, kind: str = "") -> tuple[str, bytes] | None:
    """Return the file name and the bytes of an embedded file; None where there is none, which is reported.

    Args:
        source: the file it lies in.
        name: of the part that holds it.
        data: the part's bytes.
        kind: what the outer file calls it: ``Equation.3``.
    """
    base = name.rpartition("/")[2]
    if not data.startswith(_OLE):
        return base, data
    what = f" ({kind})" if kind else ""
    try:
        with compound(data, "an embedded object") as container:
            streams = {entry[0] for entry in container.listdir()}
            for stream, suffix in _STREAMS.items():
                if stream in streams:
                    return base.rpartition(".")[0] + suffix, data
            found = held(container, [], base.rpartition(".")[0], kind)
    except Exception as error:  # noqa: BLE001  whatever the library raises on a broken container
        source.lose(f"the embedded object {base}{what} is broken ({error})", kind="warning", part=name)
        return None
    if found is None:
        source.lose(f"the embedded object {base}{what} holds no file that can be read", kind="skipped", part=name)
    return found


def held(container: Any, storage: list[str], name: str, kind: str = "") -> tuple[str, bytes] | None:
    """Return the file name and the bytes of a file that a storage of a compound file holds; None where there is none.

    Args:
        container: the compound file.
        storage: the path of the storage.
        name: of the object, without a suffix.
        kind: what the outer file calls it: ``Excel.Sheet.12``.
    """
    deep = len(storage)
    streams = {entry[deep] for entry in container.listdir() if entry[:deep] == storage and len(entry) == deep + 1}
    if "Package" in streams:
        return name + _suffix(kind), container.openstream([*storage, "Package"]).read()
    if _NATIVE in streams:
        found = _native(container.openstream([*storage, _NATIVE]).read())
        if found is not None:
            return found
    for stream in ("CONTENTS", "EmbeddedOdf"):
        if stream in streams:
            data: bytes = container.openstream([*storage, stream]).read()
            return name + (".pdf" if data.startswith(b"%PDF") else ""), data
    return None


def _suffix(kind: str) -> str:
    names = {"Word": ".docx", "Excel": ".xlsx", "PowerPoint": ".pptx"}
    return next((suffix for name, suffix in names.items() if kind.startswith(name)), "")


def _native(data: bytes) -> tuple[str, bytes] | None:
    """The file that the packager wrapped: after three names of it its length and its bytes."""
    try:
        at = 6  # total length and a flag word
        label, at = _name(data, at)
        path, at = _name(data, at)
        at += 4
        (length,) = struct.unpack_from("<I", data, at)
        at += 4 + length  # the path of a temporary file
        (size,) = struct.unpack_from("<I", data, at)
    except (struct.error, ValueError):
        return None
    content = data[at + 4 : at + 4 + size]
    name = (_wide(data, at + 4 + size) or label or path).replace("\\", "/").rpartition("/")[2]
    return (name or "object", content) if content and len(content) == size else None


def _wide(data: bytes, at: int) -> str:
    """The label as UTF-16, which newer versions write behind the file, after the path."""
    try:
        (length,) = struct.unpack_from("<I", data, at)
        at += 4 + 2 * length
        (length,) = struct.unpack_from("<I", data, at)
        return data[at + 4 : at + 4 + 2 * length].decode("utf-16-le").rstrip("\0")
    except (struct.error, UnicodeDecodeError):
        return ""


def _name(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    raw = data[at:end]
    for codec in ("utf-8", "gb18030"):
        try:
            return raw.decode(codec), end + 1
        except UnicodeDecodeError:
            continue
    return raw.decode("cp1252", "replace"), end + 1
