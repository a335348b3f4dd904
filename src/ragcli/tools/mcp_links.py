"""The two ways to an MCP server: a process that is started and spoken to over stdin and stdout, and a URL.

Each opens the official package's client, and says in one sentence what went wrong on its way.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ragcli import __version__
from ragcli.errors import RagcliError, ServiceError, UsageError
from ragcli.tools.credentials import MCP_AUTHORIZATION, Secret, origin
from ragcli.tools.running import describe, one_line

if TYPE_CHECKING:
    from mcp import Client

_CONNECT = 30.0  # seconds; how long an answer may take, the calls themselves say
_LINES = 20  # of the server's stderr that are kept
_LINE = 500  # characters
_MOST_READ = 1 << 16  # characters of a line without an end


class Link(Protocol):
    """A way to a server."""

    @property
    def shown(self) -> str:
        """The command or the URL, for people."""
        ...

    @property
    def slow_hint(self) -> str:
        """What to look at where the server says nothing."""
        ...

    async def open(self, stack: AsyncExitStack, mode: str) -> Client:
        """Return a client whose server has answered; what it needs ends with the stack."""
        ...

    def fault(self, error: BaseException) -> RagcliError:
        """Return what to say of a server that could not be opened."""
        ...

    def ended(self) -> str:
        """Return what to say of a server that answered once and does not any more."""
        ...

    def said(self, message: str) -> str:
        """Return what the protocol says of a failed call, with what the way to the server adds to it."""
        ...

    def last(self) -> str:
        """Return the last that was heard of it, as the end of a sentence."""
        ...


class CommandLink:
    """A process, started with the environment of this one.

    Args:
        command: the program and its arguments; a string is split as a shell does, but no shell runs.

    Raises:
        UsageError: there is no program in it.
    """

    slow_hint = "Run the command by itself: a server waits there for lines of JSON and prints nothing else."

    def __init__(self, command: str | Sequence[str]) -> None:
        self.shown = command if isinstance(command, str) else shlex.join(command)
        self._arguments = _split(command)
        self._errors = _LastLines()

    async def open(self, stack: AsyncExitStack, mode: str) -> Client:
        """Start the process."""
        from mcp import StdioServerParameters, stdio_client

        program, *arguments = self._arguments
        # a line on stdout that is not UTF-8 must not be the last one that is read
        server = StdioServerParameters(
            command=program, args=arguments, env=dict(os.environ), encoding_error_handler="replace"
        )
        errors = stack.enter_context(self._errors.opened())
        return await stack.enter_async_context(_client(stdio_client(server, errors), mode))

    def fault(self, error: BaseException) -> RagcliError:
        """Return what to say of a process that did not come up."""
        if isinstance(error, (FileNotFoundError, PermissionError, NotADirectoryError)):
            return UsageError(
                f"--mcp {self.shown}: {self._arguments[0]} cannot be run: {error.strerror}.",
                hint="Name a program that is on the PATH, with its arguments in one string, or a URL.",
            )
        said = _sentence(error)
        return ServiceError(f"the MCP server {self.shown!r} could not be started: {said}{self.last()}")

    def ended(self) -> str:
        """Return what to say of a process that has ended."""
        return f"the MCP server {self.shown!r} has ended{self.last()}"

    def said(self, message: str) -> str:
        """Return the message."""
        return message

    def last(self) -> str:
        """Return the last line on stderr, as the end of a sentence."""
        line = self._errors.last()
        return f"; its last line on stderr: {one_line(line)}" if line else "."


class UrlLink:
    """A server over streamable HTTP; RAGCLI_MCP_AUTHORIZATION is sent there.

    Args:
        url: http:// or https://.

    Raises:
        UsageError: it is no URL, or the secret is none.
    """

    slow_hint = "Where an MCP server speaks streamable HTTP, its URL often ends in /mcp."

    def __init__(self, url: str) -> None:
        try:
            address, parts = origin(url), urlsplit(url)
        except ValueError as error:
            raise UsageError(f"--mcp {url}: it is not an address that can be called: {error}.") from error
        self.shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._url = url
        secret = Secret(MCP_AUTHORIZATION)
        secret.bind([address])
        value = secret.value(address)
        self._headers = {"Authorization": value} if value else {}
        self._status = 0  # of the last answer

    async def open(self, stack: AsyncExitStack, mode: str) -> Client:
        """Connect."""
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        http = httpx2.AsyncClient(
            headers=self._headers,
            timeout=httpx2.Timeout(_CONNECT, read=None),
            event_hooks={"response": [self._answered]},
        )
        await stack.enter_async_context(http)
        return await stack.enter_async_context(_client(streamable_http_client(self._url, http_client=http), mode))

    def fault(self, error: BaseException) -> RagcliError:
        """Return what to say where there is no server, or none that speaks MCP, or one that wants a token."""
        said = _sentence(error)
        if self._status in (401, 403):
            return ServiceError(
                f"the MCP server {self.shown} refuses: status {self._status}.",
                hint=f"Set {MCP_AUTHORIZATION}, such as 'Bearer …', to a token that it takes.",
            )
        if not self._status:
            return ServiceError(f"the MCP server {self.shown} cannot be reached: {said}.")
        answer = f"status {self._status}" if self._status >= 400 else said
        return ServiceError(f"{self.shown} does not answer as an MCP server does: {answer}.", hint=self.slow_hint)

    def ended(self) -> str:
        """Return what to say of a connection that was lost."""
        return f"the connection to the MCP server {self.shown} is lost{self.last()}"

    def said(self, message: str) -> str:
        """Return the message with the status of the answer, which the protocol does not have."""
        return f"{message} (status {self._status})" if self._status >= 400 else message

    def last(self) -> str:
        """Return the status of the last answer where it is an error, as the end of a sentence."""
        return f"; it answered with status {self._status}." if self._status >= 400 else "."

    async def _answered(self, response: Any) -> None:
        if response.request.method == "POST":  # a server need not have what is asked for with GET
            self._status = response.status_code


def _sentence(error: BaseException) -> str:
    """Return an error as the end of a sentence: foreign text, which may be long and hold anything."""
    text = one_line(describe(error))
    return text if len(text) <= _LINE else f"{text[:_LINE]}…"


def _client(transport: Any, mode: str) -> Client:
    from mcp import Client, Implementation

    info = Implementation(name="ragcli", version=__version__)
    return Client(transport, mode=mode, client_info=info, cache=None)


class _LastLines:
    """The last lines that a process writes to its stderr."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_LINES)

    def opened(self) -> Any:
        """Return the file to be the process's stderr; a thread reads the other end until all have closed it."""
        reading, writing = os.pipe()
        threading.Thread(target=self._read, args=(reading,), daemon=True, name="ragcli mcp stderr").start()
        return os.fdopen(writing, "w", encoding="utf-8", errors="replace")

    def said(self, message: str) -> str:
        """Return the message."""
        return message

    def last(self) -> str:
        """Return the last line that says something."""
        return next((line for line in reversed(list(self._lines)) if line), "")

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
            while line := stream.readline(_MOST_READ):
                self._lines.append(line.strip()[:_LINE])


def _split(command: str | Sequence[str]) -> list[str]:
    try:
        arguments = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise UsageError(f"--mcp {command}: {error}.", hint="Close the quotes.") from error
    if not arguments:
        raise UsageError("--mcp needs a command or a URL.", hint="--mcp 'python server.py'")
    return arguments
