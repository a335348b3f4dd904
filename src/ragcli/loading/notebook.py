"""Jupyter notebooks: text cells as they are, code cells and what they wrote as code, a span a cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.numbers import loads_whole
from ragcli.loading.source import Source
from ragcli.records import Document

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TITLE = re.compile(r"^#{1,2} +(.+)$", re.M)


def read(source: Source) -> Iterator[Document]:
    """Yield the notebook as one document.

    Raises:
        LoadError: it is no notebook.
    """
    try:
        notebook = loads_whole(source.text().text.encode("utf-8", "replace"))
    except ValueError as error:
        raise LoadError(f"not readable as a notebook: {error}.") from error
    if not isinstance(notebook, dict):
        raise LoadError("not readable as a notebook: it holds no cells.")
    sheets = notebook.get("worksheets")  # before version 4
    cells = sheets[0].get("cells") if isinstance(sheets, list) and sheets else notebook.get("cells")
    if not isinstance(cells, list):
        raise LoadError("not readable as a notebook: it holds no cells.")
    metadata = notebook.get("metadata")
    about = metadata.get("language_info") if isinstance(metadata, dict) else None
    language = str(about.get("name") or "") if isinstance(about, dict) else ""
    text, spans, pictures = "", [], 0
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, dict):
            source.lose(f"cell {number} is no cell", cell=number)
            continue
        written, unread = _cell(cell, language)
        pictures += unread
        if written:
            text += "\n\n" if text else ""
            spans.append({"start": len(text), "end": len(text) + len(written), "cell": number})
            text += written
    if pictures:
        source.lose(f"{pictures} pictures that its code drew", kind="skipped", pictures=pictures)
    if text.strip():
        title = _TITLE.search(text)
        facts = {"language": language}
        yield source.document(text, format="ipynb", title=title[1] if title else None, spans=spans, metadata=facts)


def _joined(value: Any) -> str:
    """A text, which a notebook may keep as a list of its lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _cell(cell: dict[str, Any], language: str) -> tuple[str, int]:
    """Return a cell as Markdown, and the number of pictures in it that were not read."""
    content = _joined(cell.get("source", cell.get("input"))).strip("\n")
    if cell.get("cell_type") == "heading":  # before version 4
        return f"{'#' * int(cell.get('level') or 1)} {content}", 0
    if cell.get("cell_type") != "code":
        return content.strip(), 0
    blocks = [_fenced(content, language)] if content.strip() else []
    pictures = 0
    for output in cell.get("outputs") or []:
        if not isinstance(output, dict):
            continue
        data = output.get("data") if isinstance(output.get("data"), dict) else output
        assert isinstance(data, dict)
        said = _joined(output.get("text")) or _joined(data.get("text/plain"))
        if output.get("output_type") in ("error", "pyerr"):
            said = f"{output.get('ename')}: {output.get('evalue')}"
        pictures += any(key.startswith("image/") or key in ("png", "jpeg") for key in data)
        said = _COLOURS.sub("", said).strip("\n")
        if said.strip():
            blocks.append(_fenced(said, ""))
    return "\n\n".join(blocks), pictures


def _fenced(code: str, language: str) -> str:
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}{language}\n{code}\n{fence}"
