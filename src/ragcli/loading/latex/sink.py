"""Where the text of LaTeX goes, and the limits that its writers share."""

from __future__ import annotations

import re

from ragcli.loading.markup import flowed, paragraph

DEEPEST = 40  # environments and arguments in each other; what lies deeper is text
DIMENSION = re.compile(r"\s*[-+]?[\d.]+\s*(?:pt|em|ex|cm|mm|in|\\\w+)?\s*$|\s*[htbpHcrl!]{1,5}\s*$")


class Sink:
    """Where text goes: a line, and the blocks above it."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.line: list[str] = []

    def flush(self, prefix: str = "") -> None:
        """End the paragraph."""
        text = flowed("".join(self.line))
        self.line.clear()
        if text:
            self.blocks.append(prefix + text if prefix else paragraph(text))

    def flat(self) -> str:
        """All of it on one line."""
        self.flush()
        return " ".join(" ".join(self.blocks).split())
