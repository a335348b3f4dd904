"""What the styles and the numbering of a Word file say about its paragraphs: headings, lists, and their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from ragcli.loading.office.ooxml import W, number

Key = TypeVar("Key")
Value = TypeVar("Value")

_HEADING = re.compile(r"(?:heading|标题|標題|titre|überschrift|título|заголовок|見出し|제목)\s*(\d)", re.I)
_PLAIN = re.compile(r"%\d[.)、]?\s*")
_BULLETS = ("bullet", "none")
_ITEM = re.compile(r"\s*(?:- |\d+\. )")
_MOST_DEEP = 8
_DIGITS = "〇一二三四五六七八九"


class Level(NamedTuple):
    """One level of a list: how its numbers are written, the text around them (``%1.``), and the first number."""

    kind: str
    text: str
    start: int


def marked(text: str, *, heading: int, listed: tuple[int, str | None] | None) -> str:
    """Return a paragraph with what it is in Markdown: a heading, an item, or neither.

    Args:
        text: its text.
        heading: its level as a heading; 0 for none.
        listed: its depth in a list and the number it shows, None for a bullet.
    """
    label = listed[1] if listed is not None else None
    if heading:
        # numbers like 1.2 are left out of headings, as other tools do; words, as in 第一章, are text
        words = f"{label} " if label and not re.fullmatch(r"[\d.)(]+", label) else ""
        return f"{'#' * heading} {words}{' '.join(text.split())}"
    if listed is None:
        return text
    indent = "  " * max(0, min(listed[0], _MOST_DEEP))
    if label is None:
        return f"{indent}- {text}"
    return f"{indent}{label} {text}" if re.fullmatch(r"\d+\.", label) else f"{indent}- {label} {text}"


def joined(blocks: Iterable[str]) -> str:
    """Return blocks apart by a blank line; items of a list follow one another without one."""
    out: list[str] = []
    item = False
    for block in blocks:
        follows = item and _ITEM.match(block) is not None
        item = _ITEM.match(block.rpartition("\n")[2]) is not None
        if out:
            out.append("\n" if follows else "\n\n")
        out.append(block)
    return "".join(out)


class Styles:
    """Paragraph styles by their ids: the level of heading, and the list that a style belongs to."""

    def __init__(self, root: Any) -> None:
        self.headings: dict[str, int] = {}
        self.lists: dict[str, tuple[str, int]] = {}
        self.names: dict[str, str] = {}
        self.default = ""
        based: dict[str, str] = {}
        for style in root.iter(f"{W}style") if root is not None else ():
            key = style.get(f"{W}styleId") or ""
            if style.get(f"{W}type", "paragraph") != "paragraph":
                continue
            name = style.find(f"{W}name")
            label = name.get(f"{W}val", "") if name is not None else ""
            self.names[key] = label
            outline = style.find(f"{W}pPr/{W}outlineLvl")
            found = _HEADING.match(label)
            if found:
                self.headings[key] = min(int(found[1]) or 1, 6)
            elif label.lower() == "title":
                self.headings[key] = 1
            elif outline is not None and 0 <= number(outline.get(f"{W}val"), 9) < 9:
                self.headings[key] = min(number(outline.get(f"{W}val")) + 1, 6)
            listed, depth = style.find(f"{W}pPr/{W}numPr/{W}numId"), style.find(f"{W}pPr/{W}numPr/{W}ilvl")
            if listed is not None:
                self.lists[key] = (
                    listed.get(f"{W}val") or "0",
                    number(depth.get(f"{W}val")) if depth is not None else 0,
                )
            base = style.find(f"{W}basedOn")
            if base is not None:
                based[key] = base.get(f"{W}val") or ""
        inherit(self.headings, based)
        inherit(self.lists, based)

    def heading(self, key: str | None) -> int:
        """The level of heading that a style has, from 1 to 6; 0 for none. Without styles, by the id."""
        if not key:
            return 0
        if key in self.headings or key in self.names:
            return self.headings.get(key, 0)
        found = _HEADING.match(key)
        return min(int(found[1]) or 1, 6) if found else 1 if key == "Title" else 0


def inherit(found: dict[Key, Value], based: Mapping[Key, Key]) -> None:
    """Give each style what the nearest style has that it is based on.

    Args:
        found: what styles say of themselves, by their names or numbers; is added to.
        based: the style that each is based on; circles are left out.
    """
    for key in based:
        at, seen = key, {key}
        while at not in found and at in based and based[at] not in seen:
            at = based[at]
            seen.add(at)
        if at in found:
            found.setdefault(key, found[at])


class Numbering:
    """The lists of a Word file, and where each of them stands.

    Args:
        lists: the levels of each list.
        kinds: the kind of each list; lists of one kind go on counting.
        fresh: the numbers from which a list begins anew at a level.
    """

    def __init__(
        self, lists: dict[str, dict[int, Level]], kinds: dict[str, str], fresh: dict[str, dict[int, int]]
    ) -> None:
        self._lists = lists
        self._kinds = kinds
        self._fresh = fresh
        self._counters: dict[str, dict[int, int]] = {}

    @classmethod
    def of(cls, root: Any) -> Numbering:
        """Read the part of a DOCX that holds its lists; None where it has none."""
        lists: dict[str, dict[int, Level]] = {}
        kinds: dict[str, str] = {}
        fresh: dict[str, dict[int, int]] = {}
        abstracts = {}
        for abstract in root.iterchildren(f"{W}abstractNum") if root is not None else ():
            abstracts[abstract.get(f"{W}abstractNumId")] = dict(map(_level, abstract.iterchildren(f"{W}lvl")))
        for one in root.iterchildren(f"{W}num") if root is not None else ():
            key = one.get(f"{W}numId") or ""
            abstract = one.find(f"{W}abstractNumId")
            kinds[key] = ((abstract.get(f"{W}val") or "") if abstract is not None else "") or key
            lists[key] = dict(abstracts.get(kinds[key], {}))
            for override in one.iterchildren(f"{W}lvlOverride"):
                depth = number(override.get(f"{W}ilvl"))
                start, level = override.find(f"{W}startOverride"), override.find(f"{W}lvl")
                if level is not None:
                    lists[key][depth] = _level(level)[1]
                if start is not None:
                    fresh.setdefault(key, {})[depth] = number(start.get(f"{W}val"), 1)
        return cls(lists, kinds, fresh)

    def item(self, key: str, depth: int) -> str | None:
        """Count an item: return its number as it is shown, None for a bullet."""
        levels = self._lists.get(key)
        if levels is None:
            return None
        level = levels.get(depth)
        counters = self._counters.setdefault(self._kinds.get(key, key), {})
        for deeper in [other for other in counters if other > depth]:
            del counters[deeper]
        fresh = self._fresh.get(key, {}).pop(depth, None)
        if fresh is not None:
            counters[depth] = fresh
        elif depth in counters:
            counters[depth] += 1
        else:
            counters[depth] = level.start if level else 1
        if level is None or level.kind in _BULLETS:
            return None
        if _PLAIN.fullmatch(level.text):
            shown = _written(counters[depth], level.kind)
            return f"{counters[depth]}." if shown.isdigit() else level.text.replace(f"%{depth + 1}", shown).strip()

        def place(found: re.Match[str]) -> str:
            at = int(found[1]) - 1
            other = levels.get(at)
            return _written(counters.get(at, other.start if other else 1), other.kind if other else "decimal")

        return re.sub(r"%(\d)", place, level.text).strip() or None


def _level(element: Any) -> tuple[int, Level]:
    kind, text, start = (element.find(f"{W}{name}") for name in ("numFmt", "lvlText", "start"))
    depth = number(element.get(f"{W}ilvl"))
    return depth, Level(
        kind.get(f"{W}val", "decimal") if kind is not None else "decimal",
        text.get(f"{W}val", "") if text is not None else f"%{depth + 1}.",
        number(start.get(f"{W}val"), 1) if start is not None else 1,
    )


def _written(value: int, kind: str) -> str:
    """A number as a kind of list shows it."""
    if kind in ("lowerLetter", "upperLetter") and 0 < value <= 26 * 9:
        letters = chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 + 1)
        return letters.upper() if kind == "upperLetter" else letters
    if kind in ("lowerRoman", "upperRoman") and 0 < value < 4000:
        roman = "".join(_roman(value))
        return roman if kind == "upperRoman" else roman.lower()
    if kind.startswith(("chinese", "japaneseCounting", "ideographDigital", "taiwanese")) and 0 < value < 100:
        tens, ones = divmod(value, 10)
        return ("" if tens < 2 else _DIGITS[tens]) + ("十" if tens else "") + (_DIGITS[ones] if ones else "")
    if kind.startswith("decimalEnclosedCircle") and 0 < value <= 20:
        return chr(0x2460 + value - 1)
    if kind == "decimalZero" and value < 10:
        return f"0{value}"
    return str(value)


def _roman(value: int) -> list[str]:
    found = []
    for worth, letters in ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"),
                           (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):  # fmt: skip
        times, value = divmod(value, worth)
        found.append(letters * times)
    return found
