"""Pages of HTML that stand alone: one file, no external resource, readable without JavaScript, on paper and offline.

`skeleton` holds the page's frame and its parts (sections, tables, notes), `charts` the drawings (inline SVG). Whatever
comes from documents and questions is escaped by `element`, through which everything goes. A command writes a page so::

    body = [section("What was found", paragraph("…"), table([Column("stage"), Column("questions", number=True)], rows))]
    write_page(path, page("Diagnosis", *body), option="--html")

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.pages.charts import Bar, Mark, Point, bars, differences, intervals, scatter
    from ragcli.pages.html import Html, element, fragment
    from ragcli.pages.skeleton import (
        Cell,
        Column,
        Given,
        bullets,
        details,
        facts,
        figure,
        notice,
        page,
        paragraph,
        section,
        table,
        write_page,
    )  # fmt: skip

_CHARTS = ("Bar", "Mark", "Point", "bars", "differences", "intervals", "scatter")
_HTML = ("Html", "element", "fragment")
_PAGE = (
    "Cell", "Column", "Given", "bullets", "details", "facts", "figure", "notice", "page", "paragraph", "section",
    "table", "write_page",
)  # fmt: skip
_HOMES = {
    **dict.fromkeys(_CHARTS, "ragcli.pages.charts"),
    **dict.fromkeys(_HTML, "ragcli.pages.html"),
    **dict.fromkeys(_PAGE, "ragcli.pages.skeleton"),
}

__all__ = [  # noqa: RUF022 - by module
    "Bar", "Mark", "Point", "bars", "differences", "intervals", "scatter",
    "Html", "element", "fragment",
    "Cell", "Column", "Given", "bullets", "details", "facts", "figure", "notice", "page", "paragraph", "section",
    "table", "write_page",
]  # fmt: skip

__getattr__, __dir__ = lazy(__name__, _HOMES)
