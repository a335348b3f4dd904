"""One call of a tool, from the JSON text that a model wrote to the text that it gets: every failure is a sentence.

Nothing that a tool does ends the answer: wrong arguments, an error, a timeout and a megabyte of text all come back as
an `Outcome`, and where the call failed its text tells the model how to call again.
"""

from __future__ import annotations

import json
import time
from itertools import islice
from typing import Any
from unicodedata import category

from ragcli.jsonl import clean, clean_tree
from ragcli.records import Json
from ragcli.tools.protocols import Outcome, Tool, ToolError

TIMEOUT = 30.0
MOST = 20_000
_FAULTS = 5  # as many as a model can mend at once
_LONGEST_FAULT = 300  # characters; a fault repeats the value it is about
_HEAD = 2 / 3


def run(tool: Tool, arguments_json: str, *, timeout: float = TIMEOUT, most: int = MOST) -> Outcome:
    """Call a tool; never raises for what the model or the tool did.

    Args:
        tool: is called only with arguments that fit its schema.
        arguments_json: the arguments as the model wrote them; an empty text is no arguments.
        timeout: seconds that the call may take.
        most: characters of the outcome's text; of a longer result the head and the tail are kept.
    """
    start = time.monotonic()
    try:
        text, ok = tool.call(read_arguments(tool, arguments_json), timeout), True
    except ToolError as error:
        text, ok = f"Error: {error.message}", False
    except Exception as error:  # noqa: BLE001  a tool is foreign code, and the answer goes on without its result
        text, ok = f"Error: {describe(error)}", False
    text, left_out = cut(clean(text), most)
    return Outcome(text=text, ok=ok, seconds=time.monotonic() - start, truncated=left_out)


def describe(error: BaseException) -> str:
    """Return the type and the message of an error, for a model."""
    try:
        message = str(error).strip()
    except Exception:  # noqa: BLE001  an error's own code may fail
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def one_line(text: str) -> str:
    """Return foreign text fit for a sentence that people read in a terminal: one line, control characters escaped."""
    return "".join(c if c.isprintable() or category(c) == "Zs" else repr(c)[1:-1] for c in " ".join(text.split()))


def cut(text: str, most: int) -> tuple[str, int]:
    """Return a text of at most so many characters, with head and tail of the whole, and the number left out."""
    if len(text) <= most:
        return text, 0
    note = "\n[… {} characters left out …]\n"
    room = max(most - len(note) - len(str(len(text))), 0)
    head = int(room * _HEAD)
    left_out = len(text) - room
    return text[:head] + note.format(left_out) + text[len(text) - (room - head) :], left_out


def read_arguments(tool: Tool, arguments_json: str) -> Json:
    """Return a call's arguments.

    Raises:
        ToolError: they are no JSON, no object, or do not fit the tool's schema; the message says where.
    """
    try:
        arguments = clean_tree(json.loads(arguments_json.strip() or "{}", parse_constant=_refuse))
    except RecursionError as error:
        raise ToolError(f"the arguments of {tool.name} are nested too deep.") from error
    except ValueError as error:
        raise ToolError(
            f"the arguments of {tool.name} are not valid JSON ({error}). {_signature(tool)} "
            "Call it again with one JSON object."
        ) from error
    if not isinstance(arguments, dict):
        raise ToolError(f"the arguments of {tool.name} must be one JSON object. {_signature(tool)} Call it again.")
    faults = _faults(tool, arguments)
    if faults:
        raise ToolError(f"the arguments of {tool.name} do not fit: {'; '.join(faults)}. {_signature(tool)}")
    return arguments


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON number")


def _faults(tool: Tool, arguments: Json) -> list[str]:
    import jsonschema  # type: ignore[import-untyped]
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    schema = tool.parameters
    kind: Any = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
        # an empty registry: a schema that names a URL must not make ragcli fetch it
        found = list(islice(kind(schema, registry=Registry()).iter_errors(arguments), _FAULTS))
    except jsonschema.SchemaError as error:
        raise ToolError(
            f"{tool.name} cannot be called: its schema is no JSON Schema ({_short(error.message)})."
        ) from error
    except Unresolvable as error:
        raise ToolError(f"{tool.name} cannot be called: its schema refers to {error.ref!r}, outside of it.") from error
    except RecursionError as error:
        raise ToolError(f"the arguments of {tool.name} are nested too deep.") from error
    return [_fault(one) for one in found]


def _fault(error: Any) -> str:
    where = ".".join(map(str, error.absolute_path))
    return f"{where}: {_short(error.message)}" if where else _short(error.message)


def _short(text: str) -> str:
    return cut(text, _LONGEST_FAULT)[0].replace("\n", " ")


def _signature(tool: Tool) -> str:
    properties = tool.parameters.get("properties") or {}
    required = tool.parameters.get("required") or ()
    if not properties:
        return "It takes no arguments."
    names = [_parameter(name, value, name in required) for name, value in properties.items()]
    return f"Its arguments: {', '.join(names)}."


def _parameter(name: str, schema: Any, required: bool) -> str:
    kind = schema.get("type") if isinstance(schema, dict) else None
    words = [*([" or ".join(kind)] if isinstance(kind, list) else [kind] if kind else []), *["required"] * required]
    return f"{name} ({', '.join(words)})" if words else name
