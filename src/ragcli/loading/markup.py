"""Markdown that several loaders write: tables, code, text that flows over lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_CJK = r"[\u2e80-\u303f\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uffef]"
_CJK_BREAK = re.compile(rf"(?<={_CJK})[ \t]*\n[ \t]*(?={_CJK})")
_HASHES = re.compile(r"#{1,6}(?:\s|$)")
_TICKS = re.compile(r"`{3,}")
_MOST_CELLS = 1 << 12  # columns, and rows that one cell may span
_MOST_BLANK = 1 << 19  # cells of a table that stand for nothing but its shape


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as a Markdown table; the first row is its header. Blank rows are left out."""
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    if not cells:
        return ""
    width = max(len(row) for row in cells)
    padded = width if width * len(cells) - sum(map(len, cells)) <= _MOST_BLANK else 0
    lines = [f"| {' | '.join([*row, *[''] * (padded - len(row))])} |" for row in cells]
    return "\n".join([lines[0], f"|{' --- |' * width}", *lines[1:]])


def flowed(text: str) -> str:
    """Return a paragraph on one line; where a line ends between Chinese or Japanese characters, without a space."""
    if "\n" in text:
        text = _CJK_BREAK.sub("", text)
    return " ".join(text.split())


def paragraph(text: str) -> str:
    """Return the text of a paragraph such that it is not read as a heading."""
    return f"\\{text}" if _HASHES.match(text) else text


def fenced(code: str, language: str = "") -> str:
    """Return code in a fence that is longer than any in it."""
    longest = max(map(len, _TICKS.findall(code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def spread(rows: Iterable[Iterable[tuple[str, int, int]]]) -> list[list[str]]:
    """Return cells that span columns and rows as a plain grid: the text stands in the first place, the rest is blank.

    Args:
        rows: of cells (text, columns, rows).
    """
    grid: list[list[str]] = []
    taken: dict[int, int] = {}  # column: rows below that a cell above still covers
    room = _MOST_BLANK
    for row in rows:
        line: list[str] = []

        def skip_taken(line: list[str] = line) -> None:
            while taken.get(len(line), 0) > 0:
                taken[len(line)] -= 1
                line.append("")

        for text, columns, deep in row:
            skip_taken()
            across, down = (max(1, min(columns, _MOST_CELLS)), min(deep, _MOST_CELLS)) if room > 0 else (1, 1)
            room -= across * max(1, down) - 1
            for at in range(across):
                if down > 1:
                    taken[len(line)] = down - 1
                line.append("" if at else text)
        skip_taken()
        grid.append(line)
    return grid


def item(prefix: str, blocks: Sequence[str], *, indent: str | None = None) -> str:
    """Return blocks as an item of a list: the first after the prefix, all other lines indented.

    Args:
        prefix: the mark, ``- `` or ``1. ``, with what stands before the text.
        blocks: what is in the item.
        indent: of the other lines; as wide as the prefix where nothing else is said.
    """
    indent = " " * len(prefix) if indent is None else indent
    parts: list[str] = []
    for at, block in enumerate(blocks):
        is_list = block.startswith(("- ", "1. "))
        parts += ["\n" if is_list and at == 1 and "\n" not in parts[0] else "\n\n", block] if parts else [block]
    text = "".join(parts)
    if text.startswith(("```", "| ", "- ")) and len(prefix) > 3:
        text = "\n" + text
    lines = text.split("\n")
    return "\n".join([(prefix + lines[0]).rstrip(), *(indent + line if line else "" for line in lines[1:])])
