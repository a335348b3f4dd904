"""Lines of a PDF that run to the left, or partly do, in the order in which they are read.

A page shows them in the order of the eye. The letters are taken from where they stand, and put in order again as the
bidirectional algorithm (UAX 9) would have laid them out: with the direction of most of the line's letters as its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_WIDE, _NARROW = 0.2, 0.04  # room inside a word, and between two, that is a blank; in heights of a line
_NUMERIC = "%‰°$€£¥₪#+"
_SEPARATORS = frozenset(".,:/-٫٬")
_PUNCTUATION = ".,:;!?()[]{}«»‹›\"'،؛؟…“”‘’-–"
_Letter = tuple[str, float, float, float]  # itself, left, right, height
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("«", "»"), ("‹", "›"))
_LAM, _ALEFS = "ل", frozenset("اآأإٱ")


def rows(text: str, spans: NDArray[np.intp], boxes: Floats) -> list[int] | None:
    """Return the order of words in which rows with text to the left stand by themselves, from left to right.

    Args:
        text: of the page.
        spans: of the words: first character, one after the last.
        boxes: of the first and the last character of each word, y growing downwards.

    Returns:
        The places of the words, or None where nothing runs to the left.
    """
    words = [text[start:end] for start, end in spans.tolist()]
    there = [RTL.search(word) is not None for word in words]
    if not any(there):
        return None
    lefts = boxes[:, :, 0].min(axis=1).tolist()
    middles = ((boxes[:, 0, 1] + boxes[:, 0, 3]) / 2).tolist()
    heights = (boxes[:, 0, 3] - boxes[:, 0, 1]).tolist()
    row_of: dict[int, int] = {}
    found: list[list[int]] = []
    last: list[float] = []
    for at in sorted(range(len(words)), key=middles.__getitem__):
        marks = all(unicodedata.combining(char) for char in words[at])
        near = (0.9 if marks else 0.5) * heights[at]
        if found and middles[at] - last[-1] < near:
            found[-1].append(at)
        else:
            found.append([at])
            last.append(middles[at])
        row_of[at] = len(found) - 1
    turned = {row for at, row in row_of.items() if there[at]}
    order: list[int] = []
    done: set[int] = set()
    for at in range(len(words)):
        row = row_of[at]
        if row not in turned:
            order.append(at)
        elif row not in done:
            done.add(row)
            order += sorted(found[row], key=lefts.__getitem__)
    return order


def read(words: Sequence[str], boxes: Sequence[Floats], spaced: Callable[[int, int], bool]) -> str:
    """Return what the words of a piece say.

    Args:
        words: in any order.
        boxes: for each, those of its characters: left, top, right, bottom.
        spaced: whether a blank stands between two words, by their numbers, whatever room there is.
    """
    shown = _shown(words, boxes, spaced)
    kinds = [_kind(char) for char in shown]
    for at, char in enumerate(shown):
        beside = "".join(kinds[max(at - 1, 0) : at] + kinds[at + 1 : at + 2])
        if kinds[at] == "-" and char[0] in _NUMERIC and "N" in beside:
            kinds[at] = "N"
    to_the_left = kinds.count("R") > kinds.count("L")
    said = _leftwards(shown, kinds) if to_the_left else _rightwards(shown, kinds)
    return _closed(" ".join(said.split()))


def _shown(words: Sequence[str], boxes: Sequence[Floats], spaced: Callable[[int, int], bool]) -> list[str]:
    """The characters from left to right, marks behind their letters, with the blanks between them.

    A word of letters that run to the left is kept as PDFium says it, as letters may stand above each other. All else
    goes by its place alone, letter by letter.
    """
    units: list[tuple[float, int, bool, list[_Letter]]] = []  # where, the word, whether it is all of it, its letters
    marks: list[tuple[str, float]] = []  # they may stand in a word of their own
    for number, (word, places) in enumerate(zip(words, boxes, strict=True)):
        letters = _letters(word, places)
        if letters is not None:
            units.append((float(places[:, [0, 2]].mean()), number, True, letters))
        else:
            placed, more = _placed(word, places)
            units += [((one[1] + one[2]) / 2, number, False, [one]) for one in placed]
            marks += more
    if not units:
        return [char for char, _ in marks]
    units.sort(key=lambda unit: unit[0])
    found: list[_Letter] = []
    before, was_whole, right = -1, False, 0.0
    for _, number, is_whole, letters in units:
        gap = (min(one[1] for one in letters) - right) / max(letters[0][3], 0.1)
        if before >= 0 and (
            gap > (_WIDE if number == before else _NARROW)
            or (is_whole and was_whole and number != before and spaced(number, before))
        ):
            found.append((" ", right, right, 0.0))
        found += letters
        before, was_whole, right = number, is_whole, max(one[2] for one in letters)
    together = [abs(one[1] + one[2] - other[1] - other[2]) < 0.1 * one[3] for one, other in pairwise(found)]
    for at, same in enumerate(together):  # a ligature of two letters has one place, and some say it from the left
        one, other = found[at], found[at + 1]
        only = not any(together[max(at - 1, 0) : at] + together[at + 1 : at + 2])
        if same and only and one[0] == _LAM and other[0] in _ALEFS:
            found[at], found[at + 1] = other, one
    return _marked(found, marks)


def _marked(letters: list[_Letter], marks: list[tuple[str, float]]) -> list[str]:
    """The letters with the marks that stand nearest to them."""
    from bisect import bisect_left

    said = [one[0] for one in letters]
    bases = sorted((one[1] + one[2], at) for at, one in enumerate(letters) if one[0] != " ")
    for mark, middle in marks:
        place = bisect_left(bases, (2 * middle, -1))
        near = bases[max(place - 1, 0) : place + 1]
        said[min(near, key=lambda base: abs(base[0] - 2 * middle))[1]] += mark
    return said


def _letters(word: str, boxes: Floats) -> list[_Letter] | None:
    """The letters of a word from left to right, each (itself, left, right, height); None where places must say."""
    import numpy as np

    core = word.strip(_PUNCTUATION)
    if not core.isalpha() or any(_kind(char) != "R" for char in core):
        return None
    middles = (boxes[:, 0] + boxes[:, 2]) / 2
    first = word.index(core)
    inner = middles[first : first + len(core)]
    steps = np.diff(inner)
    if len(steps) and (steps > 0).sum() > 0.4 * len(steps):
        return None  # written down as the eye sees it
    centre = inner.mean()
    if (middles[:first] < centre).any() or (middles[first + len(core) :] > centre).any():
        return None
    sides = zip(word, boxes[:, 0].tolist(), boxes[:, 2].tolist(), (boxes[:, 3] - boxes[:, 1]).tolist(), strict=True)
    return [*sides][::-1]


def _placed(word: str, boxes: Floats) -> tuple[list[_Letter], list[tuple[str, float]]]:
    """The letters of a word, the last first, and its marks, each with its middle."""
    letters: list[_Letter] = []
    marks: list[tuple[str, float]] = []
    for char, (left, top, right, bottom) in zip(word, boxes.tolist(), strict=True):
        if unicodedata.combining(char):
            marks.append((char, (left + right) / 2))
        else:
            letters.append((char, left, right, bottom - top))
    return letters[::-1], marks


def _kind(char: str) -> str:
    """R: runs to the left; L: to the right; N: of a number; - neither."""
    if char[0].isdecimal():
        return "N"
    if RTL.match(char):
        return "R"
    return "L" if char[0].isalpha() else "-"


def _leftwards(shown: Sequence[str], kinds: Sequence[str]) -> str:
    out: list[str] = []
    at = len(shown) - 1
    while at >= 0:
        if kinds[at] not in "LN":
            out.append(shown[at])
            at -= 1
            continue
        first = place = at
        while place > 0 and kinds[place - 1] != "R":
            place -= 1
            if kinds[place] in "LN":
                between = shown[place + 1 : first]
                number = kinds[place] == "N" and len(between) == 1 and between[0] in _SEPARATORS
                if between and kinds[place] == "N" and not (number and kinds[first] == "N"):
                    break
                first = place
        out += shown[first : at + 1]
        at = first - 1
    return "".join(out)


def _rightwards(shown: Sequence[str], kinds: Sequence[str]) -> str:
    out: list[str] = []
    at = 0
    while at < len(shown):
        if kinds[at] != "R":
            out.append(shown[at])
            at += 1
            continue
        last = place = at
        while place < len(shown) - 1 and kinds[place + 1] != "L":
            place += 1
            if kinds[place] == "R":
                last = place
        out.append(_leftwards(shown[at : last + 1], kinds[at : last + 1]))
        at = last + 1
    return "".join(out)


def _closed(text: str) -> str:
    """Brackets opened before they are closed: fonts and readers mirror them, or do not."""
    for opening, closing in _PAIRS:
        places = [at for at, char in enumerate(text) if char in (opening, closing)]
        depth = lowest = 0
        for at in places:
            depth += 1 if text[at] == opening else -1
            lowest = min(lowest, depth)
        if places and len(places) % 2 == 0 and (depth or lowest < 0):
            letters = list(text)
            for number, at in enumerate(places):
                letters[at] = closing if number % 2 else opening
            text = "".join(letters)
    return text
