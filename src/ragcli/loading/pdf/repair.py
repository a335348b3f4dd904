"""PDFs that were cut off, or lost the table of their objects: a new one is written for the pages that are left."""

from __future__ import annotations

import re

_OBJECT = re.compile(rb"(?<!\d)(\d{1,9})\s+(\d{1,5})\s+obj\b")
_CATALOG = re.compile(rb"/Type\s*/Catalog\b")
_PAGE = re.compile(rb"/Type\s*/Page\b")
_MOST = 1 << 20  # objects
_HEAD = 4096  # bytes of an object that say what it is


def repaired(data: bytes) -> bytes | None:
    """Return the file with a trailer that names its catalog, or a new catalog of its pages; None if it has neither.

    PDFium looks for the objects itself once there is a trailer.
    """
    starts = [found for _, found in zip(range(_MOST), _OBJECT.finditer(data), strict=False)]
    catalog = None
    pages: dict[bytes, None] = {}
    for at, found in enumerate(starts):
        end = starts[at + 1].start() if at + 1 < len(starts) else len(data)
        head = data[found.end() : min(end, found.end() + _HEAD)]
        name = b"%b %b R" % found.groups()
        if _CATALOG.search(head):
            catalog = name
        elif _PAGE.search(head):
            pages[name] = None
    highest = max((int(found[1]) for found in starts), default=0)
    if not pages:
        return None
    root, tree = highest + 1, highest + 2
    added = b"\n"
    if catalog is None or not re.search(rb"/Type\s*/Pages\b", data):
        added += b"%d 0 obj<</Type/Pages/Count %d/Kids[%b]>>endobj\n" % (tree, len(pages), b" ".join(pages))
        added += b"%d 0 obj<</Type/Catalog/Pages %d 0 R>>endobj\n" % (root, tree)
        catalog = b"%d 0 R" % root
    return data + added + b"trailer<</Size %d/Root %b>>\nstartxref\n0\n%%%%EOF\n" % (highest + 3, catalog)
