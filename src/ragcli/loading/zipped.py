"""ZIP files that formats are made of, opened with a limit on what they unpack to."""

from __future__ import annotations

import io
import zipfile

from ragcli.errors import LoadError

_LIMIT = 1 << 29  # bytes, unpacked


def opened(data: bytes) -> zipfile.ZipFile:
    """Open a ZIP file.

    Raises:
        LoadError: it unpacks to more than 512 MiB.
        zipfile.BadZipFile: it is broken.
    """
    archive = zipfile.ZipFile(io.BytesIO(data))
    if sum(item.file_size for item in archive.infolist()) > _LIMIT:
        raise LoadError(f"not read: it unpacks to more than {_LIMIT >> 20} MiB.")
    return archive
