"""A model's tokenizer, as both backends and ``split --unit tokens`` use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ragcli.errors import ModelError
from ragcli.jsonl import clean

_PIECE = 100_000  # characters that are tokenised at once: memory and time grow faster than the text


def load_tokenizer(folder: Path) -> Any:
    """Return the folder's ``tokenizers.Tokenizer``, without padding or truncation.

    Raises:
        ModelError: it is missing or damaged.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelError(f"the model folder {folder} has no tokenizer.json.")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"the model's file {path} is damaged: {error}.", hint="Fetch the model again.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


class TokenIds:
    """Texts to token ids, cut at what the model reads.

    Args:
        tokenizer: the model's.
        limit: most tokens, special ones included.
    """

    def __init__(self, tokenizer: Any, limit: int) -> None:
        self._tokenizer = tokenizer
        self._limit = limit
        ids = tokenizer.encode("").ids
        plain = tokenizer.encode("", add_special_tokens=False).ids
        self._specials = len(ids) - len(plain)
        self._end = tokenizer.encode("a").ids[-1] if self._specials else None
        last = tokenizer.encode("a", add_special_tokens=False).ids
        self._closes = bool(self._specials) and (not last or self._end != last[-1])

    def __call__(self, text: str) -> tuple[list[int], int]:
        """Return the ids of a text, and how many tokens of it are not among them."""
        text = clean(text)
        ids: list[int] = self._tokenizer.encode(text[:_PIECE]).ids
        lost = 0
        for start in range(_PIECE, len(text), _PIECE):
            lost += len(self._tokenizer.encode(text[start : start + _PIECE], add_special_tokens=False).ids)
        if len(ids) > self._limit:
            lost += len(ids) - self._limit
            ids = [*ids[: self._limit - 1], ids[-1]] if self._closes else ids[: self._limit]
        return ids, lost
