"""Classes of other packages by name, ``package.module:Class``: found, and made with options from JSON."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import orjson

from ragcli.errors import UsageError
from ragcli.records import Json

_SAID = 300  # characters of another's error


def find(place: str, option: str, example: str, *, what: str = "class") -> Any:
    """Import what a name stands for.

    Args:
        place: ``package.module:Name``.
        option: the option that gave it, for the errors.
        example: a name that there is, for the hint.
        what: ``class`` or ``function``.

    Raises:
        UsageError: it is no such name, its module cannot be imported, or has nothing of that name.
    """
    module, colon, name = place.partition(":")
    if not colon or not module or not name:
        raise UsageError(
            f"{option} {place!r} does not name a {what}.",
            hint=f"Write package.module:{'Class' if what == 'class' else 'function'}, as in {example}.",
        )
    try:
        found = getattr(import_module(module), name, None)
    except ImportError as error:
        raise UsageError(f"{option} {place}: {error}.", hint=_install(module)) from error
    except Exception as error:  # a module of the user's own may fail in any way
        raise UsageError(f"{option} {place}: the module cannot be imported: {said(error)}.") from error
    if not (isinstance(found, type) if what == "class" else callable(found)):
        raise UsageError(f"{option} {place}: {module} has no {what} {name}.")
    return found


def said(error: BaseException) -> str:
    """Return another's error on one line: its type, and the beginning of what it says."""
    message = " ".join(word for word in str(error).split() if word.strip("*-="))[:_SAID].rstrip(".")
    return f"{type(error).__name__}{': ' if message else ''}{message}"


def package_of(module: str) -> str:
    """Return the package that most likely brings a module: LlamaIndex's own are named after their modules."""
    parts = module.split(".")
    if parts[:2] == ["llama_index", "core"]:
        return "llama-index-core"
    return "-".join(parts[:3]).replace("_", "-") if parts[0] == "llama_index" else parts[0]


def plain(values: Any) -> Json:
    """Return a dictionary as JSON holds it."""
    made: Json = orjson.loads(orjson.dumps(dict(values), default=str, option=orjson.OPT_NON_STR_KEYS))
    return made


def _install(module: str) -> str:
    if module.split(".")[0] == "llama_index":
        try:
            core = find_spec("llama_index.core")
        except ImportError:
            core = None
        if core is None:
            return "pip install 'ragcli[llamaindex]'"
    return f"pip install {package_of(module)} … in the same place."
