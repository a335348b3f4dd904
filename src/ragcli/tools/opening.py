"""Tools from everywhere that the user names: Python files, OpenAPI documents, MCP servers, in one box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import PurePath
from types import TracebackType
from urllib.parse import urlsplit

from ragcli.errors import UsageError
from ragcli.tools.naming import unique
from ragcli.tools.protocols import Source, Tool

_DOCUMENTS = (".json", ".yaml", ".yml")


class Toolbox:
    """Tools with different names, and what must be ended with them.

    Args:
        tools: in the order of their sources.
        sources: are closed with the box.
        notes: a sentence for people about each operation that could not be a tool.
    """

    def __init__(self, tools: Sequence[Tool], sources: Sequence[Source] = (), notes: Sequence[str] = ()) -> None:
        self.tools = unique(tools)
        self.notes = list(notes)
        self._sources = list(sources)

    def close(self) -> None:
        """End all processes; a second time does nothing."""
        sources, self._sources = self._sources, []
        with ExitStack() as stack:  # each is closed, whatever another one raises
            for source in sources:
                stack.callback(source.close)

    def __enter__(self) -> Toolbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load_tools(
    specs: Sequence[str], mcp: Sequence[str] = (), *, on_skipped: Callable[[str], None] | None = None
) -> Toolbox:
    """Open all sources of tools; where one fails, those before it are closed again.

    Args:
        specs: ``FILE.py``: its functions; ``FILE.json``, ``.yaml``, ``.yml`` or a URL: an OpenAPI document.
        mcp: commands that start MCP servers.
        on_skipped: is told at once what `Toolbox.notes` holds afterwards.

    Raises:
        UsageError: a source of another kind, or one that has no tools or cannot be used.
        ServiceError: a document that cannot be fetched, or a server that does not start.
        MissingExtraError: MCP servers without the package for them.
    """
    tools: list[Tool] = []
    sources: list[Source] = []
    notes: list[str] = []

    def skipped(reason: str) -> None:
        notes.append(reason)
        if on_skipped is not None:
            on_skipped(reason)

    with ExitStack() as opened:
        for spec in specs:
            kind = PurePath(spec).suffix.lower()
            if urlsplit(spec).scheme in ("http", "https") or kind in _DOCUMENTS:
                from ragcli.tools.openapi import load_openapi

                tools += load_openapi(spec, on_skipped=skipped)
                continue
            if kind != ".py":
                raise UsageError(
                    f"--tools {spec}: it is neither a Python file nor an OpenAPI document.",
                    hint="Name FILE.py, openapi.json, openapi.yaml or the URL of an OpenAPI document.",
                )
            from ragcli.tools.functions import Functions

            functions = Functions(spec)
            opened.callback(functions.close)
            sources.append(functions)
            tools += functions.tools
        for command in mcp:
            from ragcli.tools.mcp import McpServer

            server = McpServer(command)
            opened.callback(server.close)
            sources.append(server)
            tools += server.tools
        opened.pop_all()
    return Toolbox(tools, sources, notes)
