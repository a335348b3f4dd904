"""The commands that mend a table, as they are typed."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ragcli.splitting.parser import node_parser, parser_words

if TYPE_CHECKING:
    from ragcli.store import Table

_SETTING = re.compile(r"\b(size|overlap|unit)=(\S+)")
_DEFAULT_DB = ".ragcli"


def splitter_settings(table: Table) -> dict[str, str]:
    """Return size, overlap and unit of the table's splitter, or splitter and options of its node parser.

    It is empty where the table does not say, or its chunks are another program's.
    """
    spec = str(table.contract.get("splitter") or "")
    parser = node_parser(spec)
    if parser is not None:
        return {"splitter": parser[0], "options": parser[1]}
    return dict(_SETTING.findall(spec)) if spec.startswith("structure/") else {}


def split_command(settings: dict[str, str]) -> str:
    """Return the command that cuts with these settings."""
    if "splitter" in settings:
        return shlex.join(["ragcli", "split", *parser_words(settings["splitter"], settings["options"])])
    unit = settings.get("unit")
    parts = [f"--{name} {settings[name]}" for name in ("size", "overlap") if settings.get(name, "0") != "0"]
    return " ".join(["ragcli split", *parts, *([f"--unit {unit}"] if unit == "tokens" else [])])


def table_options(table: Table, name: str | None = None) -> str:
    """Return the options that name a table."""
    db = "" if table.db == _DEFAULT_DB else f"-d {shlex.quote(table.db)} "
    return f"{db}-t {shlex.quote(name or table.name)}"


def index_command(
    table: Table,
    source: str,
    *,
    load: str = "",
    split: dict[str, str] | None = None,
    embed: str = "",
    name: str | None = None,
) -> str:
    """Return the pipe that brings a file into a table.

    Args:
        table: the table.
        source: the file.
        load: further options of ``load``.
        split: settings of the splitter; the table's own by default.
        embed: further options of ``embed``.
        name: of another table.
    """
    loading = " ".join(filter(None, ("ragcli load", load, shlex.quote(source))))
    embedding = " ".join(filter(None, (f"ragcli embed {table_options(table, name)}", embed)))
    return f"{loading} | {split_command(splitter_settings(table) if split is None else split)} | {embedding}"


def file_of(source: str) -> str:
    """Return the file of a source that is a row of one."""
    return source.rpartition("#")[0] or source
