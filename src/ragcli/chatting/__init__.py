"""Conversations: questions that follow on each other, who the assistant is, and what is kept on disk.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.chatting.conversation import Conversation
    from ragcli.chatting.persona import Persona, read_persona
    from ragcli.chatting.turn import Turn

_HOMES = {
    "Conversation": "ragcli.chatting.conversation",
    "Persona": "ragcli.chatting.persona",
    "Turn": "ragcli.chatting.turn",
    "read_persona": "ragcli.chatting.persona",
}

__all__ = ["Conversation", "Persona", "Turn", "read_persona"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
