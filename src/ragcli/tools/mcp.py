"""The tools of an MCP server: one that is started as a process, or one at a URL (`ragcli.tools.mcp_links`).

The official package ``mcp`` (2.x) speaks the protocol, in asyncio; one thread with a loop makes plain calls of it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import logging
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragcli.errors import MissingExtraError, RagcliError, ServiceError, UsageError
from ragcli.records import Json
from ragcli.tools.credentials import is_url
from ragcli.tools.mcp_links import CommandLink, Link, UrlLink
from ragcli.tools.naming import unique, valid_name, with_name
from ragcli.tools.protocols import ToolError, ToolTimeoutError
from ragcli.tools.running import describe

if TYPE_CHECKING:
    from mcp import Client

START = 30.0  # seconds
_GRACE = 2.0  # seconds for the loop to say that a call's time is over
_CLOSE = 15.0  # seconds; the package itself waits up to 7 before it kills a server
_MOST_PAGES = 1000


@dataclass(frozen=True, slots=True)
class McpTool:
    """One tool of a server."""

    name: str
    description: str
    parameters: Json
    read_only: bool
    origin: str
    own_name: str  # as the server has it
    server: McpServer

    def call(self, arguments: Json, timeout: float) -> str:
        """Call the tool on its server; see `ragcli.tools.protocols.Tool`."""
        return self.server.call(self.own_name, arguments, timeout)


class McpServer:
    """An MCP server, opened at once and ended by `close`.

    Args:
        command: a program and its arguments, which is started with the environment of this process; a string is split
            as a shell does, but no shell runs. Or an http:// or https:// URL, where RAGCLI_MCP_AUTHORIZATION is sent.
        start: seconds until it must have told its tools.

    Raises:
        MissingExtraError: the package ``mcp`` is not installed.
        UsageError: no such command, no URL, or the server has no tools.
        ServiceError: it ends, refuses or fails before it has told its tools, or takes too long.
    """

    def __init__(self, command: str | Sequence[str], *, start: float = START) -> None:
        try:
            from mcp import Client  # noqa: F401  not in 1.x
        except ImportError as error:
            raise MissingExtraError("--mcp", "tools") from error
        url = isinstance(command, str) and is_url(command)
        self._link: Link = UrlLink(str(command)) if url else CommandLink(command)
        self._name = self._link.shown if url else repr(self._link.shown)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop: asyncio.Event | None = None
        self._client: Client | None = None
        self._ended = threading.Event()
        self._waiting: set[concurrent.futures.Future[Any]] = set()  # calls, which an end of the thread must wake
        ready: concurrent.futures.Future[list[Any]] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True, name="ragcli mcp")
        self._thread.start()
        try:
            listed = ready.result(timeout=start)
        except concurrent.futures.TimeoutError:
            self._cancel()
            raise ServiceError(
                f"the MCP server {self._name} did not tell its tools within {start:g} seconds{self._link.last()}",
                hint=self._link.slow_hint,
            ) from None
        except BaseException:
            self._cancel()
            raise
        self.tools = unique([self._tool(one) for one in listed])
        if not self.tools:
            self.close()
            raise UsageError(f"the MCP server {self._name} has no tools.")

    def call(self, name: str, arguments: Json, timeout: float) -> str:
        """Return what a tool gives, as text; contents of other kinds are described.

        Args:
            name: as the server has it.
            arguments: fit the tool's schema.
            timeout: seconds.

        Raises:
            ToolError: the tool says no, or the server has ended.
            ToolTimeoutError: the time is over.
        """
        loop, client = self._loop, self._client
        if loop is None or client is None or not self._thread.is_alive():
            raise ToolError(self._closed())
        called = _called(client, name, arguments, timeout)
        try:
            future = asyncio.run_coroutine_threadsafe(called, loop)
        except RuntimeError as error:  # the loop has been closed since
            called.close()
            raise ToolError(self._closed()) from error
        self._waiting.add(future)
        if self._ended.is_set():  # since it was looked at: the loop begins nothing more
            future.cancel()
        try:
            result = future.result(timeout + _GRACE)
        except (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError):
            future.cancel()
            raise ToolTimeoutError(f"{name} did not answer within {timeout:g} seconds.") from None
        except (concurrent.futures.CancelledError, asyncio.CancelledError) as error:
            if self._ended.is_set():
                called.close()  # which may never have begun
            raise ToolError(self._closed()) from error
        except BaseException as error:
            if not isinstance(error, Exception):  # a Ctrl-C ends the call on the server too
                future.cancel()
                raise
            raise ToolError(self._call_error(_leaf(error))) from error
        finally:
            self._waiting.discard(future)
        text = _text(result)
        if result.is_error:
            raise ToolError(text)
        return text

    def close(self) -> None:
        """End the server: its stdin is closed, and where that does not end it within seconds it is killed."""
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # the loop has just ended by itself
                loop.call_soon_threadsafe(stop.set)
        self._thread.join(_CLOSE)

    def _cancel(self) -> None:
        """End a server that has not come up."""
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)
        self._thread.join(_CLOSE)

    def _run(self, ready: concurrent.futures.Future[list[Any]]) -> None:
        """Be the thread: serve calls until `close`, or until the server could not be started."""
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:  # noqa: BLE001  told to whoever waits; later there is nobody left to be told
            if not ready.done():
                ready.set_exception(self._start_error(_leaf(error)))
        finally:
            self._ended.set()
            for future in list(self._waiting):
                future.cancel()

    async def _serve(self, ready: concurrent.futures.Future[list[Any]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._stop = asyncio.Event()
        for name in ("mcp", "client"):  # the package logs what it raises as well
            logging.getLogger(name).addHandler(logging.NullHandler())
        # the handshake of all servers up to 2025-11-25 first: some of them end at any other request
        for mode in ("legacy", "auto"):
            async with AsyncExitStack() as stack:
                try:
                    client = await self._link.open(stack, mode)
                except Exception as error:
                    if mode == "legacy" and _wants_newer(_leaf(error)):
                        continue
                    raise
                listed = await _listed(client)
                self._client = client
                ready.set_result(listed)
                await self._stop.wait()
                return

    def _tool(self, tool: Any) -> McpTool:
        name = valid_name(tool.name)
        schema = {"type": "object", "properties": {}, **tool.input_schema}
        annotations = tool.annotations
        read_only = annotations is not None and annotations.read_only_hint is True
        description = with_name((tool.description or tool.title or "").strip(), tool.name, name)
        return McpTool(name, description, schema, read_only, self._link.shown, tool.name, self)

    def _start_error(self, error: BaseException) -> RagcliError:
        return error if isinstance(error, RagcliError) else self._link.fault(error)

    def _call_error(self, error: BaseException) -> str:
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED

        if self._stop is not None and self._stop.is_set():
            return self._closed()
        if not isinstance(error, MCPError):
            return describe(error)
        return self._link.ended() if error.code == CONNECTION_CLOSED else self._link.said(error.message)

    def _closed(self) -> str:
        if self._client is not None and self._stop is not None and not self._stop.is_set():
            return self._link.ended()  # by itself
        return f"the MCP server {self._name} is closed."


def _wants_newer(error: BaseException) -> bool:
    """Return whether a server says that it does not know the older handshake."""
    from mcp import MCPError
    from mcp_types import METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION

    return isinstance(error, MCPError) and error.code in (METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION)


async def _called(client: Client, name: str, arguments: Json, timeout: float) -> Any:
    return await asyncio.wait_for(client.call_tool(name, arguments), timeout)


async def _listed(client: Client) -> list[Any]:
    """Return the tools of all pages."""
    tools: list[Any] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools


def _leaf(error: BaseException) -> BaseException:
    """Return the first error of a group: asyncio's task groups wrap what happened in one."""
    inner = getattr(error, "exceptions", None)
    while inner:
        error = inner[0]
        inner = getattr(error, "exceptions", None)
    return error


def _text(result: Any) -> str:
    parts = [_part(one) for one in result.content]
    if not parts and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(parts) or "(no content)"


def _part(block: Any) -> str:
    """Return a block of a result as text; what is no text is described."""
    if block.type == "text":
        return str(block.text)
    if block.type in ("image", "audio"):
        return f"[{block.type}, {block.mime_type}, {_size(block.data)} bytes]"
    if block.type == "resource_link":
        return f"[resource, {block.name}, {block.uri}]"
    resource = block.resource
    text = getattr(resource, "text", None)
    if text is not None:
        return str(text)
    return f"[resource, {resource.uri}, {resource.mime_type or 'no type'}, {_size(resource.blob)} bytes]"


def _size(base64: str) -> int:
    """Return the bytes that a text in base64 stands for."""
    return len(base64) * 3 // 4 - base64[-2:].count("=")
