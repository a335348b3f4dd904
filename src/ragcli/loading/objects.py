"""JSON and JSON Lines: objects that hold a text."""

from __future__ import annotations

import codecs
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from ragcli.errors import InputError, LoadError
from ragcli.jsonl import loads
from ragcli.jsonl import objects as lines
from ragcli.loading.item import Item
from ragcli.loading.text import decode
from ragcli.records import Document

_IDS = ("_id", "id")
_TITLES = ("title",)
_TEXTS = ("text", "content", "contents", "body", "passage")


def _field(value: dict[str, Any], given: str | None, known: tuple[str, ...]) -> str | None:
    if given is not None:
        return given if given in value else None
    return next((key for key in known if key in value), None)


def record(item: Item, value: dict[str, Any], place: int, sha256: str, format_: str) -> Document:
    """Make the document that an object holds.

    Raises:
        InputError: it has no text, or is of another kind than it says.
    """
    options = item.options
    if value.get("type") == "document" and "source" in value:
        return Document.from_dict(value)
    text_key = _field(value, options.text_field, _TEXTS)
    if text_key is None or not isinstance(value[text_key], str):
        wanted = options.text_field or ", ".join(_TEXTS)
        raise InputError(f"no string under {wanted}")
    id_key = _field(value, options.id_field, _IDS)
    title_key = _field(value, options.title_field, _TITLES)
    metadata = {key: held for key, held in value.items() if key not in (text_key, id_key, title_key)}
    if id_key is not None:
        metadata["id"] = value[id_key]
    title = value[title_key] if title_key is not None else None
    return item.document(
        value[text_key],
        format_,
        source=f"{item.source}#{value[id_key] if id_key is not None else place}",
        sha256=sha256,
        title=str(title) if title else None,
        metadata=metadata,
    )


def _failed(item: Item, message: str, place: int | None = None) -> None:
    item.report.count("records_failed")
    where = {} if place is None else {"line": place}
    item.report.lose("failed", item.source, message, **where)


def load_jsonl(item: Item) -> Iterator[Document]:
    """Yield a document for each line, in constant memory; a bad line is a failure and the rest goes on."""
    last = b""

    def bad(error: InputError) -> None:
        reason = error.message.removeprefix(f"{item.source}, ")
        item.report.count("records_seen")
        _failed(item, reason, int(reason[5 : reason.index(":")]))

    def kept(stream: Iterable[bytes]) -> Iterator[bytes]:
        nonlocal last
        for line in stream:
            last = line
            yield line

    with item.open() as opened:
        stream: Iterable[bytes] = opened
        if item.options.encoding is not None or opened.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            # Only UTF-8 can be split into lines as bytes.
            stream = io.BytesIO(decode(item, item.read()).encode("utf-8", "surrogatepass"))
        else:
            opened.seek(0)
        for number, value in lines(kept(stream), name=item.source, on_bad=bad):
            item.report.count("records_seen")
            sha256 = hashlib.sha256(last).hexdigest()
            try:
                document = record(item, value, number, sha256, "jsonl")
            except InputError as error:
                _failed(item, f"line {number}: {error.message}", number)
                continue
            yield document


def load_json(item: Item) -> Iterator[Document]:
    """Yield a document for each object of an array that holds texts; other JSON is one document."""
    text = decode(item, item.read())
    try:
        value = loads(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise LoadError(f"{item.source}: not JSON ({error}).") from error
    options = item.options
    rows = value if isinstance(value, list) else []
    if rows and all(isinstance(row, dict) for row in rows) and _field(rows[0], options.text_field, _TEXTS):
        whole = hashlib.sha256(item.read()).hexdigest()
        for place, row in enumerate(rows, 1):
            try:
                document = record(item, row, place, whole, "json")
            except InputError as error:
                _failed(item, f"item {place}: {error.message}")
                continue
            yield document
        return
    if isinstance(value, dict) and _field(value, options.text_field, _TEXTS):
        try:
            document = record(item, value, 1, hashlib.sha256(item.read()).hexdigest(), "json")
        except InputError:
            pass
        else:
            yield document
            return
    yield item.document(json.dumps(value, ensure_ascii=False, indent=2), "json")
