"""Changes that are tracked: what is deleted is no text of the document, wherever a program keeps it."""

from __future__ import annotations

from typing import Any

from ragcli.loading.opendocument.styles import TEXT

_ID = "{http://www.w3.org/XML/1998/namespace}id"


def without_deleted(root: Any) -> None:
    """Take out of a tree what stands between the marks of a deletion; most programs keep it elsewhere."""
    from lxml import etree

    deleted = {
        region.get(f"{TEXT}id") or region.get(_ID)
        for region in root.iter(f"{TEXT}changed-region")
        if region.find(f"{TEXT}deletion") is not None
    }
    if not deleted or next(root.iter(f"{TEXT}change-start"), None) is None:
        return
    inside: set[str] = set()
    for event, element in etree.iterwalk(root, events=("start", "end")):
        name = element.get(f"{TEXT}change-id")
        if event == "end":
            if inside:
                element.tail = None
        elif element.tag == f"{TEXT}change-start" and name in deleted:
            inside.add(name)
        elif element.tag == f"{TEXT}change-end":
            inside.discard(name)
        elif inside:
            element.text = None
