"""The functions of a Python file as tools; they run in a process of their own (`ragcli.tools.worker`).

A call that does not end in its time ends the process; the next call starts another, which imports the file anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ragcli.errors import UsageError
from ragcli.records import Json
from ragcli.tools.protocols import Tool, ToolError, ToolTimeoutError
from ragcli.tools.running import one_line

START = 60.0  # seconds that a file may take to be imported
_COMMAND = "import sys; sys.path[:] = sys.argv[3:]; from ragcli.tools.worker import main; main(*sys.argv[1:3])"
_OWN_GROUP = os.name == "posix"
_SLICE = 0.2  # seconds after which a process that does not answer is seen to have ended


def load_functions(path: str | Path) -> list[Tool]:
    """Return the public functions of a Python file as tools; see `Functions`."""
    return Functions(path).tools


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """One function of a file."""

    name: str
    description: str
    parameters: Json
    read_only: bool
    source: Functions

    @property
    def origin(self) -> str:
        """The file."""
        return str(self.source.path)

    def call(self, arguments: Json, timeout: float) -> str:
        """Call the function in the file's process; see `ragcli.tools.protocols.Tool`."""
        return self.source.call(self.name, arguments, timeout)


class Functions:
    """A Python file whose functions are tools: those without a leading ``_`` that it defines, or its ``__all__``.

    Args:
        path: the file. It is imported in a process of its own, which ends with this one.
        choose: patterns of names; none of them means all functions.
        start: seconds that the import may take.

    Raises:
        UsageError: no such file; it cannot be imported; it has no such functions, or one whose hints have no JSON form.
    """

    def __init__(self, path: str | Path, *, choose: Sequence[str] = (), start: float = START) -> None:
        self.path = Path(path)
        self._choose = json.dumps(list(choose))
        self._start = start
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._number = 0
        self._closed = False
        if not self.path.is_file():
            raise UsageError(f"{self.path}: no such file.")
        self._child, found = self._open()
        self.tools: list[Tool] = [FunctionTool(**one, source=self) for one in found]

    def call(self, name: str, arguments: Json, timeout: float) -> str:
        """Call a function; calls wait for each other, and ``timeout`` (seconds) counts from a call's turn.

        Raises:
            ToolError: the function raised, or ended the process.
            ToolTimeoutError: it did not end in time; its process was killed.
        """
        with self._lock:
            if self._closed:
                raise ToolError(f"{self.path} is closed.")
            if self._child is None or not self._child.alive():
                self._end()
                try:
                    self._child, _ = self._open()
                except UsageError as error:  # the file was changed meanwhile
                    raise ToolError(error.message) from error
                if self._closed:
                    self._end()
                    raise ToolError(f"{self.path} is closed.")
            try:
                reply = self._ask(self._child, name, arguments, timeout)
            except BaseException:  # also KeyboardInterrupt: the next call must not read this one's reply
                self._end()
                raise
        if "error" in reply:
            raise ToolError(reply["error"])
        return str(reply["text"])

    def close(self) -> None:
        """End the process, also in the middle of a call."""
        self._closed = True
        child = self._child
        if child is not None:
            child.end()

    def _ask(self, child: _Child, name: str, arguments: Json, timeout: float) -> Json:
        self._number += 1
        try:
            child.send({"id": self._number, "name": name, "arguments": arguments})
            while True:
                reply = child.receive(timeout)
                if reply.get("id") == self._number:
                    return reply
        except queue.Empty:
            raise ToolTimeoutError(f"{name} did not end within {timeout:g} seconds and was stopped.") from None
        except (EOFError, OSError) as error:
            if self._closed:
                raise ToolError(f"{self.path} is closed.") from error
            raise ToolError(f"the process that ran {name} ended ({child.code()}).") from error

    def _open(self) -> tuple[_Child, list[Any]]:
        """Start a process; return it with its tools.

        Raises:
            UsageError: the file cannot be imported or used.
        """
        child = _Child(self.path.absolute(), self._choose)
        try:
            reply = child.receive(self._start)
        except queue.Empty:
            child.end()
            raise UsageError(
                f"{self.path}: the import did not end within {self._start:g} seconds.",
                hint="Move what takes long into the functions.",
            ) from None
        except EOFError as error:
            raise UsageError(f"{self.path}: the process that imports it ended ({child.code()}).") from error
        if "fault" in reply:
            child.end()
            at = f"{self.path}:{reply['line']}" if reply["line"] else f"{self.path}"
            raise UsageError(one_line(f"{at}: {reply['fault']}"), hint=one_line(reply["hint"]) or None)
        return child, reply["tools"]

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


class _Child:
    """One process that has imported the file."""

    def __init__(self, path: Path, choose: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, str(path), choose, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=_OWN_GROUP,  # so that what functions start can be ended with them
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        assert self._process.stdout is not None
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()
        self.end = weakref.finalize(self, _kill, self._process)

    def alive(self) -> bool:
        """Return whether the process runs."""
        return not _ended(self._process)

    def send(self, request: Json) -> None:
        """Send one request; OSError where the process is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def receive(self, timeout: float) -> Json:
        """Return the next reply; `queue.Empty` after the time, EOFError where the process has ended."""
        until = time.monotonic() + timeout
        ended = False
        while True:
            left = until - time.monotonic()
            try:
                line = self._lines.get(timeout=max(min(left, _SLICE), 0))
            except queue.Empty:
                # what it has started may hold its output open, so that the end of that does not tell its own
                if ended:
                    raise EOFError from None
                if left <= 0:
                    raise
                ended = _ended(self._process)  # its last line may be on its way: look for it once more
                continue
            if not line.endswith(b"\n"):
                raise EOFError
            reply: Json = json.loads(line)
            return reply

    def code(self) -> str:
        """End the process with what it has started, and say what it ended with by itself."""
        until = time.monotonic() + 1
        while not _ended(self._process) and time.monotonic() < until:
            time.sleep(0.01)
        by_itself = _ended(self._process)
        self.end()
        code = self._process.poll()
        if not by_itself or code is None:
            return "it closed its output"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _read(stream: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a process has ended; it is not waited for, so that its number stays that of its group."""
    if process.returncode is not None or not hasattr(os, "waitid"):
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # somebody else has waited for it
        return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started, also where it has ended by itself."""
    if _OWN_GROUP:
        with contextlib.suppress(OSError):  # nothing is left of the group
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
