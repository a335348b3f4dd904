"""Schemas of an OpenAPI document as JSON Schema that stands by itself: references, ``nullable``, ``readOnly``.

OpenAPI 3.1's schemas are JSON Schema already, those of 3.0 nearly. What is referred to stands under ``$defs``, so that
a schema that refers to itself stays finite and exact; an operation has only those that it uses, and shares them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from ragcli.records import Json
from ragcli.tools.naming import valid_name

_MAPS = {"properties", "patternProperties", "dependentSchemas"}
_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_ONES = {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"}
_ONES |= {"unevaluatedItems", "unevaluatedProperties"}
_KEPT = {"type", "enum", "const", "default", "description", "required", "format", "pattern", "dependentRequired"}
_KEPT |= {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"}
_KEPT |= {"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "minContains", "maxContains"}
_DEEPEST = 100  # objects in each other


class UnusableError(Exception):
    """An operation that cannot be a tool; the message says why, as the end of a sentence."""


class Document:
    """An OpenAPI document whose references are followed inside of it."""

    def __init__(self, data: Json) -> None:
        self.data = data

    def resolve(self, value: Any) -> Json:
        """Return an object of the document, where it is a reference the one referred to.

        Raises:
            UnusableError: it refers to another file, to nothing, or to itself.
        """
        for _ in range(100):
            if not isinstance(value, dict):
                raise UnusableError("its description is not as OpenAPI has it")
            if not isinstance(value.get("$ref"), str):
                return value
            value = self.at(value["$ref"])
        raise UnusableError("a reference refers to itself")

    def at(self, reference: str) -> Any:
        """Return what a local reference (``#/…``) points to; `UnusableError` where there is nothing."""
        if not reference.startswith("#"):
            raise UnusableError(f"it refers to another file, {reference}")
        value: Any = self.data
        for part in reference[1:].split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            else:
                raise UnusableError(f"the document has no {reference}")
        return value


def mapping(value: Any, what: str) -> Json:
    """Return an object of a document, an empty one where there is none; `UnusableError` where it is another value."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnusableError(f"its {what} is not as OpenAPI has it")
    return value


def sequence(value: Any, what: str) -> list[Any]:
    """Return a list of a document, an empty one where there is none; `UnusableError` where it is another value."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnusableError(f"its {what} is not as OpenAPI has it")
    return value


class Schemas:
    """The schemas of one document; each that is referred to is converted once, for all operations."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._names: dict[str, str] = {}  # by reference
        self._definitions: dict[str, Any] = {}  # by name, as the next two
        self._links: dict[str, list[str]] = {}
        self._faults: dict[str, UnusableError] = {}
        self._waiting: list[tuple[str, str]] = []  # names and references that are still to be converted

    def convert(self, node: Any) -> Any:
        """Return a schema as JSON Schema; `UnusableError` where it is none, or nested too deep."""
        converted = self._convert(node, 0)
        while self._waiting:  # a list and no recursion: documents have chains of hundreds
            name, reference = self._waiting.pop()
            try:
                self._definitions[name] = self._convert(self._document.at(reference), 0)
                self._links[name] = _references(self._definitions[name])
            except UnusableError as error:  # told of the operations that use it
                self._faults[name] = error
        return converted

    def plain(self, node: Any) -> Json:
        """Return a converted schema itself where the given one is a reference to it."""
        converted: Any = self.convert(node)
        for _ in range(100):
            if not isinstance(converted, dict) or set(converted) != {"$ref"}:
                break
            converted = self._definitions.get(_name(converted["$ref"]))
        return converted if isinstance(converted, dict) else {}

    def used(self, schema: Json) -> dict[str, Any]:
        """Return the definitions that a schema refers to, also through others.

        Raises:
            UnusableError: one of them cannot be used.
        """
        used: dict[str, Any] = {}
        waiting = _references(schema)
        while waiting:
            name = waiting.pop()
            if name in self._faults:
                raise UnusableError(str(self._faults[name]))
            if name in self._definitions and name not in used:
                used[name] = self._definitions[name]
                waiting += self._links[name]
        return used

    def _convert(self, node: Any, depth: int) -> Any:
        if isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            raise UnusableError("a schema is not as OpenAPI has it")
        if depth > _DEEPEST:
            raise UnusableError(f"a schema is nested more than {_DEEPEST} deep")
        out: Json = {}
        if isinstance(node.get("$ref"), str):
            out["$ref"] = f"#/$defs/{self._named(node['$ref'])}"
        hidden = self._hidden(node)
        for key, value in node.items():
            if key in _MAPS and isinstance(value, dict):
                out[key] = {name: self._convert(one, depth + 1) for name, one in value.items() if name not in hidden}
            elif key in _LISTS and isinstance(value, list):
                out[key] = [self._convert(one, depth + 1) for one in value]
            elif key in _ONES:
                out[key] = self._convert(value, depth + 1)
            elif key in _KEPT:
                out[key] = value
        if "required" in out:
            listed = out["required"] if isinstance(out["required"], list) else None
            if listed is None:  # a common mistake: the property itself says so
                del out["required"]
            else:
                out["required"] = [name for name in listed if isinstance(name, str) and name not in hidden]
        _bounds(out)
        return _nullable(out) if node.get("nullable") is True else out

    def _named(self, reference: str) -> str:
        """Return the name of a definition; see to it that it is made."""
        if reference not in self._names:
            self._document.at(reference)
            name = valid_name(reference.rpartition("/")[2])
            while name in self._definitions:
                name += "_"
            self._names[reference] = name
            self._definitions[name] = {}  # taken
            self._waiting.append((name, reference))
        return self._names[reference]

    def _hidden(self, node: Json) -> set[str]:
        """Return the properties that only answers have."""
        hidden = set()
        properties = node.get("properties")
        for name, one in properties.items() if isinstance(properties, dict) else ():
            if isinstance(one, dict) and one.get("readOnly") is True:
                hidden.add(name)
        return hidden


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _references(schema: Any) -> list[str]:
    """Return the names of the definitions that a converted schema refers to itself."""
    found: dict[str, None] = {}
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
            if isinstance(node.get("$ref"), str):
                found[_name(node["$ref"])] = None
    return list(found)


def _bounds(schema: Json) -> None:
    """Turn 3.0's ``exclusiveMinimum: true`` into the number itself."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and bound in schema:
            schema[exclusive] = schema.pop(bound)


def _nullable(schema: Json) -> Json:
    """Return 3.0's ``nullable: true`` as JSON Schema has it."""
    kind = schema.get("type")
    if isinstance(kind, str) and not {"allOf", "anyOf", "oneOf", "$ref"} & schema.keys():
        schema["type"] = [kind, "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
        return schema
    description = {"description": schema.pop("description")} if "description" in schema else {}
    return {"anyOf": [schema, {"type": "null"}], **description}
