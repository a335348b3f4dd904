"""What both forms of ``chat`` work on: a conversation whose model and number of hits can be changed on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragcli.chatting import Conversation, read_persona
from ragcli.cli.modelling import Modelling, close_model
from ragcli.cli.searching import SearchSettings, open_search
from ragcli.cli.tooling import Tooling
from ragcli.errors import UsageError
from ragcli.questions import question
from ragcli.records import Hit, Result

if TYPE_CHECKING:
    from ragcli.answering import Answerer

MOST_HITS = 200


class Session:
    """A conversation with what it was opened from.

    Args:
        settings: of the search.
        modelling: the flags of the model.
        tooling: the flags of tools.
        persona: a name or a file.
        verified: hits against which every sentence is checked.
        stack: closes what is opened.
    """

    def __init__(
        self,
        settings: SearchSettings,
        modelling: Modelling,
        tooling: Tooling,
        persona: str | None,
        verified: int,
        stack: ExitStack,
    ) -> None:
        self._settings, self._modelling, self._tooling, self._verified = settings, modelling, tooling, verified
        self._stack = stack
        self._personas = read_persona(persona)
        self._search = open_search(settings)
        self._tools: Sequence[Any] = []
        if tooling.tools or tooling.mcp:
            self._tools = stack.enter_context(tooling.open()).tools
        self.show: Callable[[str], None] | None = None  # takes a line about a call, for people
        answerer = self._open(modelling)
        self.conversation = Conversation(answerer, self._find, self._personas)
        self.conversation.on_unkept = self._unkept
        stack.callback(lambda: close_model(self.conversation.answerer))

    @property
    def settings(self) -> SearchSettings:
        """How it searches now."""
        return self._settings

    @property
    def table(self) -> str:
        """The table's name."""
        return self._settings.table

    @property
    def streams(self) -> bool:
        """Whether answers come in pieces."""
        return hasattr(self.conversation.answerer, "llm")

    def use_model(self, name: str) -> str:
        """Answer with another model from now on; return its name.

        Raises:
            RagcliError: it cannot be opened; the one before stays.
        """
        modelling = replace(self._modelling, llm=name)
        answerer = self._open(modelling)
        close_model(self.conversation.answerer)
        self._modelling, self.conversation.answerer = modelling, answerer
        return answerer.name

    def use_k(self, text: str) -> int:
        """Find another number of hits from now on.

        Raises:
            UsageError: it is no number from 1 on.
        """
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_HITS:
            raise UsageError(f"/k {text}: a number from 1 to {MOST_HITS} is needed.")
        self._settings = replace(self._settings, k=int(text))
        return self._settings.k

    def load(self, path: str) -> int:
        """Go on from a conversation in a file; return how many answers it has.

        Raises:
            UsageError: there is none in it.
        """
        where = _path(path, "/load")
        kept = self.conversation.turns
        turns = self.conversation.load(where)
        if not turns:
            self.conversation.turns = kept
            raise UsageError(f"{where} holds no conversation.")
        return turns

    def save(self, path: str) -> Path:
        """Save the conversation; return where."""
        where = _path(path, "/save")
        self.conversation.save(where)
        return where

    def _open(self, modelling: Modelling) -> Answerer:
        return modelling.answerer(
            {lang: persona.text for lang, persona in self._personas.items()},
            verified=self._verified,
            tooling=self._tooling,
            tools=self._tools,
            search=self._hits if self._tooling.agent else None,
            show=self._shown,
        )

    def _shown(self, line: str) -> None:
        from ragcli.cli.streams import note

        (self.show or note)(line)

    def _unkept(self, reason: str) -> None:
        self._shown(f"ragcli chat: {reason}")

    def _find(self, text: str) -> Result:
        return next(iter(self._search([question(text)], self._settings.k)))

    def _hits(self, words: str) -> Sequence[Hit]:
        return self._find(words).hits


def _path(text: str, command: str) -> Path:
    if not text.strip():
        raise UsageError(f"{command} needs a file.", hint=f"As in: {command} talk.jsonl")
    if "\0" in text:
        raise UsageError(f"{command}: a file's name has no NUL in it.")
    return Path(text.strip()).expanduser()
