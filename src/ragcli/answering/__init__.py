"""Results to answers with their sources: prompts and citations (pure), the answerers, the `ask` stage.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    """Import a public name from its home on first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ragcli.answering' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *_HOMES})
