"""Elements of HTML and SVG, written so that they are well-formed XML, too; every text in them is escaped."""

from __future__ import annotations

import re
from html import escape

from ragcli.jsonl import clean

_VOID = frozenset(
    ("area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr", "circle", "line", "path", "rect")
)
# What XML does not allow, and marks that turn the direction of writing for what follows them.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
_KANA = re.compile("[\u3040-\u30ff]")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(text: str) -> Html:
    """Return a text as HTML shows it: nothing in it is markup, controls are U+FFFD."""
    return Html(escape(_CONTROLS.sub("\ufffd", clean(text))))


def element(tag: str, *children: Html | str | float | None, **attributes: str | float | bool | None) -> Html:
    """Return an element.

    Args:
        tag: its name.
        children: texts, which are escaped, and elements; None is left out.
        attributes: ``class_`` is ``class`` and ``aria_label`` ``aria-label``; None and False are left out.
    """
    said = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escaped(name.rstrip("_") if value is True else _text(value))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID and not children:
        return Html(f"<{tag}{said}/>")
    return Html(f"<{tag}{said}>{fragment(*children)}</{tag}>")


def fragment(*children: Html | str | float | None) -> Html:
    """Return elements and texts one after another."""
    return Html(
        "".join(child if isinstance(child, Html) else escaped(_text(child)) for child in children if child is not None)
    )


def _text(value: str | float) -> str:
    """Return a number in few digits: coordinates need no more than two behind the point."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def language_of(text: str) -> str | None:
    """Return ``zh`` for a text in Chinese, so that the browser takes Chinese forms of the characters."""
    return "zh" if _HAN.search(text) and not _KANA.search(text) else None
