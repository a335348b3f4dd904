"""XML that holds data: a line ``name: value`` for each element with a value, a block a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ragcli.loading.markup import flowed
from ragcli.loading.source import Source

RECORD = 2000  # characters: an element with more is not one record but holds some
_DEEPEST = 100  # levels; what lies deeper is written without its structure
_INDENTED = 8
_MANY = 500  # attributes
_NOISE = {"schemaLocation", "noNamespaceSchemaLocation", "space", "style"}


def local(element: Any) -> str:
    """The name of an element without its namespace; "" for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def written(source: Source, root: Any) -> tuple[str | None, str, dict[str, Any]]:
    """Return title, text and metadata."""
    sizes = _sizes(root)
    blocks: list[str] = []
    _blocks(root, 0, sizes, blocks)
    return None, "\n\n".join(blocks), {}


def _sizes(root: Any) -> dict[Any, int]:
    """How many characters lie in each element that holds more than a record may."""
    from lxml import etree

    large: dict[Any, int] = {}
    stack: list[int] = []
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            stack.append(len(element.text or "") + len(element.tag) + len(attributes(element)))
            continue
        size = stack.pop()
        if size > RECORD and len(element):
            large[element] = size
        if stack:
            stack[-1] += size + len((element.tail or "").strip())
    return large


def _blocks(element: Any, depth: int, large: dict[Any, int], blocks: list[str]) -> None:
    if element not in large or depth > _DEEPEST:
        repeats = _repeats(element) if depth <= _DEEPEST else set()
        if not depth and repeats:  # a small file of records
            _children(element, depth, large, blocks, repeats)
        else:
            blocks.append("\n".join(lines(element, 0, named=True)))
        return
    _children(element, depth, large, blocks, set())


def _children(element: Any, depth: int, large: dict[Any, int], blocks: list[str], repeats: set[str]) -> None:
    """Write an element that holds records: its own values, then a block a record."""
    if depth:
        blocks.append(f"{'#' * min(depth, 6)} {local(element)}{attributes(element)}")
    own = [] if depth or not attributes(element) else [f"{local(element)}{attributes(element)}"]
    if (element.text or "").strip():
        own.append(flowed(element.text))
    for child in element:
        if not len(child) and child not in large and local(child) not in repeats:
            own += lines(child, 0, named=True)
        else:
            if own:
                blocks.append("\n".join(own))
                own = []
            _blocks(child, depth + 1, large, blocks)
        if (child.tail or "").strip():
            own.append(flowed(child.tail))
    if own:
        blocks.append("\n".join(own))


def _repeats(element: Any) -> set[str]:
    """The names of children that occur more than once and hold elements: records."""
    seen: set[str] = set()
    found: set[str] = set()
    for child in element:
        if len(child):
            name = local(child)
            (found if name in seen else seen).add(name)
    return found


def lines(element: Any, depth: int, *, named: bool) -> Iterator[str]:
    """Yield an element as lines ``name: value``, those in it indented."""
    name = local(element)
    indent = "  " * min(depth, _INDENTED)
    text = flowed(element.text or "")
    head = f"{indent}{name}{attributes(element)}" if named else indent
    if not len(element) or depth > _DEEPEST or _is_mixed(element):
        if len(element):
            text = flowed("".join(map(str, element.itertext())))
        if text:
            yield f"{head}: {text}"
        elif attributes(element):
            yield head
        return
    yield f"{head}:"
    for child in element:
        yield from lines(child, depth + 1, named=True)


def _is_mixed(element: Any) -> bool:
    """Whether text stands between the elements in it."""
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)


def attributes(element: Any) -> str:
    """The attributes that say something: `` (id: 7, lang: en)``."""
    number = len(element.attrib)
    if not number:
        return ""
    # items() takes the square of their number
    values = element.items() if number < _MANY else [(value.attrname, value) for value in element.xpath("@*")]
    said = [
        f"{name}: {flowed(value)}"
        for key, value in values
        if (name := key.rpartition("}")[2]) not in _NOISE and value.strip()
    ]
    return f" ({', '.join(said)})" if said else ""
