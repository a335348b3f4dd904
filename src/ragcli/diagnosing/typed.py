"""What commands that mend a table are put together from, as they are typed: tables, models, splitters, paths."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from ragcli.models.builtin import named
from ragcli.splitting.parser import node_parser, parser_words

DEFAULT_DB = ".ragcli"
_MOST_INPUTS = 6
_SETTING = re.compile(r"\b(size|overlap|unit)=(\S+)")


def table_words(db: str, name: str) -> str:
    """Return the options that name a table."""
    return f"{'' if db == DEFAULT_DB else f'-d {shlex.quote(db)} '}-t {shlex.quote(name)}"


def model_words(model: str) -> str:
    """Return the option that names an embedding model, after a blank; nothing for the built-in one."""
    return "" if named(model or None) is not None else f" -m {shlex.quote(model)}"


def settings_of(contract: Mapping[str, Any]) -> dict[str, str]:
    """Return size, overlap and unit of a table's splitter, or splitter and options of its node parser.

    It is empty where the table does not say, or its chunks are another program's.
    """
    spec = str(contract.get("splitter") or "")
    parser = node_parser(spec)
    if parser is not None:
        return {"splitter": parser[0], "options": parser[1]}
    return dict(_SETTING.findall(spec)) if spec.startswith("structure/") else {}


def split_words(settings: Mapping[str, str], model: str = "") -> str:
    """Return the command that cuts with these settings.

    Args:
        settings: of the splitter.
        model: counts the tokens; the built-in one is not named.
    """
    if "splitter" in settings:
        return shlex.join(["ragcli", "split", *parser_words(settings["splitter"], settings["options"])])
    parts = [f"--{name} {settings[name]}" for name in ("size", "overlap") if settings.get(name, "0") != "0"]
    if settings.get("unit") == "tokens":
        parts.append(f"--unit tokens{model_words(model)}")
    return " ".join(["ragcli split", *parts])


def path_word(path: str) -> str:
    """Return a path, quoted where it must be, that is no option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def folders(files: Iterable[str], most: int = _MOST_INPUTS) -> list[str]:
    """Return the paths, or where they are many, the folders that hold them."""
    found = sorted(set(files))
    while len(found) > most:
        deepest = max(path.count("/") for path in found)
        shorter = {path if path.count("/") < deepest or "://" in path else _parent(path) for path in found}
        if shorter == set(found):
            break
        found = sorted(shorter)
    return [one for one in found if not any(_below(one, other) for other in found)]


def _parent(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _below(path: str, folder: str) -> bool:
    if path == folder or "://" in path:
        return False
    return PurePosixPath(folder) in PurePosixPath(path).parents
