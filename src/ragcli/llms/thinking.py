"""The answer in what a reasoning model writes, without its thinking, also while it is still being written.

The thinking stands before the answer, in tags; there may be several such blocks. Where a template opens the first one
in the prompt, as those of DeepSeek-R1 and QwQ do, and the endpoint has no parser for it, the text begins within the
thinking and only the closing tag shows that: then all that was handed on is void.
"""

from __future__ import annotations

import re
from collections.abc import Callable

OnPiece = Callable[[str], None]
OnRestart = Callable[[str], None]

TAGS = {
    "<think>": "</think>",  # DeepSeek, Qwen, GLM and most others
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "[think]": "[/think]",  # Mistral's Magistral, in capitals
    "<seed:think>": "</seed:think>",
    "◁think▷": "◁/think▷",  # Kimi
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",  # gpt-oss
}
_LONGEST = max(map(len, TAGS.values()))
# One in quotation marks or code is spoken of.
_LONE = re.compile("(?<![`\"'“‘])(?:" + "|".join(map(re.escape, list(TAGS.values())[:-1])) + ")", re.IGNORECASE)
_OPENED = re.compile("|".join(map(re.escape, TAGS)), re.IGNORECASE)


class Answer:
    """Takes a model's text in pieces and hands on what is the answer: no thinking, no white space around it.

    Args:
        on_piece: is given the answer in pieces.
        on_restart: is told why what it was given so far is no part of the answer.
    """

    def __init__(self, on_piece: OnPiece | None = None, on_restart: OnRestart | None = None) -> None:
        self._on_piece, self._on_restart = on_piece, on_restart
        self._begin()

    def _begin(self) -> None:
        self._held = ""  # seen, and not yet known to be answer or thinking
        self._close = ""  # the tag that ends the thinking
        self._is_answer = False
        self._opened = False  # the answer itself holds such a tag
        self._said: list[str] = []
        self._tail = ""  # of what was said
        self._space = ""  # white space that is only part of the answer if more follows

    def add(self, piece: str) -> None:
        """Take the next piece."""
        while piece:
            piece = self._answer(piece) if self._is_answer else self._before(piece)

    def end(self) -> str:
        """Return the whole answer."""
        if not self._is_answer and not self._close:
            self._hand_on(self._held)
        return "".join(self._said)

    def _before(self, piece: str) -> str:
        """Take a piece before the answer has begun; return what of it is left to take."""
        self._held += piece
        if self._close:
            at = self._held.lower().find(self._close)
            if at < 0:
                self._held = self._held[-_LONGEST:]
                return ""
            left, self._held, self._close = self._held[at + len(self._close) :], "", ""
            return left
        start = self._held.lstrip().lower()
        opening = next((one for one in TAGS if start.startswith(one)), None)
        if opening is not None:
            left = self._held.lstrip()[len(opening) :]
            self._held, self._close = "", TAGS[opening]
            return left
        if any(one.startswith(start) for one in TAGS):
            return ""
        left, self._held, self._is_answer = self._held, "", True
        return left

    def _answer(self, piece: str) -> str:
        seen = self._tail + piece
        lone = None if self._opened else _LONE.search(seen)
        if lone is None or _OPENED.search(seen, 0, lone.start()):
            self._opened = self._opened or _OPENED.search(seen) is not None
            self._tail = seen[-_LONGEST:]
            self._hand_on(piece)
            return ""
        was_said = bool(self._said)
        self._begin()
        if was_said and self._on_restart is not None:
            self._on_restart("what came so far was the model's thinking")
        return seen[lone.end() :]

    def _hand_on(self, piece: str) -> None:
        piece = self._space + piece if self._said else piece.lstrip()
        kept = piece.rstrip()
        self._space = piece[len(kept) :]
        if kept:
            self._said.append(kept)
            if self._on_piece is not None:
                self._on_piece(kept)
