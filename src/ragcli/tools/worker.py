"""The process that a Python file's functions run in: what hangs, prints, crashes or exits ends this process only.

Requests come in on stdin and replies go out on what was stdout, each one line of JSON. Afterwards stdin is empty and
stdout is stderr, so that nothing that a function reads or prints comes between. The process ends with its stdin,
whatever it is doing, and takes the processes that functions have started with it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from ragcli.records import Json
from ragcli.tools.naming import Choice, valid_name
from ragcli.tools.running import cut, describe

MOST = 32 << 20  # characters of a result that are handed on


def main(path: str, choose: str) -> None:
    """Import a file, say which tools it has, and call them until stdin ends.

    Args:
        path: of the file.
        choose: patterns of names as a JSON list; an empty one means all functions.
    """
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started this process says when it ends
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    functions = _open(path, json.loads(choose), replies)
    while functions is not None:
        request = json.loads(waiting.get())
        _send(replies, {"id": request["id"], **_call(functions.get(request["name"]), request)})


def _open(path: str, choose: list[str], replies: IO[bytes]) -> dict[str, Any] | None:
    """Import a file and send its tools, or what is wrong with it; return the functions by name."""
    from ragcli.tools.signatures import UnfitError

    try:
        module = _import(Path(path))
        try:
            functions = _read(module, Choice(choose))
        except UnfitError:
            raise
        except BaseException as error:  # what stands in the file may raise wherever it is looked at
            raise UnfitError(f"its functions cannot be read: {describe(error)}") from error
    except UnfitError as error:
        _send(replies, {"fault": error.message, "line": error.line, "hint": error.hint})
        return None
    tools = [
        {"name": one.name, "description": one.description, "parameters": one.parameters, "read_only": one.read_only}
        for one in functions.values()
    ]
    _send(replies, {"tools": tools})
    return functions


def _import(path: Path) -> ModuleType:
    """Import a file by its path, with its folder first on the path as if it were run.

    Raises:
        UnfitError: it cannot be imported.
    """
    from ragcli.tools.signatures import UnfitError

    sys.path.insert(0, str(path.parent))
    name = f"ragcli_tools_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UnfitError("it is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        line = error.lineno if error.filename == str(path) else 0
        raise UnfitError(f"cannot be imported: {describe(error)}", line or 0) from error
    except BaseException as error:  # also SystemExit: the file's code may do anything
        frames = traceback.extract_tb(error.__traceback__)
        line = next((one.lineno for one in reversed(frames) if one.filename == str(path)), 0)
        hint = f"It is imported with {sys.executable}." if isinstance(error, ImportError) else ""
        raise UnfitError(f"cannot be imported: {describe(error)}", line or 0, hint) from error
    return module


def _read(module: ModuleType, choice: Choice) -> dict[str, Any]:
    """Return a module's public functions by their names as tools.

    Raises:
        UnfitError: there are none, one does not fit, or a list names what is not there.
    """
    from ragcli.tools.signatures import UnfitError, innermost, read

    listed = vars(module).get("__all__")
    if listed is not None and not (isinstance(listed, (list, tuple)) and all(isinstance(one, str) for one in listed)):
        raise UnfitError("__all__ is no list of names.", hint='Write __all__ = ["name"].')
    found: dict[str, Any] = {}
    for name in list(vars(module)) if listed is None else listed:
        value = vars(module).get(name) if listed is None else getattr(module, name, None)
        if value is None and listed is not None:
            raise UnfitError(f"__all__ names {name}, which it does not define.")
        plain = innermost(value)
        if plain is None or any(value is other for other in found.values()):
            continue
        if listed is not None or (not name.startswith("_") and plain.__module__ == module.__name__):
            found[name] = value
    if not found:
        raise UnfitError(
            "it has no functions that could be tools.",
            hint="A tool is a function of the file itself whose name does not start with _.",
        )
    marked = _marked(vars(module).get("READ_ONLY", ()))
    for name in marked:
        if name not in found:
            raise UnfitError(f"READ_ONLY names {name}, which is none of its tools.")
    chosen = {name: value for name, value in found.items() if choice.takes(name, valid_name(name))}
    fault = choice.fault()
    if fault:
        raise UnfitError(fault[0], hint=fault[1])
    functions: dict[str, Any] = {}
    for name, value in chosen.items():
        function = read(value, read_only=name in marked or getattr(value, "read_only", False) is True)
        if function.name in functions:
            raise UnfitError(
                f"two functions have the name {function.name}.", hint="Rename one, or list one in __all__."
            )
        functions[function.name] = function
    return functions


def _marked(value: Any) -> list[str]:
    """Return the names in READ_ONLY; a text is one name."""
    from ragcli.tools.signatures import UnfitError

    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(one, str) for one in names):
        raise UnfitError("READ_ONLY is no list of names.", hint='Write READ_ONLY = ["name"].')
    return sorted(names)


def _call(function: Any, request: Json) -> Json:
    if function is None:
        return {"error": f"the file has no function {request['name']} any more."}
    try:
        return {"text": cut(function.run(json.dumps(request["arguments"])), MOST)[0]}
    except BaseException as error:  # noqa: BLE001  also SystemExit: a function may do anything
        return {"error": describe(error)}


def _send(replies: IO[bytes], reply: Json) -> None:
    replies.write(json.dumps(reply).encode() + b"\n")
    replies.flush()


def _listen(requests: IO[bytes], waiting: queue.SimpleQueue[bytes]) -> None:
    with contextlib.suppress(OSError):
        for line in requests:
            waiting.put(line)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)
