"""One HTTP request of a tool: arguments to path, query, headers and body; the response to text.

What a model writes cannot leave its place: a value in the path stays one segment of it, redirects to other hosts are
not followed, and no more than 1 MiB is read, in the time given for the whole.
"""

from __future__ import annotations

import codecs
import json
import queue
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urljoin, urlsplit

from ragcli.records import Json
from ragcli.tools.protocols import ToolError, ToolTimeoutError

if TYPE_CHECKING:
    from ragcli.tools.openapi_security import Access

MOST = 1 << 20  # bytes of a response that are read
_REDIRECTS = 5
_REDIRECT = {301, 302, 303, 307, 308}
_SAME_METHOD = {307, 308}
_DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|"}
_TEXT = re.compile(r"^(?:text/|application/(?:[\w.+-]*(?:json|xml|yaml|javascript|x-www-form-urlencoded)))", re.I)


class Parameter(NamedTuple):
    """Where an argument goes.

    Args:
        name: as the service has it.
        key: the argument's name.
        where: path, query or header.
        style: OpenAPI's name of how lists and objects are written.
        explode: whether each of a list's values gets a pair of its own.
        as_json: whether the value is written as JSON.
    """

    name: str
    key: str
    where: str
    style: str
    explode: bool
    as_json: bool


class Response(NamedTuple):
    """What came back: status, content type, at most so many bytes, and whether these are all."""

    status: int
    kind: str
    body: bytes
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """How an operation is called.

    Args:
        method: in capitals.
        server: the URL that the path is put behind.
        path: with ``{name}`` for parameters.
        parameters: what goes into path, query and headers.
        body: the argument that is the body, or None.
        fields: the arguments that are the body's fields, where ``body`` is None.
        empty_body: whether a body without any of its fields is sent as ``{}``.
        media_type: of the body; empty where there is none.
        access: what is sent with it of secrets.
    """

    method: str
    server: str
    path: str
    parameters: tuple[Parameter, ...]
    body: str | None
    fields: tuple[str, ...]
    empty_body: bool
    media_type: str
    access: Access

    def send(self, arguments: Json, timeout: float) -> str:
        """Send the request; return the text of a response with a status of 2xx.

        Raises:
            ToolError: another status, no connection, or a value that has no place in the path.
            ToolTimeoutError: the response was not there in ``timeout`` seconds.
        """
        url = self.server + self._filled(arguments)
        sent = self.access.sent()
        pairs = [pair for one in self.parameters if one.where == "query" for pair in _pairs(one, arguments)]
        pairs = [pair for pair in pairs if pair[0] not in dict(sent.query)] + sent.query
        if pairs:
            url += "?" + urlencode(pairs, errors="replace")
        secret = {name.lower() for name in sent.headers}
        headers: dict[str, bytes] = {key: value.encode() for key, value in sent.headers.items()}
        for one in self.parameters:
            if one.where == "header" and arguments.get(one.key) is not None and one.name.lower() not in secret:
                headers[one.name] = _joined(one, arguments[one.key]).encode(errors="replace")
        content = self._content(arguments)
        if content is not None:
            headers["Content-Type"] = self.media_type.encode()
        response = fetch(self.method, url, headers=headers, content=content, timeout=timeout)
        text = _text(response)
        if 200 <= response.status < 300:
            return text
        raise ToolError(f"the service answered with status {response.status}: {text}")

    def _filled(self, arguments: Json) -> str:
        values = {one.name: _joined(one, arguments.get(one.key)) for one in self.parameters if one.where == "path"}
        for name, value in values.items():
            if not value or {".", ".."} & set(re.split(r"[/\\]", value)):
                raise ToolError(f"{name} cannot be {value!r}, as it would change the path of the request.")
        path = re.sub(r"\{([^{}]+)\}", lambda match: quote(values[match[1]], safe="", errors="replace"), self.path)
        if {".", ".."} & set(path.split("/")):
            raise ToolError("the arguments would change the path of the request.")
        return path

    def _content(self, arguments: Json) -> bytes | None:
        if self.body is not None:
            return json.dumps(arguments[self.body]).encode() if self.body in arguments else None
        fields = {name: arguments[name] for name in self.fields if name in arguments}
        return json.dumps(fields).encode() if fields or self.empty_body else None


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _joined(parameter: Parameter, value: Any) -> str:
    """Return a value as one text (style simple)."""
    if value is None:
        return ""
    if parameter.as_json:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return ",".join(map(_plain, value))
    if isinstance(value, dict):
        sign = "=" if parameter.explode else ","
        return ",".join(f"{key}{sign}{_plain(one)}" for key, one in value.items())
    return _plain(value)


def _pairs(parameter: Parameter, arguments: Json) -> Iterator[tuple[str, str]]:
    """Yield what an argument is in the query."""
    name, value = parameter.name, arguments.get(parameter.key)
    if value is None:
        return
    if parameter.as_json or not isinstance(value, (list, dict)):
        yield name, json.dumps(value, ensure_ascii=False) if parameter.as_json else _plain(value)
    elif isinstance(value, dict):
        for key, one in value.items() if parameter.style == "deepObject" or parameter.explode else ():
            yield (f"{name}[{key}]" if parameter.style == "deepObject" else key), _plain(one)
        if parameter.style != "deepObject" and not parameter.explode:
            yield name, _joined(parameter, value)
    elif parameter.explode:
        for one in value:
            yield name, _plain(one)
    else:
        yield name, _DELIMITERS.get(parameter.style, ",").join(map(_plain, value))


def _text(response: Response) -> str:
    if not response.body:
        return "(no content)"
    charset = re.search(r"charset=[\"']?([\w-]+)", response.kind, re.IGNORECASE)
    if response.kind and not charset and not _TEXT.match(response.kind):
        size = f"{len(response.body)} bytes" if response.whole else f"over {len(response.body)} bytes"
        return f"[{response.kind.split(';')[0]}, {size}]"
    text = _decoded(response.body, charset[1] if charset else "utf-8", whole=response.whole)
    return text if response.whole else f"{text}\n[… the response is longer; the rest was not read …]"


def _decoded(body: bytes, charset: str, *, whole: bool) -> str:
    """Return bytes as text, what does not fit as U+FFFD; as UTF-8 where the charset is none.

    Where they are not the whole, the last character may have been cut, and is left out.
    """
    try:
        # hex, rot13 and zlib are codecs too, but not from bytes to text; nothing public says so
        if codecs.lookup(charset)._is_text_encoding:
            return codecs.getincrementaldecoder(charset)("replace").decode(
                body, final=whole
            )  # it may end in the middle
    except Exception:  # noqa: BLE001  a charset that Python does not know, or whose codec cannot replace (idna)
        pass
    return codecs.getincrementaldecoder("utf-8")("replace").decode(body, final=whole)


def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str | bytes],
    timeout: float,
    content: bytes | None = None,
    most: int = MOST,
) -> Response:
    """Send a request and read what comes back, at most ``most`` bytes in ``timeout`` seconds.

    Raises:
        ToolError: no connection, a broken response, or a redirect that is not followed.
        ToolTimeoutError: the time is over.
    """
    done: queue.SimpleQueue[Response | BaseException] = queue.SimpleQueue()
    deadline = time.monotonic() + timeout

    def work() -> None:
        try:
            done.put(_fetch(method, url, dict(headers), content, deadline, most))
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            done.put(error)

    # httpx bounds each step, not the whole, and looking up a host not at all
    threading.Thread(target=work, daemon=True, name="ragcli tool").start()
    try:
        out = done.get(timeout=timeout)
    except queue.Empty:
        raise ToolTimeoutError(f"no response within {timeout:g} seconds.") from None
    if isinstance(out, BaseException):
        raise out
    return out


def _fetch(
    method: str, url: str, headers: dict[str, str | bytes], content: bytes | None, deadline: float, most: int
) -> Response:
    import httpx

    headers = {"Accept": "application/json, */*;q=0.5", "Accept-Encoding": "identity", **headers}
    left = max(deadline - time.monotonic(), 0.001)
    try:
        with httpx.Client(timeout=left, verify=_tls()) as client:
            for _ in range(_REDIRECTS):
                with client.stream(method, url, headers=headers, content=content) as response:  # type: ignore[arg-type]
                    location = response.headers.get("location")
                    if response.status_code not in _REDIRECT or not location:
                        return _read(response, deadline, most)
                    url = _redirected(str(response.url), location)
                    if response.status_code not in _SAME_METHOD and method != "HEAD":
                        method, content = "GET", None
                        headers.pop("Content-Type", None)
            raise ToolError(f"the service redirected more than {_REDIRECTS} times.")
    except httpx.TimeoutException as error:
        raise ToolTimeoutError("the service did not answer in time.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        host = urlsplit(url).netloc.rpartition("@")[2]
        raise ToolError(f"{host} cannot be reached: {type(error).__name__}: {error}") from error


def _read(response: Any, deadline: float, most: int) -> Response:
    kind = response.headers.get("content-type", "")
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > most:
            return Response(response.status_code, kind, bytes(body[:most]), whole=False)
        if time.monotonic() > deadline:
            raise ToolTimeoutError("the response did not end in time.")
    return Response(response.status_code, kind, bytes(body), whole=True)


def _redirected(url: str, location: str) -> str:
    """Return where a redirect leads; `ToolError` where it leaves the host, or gives up its encryption."""
    target = urljoin(url, location)
    old, new = urlsplit(url), urlsplit(target)
    same = (old.scheme, old.netloc) == (new.scheme, new.netloc)
    encrypted = (old.scheme, new.scheme) == ("http", "https") and (old.hostname, old.port, new.port) == (
        new.hostname,
        None,
        None,
    )
    if not (same or encrypted):
        raise ToolError(f"the service redirected to {new.scheme}://{new.netloc}, which is not followed.")
    return target


@cache
def _tls() -> Any:
    """Return what connections are encrypted with; made once, as it takes as long as many requests."""
    import httpx

    return httpx.create_ssl_context()
