"""JSON as programs write it: not-a-number, infinity, and numbers of any length, none of them changed."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

from ragcli.jsonl import clean, loads

_ODD = re.compile(rb"[\s:,\[]-?\d[\d.]{15}|[\s:,\[]-?[\d.]+[eE]|NaN|Infinity")
_SAFE = 1 << 63


class Number(str):
    """A number as it is written, which no type of Python or JSON keeps."""


def loads_whole(data: bytes) -> Any:
    """Return what a JSON text says; a number that would be changed is a `Number`.

    Raises:
        ValueError: it is no JSON.
    """
    if not _ODD.search(data):
        return loads(data)
    try:
        value = json.loads(data, parse_int=_whole, parse_float=_broken, parse_constant=Number)
        return _cleaned(value) if b"\\u" in data else value  # halves of characters
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _cleaned(value: Any) -> Any:
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    return clean(value) if isinstance(value, str) and not isinstance(value, Number) else value


def indented(value: Any) -> str:
    """Return a value as indented JSON, numbers as they were."""
    option = orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_SUBCLASS
    return orjson.dumps(value, default=_as_written, option=option).decode()


def _as_written(value: Any) -> Any:
    if isinstance(value, Number):
        return orjson.Fragment(value.encode())
    raise TypeError


def _whole(digits: str) -> int | Number:
    value = int(digits) if len(digits) < 20 else _SAFE
    return value if -_SAFE <= value < _SAFE else Number(digits)


def _broken(digits: str) -> float | Number:
    value = float(digits)
    figures = digits.lower().partition("e")[0].strip("-0.")
    kept = len(figures) <= 16 and math.isfinite(value) and (value != 0 or not figures)
    return value if kept else Number(digits)
