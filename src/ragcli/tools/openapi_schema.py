"""Schemas of an OpenAPI document as JSON Schema that stands by itself: references, ``nullable``, ``readOnly``.

OpenAPI 3.1's schemas are JSON Schema already, those of 3.0 nearly. What is referred to is gathered under ``$defs``,
each once, so that a schema that refers to itself stays finite and exact.
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


class Schemas:
    """The schemas of one operation, with what they refer to under `definitions`."""

    def __init__(self, document: Document) -> None:
        self.definitions: dict[str, Any] = {}
        self._document = document
        self._names: dict[str, str] = {}

    def convert(self, node: Any) -> Any:
        """Return a schema as JSON Schema; `UnusableError` where a reference cannot be followed."""
        if isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            raise UnusableError("a schema is not as OpenAPI has it")
        out: Json = {}
        if isinstance(node.get("$ref"), str):
            out["$ref"] = f"#/$defs/{self._name(node['$ref'])}"
        hidden = self._hidden(node)
        for key, value in node.items():
            if key in _MAPS and isinstance(value, dict):
                out[key] = {name: self.convert(one) for name, one in value.items() if name not in hidden}
            elif key in _LISTS and isinstance(value, list):
                out[key] = [self.convert(one) for one in value]
            elif key in _ONES:
                out[key] = self.convert(value)
            elif key in _KEPT:
                out[key] = value
        if hidden and isinstance(out.get("required"), list):
            out["required"] = [name for name in out["required"] if name not in hidden]
        if not isinstance(out.get("required", []), list):  # a common mistake: the property itself says so
            del out["required"]
        _bounds(out)
        return _nullable(out) if node.get("nullable") is True else out

    def plain(self, node: Any) -> Json:
        """Return a converted schema itself where the given one is a reference to it."""
        converted: Any = self.convert(node)
        for _ in range(100):
            if not isinstance(converted, dict) or set(converted) != {"$ref"}:
                break
            converted = self.definitions[converted["$ref"].rpartition("/")[2]]
        return converted if isinstance(converted, dict) else {}

    def used(self, schema: Json) -> dict[str, Any]:
        """Return the definitions that a schema refers to, also through others."""
        used: dict[str, Any] = {}
        waiting: list[Any] = [schema]
        while waiting:
            node = waiting.pop()
            if isinstance(node, list):
                waiting += node
            elif isinstance(node, dict):
                waiting += node.values()
                reference = node.get("$ref")
                name = reference.rpartition("/")[2] if isinstance(reference, str) else None
                if name in self.definitions and name not in used:
                    used[name] = self.definitions[name]
                    waiting.append(used[name])
        return used

    def _name(self, reference: str) -> str:
        if reference not in self._names:
            target = self._document.at(reference)
            name = valid_name(reference.rpartition("/")[2])
            while name in self.definitions:
                name += "_"
            self._names[reference] = name
            self.definitions[name] = {}  # taken, so that what refers to itself ends here
            self.definitions[name] = self.convert(target)
        return self._names[reference]

    def _hidden(self, node: Json) -> set[str]:
        """Return the properties that only answers have."""
        hidden = set()
        properties = node.get("properties")
        for name, one in properties.items() if isinstance(properties, dict) else ():
            if isinstance(one, dict) and one.get("readOnly") is True:
                hidden.add(name)
        return hidden


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
