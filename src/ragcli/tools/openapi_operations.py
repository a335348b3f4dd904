"""The operations in an OpenAPI document, one by one: arguments, body, server and name of each as a tool.

What is not as OpenAPI has it costs the operation that it belongs to, and a sentence says why; the rest goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from ragcli.errors import UsageError
from ragcli.records import Json
from ragcli.tools.credentials import BASE_URL, origin
from ragcli.tools.naming import LONGEST, Choice, valid_name, with_name
from ragcli.tools.openapi_schema import Document, Schemas, UnusableError, mapping, sequence
from ragcli.tools.openapi_security import Credentials, alternatives
from ragcli.tools.protocols import Tool
from ragcli.tools.request import Parameter, Request
from ragcli.tools.running import one_line

_METHODS = ("get", "put", "post", "delete", "patch", "head")
_READ_ONLY = {"get", "head"}
_NOT_PARAMETERS = {"accept", "content-type", "authorization"}  # says OpenAPI
_STYLES = {"path": {"simple"}, "header": {"simple"}}
_STYLES["query"] = {"form", "spaceDelimited", "pipeDelimited", "deepObject"}
_FIELDS = {"type", "properties", "required", "description", "default"}  # of a body whose fields become arguments
_PARAMETERS = "list of parameters"
_JSON = re.compile(r"^application/(?:[\w.+-]+\+)?json\b", re.IGNORECASE)

OnSkipped = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class HttpTool:
    """One operation of a service."""

    name: str
    description: str
    parameters: Json
    read_only: bool
    origin: str
    request: Request

    def call(self, arguments: Json, timeout: float) -> str:
        """Send the request; see `ragcli.tools.protocols.Tool`."""
        return self.request.send(arguments, timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a document comes from, and what else its operations are read with.

    Args:
        name: of the document, for people.
        url: of the document; empty where it is a file.
        base: what servers are relative to instead; empty where nobody has said.
        credentials: for its services.
        choice: of operations.
        on_skipped: is told what is left out.
    """

    name: str
    url: str
    base: str
    credentials: Credentials
    choice: Choice
    on_skipped: OnSkipped


class Operations:
    """Reads the operations of one document."""

    def __init__(self, document: Document, place: Place) -> None:
        self._document = document
        self._place = place
        self._schemas = Schemas(document)
        self._names: set[str] = set()

    def tools(self) -> Iterator[Tool]:
        """Yield the operations that can be tools, in the document's order."""
        paths = self._document.data.get("paths")
        for path, item in paths.items() if isinstance(paths, dict) else ():
            if not path.startswith("/"):  # an extension, x-…
                continue
            try:
                shared = self._document.resolve(item)
            except UnusableError as error:
                self._skipped(f"{path} is left out: {error}")
                continue
            for method in _METHODS:
                if method in shared:
                    try:
                        operation = self._document.resolve(shared[method])
                        own = operation.get("operationId")
                        own = own if isinstance(own, str) and own else f"{method}_{path}"
                        name = self._free(valid_name(own))
                        if self._place.choice.takes(own, name):
                            yield self._tool(path, method, shared, operation, own, name)
                    except UnusableError as error:
                        self._skipped(f"{method.upper()} {path} is left out: {error}")

    def _skipped(self, text: str) -> None:
        self._place.on_skipped(one_line(f"{self._place.name}: {text}."))

    def _tool(self, path: str, method: str, shared: Json, operation: Json, own: str, name: str) -> Tool:
        properties: dict[str, Any] = {}
        required: list[str] = []
        lost: list[str] = []
        parameters = self._parameters(path, shared, operation, properties, required, lost)
        body, fields, media = self._body(operation, properties, required, lost)
        schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        definitions = self._schemas.used(schema)
        if definitions:
            schema["$defs"] = definitions
        server = self._server(operation, shared)
        access = self._place.credentials.access(
            self._place.name, origin(server), alternatives(self._document, operation)
        )
        texts = [operation.get(key) for key in ("summary", "description")]
        said = "\n\n".join(one.strip() for one in texts if isinstance(one, str) and one.strip())
        said = said or f"{method.upper()} {path}"
        if operation.get("deprecated") is True:
            said += "\n\n(deprecated)"
        request = Request(
            method=method.upper(),
            server=server,
            path=path,
            parameters=tuple(parameters),
            body=body,
            fields=fields,
            empty_body=bool(fields) and self._document.resolve(operation["requestBody"]).get("required") is True,
            media_type=media,
            access=access,
        )
        for part in lost:
            self._skipped(f"{method.upper()} {path} is called without its {part}")
        return HttpTool(name, with_name(said, own, name), schema, method in _READ_ONLY, _shown(server), request)

    def _free(self, name: str) -> str:
        number, free = 1, name
        while free in self._names:
            number += 1
            free = name[: LONGEST - len(f"_{number}")] + f"_{number}"
        self._names.add(free)
        return free

    def _parameters(
        self,
        path: str,
        shared: Json,
        operation: Json,
        properties: Json,
        required: list[str],
        lost: list[str],
    ) -> list[Parameter]:
        """Return an operation's parameters; put their schemas into the properties."""
        found: dict[tuple[str, str], Json] = {}
        listed = [*sequence(shared.get("parameters"), _PARAMETERS), *sequence(operation.get("parameters"), _PARAMETERS)]
        for one in listed:
            value = self._document.resolve(one)
            if not isinstance(value.get("name"), str) or not isinstance(value.get("in"), str):
                raise UnusableError("one of its parameters has no name or no place")
            found[value["name"], value["in"]] = value
        out: list[Parameter] = []
        for (name, where), value in found.items():
            must = value.get("required") is True or where == "path"
            if where == "header" and name.lower() in _NOT_PARAMETERS:
                continue
            style = value.get("style", "form" if where in ("query", "cookie") else "simple")
            if not isinstance(style, str) or style not in _STYLES.get(where, ()):
                if must:
                    raise UnusableError(f"its parameter {name} is sent in a way ({where}, {style}) that is not known")
                lost.append(f"parameter {name} ({where}, {style})")
                continue
            content = mapping(value.get("content"), f"parameter {name}")
            inner = mapping(next(iter(content.values())), f"parameter {name}") if content else value
            schema = _described(self._schemas.convert(inner.get("schema", {})), value)
            key = name if name not in properties else f"{name}_{where}"
            properties[key] = schema
            if must:
                required.append(key)
            explode = value.get("explode", style == "form") is True
            out.append(Parameter(name, key, where, style, explode, bool(content)))
        missing = set(re.findall(r"\{([^{}]+)\}", path)) - {one.name for one in out if one.where == "path"}
        if missing:
            raise UnusableError(f"its path has {', '.join(sorted(missing))}, of which it says nothing")
        return out

    def _body(
        self, operation: Json, properties: Json, required: list[str], lost: list[str]
    ) -> tuple[str | None, tuple[str, ...], str]:
        """Return the argument that is the body, or those that are its fields, and its media type."""
        if "requestBody" not in operation:
            return None, (), ""
        body = self._document.resolve(operation["requestBody"])
        content = mapping(body.get("content"), "body")
        media = next((kind for kind in content if _JSON.match(kind)), None)
        must = body.get("required") is True
        if media is None:
            kinds = " or ".join(content) or "nothing"
            if must:
                raise UnusableError(f"its body is no JSON but {kinds}")
            lost.append(f"body, which is no JSON but {kinds}")
            return None, (), ""
        given = mapping(content[media], "body").get("schema", {})
        plain = self._schemas.plain(given)
        fields = plain.get("properties") or {}
        closed = plain.get("additionalProperties", False) is False
        flat = plain.get("type", "object") == "object" and set(plain) - {"additionalProperties"} <= _FIELDS
        if fields and closed and flat and not fields.keys() & properties.keys():
            properties.update(fields)
            if must:
                required += [name for name in plain.get("required", ()) if name in fields]
            return None, tuple(fields), media
        key = "body"
        while key in properties:
            key += "_"
        properties[key] = _described(self._schemas.convert(given), body)
        if must:
            required.append(key)
        return key, (), media

    def _server(self, operation: Json, shared: Json) -> str:
        """Return the URL that paths are put behind.

        Raises:
            UnusableError: the operation's own servers are not as they should be.
            UsageError: those of the document are not, so that no operation can be called.
        """
        own = operation.get("servers") or shared.get("servers")
        try:
            return self._url(own or self._document.data.get("servers"))
        except UnusableError as error:
            if own:
                raise
            raise UsageError(one_line(f"{self._place.name}: {error}.")) from error

    def _url(self, servers: Any) -> str:
        first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
        url = first.get("url") or ""
        if not isinstance(url, str):
            raise UnusableError(f"the service's address {url!r} is no text")
        for name, variable in mapping(first.get("variables"), "server's variables").items():
            url = url.replace(f"{{{name}}}", str(mapping(variable, f"server's variable {name}").get("default", "")))
        try:
            if urlsplit(url).scheme not in ("http", "https"):
                base = self._place.base.rstrip("/") + "/" if self._place.base else self._place.url
                if not base:
                    raise UsageError(
                        f"{self._place.name}: it does not say where the service is.",
                        hint=f"Set {BASE_URL}, such as http://127.0.0.1:8000, or name the document by its URL.",
                    )
                # a document without servers means the root of its host, but a base that was named means itself
                url = urljoin(base, url or ("" if self._place.base else "/"))
            origin(url)
        except ValueError as error:
            raise UnusableError(f"the service's address {url!r} cannot be called: {error}") from error
        return url.rstrip("/")


def _described(schema: Any, value: Json) -> Any:
    """Return a schema with the description of what has it, where it has none itself."""
    text = value.get("description")
    return {"description": text, **schema} if isinstance(text, str) and text and isinstance(schema, dict) else schema


def _shown(url: str) -> str:
    """Return a URL without the name and the password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
