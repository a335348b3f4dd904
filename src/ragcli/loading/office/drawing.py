"""What Office draws: charts as tables, and diagrams as lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from ragcli.loading.markup import table
from ragcli.loading.office.ooxml import DGM, A, C, number

_CX = "{http://schemas.microsoft.com/office/drawing/2014/chartex}"
_DAY = re.compile(r"y{2,4}|d[^\w]*m|m[^\w]*d", re.I)
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"  # no characters: they are in no text
_LINK = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_MOST_POINTS = 10_000  # of a chart


def linked(text: str, address: str) -> str:
    """Return the text of a link with its address, where that says more, for `settled` to put in its place."""
    address = address.strip()
    plain = address.removeprefix("mailto:").rstrip("/")
    if not text.strip() or not re.match(r"(?:https?|ftp|mailto):", address) or plain in text:
        return text
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{before}{text.strip()}{_OPEN}{address.replace(' ', '%20')}{_CLOSE}{after}"


def settled(text: str) -> str:
    """Return a paragraph, or a row of a table, with the addresses of its links behind it.

    What a person reads as one sentence stays one: it can be searched for, and quoted.
    """
    if _OPEN not in text:
        return text
    if text.startswith("| ") and text.endswith(" |"):
        return f"| {' | '.join(settled(cell) for cell in text[2:-2].split(' | '))} |"
    if "\n" in text:
        return "\n".join(map(settled, text.split("\n")))
    addresses = dict.fromkeys(_LINK.findall(text))
    return f"{_LINK.sub('', text).rstrip()} {' '.join(f'<{address}>' for address in addresses)}"


def chart(root: Any) -> Iterator[str]:
    """Yield the title of a chart, its axes' titles, and its values as a table with a row a category."""
    title = _said(root.find(f".//{C}chart/{C}title"))
    if title:
        yield title
    axes = [said for axis in root.iter(f"{C}catAx", f"{C}valAx", f"{C}dateAx", f"{C}serAx")
            if (said := _said(axis.find(f"{C}title")))]  # fmt: skip
    if axes:
        yield "Axes: " + ", ".join(axes)
    for plot in _plots(root):
        series = list(plot.iterchildren(f"{C}ser"))
        names: dict[int, str] = {}
        columns: list[tuple[str, dict[int, str]]] = []
        for at, one in enumerate(series, 1):
            for place in ("cat", "xVal"):
                for point, value in _points(one.find(f"{C}{place}")).items():
                    names.setdefault(point, value)
            values = _points(one.find(f"{C}val"))
            if not values:
                values = _points(one.find(f"{C}yVal"))
            name = " ".join(_points(one.find(f"{C}tx")).values()) or _said(one.find(f"{C}tx"))
            columns.append((name or f"Series {at}", values))
            sizes = _points(one.find(f"{C}bubbleSize"))
            if sizes:
                columns.append((f"{name} size".strip(), sizes))
        points = sorted({*names, *(point for _, values in columns for point in values)})
        if points:
            rows = [["", *(name for name, _ in columns)]]
            rows += [
                [names.get(point, str(point + 1)), *(values.get(point, "") for _, values in columns)]
                for point in points
            ]
            yield table(rows)

    for data in root.iter(f"{_CX}chartData"):  # the charts of Office 2016: waterfall, treemap, funnel
        written = table([[words] for one in data.iter(f"{_CX}pt") if (words := (one.text or "").strip())])
        if written:
            yield written


def _plots(root: Any) -> Iterator[Any]:
    area = root.find(f".//{C}plotArea")
    for plot in area.iterchildren() if area is not None else ():
        if plot.find(f"{C}ser") is not None:
            yield plot


def _points(element: Any) -> dict[int, str]:
    """The values of a series or the names of its categories, by their place; levels of names are joined."""
    found: dict[int, str] = {}
    if element is None:
        return found
    for point in element.iter(f"{C}pt"):
        at = number(point.get("idx"), -1)
        value = point.findtext(f"{C}v") or ""
        if at < 0 or len(found) > _MOST_POINTS or not value.strip():
            continue
        if point.getparent().tag == f"{C}numCache":
            value = _number(value, point.get("formatCode") or point.getparent().findtext(f"{C}formatCode") or "")
        found[at] = f"{value} {found[at]}" if at in found else value  # the outer level comes last
    return found


def _number(value: str, code: str) -> str:
    """A number as a chart shows it: a day where its format is that of days, else without needless digits."""
    try:
        shown = float(value)
        if _DAY.search(code) and 1 <= shown < 2_958_466:
            return (date(1899, 12, 30) + timedelta(days=int(shown))).isoformat()
        return f"{shown:.10g}"
    except ValueError:
        return value


def _said(element: Any) -> str:
    """The words of a title."""
    if element is None:
        return ""
    words = " ".join("".join(map(str, part.itertext(f"{A}t"))) for part in element.iter(f"{A}p"))
    return " ".join((words or " ".join(_points(element).values())).split())


def diagram(root: Any) -> str:
    """Return the texts of a diagram (SmartArt) as a list, without the words that stand where nobody wrote."""
    lines = []
    for point in root.iter(f"{DGM}pt"):
        holder = point.find(f"{DGM}prSet")
        if point.get("type") in ("pres", "parTrans", "sibTrans") and point.find(f"{DGM}t") is None:
            continue
        if holder is not None and holder.get("phldr") in ("1", "true"):
            continue
        words = " ".join("".join(map(str, point.itertext(f"{A}t"))).split())
        if words:
            lines.append(f"- {words}")
    return "\n".join(lines)
