"""A JSON array of rows, item by item: an array of any length is never in memory as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ragcli.errors import InputError
from ragcli.finetuning.data.rows import Place, RowError
from ragcli.jsonl import clean_tree
from ragcli.records import Json

MOST_ITEM = 1 << 26  # characters
_BLOCK = 1 << 18
_NEAR = 16  # characters before the end of what was read, where an error may only be a value that is cut
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def array_items(blocks: Iterable[str], name: str) -> Iterator[tuple[Place, Json | RowError]]:
    """Yield the items of an array, or the objects that stand one after another, each with the line it begins on.

    Args:
        blocks: the file, in pieces of any size.
        name: of the file, for messages.

    Raises:
        InputError: it is no JSON from some place on; what follows cannot be told from it.
    """
    reader = _Reader(blocks, name)
    brackets = reader.take("[")
    last, part, number = 0, 0, 0
    while not reader.is_at_end():
        if brackets and reader.take("]"):
            if not reader.is_at_end():
                raise reader.error("something follows the end of the array", "A file holds one array.")
            return
        number += 1
        place = Place(name, reader.line, part := part + 1 if reader.line == last else 0)
        last = reader.line
        value = reader.value(number)
        if isinstance(value, dict):
            yield place, value
        else:
            shown = json.dumps(value, ensure_ascii=False)[:60]
            hint = "Mend it, or pass --skip-bad to go on without it (exit code 3)."
            yield place, RowError(f"{place}: item {number} is no object, but {shown}.", "json", hint=hint)
        if brackets and not reader.take(",") and not reader.peek("]"):
            raise reader.error(f"behind item {number} a comma or ] is missing")
    if brackets:
        raise reader.error("the array does not end: the file is cut short")


class _Reader:
    """What was read and not yet used, and the line it begins on."""

    def __init__(self, blocks: Iterable[str], name: str) -> None:
        self._blocks = iter(blocks)
        self._name, self._text, self._at = name, "", 0
        self._ended = False
        self.line = 1

    def error(self, what: str, hint: str | None = None) -> InputError:
        return InputError(f"{self._name}:{self.line}: {what}.", hint=hint or "Write an object a line (JSON Lines).")

    def peek(self, sign: str) -> bool:
        """Whether a sign comes next, white space aside."""
        self._skip()
        return self._text.startswith(sign, self._at)

    def take(self, sign: str) -> bool:
        """Go behind a sign, where it comes next."""
        if not self.peek(sign):
            return False
        self._at += len(sign)
        return True

    def is_at_end(self) -> bool:
        self._skip()
        return self._at >= len(self._text)

    def value(self, number: int) -> Any:
        """Return the value that comes next.

        Raises:
            InputError: there is none.
        """
        self._skip()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                if end < len(self._text) or not self._more():  # a number at the end may go on
                    value = clean_tree(value)
                    break
            except json.JSONDecodeError as error:
                whole = error.pos < len(self._text) - _NEAR and not error.msg.startswith("Unterminated")
                if whole or not self._more():
                    raise self._broken(number, error) from error
            except RecursionError as error:
                raise self.error(f"item {number} is nested too deep") from error
            except ValueError as error:  # a number of thousands of digits
                raise self.error(f"item {number} is no JSON ({error})") from error
        self.line += self._text.count("\n", self._at, end)
        self._at = end
        return value

    def _broken(self, number: int, error: json.JSONDecodeError) -> InputError:
        line = self.line + self._text.count("\n", self._at, error.pos)
        what = f"item {number} is no JSON from here on ({error.msg})"
        return InputError(f"{self._name}:{line}: {what}.", hint="Mend the file; what follows cannot be read as it is.")

    def _skip(self) -> None:
        """Go over white space."""
        while True:
            match = _SPACE.match(self._text, self._at)
            end = match.end() if match else self._at
            self.line += self._text.count("\n", self._at, end)
            self._at = end
            if end < len(self._text) or not self._more():
                return

    def _more(self) -> bool:
        """Read on; whether something came.

        Raises:
            InputError: an item is too long.
        """
        if self._ended:
            return False
        if len(self._text) - self._at > MOST_ITEM:
            raise self.error(f"an item is longer than {MOST_ITEM >> 20} million characters: no row is")
        least, blocks = max(_BLOCK, len(self._text) - self._at), []
        for block in self._blocks:
            blocks.append(block)
            least -= len(block)
            if least <= 0:
                break
        else:
            self._ended = True
        self._text, self._at = self._text[self._at :] + "".join(blocks), 0
        return bool(blocks)
