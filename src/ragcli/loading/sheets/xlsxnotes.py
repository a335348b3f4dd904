"""What stands on a sheet beside its cells: comments, text boxes, charts, diagrams and pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ragcli.loading.ocr.pictures import Pictures, alternative
from ragcli.loading.office.drawing import chart, diagram
from ragcli.loading.office.ooxml import MC, Package, Relation

_FONTS = re.compile(r"<[^>]+>")
_LEGACY = "[Threaded comment]"
_SKIPPED = ("txPr", "Fallback")


def comments(package: Package, sheet: str) -> Iterator[str]:
    """Yield the notes and the threads of comments of a sheet, as ``Comment (B3): ...``."""
    related = [one for one in package.relations(sheet).values() if not one.external]
    people: dict[str, str] = {}
    threads = [one.target for one in related if one.kind == "threadedComment"]
    if threads:
        for name in package.names("xl/persons/"):
            root = package.xml(name)
            for one in root.iter("{*}person") if root is not None else ():
                people[one.get("id") or ""] = one.get("displayName") or ""
    threaded: set[str] = set()
    for target in threads:
        root = package.xml(target)
        for one in root.iter("{*}threadedComment") if root is not None else ():
            text = _words(one.find("{*}text"))
            if text:
                who = people.get(one.get("personId") or "", "")
                threaded.add(one.get("ref") or "")
                yield f"Comment ({one.get('ref') or ''}): {f'{who}: ' if who else ''}{text}"
    for target in (one.target for one in related if one.kind == "comments"):
        root = package.xml(target)
        for one in root.iter("{*}comment") if root is not None else ():
            reference = one.get("ref") or ""
            text = " ".join("".join(_runs(one)).split())
            if text and not (text.startswith(_LEGACY) and reference in threaded):
                yield f"Comment ({reference}): {text}"


def _runs(comment: Any) -> Iterator[str]:
    for piece in comment.iter("{*}t"):
        if not any(above.tag.endswith("}rPh") for above in piece.iterancestors() if isinstance(above.tag, str)):
            yield piece.text or ""


def _words(element: Any) -> str:
    return " ".join("".join(map(str, element.itertext())).split()) if element is not None else ""


class Drawings:
    """Writes what is drawn on sheets.

    Args:
        package: the file.
        pictures: reads the pictures, or counts them.
    """

    def __init__(self, package: Package, pictures: Pictures) -> None:
        self._package = package
        self._pictures = pictures

    def blocks(self, sheet: str, *, data: bool) -> Iterator[str]:
        """Yield the texts on a sheet.

        Args:
            sheet: the part.
            data: the values of charts too: on a sheet that is nothing but a chart.
        """
        seen: set[str] = set()
        related = [one for one in self._package.relations(sheet).values() if not one.external]
        for one in sorted(related, key=lambda one: one.kind != "drawing"):
            if one.kind == "drawing":
                root = self._package.xml(one.target)
                relations = self._package.relations(one.target)
                for block in self._inside(root, relations, data, seen) if root is not None else ():
                    seen.add(block)
                    yield block
            elif one.kind == "vmlDrawing":
                for block in self._old(one.target):
                    if block not in seen:
                        seen.add(block)
                        yield block

    def _inside(self, root: Any, relations: dict[str, Relation], data: bool, seen: set[str]) -> Iterator[str]:
        """Walk shapes in their order; groups may be nested as deep as they like."""
        waiting = [root]
        while waiting:
            element = waiting.pop()
            name = _local(element)
            if name == "AlternateContent":
                choices = list(element.iterchildren(f"{MC}Choice")) or list(element.iterchildren(f"{MC}Fallback"))
                waiting += choices[:1]
            elif name in ("sp", "cxnSp"):
                yield from _shape(element)
            elif name == "pic":
                yield from self._picture(element, relations)
            elif name == "graphicFrame":
                yield from self._frame(element, relations, data, seen)
            else:
                waiting += reversed(list(element))

    def _picture(self, element: Any, relations: dict[str, Relation]) -> Iterator[str]:
        about = next(element.iter("{*}cNvPr"), None)
        said = alternative(about.get("descr")) if about is not None else ""
        if said:
            yield said
        image = next(element.iter("{*}blip"), None)
        keys = [value for key, value in image.attrib.items() if key.endswith("}embed")] if image is not None else []
        relation = relations.get(keys[0]) if keys else None
        if relation is not None and not relation.external:
            reading = self._pictures.reading
            text = self._pictures.text(relation.target, self._package.data(relation.target) if reading else None)
            if text:
                yield text

    def _frame(self, element: Any, relations: dict[str, Relation], data: bool, seen: set[str]) -> Iterator[str]:
        yield from _shape(element)
        for part in element.iter():
            if _local(part) not in ("chart", "relIds"):
                continue
            for key, value in part.attrib.items():
                relation = relations.get(value) if key.endswith(("}id", "}dm")) else None
                root = self._package.xml(relation.target) if relation and not relation.external else None
                if root is None or relation is None:
                    continue
                if _local(part) == "relIds":
                    yield from filter(None, (diagram(root),))
                else:
                    yield from self._chart(root, relation.target, data)

    def _chart(self, root: Any, name: str, data: bool) -> Iterator[str]:
        if data:
            found = list(chart(root))
            if found:
                yield from found
                return
        titles = [said for one in root.iter("{*}title") if (said := _title(one))]
        if titles:
            yield f"Chart: {titles[0]}" + (f" (axes: {', '.join(titles[1:])})" if len(titles) > 1 else "")
        for relation in self._package.relations(name).values():  # text boxes within the chart
            if relation.kind == "chartUserShapes" and not relation.external:
                shapes = self._package.xml(relation.target)
                for shape in shapes.iter("{*}sp") if shapes is not None else ():
                    yield from _shape(shape)

    def _old(self, name: str) -> Iterator[str]:
        """Yield the texts of old shapes and of controls, not those of notes, which are comments."""
        raw = self._package.data(name)
        if raw is None:
            return
        from lxml import etree

        try:  # it is HTML more than XML
            root = etree.fromstring(raw, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
        except (etree.XMLSyntaxError, ValueError):
            return
        for shape in root.iter("{*}shape", "{*}rect", "{*}oval", "{*}roundrect") if root is not None else ():
            kind = next((one.get("ObjectType") for one in shape.iter("{*}ClientData")), None)
            for box in shape.iter("{*}textbox") if kind != "Note" else ():
                text = _words(box)
                if text:
                    yield text


def _local(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _shape(element: Any) -> Iterator[str]:
    """The paragraphs of a text box, as one block."""
    lines = []
    for paragraph in element.iter("{*}p"):
        pieces = [piece.text or "" if _local(piece) == "t" else " " for piece in paragraph.iter("{*}t", "{*}br")]
        lines.append(" ".join("".join(pieces).split()))
    text = "\n\n".join(filter(None, lines))
    if text:
        yield text


def _title(element: Any) -> str:
    words = [piece.text or "" for piece in element.iter("{*}t")]
    if not any(words):
        words = [piece.text or "" for piece in element.iter("{*}v")]
    return " ".join("".join(words).split())
