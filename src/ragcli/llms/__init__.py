"""Language models behind one seam: messages in, text out, in pieces. One file a backend.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.llms.opening import open_llm
    from ragcli.llms.protocols import LLM, Completion, ContextError, CutError, Message, Sampling
    from ragcli.llms.run import complete

_HOMES = {
    "LLM": "ragcli.llms.protocols",
    "Completion": "ragcli.llms.protocols",
    "ContextError": "ragcli.llms.protocols",
    "CutError": "ragcli.llms.protocols",
    "Message": "ragcli.llms.protocols",
    "Sampling": "ragcli.llms.protocols",
    "complete": "ragcli.llms.run",
    "open_llm": "ragcli.llms.opening",
}

__all__ = ["LLM", "Completion", "ContextError", "CutError", "Message", "Sampling", "complete", "open_llm"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
