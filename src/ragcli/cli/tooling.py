"""What ``ask`` and ``chat`` share of tools: the options, who may be called, and what people see of a call."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.streams import note, visible
from ragcli.errors import UsageError

if TYPE_CHECKING:
    from ragcli.tools import Outcome, Tool, Toolbox

_SHOWN = 200  # characters of arguments and of a result
READ_ONLY = "read-only"

ToolsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tools",
        metavar="FILE",
        help="Functions that a model may call: FILE.py or an OpenAPI document, #NAME,… for some of them; repeatable.",
    ),
]
McpOption = Annotated[
    list[str] | None,
    typer.Option("--mcp", metavar="COMMAND", help="An MCP server to start, or its URL, whose tools it may call."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Make every call without asking.")]
AllowOption = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="NAME", help="Make calls of a read-only tool without asking; read-only: of all."),
]
ToolTimeoutOption = Annotated[
    float, typer.Option("--tool-timeout", metavar="SECONDS", envvar="RAGCLI_TOOL_TIMEOUT", help="Of one call.")
]
StepsOption = Annotated[
    int, typer.Option("--max-steps", metavar="N", envvar="RAGCLI_MAX_STEPS", help="The most rounds of calls.")
]
AgentOption = Annotated[
    bool, typer.Option("--agent", help="The model may search the table again, as often as it needs (with -t).")
]
TOOL_TIMEOUT = 30.0
MAX_STEPS = 8
_LONGEST = 86_400.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Tooling:
    """The flags of tools."""

    tools: list[str] | None = None
    mcp: list[str] | None = None
    yes: bool = False
    allow: list[str] | None = None
    timeout: float = TOOL_TIMEOUT
    steps: int = MAX_STEPS
    agent: bool = False

    @property
    def wanted(self) -> bool:
        """Whether the model may call anything."""
        return bool(self.tools or self.mcp or self.agent)

    def check(self) -> None:
        """See that the flags make sense, before anything is started.

        Raises:
            UsageError: a number is out of range, or there is nothing to allow.
        """
        if not 0 < self.timeout <= _LONGEST:
            raise UsageError(f"--tool-timeout is {self.timeout:g}; it must be above 0, and at most {_LONGEST:g}.")
        if self.steps < 1:
            raise UsageError(f"--max-steps is {self.steps}; it must be at least 1.")
        if (self.allow or self.yes) and not self.wanted:
            raise UsageError("--yes and --allow are for tools, and none are named.", hint="Name them with --tools.")

    def open(self) -> Toolbox:
        """Open all sources of tools.

        Raises:
            RagcliError: a source cannot be used; or ``--allow`` names no tool, or one that may change something.
        """
        from ragcli.tools import load_tools

        box = load_tools(self.tools or (), self.mcp or (), on_skipped=lambda reason: note(f"ragcli: {reason}"))
        try:
            self._allowed(box.tools)
        except BaseException:
            box.close()
            raise
        return box

    def _allowed(self, tools: Sequence[Tool]) -> frozenset[str]:
        names: set[str] = set()
        for pattern in self.allow or ():
            matched = [tool for tool in tools if pattern == READ_ONLY or fnmatch.fnmatchcase(tool.name, pattern)]
            exact = next((tool for tool in matched if tool.name == pattern), None)
            if exact is not None and not exact.read_only:
                raise UsageError(
                    f"--allow {pattern}: {exact.origin} does not say that it changes nothing.",
                    hint="Mark it there (READ_ONLY in a Python file, readOnlyHint in MCP), or pass --yes for all.",
                )
            if not matched and pattern != READ_ONLY:
                known = ", ".join(tool.name for tool in tools) or "none"
                raise UsageError(f"--allow {pattern}: there is no such tool.", hint=f"There are: {known}.")
            names.update(tool.name for tool in matched if tool.read_only)
        return frozenset(names)

    @property
    def asks(self) -> bool:
        """Whether a person may be asked for a call."""
        return self.wanted and not self.yes and _has_person()

    def watcher(self, tools: Sequence[Tool], show: Callable[[str], None] | None = None) -> Calls:
        """Return what shows the calls and asks for them."""
        return Calls(self._allowed(tools), everything=self.yes, show=show or note)


class Calls:
    """Shows every call, and asks a person where there is one.

    Args:
        allowed: names that are not asked for.
        everything: whether none is.
        show: takes a line for people.
    """

    def __init__(self, allowed: frozenset[str], *, everything: bool, show: Callable[[str], None]) -> None:
        self._allowed, self._everything, self._show = set(allowed), everything, show
        self._lock = threading.Lock()
        self._hinted = False

    def allows(self, tool: Tool, arguments: str) -> bool:
        """Return whether a call may be made; without a terminal only those that were allowed before."""
        if self._everything or tool.name in self._allowed:
            return True
        with self._lock:
            if not _has_person():
                if not self._hinted:
                    self._hinted = True
                    self._show(
                        f"ragcli: {tool.name} was not called, as nobody is there to allow it: --yes allows every call,"
                        " --allow read-only those that change nothing."
                    )
                return False
            return self._ask(tool, arguments)

    def _ask(self, tool: Tool, arguments: str) -> bool:
        line, *more = _whole(tool.name, arguments)
        self._show("\n".join([f"  ? {line}   [{visible(tool.origin)}]", *more]))
        _forget_typed()  # what was typed before the question was seen is no answer to it
        while True:
            sys.stderr.write("    call it? [y]es, [n]o, [a]lways: ")
            sys.stderr.flush()
            said = sys.stdin.readline()
            answer = said.strip().lower()
            if answer in ("y", "yes", "a", "always"):
                if answer.startswith("a"):
                    self._allowed.add(tool.name)
                return True
            if answer in ("n", "no") or not said:
                return False

    def made(self, name: str, arguments: str, outcome: Outcome) -> None:
        """Show a call and what it came to."""
        sign = "→" if outcome.ok else "✗"
        lines = outcome.text.count("\n") + 1
        more = f" … ({lines} lines)" if lines > 1 else ""
        self._show(
            f"  {sign} {visible(name)}({_short(arguments)}): {_short(outcome.text.partition(chr(10))[0])}{more}"
            f"  ({outcome.seconds:.1f} s)"
        )


def _whole(name: str, arguments: str) -> list[str]:
    """Return a call as a person can read it, nothing left out: on one line, or a line for each argument."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return [f"{visible(name)}({visible(arguments)})"]
    call = f"{visible(name)}({visible(json.dumps(value, ensure_ascii=False))})"
    if len(call) <= _SHOWN or not isinstance(value, dict):
        return [call]
    each = [f"      {visible(key)}: {visible(json.dumps(one, ensure_ascii=False))}" for key, one in value.items()]
    return [visible(name), *each]


def _forget_typed() -> None:
    if sys.platform == "win32":
        return
    import termios

    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _has_person() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _short(text: str) -> str:
    joined = visible(" ".join(text.split()))
    return joined if len(joined) <= _SHOWN else joined[:_SHOWN] + "…"
