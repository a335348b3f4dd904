"""The commands that mend a table, as they are typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.diagnosing.typed import folders, model_words, path_word, settings_of, split_words, table_words

if TYPE_CHECKING:
    from ragcli.diagnosing.stage import Chain
    from ragcli.store import Table

_OF_SEARCH = ("--where", "--expand", "--rerank", "--embed-model")
_DEFAULTS = {"--mode": "hybrid", "-k": "5"}
_PART = re.compile(r"(?<=\.\w)#|(?<=\.\w\w)#|(?<=\.\w\w\w)#|(?<=\.\w\w\w\w)#|(?<=\.\w\w\w\w\w)#")  # after a file's name


def splitter_settings(table: Table) -> dict[str, str]:
    """Return size, overlap and unit of the table's splitter, or splitter and options of its node parser.

    It is empty where the table does not say, or its chunks are another program's.
    """
    return settings_of(table.contract)


def split_command(settings: Mapping[str, str], table: Table | None = None) -> str:
    """Return the command that cuts with these settings.

    Args:
        settings: of the splitter.
        table: whose model counts the tokens; the built-in one's are counted without.
    """
    return split_words(settings, "" if table is None else _model(table))


def table_options(table: Table, name: str | None = None) -> str:
    """Return the options that name a table."""
    return table_words(table.db, name or table.name)


def ask_command(chain: Chain, *, without: str = "", more: str = "", **changed: str) -> str:
    """Return the command that asks as the chain does, with other settings.

    Args:
        chain: what is diagnosed.
        without: an option that is left out.
        more: further options.
        changed: other values of options, ``k`` or the long name.
    """
    options = {"--mode": chain.mode, **chain.options, "-k": str(chain.k)}
    options.update({f"--{name}" if len(name) > 1 else f"-{name}": value for name, value in changed.items()})
    if "-k" in options:  # last
        options["-k"] = options.pop("-k")
    options.pop(without, None)
    typed = [
        f"{name} {shlex.quote(value)}" for name, value in options.items() if value and value != _DEFAULTS.get(name)
    ]
    return " ".join(filter(None, ("ragcli ask", table_options(chain.table), more, *typed)))


def calibrate_command(chain: Chain) -> str:
    """Return the command that sets the table's threshold from questions, searched as the chain does."""
    kept = {name: value for name, value in chain.options.items() if name in _OF_SEARCH}
    return ask_command(replace(chain, options=kept), more="--calibrate questions.jsonl")


def index_command(
    table: Table,
    sources: str | Iterable[str],
    *,
    root: Path | None = None,
    load: str = "",
    split: Mapping[str, str] | None = None,
    embed: str = "",
    name: str | None = None,
) -> str:
    """Return the pipe that brings files into a table.

    Args:
        table: the table.
        sources: the file, or several.
        root: the folder that they are relative to; this one by default.
        load: further options of ``load``.
        split: settings of the splitter; the table's own by default.
        embed: further options of ``embed``.
        name: of another table, which is made like this one.
    """
    paths = [sources] if isinstance(sources, str) else folders(sources)
    loading = " ".join(filter(None, ("ragcli load", load, *map(path_word, paths))))
    if root is not None and any(not path.startswith("/") and "://" not in path for path in paths):
        loading = f"(cd {path_word(str(root))} && {loading})"
    made = f"{model_words(_model(table))}{' --headings' if table.contract.get('headings') else ''}" if name else ""
    embedding = " ".join(filter(None, (f"ragcli embed {table_options(table, name)}{made}", embed)))
    return f"{loading} | {split_command(splitter_settings(table) if split is None else split, table)} | {embedding}"


def another_name(table: Table) -> str:
    """Return a name that no table of the database has."""
    number = 2
    while table.exists(table.db, f"{table.name}{number}"):
        number += 1
    return f"{table.name}{number}"


def file_of(source: str) -> str:
    """Return the file of a source that is a row, a member or an attachment of one: what stands before the first #.

    A # that does not stand after the ending of a file's name is part of the name.
    """
    if "://" in source:
        return source
    found = _PART.search(source)
    return source[: found.start()] if found is not None else source


def _model(table: Table) -> str:
    return str(table.contract["model"]["id"])
