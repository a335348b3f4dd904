"""Drawings as inline SVG: bars, means with intervals, points on two axes, differences question by question.

Places across are percentages and places down are pixels, so that a drawing is as wide as its page and its text stays
as large as the page's. What a drawing shows is also said in words: a title and a description for screen readers, or
names and values as text beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ragcli.pages.html import Html, element, language_of

_HEIGHT = 300  # of a drawing with two axes
_LANE = 30
_RADIUS = 9.0
_NARROW = 280  # pixels across, on a phone: where points do not cover each other, they do nowhere
_KINDS = 4  # colours of the style sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar: what it is, how long, what is written behind it, and a colour (0 to 3)."""

    name: str
    value: float
    shown: str
    sub: str | None = None
    kind: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A mean with its interval; ``sub`` stands below the name, ``strong`` ones stand out."""

    name: str
    value: float
    low: float
    high: float
    shown: str
    sub: str | None = None
    kind: int = 0
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point on two axes, with the interval of what is upwards; ``label`` is short: it stands inside the point."""

    label: str
    name: str
    x: float
    y: float
    low: float
    high: float
    kind: int = 0
    strong: bool = False


def bars(items: Sequence[Bar], *, whole: float | None = None) -> Html:
    """Return horizontal bars, as of a funnel.

    Args:
        items: from top to bottom.
        whole: what a bar of the full width stands for; by default the largest.
    """
    most = whole or max((item.value for item in items), default=0) or 1.0
    lanes = []
    for item in items:
        width = 100 * min(1.0, max(0.0, item.value / most))
        drawn = element(
            "svg",
            element("rect", x=0, y=7, width="100%", height=16, rx=2, fill="none", class_="rule"),
            element("rect", x=0, y=7, width=_percent(width), height=16, rx=2, class_="fill"),
            height=_LANE,
            class_=_kind(item.kind),
            aria_hidden="true",
        )
        lanes.append(_lane(item.name, item.sub, drawn, item.shown))
    return element("div", *lanes, class_="lanes")


def intervals(marks: Sequence[Mark], *, low: float | None = None, high: float | None = None) -> Html:
    """Return means with their intervals, one below the other, on one axis.

    Args:
        marks: from top to bottom.
        low: where the axis begins; by default where it must.
        high: where it ends.
    """
    first = min((mark.low for mark in marks), default=0.0) if low is None else low
    last = max((mark.high for mark in marks), default=1.0) if high is None else high
    steps = ticks(first, last, 4)
    first, last = min(first, steps[0]), max(last, steps[-1])
    lanes = []
    for mark in marks:
        x, left, right = (_share(value, first, last) for value in (mark.value, mark.low, mark.high))
        grid = [
            element("line", x1=_percent(at), x2=_percent(at), y1=0, y2=_LANE, class_="rule")
            for at in (_share(step, first, last) for step in steps)
        ]
        drawn = element(
            "svg",
            *grid,
            element("line", x1=_percent(left), x2=_percent(right), y1=15, y2=15, class_="line whisker"),
            element("circle", cx=_percent(x), cy=15, r=5.5, class_="fill halo"),
            element("circle", cx=_percent(x), cy=15, r=9, class_="ring") if mark.strong else None,
            height=_LANE,
            class_=_kind(mark.kind),
            aria_hidden="true",
        )
        lanes.append(_lane(mark.name, mark.sub, drawn, mark.shown, strong=mark.strong))
    labels = [
        element("text", _number(step, steps), x=_percent(_share(step, first, last)), y=14, text_anchor="middle",
                class_="faint")
        for step in steps
    ]  # fmt: skip
    scale = element("svg", *labels, height=20, aria_hidden="true")
    lanes.append(_lane("", None, scale, "", scale=True))
    return element("div", *lanes, class_="lanes")


def scatter(
    points: Sequence[Point],
    *,
    title: str,
    description: str,
    x_axis: str,
    y_axis: str,
    kinds: Sequence[str] = (),
) -> Html:
    """Return points on two axes, the one across in powers of ten, with whiskers and a legend.

    Points that would cover each other stand side by side, moved by some pixels to the left and right.

    Args:
        points: what is drawn; their x must be above 0.
        title: for screen readers.
        description: likewise, and with what is to be seen.
        x_axis: what is across.
        y_axis: what is upwards.
        kinds: what each colour stands for.
    """
    steps = ticks(min(point.low for point in points), max(point.high for point in points), 5)
    low, high = min(steps[0], min(one.low for one in points)), max(steps[-1], max(one.high for one in points))
    decades = log_ticks(min(point.x for point in points), max(point.x for point in points))
    left, right = math.log10(decades[0]), math.log10(decades[-1])

    def across(value: float) -> float:
        return _share(math.log10(value), left, right)

    def down(value: float) -> float:
        return _HEIGHT * (1 - _share(value, low, high) / 100)

    drawn = [element("line", x1=0, x2="100%", y1=down(step), y2=down(step), class_="rule") for step in steps]
    drawn += [
        element("text", _number(step, steps), x=0, y=down(step), dx=-8, dy=4, text_anchor="end", class_="faint")
        for step in steps
    ]
    for step in decades:
        x = _percent(across(step))
        drawn.append(element("line", x1=x, x2=x, y1=0, y2=_HEIGHT, class_="rule"))
        drawn.append(element("text", f"{step:g}", x=x, y=_HEIGHT + 16, text_anchor="middle", class_="faint"))
    drawn.append(element("text", y_axis, x=0, y=-10, dx=-36, class_="faint"))
    drawn.append(element("text", x_axis, x="100%", y=_HEIGHT + 36, text_anchor="end", class_="faint"))
    places = [(across(point.x) * _NARROW / 100, down(point.y)) for point in points]
    shifts = apart(places, 2 * _RADIUS + 1)
    for draw in (_whisker, _marker):  # no whisker over a marker
        drawn += [draw(point, across(point.x), down, by) for point, by in zip(points, shifts, strict=True)]
    made = element(
        "svg",
        element("title", title),
        element("desc", description),
        *drawn,
        height=_HEIGHT,
        role="img",
        aria_label=f"{title} {description}",
    )
    legend = [element("li", _swatch(at), name) for at, name in enumerate(kinds)]
    return element(
        "div",
        element("div", made, class_="plot", style="padding-top:1.25rem"),
        element("ul", *legend, class_="legend") if legend else None,
    )


def differences(values: Sequence[float], *, title: str, description: str, most: float = 1.0) -> Html:
    """Return a bar for each question, sorted: up where the first is better, down where the other is.

    Args:
        values: the difference on each question.
        title: for screen readers.
        description: likewise, and with what is to be seen.
        most: the largest difference that there can be.
    """
    half = 44.0
    drawn = [element("line", x1=0, x2="100%", y1=half, y2=half, class_="axis")]
    start = 0
    for value, same in groupby(sorted((round(value, 4) for value in values), reverse=True)):
        count = len(list(same))
        if value:
            height = max(1.5, half * min(1.0, abs(value) / most))
            drawn.append(
                element(
                    "rect",
                    x=_percent(100 * start / len(values)),
                    y=half - height if value > 0 else half,
                    width=_percent(100 * count / len(values)),
                    height=height,
                    class_="up" if value > 0 else "down",
                )
            )
        start += count
    made = element(
        "svg",
        element("title", title),
        element("desc", description),
        *drawn,
        height=2 * half,
        role="img",
        aria_label=f"{title} {description}",
    )
    return element("div", made, class_="plot bare")


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about as many round values as asked for, which begin at or below low and end at or above high."""
    if high - low < 1e-9:  # one value, or two that nobody could tell apart
        low, high = low - 0.05, high + 0.05
    raw = (high - low) / max(1, count)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next((size * one for one in (1, 2, 2.5, 5, 10) if size * one >= raw * (1 - 1e-9)), size * 10)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(at * step, 12) for at in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, 20, … around two values above 0; only powers of ten where that would be too many."""
    begin, end = math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1
    fine = [one * 10.0**power for power in range(begin, end + 1) for one in (1, 2, 5)]
    steps = [10.0**power for power in range(begin, end + 1)]
    for several in (fine, steps):
        first = max(at for at, step in enumerate(several) if step <= low * (1 + 1e-9))
        last = min(at for at, step in enumerate(several) if step >= high * (1 - 1e-9))
        last = max(last, first + 1)
        if last - first <= 6:
            return several[first : last + 1]
    return steps[first : last + 1]


def apart(places: Sequence[tuple[float, float]], least: float) -> list[float]:
    """Return how far (pixels) each place moves to the left or right so that no two are nearer than ``least``."""
    taken: list[tuple[float, float]] = []
    moved = [0.0] * len(places)
    for at in sorted(range(len(places)), key=lambda at: places[at]):
        x, y = places[at]
        for step in range(2 * len(places) + 2):
            shift = (step + 1) // 2 * (least / 2) * (1 if step % 2 else -1)
            if all(math.hypot(x + shift - other, y - height) >= least - 1e-6 for other, height in taken):
                moved[at] = shift
                break
        taken.append((x + moved[at], y))
    return moved


def _whisker(point: Point, at: float, down: Callable[[float], float], moved: float) -> Html:
    x = _percent(at)
    drawn = element("line", x1=x, x2=x, y1=down(point.low), y2=down(point.high), class_="line whisker")
    return element("g", drawn, class_=_kind(point.kind), transform=_translate(moved))


def _marker(point: Point, at: float, down: Callable[[float], float], moved: float) -> Html:
    x, y = _percent(at), down(point.y)
    return element(
        "g",
        element("title", f"{point.label}: {point.name}"),
        element("circle", cx=x, cy=y, r=_RADIUS + 4, class_="ring") if point.strong else None,
        element("circle", cx=x, cy=y, r=_RADIUS, class_="fill halo"),
        element("text", point.label, x=x, y=y, dy=3.5, text_anchor="middle", class_="inside"),
        class_=_kind(point.kind),
        transform=_translate(moved),
    )


def _translate(moved: float) -> str | None:
    return f"translate({moved:.1f} 0)" if moved else None


def _lane(name: str, sub: str | None, drawn: Html, shown: str, *, strong: bool = False, scale: bool = False) -> Html:
    """Return a row of a drawing: its name, what is drawn, its value."""
    head = element(
        "div", name, element("span", sub, class_="sub") if sub else None, class_="name", lang=language_of(name)
    )
    kind = "lane strong" if strong else "lane scale" if scale else "lane"
    return element("div", head, element("div", drawn), element("div", shown, class_="value"), class_=kind)


def _swatch(kind: int) -> Html:
    return element("svg", element("circle", cx=10, cy=10, r=7, class_="fill"), class_=_kind(kind), aria_hidden="true")


def _kind(at: int) -> str:
    return f"k{at % _KINDS}"


def _share(value: float, low: float, high: float) -> float:
    return 100 * (value - low) / (high - low)


def _percent(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") + "%"


def _number(step: float, steps: Sequence[float]) -> str:
    """Return a value of an axis, all with as many digits as the finest needs."""
    digits = max(len(f"{one:.10f}".rstrip("0").partition(".")[2]) for one in steps)
    return f"{step:.{digits}f}"
