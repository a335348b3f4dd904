"""What the styles of OpenDocument files say about text: which paragraphs are headings, which lists are numbered."""

from __future__ import annotations

import re
from typing import Any

_NS = "{urn:oasis:names:tc:opendocument:xmlns:"
OFFICE = f"{_NS}office:1.0}}"
TEXT = f"{_NS}text:1.0}}"
TABLE = f"{_NS}table:1.0}}"
DRAW = f"{_NS}drawing:1.0}}"
STYLE = f"{_NS}style:1.0}}"
PRESENTATION = f"{_NS}presentation:1.0}}"
SVG = f"{_NS}svg-compatible:1.0}}"
META = f"{_NS}meta:1.0}}"
XLINK = "{http://www.w3.org/1999/xlink}"

_HEADING = re.compile(r"(?:heading|标题|標題|見出し|überschrift|titre)\s*(\d)", re.I)
_ESCAPED = re.compile(r"_([0-9a-fA-F]{1,4})_")
_CODE = {"preformatted text", "html preformatted", "source code", "source text", "预格式化文本", "预格式文本"}
_GROUPS = (f"{OFFICE}styles", f"{OFFICE}automatic-styles")
_LONGEST = 9  # digits of a number


class Styles:
    """The styles of a file, from its roots: those of ``styles.xml`` and of ``content.xml``."""

    def __init__(self, *roots: Any) -> None:
        self._lists: dict[str, dict[int, tuple[bool, int]]] = {}
        self._outlines: dict[str, int] = {}
        self._shown: dict[str, str] = {}
        self._parents: dict[str, str] = {}
        self._kinds: dict[str, tuple[int, bool]] = {}
        for root in roots:
            for group in root.iterchildren(*_GROUPS) if root is not None else ():
                for style in group.iterchildren(f"{STYLE}style", f"{TEXT}list-style"):
                    self._add(style)

    def _add(self, style: Any) -> None:
        name = style.get(f"{STYLE}name") or ""
        if style.tag == f"{TEXT}list-style":
            self._lists[name] = {
                attribute_number(level, "level"): (
                    level.tag == f"{TEXT}list-level-style-number" and bool(level.get(f"{STYLE}num-format")),
                    attribute_number(level, "start-value"),
                )
                for level in style.iterchildren()
                if isinstance(level.tag, str)
            }
        elif style.get(f"{STYLE}family") == "paragraph":
            outline = style.get(f"{STYLE}default-outline-level") or ""
            if outline.isdecimal() and int(outline[:_LONGEST]) > 0:
                self._outlines[name] = min(int(outline[:_LONGEST]), 6)
            self._shown[name] = style.get(f"{STYLE}display-name") or _unescaped(name)
            self._parents[name] = style.get(f"{STYLE}parent-style-name") or ""

    def level(self, paragraph: Any) -> int:
        """Return the heading level of a paragraph, 0 for ordinary text."""
        if paragraph.tag == f"{TEXT}h":
            return min(attribute_number(paragraph, "outline-level"), 6)
        return self._kind(paragraph)[0]

    def is_code(self, paragraph: Any) -> bool:
        """Whether a paragraph is a line of code, or of other text whose spaces count."""
        return self._kind(paragraph)[1]

    def _kind(self, paragraph: Any) -> tuple[int, bool]:
        """What a paragraph's style, or the next one that it is based on, says: (level, is code)."""
        name = paragraph.get(f"{TEXT}style-name") or ""
        if name not in self._kinds:
            level, code, at = 0, False, name
            seen: set[str] = set()
            while at and at not in seen and not level and not code:
                seen.add(at)
                shown = self._shown.get(at) or _unescaped(at)
                found = _HEADING.match(shown)
                level = self._outlines.get(at, 0)
                if not level and found:
                    level = min(int(found[1]) or 1, 6)
                elif not level and shown.lower() == "title":
                    level = 1
                code = shown.lower() in _CODE
                at = self._parents.get(at, "")
            self._kinds[name] = (level, code)
        return self._kinds[name]

    def is_ordered(self, style: str, level: int) -> bool:
        """Whether a list is numbered, on a level from 1."""
        return self._lists.get(style, {}).get(level, (False, 1))[0]

    def start(self, style: str, level: int) -> int:
        """Return the first number of a list."""
        return self._lists.get(style, {}).get(level, (False, 1))[1]


def attribute_number(element: Any, name: str, space: str = TEXT) -> int:
    """Return a whole number from 1 that an attribute says; 1 where it says nothing or something else."""
    value = element.get(f"{space}{name}")
    if value is None or not value.isdecimal() or len(value) > _LONGEST:
        return 1
    return max(int(value), 1)


def _unescaped(name: str) -> str:
    """The name that a style is shown with: ``Heading_20_1`` is ``Heading 1``."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)
