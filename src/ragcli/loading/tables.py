"""CSV and TSV: a document a row, its cells as ``column: value`` lines.

A row is what a question asks for (a product, a ticket, a question with its answer); with the names of its
columns beside the values it can be read alone. With ``--text-field`` that column is the text and the others
go to the metadata, as in JSON Lines.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import chain

from ragcli.errors import LoadError
from ragcli.loading.encodings import choose
from ragcli.loading.fields import ID, Missing, to_document
from ragcli.loading.source import HEAD, Options, Source
from ragcli.records import Document

_DELIMITERS = ",\t;|"
_WHOLE = 64 << 20  # bytes: a file up to this size is decoded at once, a larger one as it is read
_NUMBER = re.compile(r"(?:\s*[-+])?[\d.,:/%\s-]+")
_LONG = 200  # characters: a longer cell is no name of a column
_TITLE = 120  # characters: a longer cell is no title

csv.field_size_limit(1 << 27)


def read(source: Source) -> Iterator[Document]:
    """Yield a document for each row that is not blank; its source names the line the row begins on.

    Raises:
        LoadError: it is binary, or breaks the rules of CSV.
    """
    found = _decoded(source)
    lines = _Lines(found[0], found[1], count=found[2])
    delimiter = _delimiter(source, lines)
    reader = csv.reader(lines, delimiter=delimiter)
    names: list[str] | None = None
    line = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise LoadError(f"not readable as CSV: line {reader.line_num}: {error}.") from error
        if row is None:
            break
        raw, started, line = lines.taken(), line, reader.line_num + 1
        if not any(cell.strip() for cell in row):
            continue
        if names is None:
            header = _is_header(row)
            names = _names(row) if header else [f"column {at}" for at in range(1, len(row) + 1)]
            if header:
                continue
        document = _document(source, names, row, started, sha256(raw.encode(lines.codec, "replace")).hexdigest())
        if document is not None:
            yield document
    if lines.lost:
        source.lose(f"{lines.lost} places could not be decoded as {lines.codec}; U+FFFD stands there.")


class _Lines:
    """Lines for the CSV reader, remembering those of the current row."""

    def __init__(self, lines: Iterator[str], codec: str, *, count: bool) -> None:
        self.codec = codec
        self.lost = 0
        self._lines = lines
        self._count = count
        self._taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if self._count:
            self.lost += line.count("\ufffd")
        if "\0" in line:
            line = line.replace("\0", "")
        self._taken.append(line)
        return line

    def taken(self) -> str:
        """The text of the row just read."""
        text = "".join(self._taken)
        self._taken.clear()
        return text

    def peek(self, lines: int) -> list[str]:
        """The next lines, which stay to be read."""
        seen = [line for _, line in zip(range(lines), self._lines, strict=False)]
        self._lines = chain(seen, self._lines)
        return seen


def _decoded(source: Source) -> tuple[Iterator[str], str, bool]:
    if source.size <= _WHOLE:
        found = source.text()
        return iter(io.StringIO(found.text, newline="\n")), found.encoding, False
    head = source.head
    codec, _ = choose(head, complete=len(head) < HEAD, given=source.options.encoding, declared=source.charset)
    decoder = {"utf-8": "utf-8-sig", "utf-16-le": "utf-16", "utf-16-be": "utf-16"}.get(codec, codec)
    return iter(io.TextIOWrapper(source.open(), decoder, "replace", newline="")), codec, True


def _delimiter(source: Source, lines: _Lines) -> str:
    if source.suffix in (".tsv", ".tab") or source.media_type == "text/tab-separated-values":
        return "\t"
    seen = lines.peek(50)
    best, chosen = 0.0, ","
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(seen, delimiter=delimiter) if row]
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        same = sum(width == widths[0] for width in widths) / len(widths)
        if same > best:
            best, chosen = same, delimiter
    return chosen


def _is_header(row: list[str]) -> bool:
    """Whether the first row names the columns: no number, nothing long, no name twice."""
    cells = [cell.strip() for cell in row if cell.strip()]
    return (
        len(set(cells)) == len(cells)
        and not any(_NUMBER.fullmatch(cell) or len(cell) > _LONG for cell in cells)
    )  # fmt: skip


def _names(row: list[str]) -> list[str]:
    return [" ".join(cell.split()) or f"column {at}" for at, cell in enumerate(row, 1)]


def _line_name(names: list[str], options: Options, line: int) -> str:
    """What a row without an id is called: its line, apart from the ids where other rows have some."""
    ids = (options.id_field,) if options.id_field else ID
    return f"line{line}" if any(name in ids for name in names) else str(line)


def _document(source: Source, names: list[str], row: list[str], line: int, digest: str) -> Document | None:
    options = source.options
    names = [*names, *(f"column {at}" for at in range(len(names) + 1, len(row) + 1))]
    cells = {name: cell for name, cell in zip(names, row, strict=False) if cell.strip()}
    if options.text_field is not None:
        try:
            return to_document(source, cells, line=line, format="csv", sha256=digest)
        except Missing as error:
            source.report.count("lines_failed")
            source.lose(f"line {line}: {error.message}", line=line)
            return None
    text = "\n".join(f"{name}: {cell.strip()}" for name, cell in cells.items())
    title = cells.get(options.title_field or "") if options.title_field else None
    if title is None and options.title_field is None:
        title = cells.get("title") or next(
            (cell for cell in cells.values() if not _NUMBER.fullmatch(cell) and len(cell) <= _TITLE), None
        )
    given = next((cells[key] for key in ((options.id_field,) if options.id_field else ID) if key in cells), None)
    part = given or _line_name(names, options, line)
    return source.document(text, format="csv", title=title, metadata={"id": given}, part=part, sha256=digest)
