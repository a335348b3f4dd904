"""Documents to chunks: by structure first, then by sentences, then, only where one is too long, inside it.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragcli.splitting.counting import HuggingFaceCounter, TokenCounter
    from ragcli.splitting.sentences import sentence_spans
    from ragcli.splitting.stage import split

_HOMES = {
    "HuggingFaceCounter": "ragcli.splitting.counting",
    "TokenCounter": "ragcli.splitting.counting",
    "sentence_spans": "ragcli.splitting.sentences",
    "split": "ragcli.splitting.stage",
}

__all__ = ["HuggingFaceCounter", "TokenCounter", "sentence_spans", "split"]


def __getattr__(name: str) -> object:
    """Import a public name from its home on first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ragcli.splitting' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *_HOMES})
