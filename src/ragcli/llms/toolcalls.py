"""Calls in what a model wrote, for backends that see text alone: the forms of the families that call tools.

==================  ==================================================================================
Hermes, Qwen        ``<tool_call>{"name": …, "arguments": {…}}</tool_call>``
Llama 3             ``{"name": …, "parameters": {…}}`` as the whole answer, or after ``<|python_tag|>``
Mistral             ``[TOOL_CALLS] [{"name": …, "arguments": {…}}]``, newer ones ``[TOOL_CALLS]name[ARGS]{…}``
InternLM2.5         ``<|action_start|><|plugin|>{"name": …, "parameters": {…}}<|action_end|>``
others              a block of code, marked ``json`` or not at all, that holds a name and its arguments alone
==================  ==================================================================================

What is not whole or not JSON stays text: it is then the answer, and the person sees what the model tried. So does what
stands in inline code, and what has no sign but its keys and names no function that there is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from typing import Any

from ragcli.jsonl import dumps
from ragcli.llms.protocols import Call, Function

_OPENERS = re.compile(
    r"""(?P<hermes><tool_call>)
    |(?P<python><\|python_tag\|>)
    |(?P<mistral>\[TOOL_CALLS\])
    |(?P<intern><\|action_start\|>\s*<\|plugin\|>)
    |(?P<block>```(?:json|tool_call)?[ ]*\n)""",
    re.VERBOSE,
)
_CLOSERS = {
    "hermes": re.compile(r"\s*(</tool_call>|\Z)"),
    "python": re.compile(r"\s*(<\|eom_id\|>|<\|eot_id\|>)?"),
    "mistral": re.compile(r"\s*(</s>)?"),
    "intern": re.compile(r"\s*(<\|action_end\|>|\Z)"),
    "block": re.compile(r"\s*(```|\Z)"),
}
_NAMED = re.compile(r"\s*([\w.-]+)\s*(?:\[ARGS\])?\s*(?=\{)")
_BETWEEN = re.compile(r"[\s,;]*")
_MARKED = ("name", "arguments", "parameters", "args", "id", "type", "function")
_BARE = ({"name", "arguments"}, {"name", "parameters"})
_BESIDE = {"id", "type"}
_DECODER = json.JSONDecoder(strict=False)  # models write line breaks into strings
_LINE = 1000  # characters before a place that are looked at
_ID = 9  # letters and digits: what Mistral's templates ask for


def parse(text: str, names: Collection[str] | None = None) -> tuple[str, list[Call]]:
    """Return the text without its calls, and the calls in order; their ids come from what they say.

    Args:
        text: what a model wrote, control tokens included.
        names: the functions that there are; None where that is not known.
    """
    found: list[Function] = []
    whole = text.strip()
    if whole.startswith(("{", "[")):
        calls, end = _objects(whole, 0, names, bare=True)
        if calls and end == len(whole):
            return "", numbered(calls)
    kept: list[str] = []
    at = 0
    while match := _OPENERS.search(text, at):
        kind = str(match.lastgroup)
        if kind != "block" and is_in_code(text, match.start()):
            kept.append(text[at : match.end()])
            at = match.end()
            continue
        calls, end = _objects(text, match.end(), names, bare=kind == "block")
        if not calls and kind == "mistral":
            calls, end = _named(text, match.end())
        closer = _CLOSERS[kind].match(text, end) if calls else None
        if closer is None:
            kept.append(text[at : match.end()])
            at = match.end()
            continue
        kept.append(text[at : match.start()])
        found += calls
        at = closer.end()
    if not found:
        return text, []
    rest = "".join([*kept, text[at:]])
    return (rest if rest.strip() else ""), numbered(found)


def is_in_code(text: str, at: int) -> bool:
    """Whether a place lies in inline code, as a form of call that is only spoken of does."""
    begin = text.rfind("\n", max(0, at - _LINE), at) + 1 or max(0, at - _LINE)
    return text[begin:at].replace("```", "").count("`") % 2 == 1


def numbered(functions: Sequence[Function]) -> list[Call]:
    """Return calls of functions; their ids come from what they say and their places."""
    calls: list[Call] = []
    for at, function in enumerate(functions):
        digest = hashlib.sha256(f"{at} {function['name']} {function['arguments']}".encode()).hexdigest()
        calls.append({"id": digest[:_ID], "type": "function", "function": function})
    return calls


def _objects(text: str, at: int, names: Collection[str] | None, *, bare: bool) -> tuple[list[Function], int]:
    """Return the calls that stand one after another from a place on, and where the last one ends."""
    found: list[Function] = []
    end = at
    while True:
        match = _BETWEEN.match(text, end)
        start = match.end() if match else end
        if text[start : start + 1] not in ("{", "["):
            return found, end
        try:
            value, stop = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            return found, end
        functions = [_function(one, names, bare) for one in (value if isinstance(value, list) else [value])]
        calls = [one for one in functions if one is not None]
        if not calls or len(calls) < len(functions):
            return found, end
        found += calls
        end = stop


def _named(text: str, at: int) -> tuple[list[Function], int]:
    """Return the calls of the form that has the name before the arguments."""
    found: list[Function] = []
    while match := _NAMED.match(text, at):
        try:
            value, end = _DECODER.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            break
        found.append({"name": match[1], "arguments": dumps(value).decode()})
        again = text.find("[TOOL_CALLS]", end)
        at = end
        if again >= 0 and not text[end:again].strip():
            at = again + len("[TOOL_CALLS]")
    return found, at


def _function(value: Any, names: Collection[str] | None, bare: bool) -> Function | None:
    """Return the function that an object calls, or None where it is no call.

    Args:
        value: what JSON gave.
        names: the functions that there are; None where that is not known.
        bare: nothing but its keys says that it is a call, so that they must be these alone, and the name a known one.
    """
    if not isinstance(value, dict):
        return None
    if (
        bare
        and value.keys() - _BESIDE not in _BARE
        and not ("type" in value and isinstance(value.get("function"), dict))
    ):
        return None
    if isinstance(value.get("function"), dict):
        value = value["function"]
    name = value.get("name")
    if not isinstance(name, str) or not name or any(key not in _MARKED for key in value):
        return None
    if bare and names is not None and name not in names:
        return None
    given: Any = next((value[key] for key in ("arguments", "parameters", "args") if key in value), {})
    if isinstance(given, str):
        try:
            given = json.loads(given, strict=False)
        except (ValueError, RecursionError):
            return None
    if not isinstance(given, dict):
        return None
    try:
        return {"name": name, "arguments": dumps(given).decode()}
    except (TypeError, ValueError, OverflowError):  # numbers that JSON cannot hold
        return None
