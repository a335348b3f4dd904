"""Results to answers with their sources: prompts and citations (pure), the answerers, the `ask` stage.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.answering.extractive import Extractive
    from ragcli.answering.model import ModelAnswerer
    from ragcli.answering.prompt import Template
    from ragcli.answering.protocols import Answerer, Asked, Quote, Reply
    from ragcli.answering.run import answer, open_answerer

_HOMES = {
    "Answerer": "ragcli.answering.protocols",
    "Asked": "ragcli.answering.protocols",
    "Extractive": "ragcli.answering.extractive",
    "ModelAnswerer": "ragcli.answering.model",
    "Quote": "ragcli.answering.protocols",
    "Reply": "ragcli.answering.protocols",
    "Template": "ragcli.answering.prompt",
    "answer": "ragcli.answering.run",
    "open_answerer": "ragcli.answering.run",
}

__all__ = ["Answerer", "Asked", "Extractive", "ModelAnswerer", "Quote", "Reply", "Template", "answer", "open_answerer"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
