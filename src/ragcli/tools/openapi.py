"""The operations of an HTTP service as tools, from its OpenAPI document (3.0 or 3.1; JSON, or YAML with PyYAML).

Parameters in path, query and header and the fields of a JSON body become one object. RAGCLI_TOOLS_BASE_URL says where
the service is if its document does not; what is sent with each request, `ragcli.tools.openapi_security` says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ragcli.errors import ServiceError, UsageError
from ragcli.records import Json
from ragcli.tools.credentials import AUTHORIZATION, BASE_URL, is_url, origin
from ragcli.tools.naming import Choice
from ragcli.tools.openapi_operations import OnSkipped, Operations, Place
from ragcli.tools.openapi_schema import Document
from ragcli.tools.openapi_security import Credentials
from ragcli.tools.protocols import Tool, ToolError
from ragcli.tools.request import fetch
from ragcli.tools.running import one_line

_MOST_DOCUMENT = 32 << 20  # bytes
_TIMEOUT = 30.0
_LARGE = 500_000  # characters; about what the largest models can read


def load_openapi(
    path_or_url: str | Path,
    *,
    base_url: str | None = None,
    on_skipped: OnSkipped | None = None,
    choose: Sequence[str] = (),
    credentials: Credentials | None = None,
) -> list[Tool]:
    """Return the operations of a service as tools.

    Args:
        path_or_url: of the OpenAPI document.
        base_url: what servers in the document are relative to, instead of the document's own URL; without it the
            environment's RAGCLI_TOOLS_BASE_URL.
        on_skipped: is told of each operation, optional parameter and optional body that a tool cannot have, and why,
            and of secrets that a service wants and does not get.
        choose: patterns of operationIds and names of tools; none of them means all.
        credentials: those of several documents that are opened together; whoever made them settles them.

    Raises:
        UsageError: no such file, no OpenAPI 3, no server, no operation that can be a tool, no such operation; or a
            secret that could be for several services.
        ServiceError: the document cannot be fetched.
    """
    text = str(path_or_url)
    on_skipped = on_skipped or (lambda reason: None)
    shared = credentials or Credentials([text], base_url)
    if is_url(text):
        data = _parse(_fetched(text, shared), text)
    else:
        try:
            data = _parse(Path(text).read_bytes(), text)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise UsageError(f"{text}: {getattr(error, 'strerror', None) or error}.") from error
    place = Place(
        name=text,
        url=text if is_url(text) else "",
        base=base_url or os.environ.get(BASE_URL) or "",
        credentials=shared,
        choice=Choice(choose),
        on_skipped=on_skipped,
    )
    tools = list(Operations(Document(data), place).tools())
    fault = place.choice.fault()
    if fault:
        raise UsageError(one_line(f"{text}: {fault[0]}"), hint=one_line(fault[1]))
    if not tools:
        raise UsageError(f"{text}: none of its operations can be a tool.")
    size = _size(tools)
    if size > _LARGE:
        on_skipped(
            f"{text}: its {len(tools)} tools take {size / 1e6:.1f} MB of every prompt; '{text}#NAME,get*' chooses some."
        )
    if credentials is None:
        shared.settle(on_skipped)
    return tools


def _size(tools: Sequence[Tool]) -> int:
    """Return about how many characters a model is told of tools; what they share counts each time, as it is sent."""
    once: dict[int, int] = {}
    total = 0
    for tool in tools:
        definitions = tool.parameters.get("$defs", {})
        for one in definitions.values():
            if id(one) not in once:
                once[id(one)] = len(json.dumps(one))
            total += once[id(one)]
        total += len(json.dumps({**tool.parameters, "$defs": None})) + len(tool.description)
    return total


def _fetched(url: str, credentials: Credentials) -> bytes:
    try:
        secret = credentials.authorization.value(origin(url))
        headers = {"Authorization": secret} if secret else {}
        status, kind, body, whole = fetch("GET", url, headers=headers, timeout=_TIMEOUT, most=_MOST_DOCUMENT)
    except ToolError as error:
        raise ServiceError(one_line(f"{url}: {error.message}")) from error
    except ValueError as error:
        raise UsageError(f"{url}: {error}.") from error
    if status != 200 or not whole:
        reason = f"status {status} ({kind or 'no content type'})" if whole else f"over {_MOST_DOCUMENT >> 20} MiB"
        raise ServiceError(
            one_line(f"{url}: the OpenAPI document cannot be fetched: {reason}."),
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
            raise UsageError(one_line(f"{name}: it is no valid JSON: {error}.")) from error
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
        raise UsageError(one_line(f"{name}: it is neither JSON nor YAML: {error}.")) from error
