"""The header of a GGUF file: its window and its control tokens, without the weights.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (magic, version, counts, then keys with values).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragcli.errors import ModelError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_CONTROL, _USER_DEFINED = 3, 4  # token types
_MOST_SPECIAL = 4096
_ALIGNMENT = 32
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a GGUF file says of itself.

    Args:
        architecture: as ``qwen2``.
        window: tokens that the model was trained on, or None.
        special: texts of its control tokens.
        template: its chat template, or None.
    """

    architecture: str
    window: int | None
    special: tuple[str, ...]
    template: str | None


def read_header(path: Path) -> Header:
    """Return the header of a file.

    Raises:
        ModelError: the file cannot be read, or is no GGUF file.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            values = Front(data).values
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is empty"
        raise ModelError(f"{path} cannot be read: {reason}.") from error
    except (struct.error, IndexError, KeyError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} is no GGUF file, or only a part of one.",
            hint="ragcli download --verify compares it with the hub's.",
        ) from error
    architecture = str(values.get("general.architecture", ""))
    window = values.get(f"{architecture}.context_length")
    return Header(
        architecture=architecture,
        window=window if isinstance(window, int) and window > 0 else None,
        special=_special(values.get("tokenizer.ggml.tokens", []), values.get("tokenizer.ggml.token_type", ())),
        template=values.get("tokenizer.chat_template"),
    )


def _special(tokens: Any, kinds: Any) -> tuple[str, ...]:
    found = [at for at, kind in enumerate(kinds) if kind in (_CONTROL, _USER_DEFINED)]
    texts = (tokens[at].decode("utf-8", "replace") for at in found[:_MOST_SPECIAL] if at < len(tokens))
    return tuple(text for text in texts if len(text) > 1)


class _Strings(Sequence[bytes]):
    """Strings of a file by their places, each cut out when it is asked for."""

    def __init__(self, data: bytes, places: list[int]) -> None:
        self._data, self._places, self._first = data, places, places[0] if places else 0

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, at: Any) -> Any:
        start = self._places[at] - self._first
        length = int(_LENGTH.unpack_from(self._data, start)[0])
        return self._data[start + 8 : start + 8 + length]


class Front:
    """What stands in front of the tensors of a file: keys with values, and the tensors' directory.

    Raises:
        KeyError, IndexError, struct.error, UnicodeDecodeError: it is not laid out as it should be.
    """

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 4
        if data[:4] != _MAGIC:
            raise KeyError("magic")
        if self._scalar("I") not in _VERSIONS:
            raise KeyError("version")
        self._count = self._scalar("Q")
        self.values = {self._string().decode(): self._value(self._scalar("I")) for _ in range(self._scalar("Q"))}

    def tensors(self) -> tuple[dict[str, tuple[tuple[int, ...], int, int]], int]:
        """Return shape, type and offset of each tensor, and where in the file the offsets begin; once."""
        found = {}
        for _ in range(self._count):
            name = self._string().decode()
            sizes = [self._scalar("Q") for _ in range(self._scalar("I"))]
            kind, offset = self._scalar("I"), self._scalar("Q")
            found[name] = (tuple(reversed(sizes)), kind, offset)  # the file names the fastest first
        return found, -(-self._at // _ALIGNMENT) * _ALIGNMENT

    def _scalar(self, form: str) -> Any:
        size = struct.calcsize(form)
        (value,) = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += size
        return value

    def _string(self) -> bytes:
        length = self._scalar("Q")
        if length > len(self._data) - self._at:
            raise IndexError("string")
        text = self._data[self._at : self._at + length]
        self._at += length
        return text

    def _strings(self, count: int) -> _Strings:
        """Walk over many strings, and cut out none: a vocabulary has up to 250,000, and a few are wanted."""
        length_at, data, at = _LENGTH.unpack_from, self._data, self._at
        places = []
        for _ in range(count):
            places.append(at)
            at += 8 + length_at(data, at)[0]
        if at > len(data):
            raise IndexError("strings")
        self._at = at
        return _Strings(bytes(data[places[0] : at]) if places else b"", places)

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string().decode("utf-8", "replace")
        if kind != _ARRAY:
            return self._scalar(_SCALARS[kind])
        of, count = self._scalar("I"), self._scalar("Q")
        if of == _STRING:
            return self._strings(count)
        if of == _ARRAY:
            return [self._value(_ARRAY) for _ in range(count)]
        form = f"<{count}{_SCALARS[of]}"
        found = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return found
