r"""Bytes to records and back: JSON Lines, a line at a time, in constant memory.

Lines end at ``\n`` only: U+2028 and its like are valid inside a JSON string. A lone surrogate, which no
UTF-8 stream can hold, becomes U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, NoReturn, TypeVar

import orjson

from ragcli.errors import InputError
from ragcli.records import Record

R = TypeVar("R", bound=Record)
OnBad = Callable[[InputError], None]

_SURROGATES = re.compile("[\ud800-\udfff]")
_SHOWN = 60


def clean(text: str) -> str:
    """Return the text with lone surrogates replaced by U+FFFD, so that UTF-8 can hold it."""
    return _SURROGATES.sub("\ufffd", text)


def clean_tree(value: Any) -> Any:
    """Return a JSON value with every string in it cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_tree(item) for item in value]
    if isinstance(value, dict):
        return {clean(str(key)): clean_tree(item) for key, item in value.items()}
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def loads(line: bytes) -> Any:
    """Parse one JSON value.

    Raises:
        ValueError: the bytes are no JSON, in words that say where.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if b"\\u" not in line:
            raise ValueError(str(error)) from error
        try:  # orjson refuses lone surrogates, which real crawls hold
            return clean_tree(json.loads(line, parse_constant=_no_constant))
        except (ValueError, RecursionError):
            raise ValueError(str(error)) from error


def dumps(value: Any) -> bytes:
    """Write one JSON value, without a line end; lone surrogates become U+FFFD."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(clean_tree(value))


def objects(
    stream: Iterable[bytes], *, name: str = "stdin", on_bad: OnBad | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) for each line of a binary stream that is not blank.

    Args:
        stream: lines of bytes.
        name: what to call the stream in an error.
        on_bad: called with each bad line's error, which then does not end the stream.

    Raises:
        InputError: a line is not a JSON object and there is no ``on_bad``.
    """
    for number, line in enumerate(stream, 1):
        if number == 1 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        if not line.strip():
            continue
        try:
            value = loads(line)
            if not isinstance(value, dict):
                raise ValueError("it is valid JSON, but not an object")
        except ValueError as error:
            shown = line.strip()[:_SHOWN].decode("utf-8", "replace")
            bad = InputError(
                f"{name}, line {number}: expected a JSON object, found {shown!r} ({error}).",
                hint="Mend the line, or pass --skip-bad to go on without it (exit code 3).",
            )
            if on_bad is None:
                raise bad from error
            on_bad(bad)
            continue
        yield number, value


def records(
    stream: Iterable[bytes],
    cls: type[R],
    *others: type[R],
    name: str = "stdin",
    on_bad: OnBad | None = None,
) -> Iterator[R]:
    """Yield the records of one type, or of the other types given, that a binary stream holds.

    Raises:
        InputError: a line is no such record and there is no ``on_bad``; it names the line.
    """
    kinds: dict[object, type[R]] = {other.type: other for other in others}
    for number, value in objects(stream, name=name, on_bad=on_bad):
        kind = value.get("type")
        try:
            yield (kinds.get(kind, cls) if isinstance(kind, str) else cls).from_dict(value)
        except InputError as error:
            bad = InputError(
                f"{name}, line {number}: {error.message}.",
                hint=_pipe_hint(cls.type, str(value.get("type", ""))),
            )
            if on_bad is None:
                raise bad from error
            on_bad(bad)


def whole(data: bytes, cls: type[R]) -> int:
    """Return how many bytes of a file of records are whole lines; behind them is what a killed run left.

    A last line without an end counts unless it is the beginning of such a record: anything else is not of ragcli's
    making, and no run's leftover.
    """
    end = data.rfind(b"\n") + 1
    tail = data[end:]
    start = dumps({"type": cls.type})[:-1]
    if not (tail.startswith(start) or start.startswith(tail)):
        return len(data)
    try:
        for _ in records([tail], cls):
            return len(data)
    except InputError:
        pass
    return end


_MADE_BY = {"document": "load", "chunk": "split", "vector": "embed", "result": "query", "answer": "ask"}


def _pipe_hint(wanted: str, found: str) -> str:
    maker = _MADE_BY.get(wanted, "")
    if found in _MADE_BY and found != wanted:
        return f"'ragcli {_MADE_BY[found]}' wrote this; put 'ragcli {maker}' between, as in load | split | embed."
    return f"'ragcli {maker}' writes {wanted} records; --skip-bad goes on without bad lines (exit code 3)."


def write(stream: IO[bytes], record: Record) -> None:
    """Write one record as a line."""
    stream.write(dumps(record.to_dict()) + b"\n")
