"""JSON Lines: each line with a text is a document; one line at a time, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from ragcli.errors import InputError
from ragcli.loading.encodings import choose, recoded
from ragcli.loading.fields import Missing, to_document
from ragcli.loading.numbers import loads_whole
from ragcli.loading.source import HEAD, Source
from ragcli.records import Document

_NAMED = 100  # bad lines of a file that are named one by one; the rest is counted
_MARK = b"\xef\xbb\xbf"


def read(source: Source) -> Iterator[Document]:
    """Yield a document for each line that holds a text.

    Lines of document records, as ``ragcli load`` writes them, pass through. A line that is no JSON object or
    holds no text is reported with its number, and the rest goes on.

    Raises:
        LoadError: the file is binary.
    """
    with source.open() as stream:
        yield from documents(source, _utf8(source, stream), format="jsonl")


def _utf8(source: Source, stream: Iterable[bytes]) -> Iterable[bytes]:
    """The lines as UTF-8; most files are, and pass through untouched."""
    head = source.head
    codec, sure = choose(head, complete=len(head) < HEAD, given=source.options.encoding, declared=source.charset)
    if codec == "utf-8":
        return stream
    if not sure:
        source.lose(f"its encoding is a guess ({codec}): too little text to be sure. Pass --encoding.")

    def lost(places: int) -> None:
        source.lose(f"{places} places could not be decoded as {codec}; U+FFFD stands there. Pass --encoding.")

    return recoded(stream, codec, lost)


def documents(source: Source, lines: Iterable[bytes], *, format: str) -> Iterator[Document]:
    """Yield the documents of JSON lines; what is none is reported with its line number."""
    bad = blank = 0
    for number, line in enumerate(lines, 1):
        if number == 1 and line.startswith(_MARK):
            line = line[3:]
        if not line.strip():
            continue
        try:
            value = loads_whole(line)
            if not isinstance(value, dict):
                raise ValueError("valid JSON, but not an object")
            if value.get("type") == "document" and "id" in value and "source" in value:
                yield Document.from_dict(value)
                continue
            document = to_document(
                source, value, line=number, format=format, sha256=sha256(line.rstrip(b"\r\n")).hexdigest()
            )
        except Missing as error:
            problem = error.message
        except InputError as error:
            problem = error.message
        except ValueError as error:
            problem = f"not a JSON object ({error})"
        else:
            if document is None:
                blank += 1
            else:
                yield document
            continue
        bad += 1
        source.report.count("lines_failed")
        if bad <= _NAMED:
            source.lose(f"line {number}: {problem}", line=number)
    if bad > _NAMED:
        source.lose(f"{bad - _NAMED} more lines like these", lines=bad - _NAMED)
    if blank:
        source.report.count("lines_blank", blank)
        source.lose(f"{blank} lines whose text is blank", kind="skipped", lines=blank)
