"""One run of the command line: settings in, exit code out, every error a sentence on stderr."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import typer

from ragcli import config
from ragcli.cli.streams import PipeClosedError, note
from ragcli.errors import FAILED, INTERRUPTED, RagcliError

_NAME = "ragcli"
_WITHIN = dict.fromkeys(("load", "split", "embed"), ("index", "run"))  # what is said of a stage holds there, too


def run(args: Sequence[str], ready: Callable[[], None] = lambda: None) -> int:
    """Run the arguments; return the exit code.

    A closed pipe ends the process by SIGPIPE, as it ends ``grep``.

    Args:
        args: what stands on the command line after the program's name.
        ready: called when the subcommand is known and begins.
    """
    try:
        code = _run(args, ready)
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
        return code
    except PipeClosedError:
        return _closed_pipe()
    except KeyboardInterrupt:
        return INTERRUPTED
    except RagcliError as error:
        complain(error.message, error.hint, args)
        return error.exit_code
    except OSError as error:
        if error.errno is None:
            raise
        # The streams of this process: a full disk under stdout, a terminal that went away.
        complain(f"{error.strerror}{f': {error.filename}' if error.filename else ''}.", None, args)
        return FAILED


def _run(args: Sequence[str], ready: Callable[[], None]) -> int:
    from ragcli.cli.app import app_of

    # A settings file is read against the options of all: what no subcommand knows is an error.
    is_set = any(path.exists() for path in config.files())
    command: Any = typer.main.get_command(app_of(None if is_set or not args else args[0]))
    options: dict[str, dict[str, str]] = {}
    above: dict[str, dict[str, str]] = {}
    for name, sub in _leaves(command):
        options[name], above[name] = {}, {}
        for parameter in sub.params:
            names = [option.lstrip("-") for option in parameter.opts if option.startswith("--")]
            options[name].update(dict.fromkeys(names, parameter.name))
            variable = parameter.envvar if isinstance(parameter.envvar, str) else ""
            shared = [variable.removeprefix("RAGCLI_").lower().replace("_", "-")] if variable else names
            above[name].update(dict.fromkeys(shared, parameter.name))
    settings: dict[str, Any] = {}
    for name, values in config.defaults(options, config.files(), above, within=_WITHIN).items():
        group, _, action = name.rpartition(" ")
        if group:
            settings.setdefault(group, {})[action] = values
        else:
            settings[name] = values
    ready()
    try:
        code = command.main(
            args=list(args), prog_name=_NAME, standalone_mode=False, default_map=settings, complete_var="_RAGCLI_NO"
        )
    except typer.Abort:
        return INTERRUPTED
    except Exception as error:
        # The class that Typer's own Click raises for wrong usage; it knows how to show itself.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))
    return int(code or 0)


def _leaves(command: Any) -> Iterator[tuple[str, Any]]:
    """Yield the subcommands with their names; those of a group have its name before theirs."""
    for name, sub in command.commands.items():
        if hasattr(sub, "commands"):
            yield from ((f"{name} {action}", one) for action, one in sub.commands.items())
        else:
            yield name, sub


def complain(message: str, hint: str | None = None, args: Sequence[str] = ()) -> None:
    """Write an error on stderr: the subcommand, the sentence, and what to do on a line of its own."""
    name = f"{_NAME} {args[0]}" if args and not args[0].startswith("-") else _NAME
    lines = [f"{name}: {message}"]
    if hint:
        lines.append(f"  hint: {hint}")
    note("\n".join(lines))


def _closed_pipe() -> int:
    # Nothing more can be written; keep the interpreter from trying at exit.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    return FAILED
