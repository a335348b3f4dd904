"""Python functions as tools: type hints become JSON Schema, JSON becomes what the hints say, results become text.

Runs in the process of `ragcli.tools.worker`, beside the functions themselves. Imports pydantic.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import operator
import sys
import types
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pydantic
import pydantic_core
import typing_extensions

from ragcli.records import Json
from ragcli.tools import docstrings
from ragcli.tools.naming import valid_name, with_name

_HINT = "Write a hint that JSON can hold, such as str, int, list[str] or a dataclass, or start the name with _."
_MAPS = {"properties", "$defs", "patternProperties"}
_MOST_DECORATORS = 100
_MOST_YIELDED = 100_000  # values of a generator: one that never ends must not fill the memory


class UnfitError(Exception):
    """A file or a function that cannot be a tool.

    Args:
        message: what is wrong.
        line: in the file, from 1; 0 where it is not known.
        hint: what to do about it.
    """

    def __init__(self, message: str, line: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Function:
    """A function, and how to call it with JSON."""

    name: str
    description: str
    parameters: Json
    read_only: bool
    call: Callable[..., Any]
    arguments: Any  # pydantic's adapter from JSON to a dict of the hinted types
    positional: tuple[tuple[str, Any], ...]  # names and defaults of what cannot be passed by name

    def run(self, arguments_json: str) -> str:
        """Return the result as text: a string as it is, anything else as JSON.

        Raises:
            ValueError: the arguments do not fit the hints.
            Exception: whatever the function raises.
        """
        try:
            named: Json = self.arguments.validate_json(arguments_json)
        except pydantic.ValidationError as error:
            faults = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False))
            raise ValueError("; ".join(faults)) from error
        first = [named.pop(name, default) for name, default in self.positional]
        result = self.call(*first, **named)
        if inspect.isawaitable(result) or isinstance(result, AsyncIterator):
            result = asyncio.run(_awaited(result))
        return _text(list(_bounded(result)) if inspect.isgenerator(result) else result)


async def _awaited(value: Any) -> Any:
    if inspect.isawaitable(value):
        value = await value
    if not isinstance(value, AsyncIterator):
        return value
    values: list[Any] = []
    async for one in value:
        values.append(one)
        _check_number(len(values))
    return values


def _bounded(values: Iterator[Any]) -> Iterator[Any]:
    for number, one in enumerate(values, 1):
        _check_number(number)
        yield one


def _check_number(number: int) -> None:
    if number > _MOST_YIELDED:
        raise ValueError(f"it yields more than {_MOST_YIELDED:,} values.")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return pydantic_core.to_json(value, fallback=str, bytes_mode="base64").decode()
    except ValueError:  # what holds itself, for one
        return str(value)


def innermost(value: Any) -> types.FunctionType | None:
    """Return a function itself where a value is one, or is made of one by decorators; else None.

    No attribute is asked for: proxies (of XML-RPC, of Flask) answer to every name, or raise.
    """
    found: types.FunctionType | None = None
    if not callable(value):
        return None
    for _ in range(_MOST_DECORATORS):
        if type(value) is types.FunctionType:
            found = value
        elif issubclass(type(value), type):
            break
        inner = inspect.getattr_static(value, "__wrapped__", None)
        if inner is None:
            break
        value = inner
    return found


def read(call: Callable[..., Any], *, read_only: bool) -> Function:
    """Return a function as a tool.

    Raises:
        UnfitError: its parameters have no hints, or hints without a JSON form.
    """
    plain = innermost(call)
    if plain is None:
        raise UnfitError("it is no function.")
    name: str = plain.__name__
    line: int = plain.__code__.co_firstlineno
    try:
        hints = typing.get_type_hints(plain, plain.__globals__, include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise UnfitError(f"the type hints of {name} cannot be read: {error}.", line, _HINT) from error
    parameters = list(_signature(call, plain).parameters.values())
    description, texts = docstrings.parse(plain.__doc__)
    fields: Json = {}
    properties: dict[str, Json] = {}
    for one in parameters:
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            star = "*" if one.kind == one.VAR_POSITIONAL else "**"
            raise UnfitError(
                f"{name} takes {star}{one.name}, which a model cannot be told of.",
                line,
                "Name its parameters one by one, or start the name with _.",
            )
        if one.name not in hints:
            raise UnfitError(f"the parameter {one.name} of {name} has no type hint.", line, _HINT)
        hint = _modern(hints[one.name])
        fault = _fault(hint)
        if fault:
            raise UnfitError(f"the hint of the parameter {one.name} of {name} has no JSON form: {fault}", line, _HINT)
        required = one.default is one.empty
        taken = typing.Optional[hint] if one.default is None and not _takes_none(hint) else hint  # noqa: UP045
        fields[one.name] = taken if required else typing_extensions.NotRequired[taken]
        properties[one.name] = _extras(hint, texts.get(one.name), None if required else one.default)
    arguments = _adapter(fields)
    schema = _untitled(arguments.json_schema())
    for key, extra in properties.items():
        schema["properties"][key] = {**extra, **schema["properties"][key]}
    schema.setdefault("properties", {})
    schema.pop("description", None)
    shown = valid_name(name)
    return Function(
        name=shown,
        description=with_name(description, name, shown),
        parameters=schema,
        read_only=read_only,
        call=call,
        arguments=arguments,
        positional=tuple((one.name, one.default) for one in parameters if one.kind == one.POSITIONAL_ONLY),
    )


def _signature(call: Any, plain: types.FunctionType) -> inspect.Signature:
    """Return what a function takes; inspect itself would follow ``__wrapped__`` into proxies, without an end."""
    said = inspect.getattr_static(call, "__signature__", None)
    return inspect.signature(plain if said is None else call, follow_wrapped=False)


def _adapter(fields: Json) -> Any:
    make: Any = typing_extensions.TypedDict  # its keys may be any names, and a missing one leaves a default alone
    kind = make("Arguments", fields)
    kind.__pydantic_config__ = pydantic.ConfigDict(extra="forbid")
    return pydantic.TypeAdapter(kind)


def _fault(hint: Any) -> str | None:
    """Return why a hint has no JSON form, or None."""
    try:
        pydantic.TypeAdapter(hint).json_schema()
    except (pydantic.PydanticUserError, TypeError, NameError) as error:
        text = error.message if isinstance(error, pydantic.PydanticUserError) else str(error)
        return text.split("\n")[0].rstrip(".") + "."
    return None


def _takes_none(hint: Any) -> bool:
    """Return whether a hint says that None fits; ``a: str = None`` means that it does, and does not say so."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _takes_none(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        return any(map(_takes_none, typing.get_args(hint)))
    return hint in (Any, object, type(None)) or (origin is typing.Literal and None in typing.get_args(hint))


def _extras(hint: Any, text: str | None, default: Any) -> Json:
    """Return what a schema says beside the type: the description and the default."""
    extra: Json = {}
    if typing.get_origin(hint) is typing.Annotated:
        said = [one if isinstance(one, str) else getattr(one, "documentation", None) for one in hint.__metadata__]
        text = next((one for one in said if one), text)
    if text:
        extra["description"] = text
    if default is not None:
        try:
            extra["default"] = pydantic_core.to_jsonable_python(default)
        except (pydantic_core.PydanticSerializationError, ValueError):
            pass  # a default that only Python knows: the model leaves it out
    return extra


def _modern(hint: Any) -> Any:
    """Return a hint whose TypedDicts are those of typing_extensions: pydantic takes no others before Python 3.12."""
    if sys.version_info >= (3, 12):
        return hint
    if typing.is_typeddict(hint) and type(hint).__module__ == "typing":
        inner = typing_extensions.get_type_hints(hint, include_extras=True)
        fields: Json = {}
        for key, value in inner.items():
            said: Any = typing_extensions.get_origin(value)
            if said in (typing_extensions.Required, typing_extensions.NotRequired):
                (value,) = typing.get_args(value)
                required = said is typing_extensions.Required
            else:
                required = key in hint.__required_keys__
            fields[key] = _modern(value) if required else typing_extensions.NotRequired[_modern(value)]
        make: Any = typing_extensions.TypedDict
        made = make(hint.__name__, fields)
        made.__doc__ = hint.__doc__
        return made
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is None or origin is typing.Literal:
        return hint
    if origin is typing.Annotated:
        inner = _modern(args[0])
        return hint if inner is args[0] else typing.Annotated.__class_getitem__((inner, *args[1:]))
    changed = tuple(_modern(one) if not isinstance(one, list) else one for one in args)
    if all(new is old for new, old in zip(changed, args, strict=True)):
        return hint
    if origin in (typing.Union, types.UnionType):
        return functools.reduce(operator.or_, changed)
    return origin[changed]


def _untitled(node: Any) -> Any:
    """Return a schema without the titles that pydantic makes of names: they tell a model nothing."""
    if isinstance(node, list):
        return [_untitled(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _untitled(one) for name, one in value.items()} if key in _MAPS else _untitled(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }
