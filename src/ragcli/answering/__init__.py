"""Results to answers with their sources: prompts and citations (pure), the answerers, the `ask` stage.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.answering.extractive import Extractive
    from ragcli.answering.protocols import LLM, Answerer, Message, Quote, Reply
    from ragcli.answering.run import answer, open_answerer

_HOMES = {
    "Answerer": "ragcli.answering.protocols",
    "Extractive": "ragcli.answering.extractive",
    "LLM": "ragcli.answering.protocols",
    "Message": "ragcli.answering.protocols",
    "Quote": "ragcli.answering.protocols",
    "Reply": "ragcli.answering.protocols",
    "answer": "ragcli.answering.run",
    "open_answerer": "ragcli.answering.run",
}

__all__ = ["LLM", "Answerer", "Extractive", "Message", "Quote", "Reply", "answer", "open_answerer"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
