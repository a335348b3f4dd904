"""The seam to tools: what a model is told of a function, how it is called, what comes back.

A source of tools (a Python file, an HTTP service, an MCP server) is one file whose tools have what `Tool` lists. Only
`ragcli.tools.running.run` calls them: it checks the arguments first and takes in whatever goes wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ragcli.errors import ServiceError
from ragcli.records import Json

MOST_DESCRIPTION = 1024  # characters; OpenAI refuses longer ones


class ToolError(ServiceError):
    """A call that failed; the message is what the model reads."""


class ToolTimeoutError(ToolError):
    """A call that did not end in its time."""


class Tool(Protocol):
    """A function that a model may call."""

    @property
    def name(self) -> str:
        """The name, as a model writes it: 1 to 64 of letters, digits, ``_`` and ``-``."""
        ...

    @property
    def description(self) -> str:
        """What it does, for the model."""
        ...

    @property
    def parameters(self) -> Json:
        """A JSON Schema of type object."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether the source itself says that a call changes nothing."""
        ...

    @property
    def origin(self) -> str:
        """The file, service or server that it comes from, for people."""
        ...

    def call(self, arguments: Json, timeout: float) -> str:
        """Return the result as text.

        Args:
            arguments: fit the schema.
            timeout: seconds that the call may take; a tool keeps to it by itself.

        Raises:
            ToolError: the tool says no, or cannot be reached.
            ToolTimeoutError: the time is over.
        """
        ...


class Source(Protocol):
    """Where tools come from, and what must be ended with them: a process, a connection."""

    @property
    def tools(self) -> list[Tool]:
        """The tools, in the source's order."""
        ...

    def close(self) -> None:
        """End processes and connections; calls fail from now on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call came to.

    Args:
        text: what the model gets; where the call failed, what was wrong with it.
        ok: whether the tool gave a result.
        seconds: from the model's text to the outcome.
        truncated: characters of the result that were left out; the text says so where they were.
    """

    text: str
    ok: bool
    seconds: float
    truncated: int = 0


def schema(tool: Tool) -> Json:
    """Return a tool as OpenAI's protocol has it; a description of over 1,024 characters is cut, with an ellipsis."""
    text = tool.description
    if len(text) > MOST_DESCRIPTION:
        text = text[: MOST_DESCRIPTION - 1].rstrip() + "…"
    function = {"name": tool.name, "description": text, "parameters": tool.parameters}
    return {"type": "function", "function": function}
