"""CSV and TSV: a document for each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from ragcli.errors import LoadError
from ragcli.loading.item import Item
from ragcli.loading.text import decode
from ragcli.records import Document

_SAMPLE = 1 << 14


def delimiter(text: str) -> str:
    """Return the delimiter that splits the first rows into the most equal number of columns."""
    best, chosen = (0.0, 0), ","
    for mark in ",\t;|":
        rows = [row for row in csv.reader(io.StringIO(text[:_SAMPLE], newline=""), delimiter=mark) if row][:20]
        width = len(rows[0]) if rows else 0
        if width > 1 and (score := (sum(len(row) == width for row in rows) / len(rows), width)) > best:
            best, chosen = score, mark
    return chosen


def load_csv(item: Item) -> Iterator[Document]:
    """Yield a document for each row; the first row names the columns."""
    text = decode(item, item.read())
    options = item.options
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text))
    names = [name.strip() for name in next(reader, [])]
    for wanted in (options.text_field, options.id_field, options.title_field):
        if wanted is not None and wanted not in names:
            raise LoadError(f"{item.source}: there is no column {wanted!r}; there are {', '.join(names)}.")
    line = reader.line_num + 1
    for row in reader:
        start, line = line, reader.line_num + 1
        if not any(cell.strip() for cell in row):
            item.report.count("rows_empty")
            continue
        values = dict(zip(names, row, strict=False))
        if options.text_field is not None:
            body = values.get(options.text_field, "")
            metadata = {key: value for key, value in values.items() if key != options.text_field}
        else:
            cells = [f"{key}: {value}" if key else value for key, value in zip(names, row, strict=False) if value]
            body = "\n".join(cells + [cell for cell in row[len(names) :] if cell])
            metadata = {}
        if options.id_field is not None:
            metadata["id"] = values.get(options.id_field, "")
        title = values.get(options.title_field) if options.title_field is not None else None
        yield item.document(body, "csv", source=f"{item.source}#{start}", title=title, metadata=metadata)
