"""The skeleton of a page and its parts: sections, paragraphs, tables, notices, folds.

A page may load nothing: its policy (Content-Security-Policy) forbids it, and knows the one script, which sorts tables,
by its hash. It is light or dark as the system is, prints in black on white, and fits a phone: only tables scroll.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragcli import __version__
from ragcli.errors import UsageError
from ragcli.pages.html import Html, element, escaped, fragment, language_of
from ragcli.pages.style import SCRIPT, STYLE

Part = Html | str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        name: its head.
        number: its cells are numbers, which stand on the right.
        wide: its cells are texts that may take some lines.
        explained: what the head means, shown where the mouse rests on it.
    """

    name: str
    number: bool = False
    wide: bool = False
    explained: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that is sorted by something else than its text."""

    shown: Part
    key: float | str


Given = Cell | Part | float | None  # what a table takes as a cell


def page(title: str, *parts: Part, lead: str | None = None, language: str = "en") -> str:
    """Return a whole page.

    Args:
        title: of the page, and its first heading.
        parts: its body.
        lead: a line below the title.
        language: in which ragcli's own words are.
    """
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=f"ragcli {__version__}"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    header = element("header", element("h1", title, lang=language_of(title)), paragraph(lead, "lead") if lead else None)
    footer = element("footer", paragraph(f"Made by ragcli {__version__}. This page is one file and loads nothing."))
    body = element("body", header, element("main", *parts), footer, element("script", Html(SCRIPT)))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang=language)}\n"


def write_page(path: Path, content: str, *, option: str = "--html") -> None:
    """Write a page, to a temporary name first.

    Raises:
        UsageError: the file cannot be written.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"{option} {path} cannot be written: {error.strerror}.") from error


def section(heading: str, *parts: Part | None) -> Html:
    """Return a section with its heading."""
    return element("section", element("h2", heading, lang=language_of(heading)), *parts)


def paragraph(text: Part, class_: str | None = None) -> Html:
    """Return a paragraph."""
    return element("p", text, class_=class_, lang=None if isinstance(text, Html) else language_of(text))


def bullets(items: Iterable[Part]) -> Html:
    """Return a list."""
    return element("ul", *(element("li", item) for item in items))


def notice(*parts: Part, kind: str = "note", heading: str | None = None) -> Html:
    """Return what must be seen: ``kind`` is note, good, warning or bad, which is said in words, too."""
    head = element("strong", heading, class_="heading") if heading else None
    return element("div", head, *(one if isinstance(one, Html) else paragraph(one) for one in parts), class_=kind)


def details(summary: Part, *parts: Part | None, open_: bool = False) -> Html:
    """Return what is folded away until it is wanted; it is printed unfolded."""
    return element("details", element("summary", summary), *parts, open=open_)


def facts(pairs: Iterable[tuple[str, Part]]) -> Html:
    """Return names with what they are, as of settings."""
    return element(
        "dl", *(element("div", element("dt", name), element("dd", value)) for name, value in pairs), class_="facts"
    )


def figure(title: str, *parts: Part | None, explained: str | None = None) -> Html:
    """Return a drawing with its title, and with how it is read."""
    caption = element(
        "figcaption", element("strong", title), element("span", explained, class_="how") if explained else None
    )
    return element("figure", caption, *parts)


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Given]],
    *,
    caption: str,
    strong: Iterable[int] = (),
    sortable: bool = False,
) -> Html:
    """Return a table.

    Args:
        columns: its columns; the first one's cells name their rows.
        rows: a cell a column; a number is shown as it is, None as a dash.
        caption: what it shows.
        strong: places of rows that stand out.
        sortable: a click on a head sorts by it, where JavaScript runs.
    """
    heads = [
        element("th", one.name, scope="col", class_=_class(one), title=one.explained, data_sort=sortable or None)
        for one in columns
    ]
    marked = set(strong)
    body = [
        element("tr", *map(_cell, columns, row, range(len(columns))), class_="strong" if at in marked else None)
        for at, row in enumerate(rows)
    ]
    made = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", *body),
        class_="sortable" if sortable else None,
    )
    return element("div", made, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _class(column: Column) -> str | None:
    return "number" if column.number else "wide" if column.wide else None


def _cell(column: Column, given: Given, at: int) -> Html:
    shown = given.shown if isinstance(given, Cell) else given
    key = given.key if isinstance(given, Cell) else None
    text = shown if isinstance(shown, Html) else escaped("–" if shown is None else str(shown))
    tag, scope = ("th", "row") if at == 0 else ("td", None)
    said = str(key) if key is not None else None
    return element(tag, fragment(text), scope=scope, class_=_class(column), data_key=said, lang=language_of(text))
