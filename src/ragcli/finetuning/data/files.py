"""From a source to JSON values and texts with their places, one after another, in constant memory.

What a file holds is seen from its first bytes: JSON Lines, one JSON array, Parquet, or text; tables of text by their
names. UTF-8 is read as it is, other encodings where it is certain which one; ``.gz`` is unpacked. A file that cannot be
read to its end is an error, also where bad rows are passed over: nobody could say how many were lost.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, TypeAlias

from ragcli.errors import InputError, LoadError
from ragcli.finetuning.data.arrays import array_items
from ragcli.finetuning.data.beir import beir_items
from ragcli.finetuning.data.forms import MEND
from ragcli.finetuning.data.rows import Place, RowError
from ragcli.finetuning.data.sources import TEXTS, Source
from ragcli.finetuning.data.tables import csv_items, parquet_items
from ragcli.jsonl import loads
from ragcli.loading.encodings import choose, recoded
from ragcli.records import Json

Item: TypeAlias = tuple[Place, Json | RowError]
MOST_LINE = 1 << 26  # bytes
PIECE = 1 << 18  # characters of a text that are one row at most

_HEAD = 1 << 16
_BLOCK = 1 << 20
_SHOWN = 60
_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_BLANK = b" \t\r\n"
_JSON = (".json", ".jsonl", ".ndjson")
_ARRAY = re.compile(rb"\[\s*(?:[{\]]|$)")
_OTHERS = {  # what is no text and no JSON, by the end of its name
    ".xlsx": "a table", ".xls": "a table", ".ods": "a table", ".arrow": "a table", ".feather": "a table",
    ".pdf": "a document", ".docx": "a document", ".html": "a document", ".htm": "a document", ".epub": "a document",
    ".zip": "an archive", ".tar": "an archive", ".7z": "an archive", ".bz2": "an archive", ".xz": "an archive",
    ".zst": "an archive",
}  # fmt: skip
_HINTS = {
    "a document": "For its text: ragcli load {path} | ragcli finetune --task text --data - …",
    "an archive": "Unpack it first.",
}
_TABLE_HINT = "Write its rows as JSON Lines, an object a line, or as Parquet or CSV."
_MARKS = {".csv": ",", ".tsv": "\t"}


def items(source: Source) -> Iterator[Item]:
    """Yield what a source holds: objects, texts as ``{"text": …}``, and the error of each line that is neither.

    Raises:
        InputError: the source is empty or binary, its encoding is unknown, or it cannot be read to its end.
    """
    found = False
    for item in _items(source):
        found = True
        yield item
    if not found:
        raise InputError(f"{named(source)} is empty: no row of training data is in it.")


def named(source: Source) -> str:
    """Return what a source is called in messages."""
    return "stdin" if source.path == "-" else source.path


def _items(source: Source) -> Iterator[Item]:
    path = source.place
    if source.is_beir:
        try:
            yield from beir_items(source)
        except OSError as error:
            raise InputError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from error
    elif path.is_dir():
        for one in source.texts():
            yield from _file_items(one, str(one))
    else:
        yield from _file_items(path, source.path)


def _file_items(path: Path, name: str) -> Iterator[Item]:
    suffix = _suffix(name)
    what = _OTHERS.get(suffix)
    if what is not None:
        hint = _HINTS.get(what, _TABLE_HINT).format(path=name)
        raise InputError(f"{name} is {what}, not JSON Lines, a JSON array, Parquet, CSV or text.", hint=hint)
    try:
        with _opened(path) as stream:
            head = stream.read(_HEAD)
        if head.startswith(b"PAR1"):
            yield from parquet_items(path, name)
            return
        codec = _codec(head, name)
        kind = _kind(next(recoded([head], codec, lambda _: None), b"") if codec != "utf-8" else head, suffix)
        with _opened(path) as stream:
            if suffix in _MARKS:
                yield from csv_items(_decoded(stream, codec, name), name, _MARKS[suffix])
            elif kind == "text":
                yield from _texts(_decoded(stream, codec, name), name)
            elif kind == "array":
                yield from array_items(_decoded(stream, codec, name), name)
            else:
                yield from _lines(_utf8(stream, codec), name, codec)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{name} cannot be unpacked to its end: it is cut short or damaged.") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}.") from error


def _suffix(name: str) -> str:
    return Path(name.lower().removesuffix(".gz")).suffix


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as stream:
        packed = stream.read(2) == _GZIP
        stream.seek(0)
        if not packed:
            yield stream
            return
        with gzip.open(stream) as unpacked:
            yield io.BufferedReader(unpacked)


def _codec(head: bytes, name: str) -> str:
    """Return the encoding of a file.

    Raises:
        InputError: it is binary, or its encoding is a guess.
    """
    try:
        codec, sure = choose(head, complete=len(head) < _HEAD)
    except LoadError as error:
        raise InputError(
            f"{name} is binary, not text.",
            hint="Training data are JSON Lines, a JSON array, Parquet, CSV, or plain text.",
        ) from error
    if not sure:
        raise InputError(
            f"{name} is not UTF-8, and what it is instead cannot be told ({codec}?).",
            hint=f"Convert it, as in: iconv -f {codec} -t UTF-8 {name} > utf8.jsonl",
        )
    return codec


def _kind(head: bytes, suffix: str) -> str:
    """Return what a file holds: lines (of JSON), array or text."""
    start = head.removeprefix(_MARK).lstrip(_BLANK)
    first = start.partition(b"\n")[0]
    if suffix in _JSON:
        if start.startswith(b"["):
            return "array"
        return "array" if suffix == ".json" and start.startswith(b"{") and not _is_object(first) else "lines"
    if suffix in TEXTS:
        return "lines" if _is_object(first) else "text"
    if _ARRAY.match(first):
        return "array"
    return "lines" if start.startswith(b"{") else "text"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(loads(line), dict)
    except ValueError:
        return line.startswith(b"{") and len(line) > _HEAD // 2  # a line longer than the head


def _utf8(stream: IO[bytes], codec: str) -> Iterable[bytes]:
    """Yield the lines as UTF-8; a longer one than `MOST_LINE` in pieces."""
    pieces = iter(lambda: stream.readline(MOST_LINE), b"")
    return pieces if codec in ("utf-8", "ascii") else recoded(pieces, codec, lambda _: None)


def _lines(stream: Iterable[bytes], name: str, codec: str) -> Iterator[Item]:
    for number, line in enumerate(stream, 1):
        if number == 1:
            line = line.removeprefix(_MARK)
        if len(line) >= MOST_LINE and not line.endswith(b"\n"):
            raise InputError(f"{name}:{number}: the line is longer than {MOST_LINE >> 20} MiB: no row is.")
        if not line.strip():
            continue
        place = Place(name, number)
        try:
            if codec != "utf-8" and b"\xef\xbf\xbd" in line:
                raise ValueError(f"a place in it is not {codec}")
            value = loads(line)
            if not isinstance(value, dict):
                raise ValueError("it is valid JSON, but not an object")
        except (ValueError, RecursionError) as error:
            shown = line.strip()[:_SHOWN].decode("utf-8", "replace")
            yield (
                place,
                RowError(f"{place}: expected a JSON object, found {shown!r} ({_why(line, error)}).", "json", hint=MEND),
            )
            continue
        yield place, value


def _why(line: bytes, error: Exception) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as undecodable:
        return f"byte {undecodable.start + 1} of the line is not UTF-8"
    return "it is nested too deep" if isinstance(error, RecursionError) else str(error)


def _decoded(stream: IO[bytes], codec: str, name: str) -> Iterator[str]:
    """Yield a file's characters in blocks, with ``\\n`` at line ends.

    Raises:
        InputError: a byte is not of the encoding.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(codec)("strict"), translate=True)
    line, first = 1, True
    for block in chain(iter(lambda: stream.read(_BLOCK), b""), [b""]):
        try:
            text = decoder.decode(block, not block)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            raise InputError(
                f"{name}:{line}: a byte there is not {codec}.",
                hint=f"Convert the file, as in: iconv -c -f {codec} -t UTF-8 {name} > clean.txt",
            ) from error
        line += text.count("\n")
        if text:
            yield text.removeprefix("\ufeff") if first else text
            first = False


def _texts(blocks: Iterable[str], name: str) -> Iterator[Item]:
    """Yield a text in pieces of at most `PIECE` characters, cut at blank lines where there are some."""
    rest, line, part = "", 1, 0
    for block in chain(blocks, [""]):
        rest += block
        while len(rest) > PIECE or (rest and not block):
            end = _cut(rest)
            piece, rest = rest[:end], rest[end:]
            if piece.strip():
                place = Place(name, line + piece[: len(piece) - len(piece.lstrip())].count("\n"), part)
                yield place, {"text": piece.strip().replace("\0", "")}
                part += 1
            line += piece.count("\n")


def _cut(text: str) -> int:
    """Return where the first piece of a text ends."""
    if len(text) <= PIECE:
        return len(text)
    for sign in ("\n\n", "\n", "。", ". "):
        at = text.rfind(sign, PIECE // 2, PIECE)
        if at >= 0:
            return at + len(sign)
    return PIECE
