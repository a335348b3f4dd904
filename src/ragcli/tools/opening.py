"""Tools from everywhere that the user names: Python files, OpenAPI documents, MCP servers, in one box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath
from types import TracebackType
from typing import TYPE_CHECKING

from ragcli.errors import UsageError
from ragcli.tools.credentials import MCP_AUTHORIZATION, Secret, is_url, origin
from ragcli.tools.naming import unique
from ragcli.tools.protocols import Source, Tool

if TYPE_CHECKING:
    from ragcli.tools.openapi_security import Credentials

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
        specs: ``FILE.py``: its functions; ``FILE.json``, ``.yaml``, ``.yml`` or a URL: an OpenAPI document. Behind a
            ``#`` stand names or patterns (``get*``), with commas between, of those that are wanted.
        mcp: commands that start MCP servers, or their URLs.
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

    _check_mcp([one for one in mcp if is_url(one)])
    chosen = [_chosen(spec) for spec in specs]
    documents = [source for source, _ in chosen if _is_document(source)]
    with ExitStack() as opened:
        credentials = _credentials(documents)
        for spec, (source, patterns) in zip(specs, chosen, strict=True):
            if credentials is not None and _is_document(source):
                from ragcli.tools.openapi import load_openapi

                tools += load_openapi(source, on_skipped=skipped, choose=patterns, credentials=credentials)
                continue
            if PurePath(source).suffix.lower() != ".py":
                raise UsageError(
                    f"--tools {spec}: it is neither a Python file nor an OpenAPI document.",
                    hint="Name FILE.py, openapi.json, openapi.yaml or the URL of an OpenAPI document.",
                )
            from ragcli.tools.functions import Functions

            functions = Functions(source, choose=patterns)
            opened.callback(functions.close)
            sources.append(functions)
            tools += functions.tools
        if credentials is not None:
            credentials.settle(skipped)
        for command in mcp:
            from ragcli.tools.mcp import McpServer

            server = McpServer(command)
            opened.callback(server.close)
            sources.append(server)
            tools += server.tools
        opened.pop_all()
    return Toolbox(tools, sources, notes)


def _is_document(source: str) -> bool:
    return is_url(source) or PurePath(source).suffix.lower() in _DOCUMENTS


def _chosen(spec: str) -> tuple[str, list[str]]:
    """Return the file or URL, and the patterns behind the last ``#``, where that is not part of a file's name."""
    source, sign, patterns = spec.rpartition("#")
    if not sign or (not is_url(spec) and _exists(spec)):
        return spec, []
    wanted = [one.strip() for one in patterns.split(",") if one.strip()]
    if not wanted:
        raise UsageError(f"--tools {spec}: no names stand behind the #.", hint=f"--tools {source}#NAME,NAME")
    return source, wanted


def _check_mcp(urls: Sequence[str]) -> None:
    """See that the servers' token is for one of them, before any is called."""
    try:
        Secret(MCP_AUTHORIZATION).bind(map(origin, urls))
    except ValueError:
        return  # said where the URL is opened


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # longer than a file's name may be, for one
        return False


def _credentials(documents: Sequence[str]) -> Credentials | None:
    if not documents:
        return None
    from ragcli.tools.openapi_security import Credentials

    return Credentials(documents)
