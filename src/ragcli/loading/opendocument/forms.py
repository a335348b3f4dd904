"""The controls of forms in OpenDocument files: what a reader of the page sees in them."""

from __future__ import annotations

from typing import Any

from ragcli.loading.opendocument.styles import DRAW, OFFICE

_FORM = "{urn:oasis:names:tc:opendocument:xmlns:form:1.0}"
_ID = "{http://www.w3.org/XML/1998/namespace}id"
CONTROL = f"{DRAW}control"
_LABELLED = {"button", "fixed-text", "frame", "image"}
_HIDDEN = {"hidden", "password"}


class Controls:
    """The controls of one file, by the ids that its text names."""

    def __init__(self) -> None:
        self._known: dict[str, Any] | None = None

    def text(self, element: Any) -> str:
        """Return what the control that an element shows holds: a value, a choice, a mark before a label."""
        if self._known is None:
            root = element.getroottree().getroot()
            self._known = {
                name: control
                for forms in root.iter(f"{OFFICE}forms")
                for control in forms.iter(f"{_FORM}*")
                if (name := control.get(_ID) or control.get(f"{_FORM}id"))
            }
        control = self._known.get(element.get(f"{DRAW}control") or "")
        return "" if control is None else _said(control)


def _said(control: Any) -> str:
    kind = control.tag.rpartition("}")[2]
    label = " ".join((control.get(f"{_FORM}label") or "").split())
    if kind in _HIDDEN:
        return ""
    if kind in _LABELLED:
        return label
    if kind == "checkbox":
        state = control.get(f"{_FORM}current-state") or control.get(f"{_FORM}state")
        return f"{'[x]' if state == 'checked' else '[ ]'} {label}".rstrip()
    if kind == "radio":
        return f"{'[x]' if _is_chosen(control) else '[ ]'} {label}".rstrip()
    if kind == "listbox":
        options = control.iterchildren(f"{_FORM}option")
        return ", ".join(option.get(f"{_FORM}label") or "" for option in options if _is_chosen(option))
    value = control.get(f"{_FORM}current-value")
    if value is None:
        value = control.get(f"{_FORM}value") or "\n".join("".join(map(str, part.itertext())) for part in control)
    return "\n".join(" ".join(line.split()) for line in value.strip().split("\n"))


def _is_chosen(element: Any) -> bool:
    return "true" in (element.get(f"{_FORM}current-selected"), element.get(f"{_FORM}selected"))
