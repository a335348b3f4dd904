"""A small company's HTTP service on 127.0.0.1 for the tests, with its OpenAPI document and a log of its requests."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def parameter(name: str, where: str, schema: dict, **more) -> dict:
    return {"name": name, "in": where, "schema": schema, "required": where == "path", **more}


def body(schema: dict, media: str = "application/json", required: bool = True) -> dict:
    return {"required": required, "content": {media: {"schema": schema}}}


def ref(name: str, kind: str = "schemas") -> dict:
    return {"$ref": f"#/components/{kind}/{name}"}


def document(servers: list[dict]) -> dict:
    """The service's OpenAPI document, version 3.0."""
    simple = {name: {"get": {"operationId": name}} for name in ("broken", "slow", "trickle", "long", "empty", "image")}
    line = {
        "type": "object",
        "properties": {
            "article": TEXT,
            "count": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
            "parts": {"type": "array", "items": ref("Line")},
            "id": {"type": "integer", "readOnly": True},
        },
        "required": ["article", "id"],
    }
    order = {
        "type": "object",
        "properties": {"lines": {"type": "array", "items": ref("Line")}, "note": {"type": "string", "nullable": True}},
        "required": ["lines"],
    }
    return {
        "openapi": "3.0.3",
        "info": {"title": "订单服务", "version": "1"},
        "servers": servers,
        "paths": {
            "/orders/{id}": {
                "parameters": [ref("Id", "parameters")],
                "get": {
                    "operationId": "getOrder",
                    "summary": "查询一个订单",
                    "parameters": [
                        parameter("fields", "query", {"type": "array", "items": TEXT}),
                        parameter("tags", "query", {"type": "array", "items": TEXT}, explode=False),
                        parameter("filter", "query", {"type": "object"}, style="deepObject"),
                        parameter("full", "query", {"type": "boolean"}, description="with all lines"),
                        parameter("X-Tenant", "header", TEXT),
                        parameter("Authorization", "header", TEXT),
                    ],
                },
                "put": {"requestBody": ref("Order", "requestBodies")},
                "delete": {"operationId": "delete order"},
            },
            "/orders": {
                "post": {
                    "operationId": "createOrder",
                    "requestBody": ref("Order", "requestBodies"),
                    "parameters": [parameter("dry", "query", {"type": "boolean"})],
                }
            },
            "/orders/{id}/note": {
                "parameters": [ref("Id", "parameters")],
                "post": {
                    "operationId": "addNote",
                    "requestBody": body({"type": "object", "properties": {"id": TEXT, "text": TEXT}}),
                },
            },
            "/numbers": {"post": {"operationId": "sum", "requestBody": body({"type": "array", "items": NUMBER})}},
            "/touch": {
                "post": {
                    "operationId": "touch",
                    "requestBody": body({"type": "object", "properties": {"by": TEXT}}, required=False),
                    "parameters": [parameter("session", "cookie", TEXT)],
                },
                "put": {"operationId": "picture", "requestBody": body(TEXT, "image/png", required=False)},
            },
            "/upload": {"post": {"operationId": "upload", "requestBody": body(TEXT, "multipart/form-data")}},
            "/other": {"get": {"operationId": "other", "parameters": [{"$ref": "other.json#/x"}]}},
            "/charset/{name}": {"get": {"operationId": "charset", "parameters": [parameter("name", "path", TEXT)]}},
            "/to/{where}": {"get": {"operationId": "redirect", "parameters": [parameter("where", "path", TEXT)]}},
            **{f"/{name}": operation for name, operation in simple.items()},
        },
        "components": {
            "parameters": {"Id": parameter("id", "path", TEXT)},
            "requestBodies": {"Order": body(ref("Order"))},
            "schemas": {"Order": order, "Line": line},
        },
    }


def small(server: str | None, name: str = "look", **more: Any) -> dict:
    """An OpenAPI document with one operation."""
    servers = {} if server is None else {"servers": [{"url": server}]}
    return {"openapi": "3.0.3", "paths": {f"/{name}": {"get": {"operationId": name}}}, **servers, **more}


def written(path: Path, value: dict) -> str:
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


class Service:
    """The service; `requests` holds what came in: method, path, query, headers, body."""

    def __init__(self, document_: dict | None = None) -> None:
        service = self
        self.requests: list[dict] = []
        self.elsewhere = ""
        self.token = ""
        self._end = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                size = int(self.headers.get("Content-Length") or 0)
                data = self.rfile.read(size)
                if parts.path == "/openapi.json":
                    if service.token and self.headers["Authorization"] != service.token:
                        return self.answer(401, "no token")
                    return self.answer(200, json.dumps(document_ or document([{"url": "/api"}])))
                request = {
                    "method": self.command,
                    "path": parts.path,
                    "query": parse_qs(parts.query),
                    "raw": parts.query,
                    "headers": {key.lower(): value for key, value in self.headers.items()},
                    "body": json.loads(data) if data else None,
                }
                service.requests.append(request)
                with suppress(ConnectionError):  # the other side has enough
                    self.route(parts.path.removeprefix("/api"), request)
                return None

            do_POST = do_PUT = do_DELETE = do_GET

            def route(self, path: str, request: dict) -> None:
                if path == "/broken":
                    self.answer(500, "the database is gone")
                elif path == "/slow":
                    service._end.wait(20)
                    self.answer(200, "late")
                elif path == "/trickle":
                    self.send_response(200)
                    self.end_headers()
                    while not service._end.wait(0.05):
                        self.wfile.write(b"x")
                elif path == "/long":
                    self.answer(200, "长" * 1_000_000)
                elif path == "/empty":
                    self.answer(204, "")
                elif path.startswith("/charset/"):
                    self.answer(200, "库存", f"text/plain; charset={path.rpartition('/')[2]}")
                elif path == "/image":
                    self.answer(200, "x" * 1234, "image/png")
                elif path.startswith("/to/"):
                    target = {"here": "/api/orders/7", "loop": "/api/to/loop"}.get(unquote(path[4:]), "")
                    self.send_response(302)
                    self.send_header("Location", target or f"{service.elsewhere}/stolen")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                else:
                    kept = {key: request[key] for key in ("method", "path", "body")}
                    self.answer(200, json.dumps(kept, ensure_ascii=False))

            def answer(self, status: int, text: str, kind: str = "application/json") -> None:
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_args: object) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
