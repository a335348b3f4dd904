"""The operations of an HTTP service as tools, from its OpenAPI document (3.0 or 3.1; JSON, or YAML with PyYAML).

Parameters in path, query and header and the fields of a JSON body become one object. RAGCLI_TOOLS_AUTHORIZATION is sent
as the header Authorization, to the document's URL and to the service; RAGCLI_TOOLS_BASE_URL says where the service is
if its document does not.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from ragcli.errors import ServiceError, UsageError
from ragcli.records import Json
from ragcli.tools.naming import valid_name, with_name
from ragcli.tools.openapi_schema import Document, Schemas, UnusableError
from ragcli.tools.protocols import Tool, ToolError
from ragcli.tools.request import Parameter, Request, fetch

AUTHORIZATION = "RAGCLI_TOOLS_AUTHORIZATION"
BASE_URL = "RAGCLI_TOOLS_BASE_URL"
_METHODS = ("get", "put", "post", "delete", "patch", "head")
_READ_ONLY = {"get", "head"}
_NOT_PARAMETERS = {"accept", "content-type", "authorization"}  # says OpenAPI
_STYLES = {"path": {"simple"}, "header": {"simple"}}
_STYLES["query"] = {"form", "spaceDelimited", "pipeDelimited", "deepObject"}
_FIELDS = {"type", "properties", "required", "description", "default"}  # of a body whose fields become arguments
_JSON = re.compile(r"^application/(?:[\w.+-]+\+)?json\b", re.IGNORECASE)
_MOST_DOCUMENT = 32 << 20  # bytes
_TIMEOUT = 30.0

OnSkipped = Callable[[str], None]


def load_openapi(
    path_or_url: str | Path, *, base_url: str | None = None, on_skipped: OnSkipped | None = None
) -> list[Tool]:
    """Return the operations of a service as tools.

    Args:
        path_or_url: of the OpenAPI document.
        base_url: what servers in the document are relative to, instead of the document's own URL; without it the
            environment's RAGCLI_TOOLS_BASE_URL.
        on_skipped: is told of each operation, optional parameter and optional body that a tool cannot have, and why.

    Raises:
        UsageError: no such file, no OpenAPI 3, no server, no operation that can be a tool.
        ServiceError: the document cannot be fetched.
    """
    text, origin = str(path_or_url), ""
    headers = _headers()
    if urlsplit(text).scheme in ("http", "https"):
        data = _parse(_fetched(text, headers), text)
        origin = text
    else:
        try:
            data = _parse(Path(text).read_bytes(), text)
        except OSError as error:
            raise UsageError(f"{text}: {error.strerror or error}.") from error
    base = base_url or os.environ.get(BASE_URL) or ""
    reader = _Reader(Document(data), text, origin, base, headers, on_skipped or (lambda reason: None))
    tools = list(reader.tools())
    if not tools:
        raise UsageError(f"{text}: none of its operations can be a tool.")
    return tools


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


def _headers() -> dict[str, str]:
    authorization = os.environ.get(AUTHORIZATION, "").strip()
    if not authorization:
        return {}
    if not authorization.isprintable() or not authorization.isascii():
        raise UsageError(f"{AUTHORIZATION} holds what an HTTP header cannot.", hint="It is one line, 'Bearer TOKEN'.")
    return {"Authorization": authorization}


def _fetched(url: str, headers: dict[str, str]) -> bytes:
    try:
        status, kind, body, whole = fetch("GET", url, headers=headers, timeout=_TIMEOUT, most=_MOST_DOCUMENT)
    except ToolError as error:
        raise ServiceError(f"{url}: {error.message}") from error
    if status != 200 or not whole:
        reason = f"status {status} ({kind or 'no content type'})" if whole else f"over {_MOST_DOCUMENT >> 20} MiB"
        raise ServiceError(
            f"{url}: the OpenAPI document cannot be fetched: {reason}.",
            hint=f"Where the service wants a token, set {AUTHORIZATION}, such as 'Bearer …'.",
        )
    return body


def _parse(data: bytes, name: str) -> Json:
    """Return an OpenAPI document; `UsageError` where it is none."""
    try:
        text = data.decode("utf-8-sig")
        value: Any = json.loads(text)
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: it is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("{") or name.lower().endswith(".json"):
            raise UsageError(f"{name}: it is no valid JSON: {error}.") from error
        value = _yaml(text, name)
    if not isinstance(value, dict) or not str(value.get("openapi", "")).startswith("3."):
        found = " (it is Swagger 2.0)" if isinstance(value, dict) and "swagger" in value else ""
        raise UsageError(f"{name}: it is no OpenAPI 3 document{found}.", hint="Name the service's openapi.json.")
    return value


def _yaml(text: str, name: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError(
            f"{name}: it is not JSON, and PyYAML, which reads YAML, is not installed.",
            hint="Convert it to JSON, or pip install pyyaml.",
        ) from error
    try:
        # through JSON and back: YAML makes numbers of the keys '200', and dates of examples
        return json.loads(json.dumps(yaml.safe_load(text), default=str))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{name}: it is neither JSON nor YAML: {' '.join(str(error).split())}.") from error


class _Reader:
    """Reads one document."""

    def __init__(
        self, document: Document, name: str, origin: str, base: str, headers: dict[str, str], on_skipped: OnSkipped
    ) -> None:
        self._document = document
        self._name = name
        self._origin = origin
        self._base = base
        self._headers = headers
        self._on_skipped = on_skipped
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
                self._on_skipped(f"{self._name}: {path} is left out: {error}.")
                continue
            for method in _METHODS:
                if method in shared:
                    try:
                        yield self._tool(path, method, shared, self._document.resolve(shared[method]))
                    except UnusableError as error:
                        self._on_skipped(f"{self._name}: {method.upper()} {path} is left out: {error}.")

    def _tool(self, path: str, method: str, shared: Json, operation: Json) -> Tool:
        schemas = Schemas(self._document)
        properties: dict[str, Any] = {}
        required: list[str] = []
        lost: list[str] = []
        parameters = self._parameters(path, shared, operation, schemas, properties, required, lost)
        body, fields, media = self._body(operation, schemas, properties, required, lost)
        schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        definitions = schemas.used(schema)
        if definitions:
            schema["$defs"] = definitions
        server = self._server(operation, shared)
        own = str(operation.get("operationId") or f"{method}_{path}")
        name = self._free(valid_name(own))
        said = "\n\n".join(str(operation[key]).strip() for key in ("summary", "description") if operation.get(key))
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
            headers=self._headers,
        )
        for part in lost:
            self._on_skipped(f"{self._name}: {method.upper()} {path} is called without its {part}.")
        return HttpTool(name, with_name(said, own, name), schema, method in _READ_ONLY, server, request)

    def _free(self, name: str) -> str:
        number, free = 1, name
        while free in self._names:
            number += 1
            free = f"{name[:60]}_{number}"
        self._names.add(free)
        return free

    def _parameters(
        self,
        path: str,
        shared: Json,
        operation: Json,
        schemas: Schemas,
        properties: Json,
        required: list[str],
        lost: list[str],
    ) -> list[Parameter]:
        """Return an operation's parameters; put their schemas into the properties."""
        found: dict[tuple[str, str], Json] = {}
        for one in [*(shared.get("parameters") or ()), *(operation.get("parameters") or ())]:
            value = self._document.resolve(one)
            found[str(value.get("name")), str(value.get("in"))] = value
        out: list[Parameter] = []
        for (name, where), value in found.items():
            must = value.get("required") is True or where == "path"
            if where == "header" and name.lower() in _NOT_PARAMETERS:
                continue
            style = value.get("style", "form" if where in ("query", "cookie") else "simple")
            if style not in _STYLES.get(where, ()):
                if must:
                    raise UnusableError(f"its parameter {name} is sent in a way ({where}, {style}) that is not known")
                lost.append(f"parameter {name} ({where}, {style})")
                continue
            content = value.get("content")
            as_json = isinstance(content, dict) and bool(content)
            inner = next(iter(content.values())) if isinstance(content, dict) and content else value
            schema = schemas.convert(inner.get("schema", {}))
            if value.get("description") and isinstance(schema, dict):
                schema = {"description": value["description"], **schema}
            key = name if name not in properties else f"{name}_{where}"
            properties[key] = schema
            if must:
                required.append(key)
            explode = value.get("explode", style == "form") is True
            out.append(Parameter(name, key, where, style, explode, as_json))
        missing = set(re.findall(r"\{([^{}]+)\}", path)) - {one.name for one in out if one.where == "path"}
        if missing:
            raise UnusableError(f"its path has {', '.join(sorted(missing))}, of which it says nothing")
        return out

    def _body(
        self, operation: Json, schemas: Schemas, properties: Json, required: list[str], lost: list[str]
    ) -> tuple[str | None, tuple[str, ...], str]:
        """Return the argument that is the body, or those that are its fields, and its media type."""
        if "requestBody" not in operation:
            return None, (), ""
        body = self._document.resolve(operation["requestBody"])
        content = body.get("content") or {}
        media = next((kind for kind in content if _JSON.match(kind)), None)
        must = body.get("required") is True
        if media is None:
            kinds = " or ".join(content) or "nothing"
            if must:
                raise UnusableError(f"its body is no JSON but {kinds}")
            lost.append(f"body, which is no JSON but {kinds}")
            return None, (), ""
        given = (content[media] or {}).get("schema", {})
        plain = schemas.plain(given)
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
        schema = schemas.convert(given)
        if body.get("description") and isinstance(schema, dict):
            schema = {"description": body["description"], **schema}
        properties[key] = schema
        if must:
            required.append(key)
        return key, (), media

    def _server(self, operation: Json, shared: Json) -> str:
        """Return the URL that paths are put behind."""
        servers = operation.get("servers") or shared.get("servers") or self._document.data.get("servers")
        first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
        url = str(first.get("url") or "")
        for name, variable in (first.get("variables") or {}).items():
            url = url.replace(f"{{{name}}}", str((variable or {}).get("default", "")))
        if urlsplit(url).scheme not in ("http", "https"):
            base = self._base.rstrip("/") + "/" if self._base else self._origin
            if not base:
                raise UsageError(
                    f"{self._name}: it does not say where the service is.",
                    hint=f"Set {BASE_URL}, such as http://127.0.0.1:8000, or name the document by its URL.",
                )
            # a document without servers means the root of its host, but a base that was named means itself
            url = urljoin(base, url or ("" if self._base else "/"))
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise UsageError(f"{self._name}: the service's address {url!r} is no http:// or https:// URL.")
        return url.rstrip("/")
