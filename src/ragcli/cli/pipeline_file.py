"""Pipeline files: TOML that holds what ``ragcli index`` is told, stage by stage, as ``ragcli run`` reads it.

The keys are the long names of options, the sections the stages whose options they are, and ``[index]`` has what they
share. Names of files and folders are relative to the working directory, as they are on a command line, in
``ragcli.toml`` and in the file of ``finetune --config``: a table names its documents as they were given, so that the
same pipeline must be run from the same folder however it is written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ragcli.cli.options import long_names
from ragcli.config import defaults
from ragcli.errors import UsageError
from ragcli.jsonl import dumps
from ragcli.records import Json

# The options of each section; those of [index] are all others.
STAGES = {
    "load": (
        "include", "exclude", "gitignore", "hidden", "follow-links", "encoding", "text-field", "id-field",
        "title-field", "ocr", "password", "keep-headers", "reader", "reader-options", "reader-load", "jobs", "timeout",
        "max-bytes", "max-memory", "null",
    ),
    "split": ("size", "overlap", "unit", "splitter", "splitter-options"),
    "embed": ("model", "device", "headings", "again"),
}  # fmt: skip
_NEVER = ("dry-run",)
_OWN = ("size", "overlap", "unit")
PATHS, INPUTS = "paths", "inputs"  # the key, and the parameter that it sets


def sections(command: Any) -> dict[str, dict[str, str]]:
    """Return the keys of each section, and the parameters of the command that they set."""
    names = long_names(command)
    names = {name: parameter for name, parameter in names.items() if not name.startswith("no-")}
    made = {stage: {name: names.pop(name) for name in options} for stage, options in STAGES.items()}
    rest = {name: parameter for name, parameter in names.items() if name not in _NEVER}
    return {"index": {PATHS: INPUTS, **rest}, **made}


def read(path: Path, command: Any) -> Json:
    """Return what a pipeline file says, by parameter.

    Raises:
        UsageError: it cannot be read, is no TOML, names what is not there, or contradicts itself.
    """
    if not path.is_file():
        raise UsageError(f"the pipeline file {path} is not there.")
    told = defaults(sections(command), [path], sections=True)
    split = told.get("split", {})
    if "splitter" in split and (both := [name for name in _OWN if name in split]):
        raise UsageError(
            f"{path}: [split] has splitter and {', '.join(both)}, which do not go together.",
            hint="A node parser has options of its own: splitter-options = {chunk_size = 256}.",
        )
    many = {parameter.name for parameter in command.params if parameter.multiple or parameter.nargs == -1}
    values: Json = {}
    for section in told.values():
        for name, value in section.items():
            values[name] = _plain(name, value, many)
    _check_paths(path, values.get(INPUTS, []))
    return values


def _plain(name: str, value: Any, many: set[str]) -> Any:
    if name in many and isinstance(value, str):
        return [value]
    return dumps(value).decode() if isinstance(value, dict) else value  # what an option takes as JSON


def _check_paths(path: Path, inputs: Sequence[str]) -> None:
    """Say where a pipeline is to be run, where that is not here."""
    folder = path.parent
    for given in inputs:
        if isinstance(given, str) and not Path(given).exists() and folder != Path() and (folder / given).exists():
            raise UsageError(
                f"{path}: there is no {given!r} here; names in a pipeline file are relative to the working directory.",
                hint=f"cd {folder} && ragcli run {path.name}",
            )


def written(values: Mapping[str, Any], command: Any, notes: Sequence[str] = ()) -> str:
    """Return the pipeline file that says these values.

    Args:
        values: by parameter; None and what is empty are left out.
        command: the command whose parameters they are.
        notes: lines of comment before them.
    """
    lines = [f"# {note}" for note in notes]
    for section, names in sections(command).items():
        found = {
            key: values[parameter] for key, parameter in names.items() if values.get(parameter) not in (None, (), [])
        }
        if not found:
            continue
        lines += ["", f"[{section}]"]
        for key, value in found.items():
            hidden = key == "password"  # not for a screen, a log or a repository
            lines.append(f"# {key} is given, and not shown" if hidden else f"{key} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return dumps(value).decode().replace("\x7f", "\\u007f")  # a JSON string is one of TOML, but for DEL
    return str(value)
