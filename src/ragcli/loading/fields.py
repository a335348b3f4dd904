"""Objects and rows with a text to documents: which field is the text, the id, the title."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.source import Options, Source
from ragcli.records import Document

TEXT = ("text", "content", "contents", "body", "passage", "document")
ID = ("_id", "id", "doc_id", "docid")
TITLE = ("title",)
_SHOWN = 8


class Missing(LoadError):
    """An object that has no text."""


def text_key(value: Mapping[str, Any], options: Options) -> str | None:
    """The field that holds the text: the one the user named, else the first known one that holds a text."""
    if options.text_field is not None:
        return options.text_field if _text(value.get(options.text_field)) is not None else None
    return next((key for key in TEXT if _text(value.get(key)) is not None), None)


def _text(value: Any) -> str | None:
    """A text, or a list of them as its lines."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return None


def to_document(
    source: Source,
    value: Mapping[str, Any],
    *,
    line: int,
    format: str,
    sha256: str,
) -> Document | None:
    """Make the document of one object; None where its text is blank.

    Other fields go to the metadata; those of an object ``metadata`` too. The given id is kept in
    ``metadata.id`` as a string and names the part of the source; without one the line does.

    Raises:
        Missing: no field holds a text.
    """
    options = source.options
    key = text_key(value, options)
    if key is None:
        names = ", ".join(list(value)[:_SHOWN]) or "none"
        wanted = f"field {options.text_field!r} with a text" if options.text_field else "field with a text"
        raise Missing(f"no {wanted}; its fields: {names}. Pass --text-field.")
    text = _text(value[key]) or ""
    if not text.strip():
        return None
    if "\0" in text:
        source.lose(f"{text.count(chr(0))} NUL characters removed", kind="skipped", line=line)
        text = text.replace("\0", "")
    id_key = _first(value, options.id_field, ID)
    title_key = _first(value, options.title_field, TITLE)
    title = value[title_key] if title_key is not None else None
    metadata: dict[str, Any] = {}
    nested = value.get("metadata")
    if isinstance(nested, dict):
        metadata.update(nested)
    for name, item in value.items():
        if name in (key, id_key) or (name == "metadata" and nested is not None and isinstance(nested, dict)):
            continue
        if name == title_key and isinstance(title, str):
            continue
        metadata[name] = item
    if id_key is None:
        part = str(line)
    else:
        part = str(value[id_key])
        if "id" in metadata:
            metadata["id_"] = metadata["id"]
        metadata["id"] = part
    return source.document(
        text, format=format, title=title if isinstance(title, str) else None, metadata=metadata, part=part,
        sha256=sha256,
    )  # fmt: skip


def _first(value: Mapping[str, Any], named: str | None, known: tuple[str, ...]) -> str | None:
    names = (named,) if named is not None else known
    return next((key for key in names if isinstance(value.get(key), (str, int, float)) and value[key] != ""), None)
