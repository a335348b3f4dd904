"""Names of tools as models may write them: letters, digits, ``_`` and ``-``, at most 64, each only once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ragcli.records import Json, content_id
from ragcli.tools.protocols import Tool

LONGEST = 64
RESERVED = "search_documents"  # the agent's own search
_ODD = re.compile(r"[^a-zA-Z0-9_-]+")
_SHOWN = 40
_MARK = 6  # hexadecimal digits that tell names apart after what models cannot write has gone


def valid_name(text: str) -> str:
    """Return a name that every model can write.

    Other ASCII characters become ``_``. A name in another script, or one that is too long, ends in digits that are
    made from the whole of it, so that two such names stay two.
    """
    name = _ODD.sub("_", text).strip("_") if _ODD.search(text) else text
    if text.isascii() and name and len(name) <= LONGEST:
        return name
    mark = content_id(text)[:_MARK]
    return f"{name[: LONGEST - _MARK - 1].rstrip('_') or 'tool'}_{mark}"


def with_name(description: str, text: str, name: str) -> str:
    """Return a description that holds the name in its own script, where the tool's name cannot."""
    if text == name or text.isascii():
        return description
    return f"{text}: {description}" if description else text


@dataclass(frozen=True, slots=True)
class _Renamed:
    """A tool under another name."""

    tool: Tool
    name: str
    description: str

    @property
    def parameters(self) -> Json:
        return self.tool.parameters

    @property
    def read_only(self) -> bool:
        return self.tool.read_only

    @property
    def origin(self) -> str:
        return self.tool.origin

    def call(self, arguments: Json, timeout: float) -> str:
        return self.tool.call(arguments, timeout)


def unique(tools: Sequence[Tool]) -> list[Tool]:
    """Return the same tools, in order, each with a name of its own.

    The first of several keeps its name, the others get ``_2``, ``_3``, …, as does one with the reserved name; the
    descriptions of all say where they come from.
    """
    count = Counter(tool.name for tool in tools)
    taken = set(count)
    seen = {RESERVED}
    out: list[Tool] = []
    for tool in tools:
        if count[tool.name] == 1 and tool.name != RESERVED:
            out.append(tool)
            continue
        name, number = tool.name, 1
        while name in seen or (number > 1 and name in taken):
            number += 1
            suffix = f"_{number}"
            name = tool.name[: LONGEST - len(suffix)] + suffix
        seen.add(name)
        taken.add(name)
        out.append(_Renamed(tool, name, f"{tool.description} (from {tool.origin})".strip()))
    return out


class Choice:
    """The tools that a user wants, of all that a source has.

    Args:
        patterns: of names, as of files (``get*``); none of them means all tools.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self.patterns = tuple(patterns)
        self._unmatched = dict.fromkeys(self.patterns)
        self._there: list[str] = []

    def takes(self, *names: str) -> bool:
        """Return whether one is wanted that goes by these names."""
        self._there.append(names[0])
        matched = [one for one in self.patterns if any(fnmatchcase(name, one) for name in names)]
        for one in matched:
            self._unmatched.pop(one, None)
        return bool(matched) or not self.patterns

    def fault(self) -> tuple[str, str] | None:
        """Return what is wrong once all have been asked for, and a hint; None where every pattern has found some."""
        if not self._unmatched:
            return None
        shown = ", ".join(self._there[:_SHOWN]) or "none"
        more = f", … ({len(self._there)} in all)" if len(self._there) > _SHOWN else ""
        return f"there is no {next(iter(self._unmatched))} among its tools.", f"There are: {shown}{more}."
