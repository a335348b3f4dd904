"""Settings: flag > environment (``RAGCLI_…``) > ``./ragcli.toml`` > ``$XDG_CONFIG_HOME/ragcli/config.toml``.

A settings file holds the long names of options, either for every subcommand that has one or in a table of one
subcommand's::

    db = "kb"
    llm = "openai:qwen2.5"
    [query]
    k = 10

Above the tables an option goes by the name of its variable: ``model`` is RAGCLI_MODEL, the embedding model, and
``llm`` RAGCLI_LLM, the language model that ``ask`` and ``chat`` call ``--model``.

Flags and environment are the command line's own (each option names its variable in ``--help``); this module
reads the files. A key that no subcommand knows is an error: a misspelt setting must not be ignored.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ragcli.errors import UsageError
from ragcli.records import Json

Options = Mapping[str, Mapping[str, str]]  # subcommand -> option as in a file ("where") -> parameter's name

_OF_EACH = ("prune", "quiet", "report")  # what a command that contains others is told for itself


def files() -> list[Path]:
    """Return the settings files that may exist, the weaker first."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return [Path(home, "ragcli", "config.toml"), Path("ragcli.toml")]


def defaults(
    options: Options,
    paths: Sequence[Path],
    above: Options | None = None,
    *,
    within: Mapping[str, Sequence[str]] | None = None,
    sections: bool = False,
) -> dict[str, Json]:
    """Return what the settings files say, by subcommand and parameter.

    Args:
        options: the names of each subcommand's options in its table.
        paths: the files, the weaker first.
        above: their names above the tables, where these differ.
        within: commands that contain a subcommand, and are told what its table says, below what their own does.
        sections: the tables are sections of one command's file, and are called so in errors.

    Raises:
        UsageError: a file is no TOML, or names an option or a subcommand that is not there.
    """
    merged: dict[str, Json] = {}
    for path in paths:
        for command, values in _read(path, options, above or options, within or {}, sections).items():
            merged.setdefault(command, {}).update(values)
    return merged


def _read(
    path: Path, options: Options, above: Options, within: Mapping[str, Sequence[str]], sections: bool
) -> dict[str, Json]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    data = parse(path, raw)
    out: dict[str, Json] = {}
    for key, value in sorted(data.items(), key=lambda one: _rank(one, within)):
        if isinstance(value, dict):
            if key not in options:
                kind = "section" if sections else "subcommand"
                raise UsageError(f"{path}: there is no {kind} {key!r}.", hint=f"There are: {', '.join(options)}.")
            for name, item in value.items():
                if name not in options[key]:
                    place = f"[{key}]" if sections else f"'ragcli {key}'"
                    raise UsageError(
                        f"{path}: {place} has no option {name!r}.",
                        hint=f"It has: {', '.join(sorted(options[key]))}.",
                    )
                out.setdefault(key, {})[options[key][name]] = item
                for command in within.get(key, ()):
                    if name in options[command] and name not in _OF_EACH:
                        out.setdefault(command, {})[options[command][name]] = item
        else:
            having = [command for command, names in above.items() if key in names]
            if not having:
                known = sorted({name for names in above.values() for name in names})
                raise UsageError(
                    f"{path}: no {'section' if sections else 'subcommand'} has an option {key!r}.",
                    hint=f"There are: {', '.join(known)}.",
                )
            for command in having:
                out.setdefault(command, {}).setdefault(above[command][key], value)
    return out


def _rank(item: tuple[str, Any], within: Mapping[str, Sequence[str]]) -> int:
    """Return the place of a key or a table among those of a file, the weaker first."""
    key, value = item
    return 0 if not isinstance(value, dict) else 1 if key in within else 2


def parse(path: Path, raw: bytes) -> dict[str, Any]:
    """Return what a file of TOML says.

    Raises:
        UsageError: it is no TOML.
    """
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        values: dict[str, Any] = tomllib.loads(raw.decode("utf-8"))
        return values
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: this is no TOML: {error}.") from error
