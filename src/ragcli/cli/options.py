"""Options that several subcommands share, each with its environment variable."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ragcli.cli.streams import is_terminal
from ragcli.errors import UsageError
from ragcli.jsonl import loads
from ragcli.records import Json


class Format(str, Enum):
    """How stdout looks."""

    jsonl = "jsonl"
    table = "table"


def as_table(format_: Format | None) -> bool:
    """Whether stdout gets a table: as the user says, else where people read it."""
    return is_terminal() if format_ is None else format_ is Format.table


class QueryFormat(str, Enum):
    """How stdout of ``query`` looks."""

    jsonl = "jsonl"
    table = "table"
    trec = "trec"


class SearchMode(str, Enum):
    """How the table is searched."""

    hybrid = "hybrid"
    vector = "vector"
    text = "text"


class Level(str, Enum):
    """What an evaluation counts as found."""

    document = "document"
    chunk = "chunk"


class Device(str, Enum):
    """Where a model runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


DEFAULT_DB = ".ragcli"

DbOption = Annotated[
    str,
    typer.Option("--db", "-d", metavar="DIR", envvar="RAGCLI_DB", help="Folder or URI of the LanceDB database."),
]
TableOption = Annotated[
    str | None, typer.Option("--table", "-t", metavar="NAME", envvar="RAGCLI_TABLE", help="Table in the database.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        envvar="RAGCLI_MODEL",
        help="Embedding model: a name, a folder, or openai:NAME. The built-in one by default.",
    ),
]
DeviceOption = Annotated[
    Device, typer.Option("--device", envvar="RAGCLI_DEVICE", help="Where the model runs; auto takes a GPU if any.")
]
HeadingsOption = Annotated[
    bool | None,
    typer.Option(
        "--headings/--no-headings",
        envvar="RAGCLI_HEADINGS",
        help="Embed title and headings before the text, or do not. As the table was made; if new, do not.",
    ),
]
AgainOption = Annotated[
    bool, typer.Option("--again", help="Embed what the table has, too: its vectors or full text are damaged.")
]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE", envvar="RAGCLI_REPORT", help="Write what came in, went out and was lost, as JSON."
    ),
]
SkipBadOption = Annotated[
    bool,
    typer.Option("--skip-bad", envvar="RAGCLI_SKIP_BAD", help="Go on past bad lines of stdin; the exit code is 3."),
]
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format", envvar="RAGCLI_FORMAT", help="jsonl for programs, table for people (default on a terminal)."
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", envvar="RAGCLI_QUIET", help="No progress and no summary on stderr.")
]


def json_object(text: str | None, option: str, example: str) -> Json:
    """Return the JSON object that an option holds; without one, an empty object.

    Args:
        text: what the user wrote.
        option: its name, for the errors.
        example: what could stand there, quoted for a shell.

    Raises:
        UsageError: it is no JSON, or no object.
    """
    try:
        value: Any = loads((text or "{}").encode())
    except ValueError as error:
        raise UsageError(f"{option} is no JSON: {error}.", hint=f"For example: {example}.") from error
    if not isinstance(value, dict):
        raise UsageError(f"{option} must be a JSON object.", hint=f"For example: {example}.")
    return value


def long_names(command: Any) -> dict[str, str]:
    """Return the long names of a command's options, without their dashes, and the parameters that they set."""
    return {
        option.lstrip("-"): str(parameter.name)
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }


def modules_here() -> None:
    """Let modules be imported from the current folder, as ``python -m`` does, after all others."""
    sys.path.append(str(Path.cwd()))
