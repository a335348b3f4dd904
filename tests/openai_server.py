"""An endpoint on 127.0.0.1 that speaks OpenAI's protocol, as a script says: right answers and every kind of fault.

`Endpoint(script)` serves until it is closed. The script is called with the request's body and its number (from 0) and
returns a `Say` (a stream), or `(status, body, headers)`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Say:
    """A stream: its pieces, how it ends, and what goes wrong on the way."""

    pieces: Sequence[str] = ()
    finish: str | None = "stop"
    calls: Sequence[Json] = ()
    usage: Json | None = field(default_factory=lambda: {"prompt_tokens": 1000, "completion_tokens": 5})
    cut_after: int | None = None  # pieces, then the connection is closed
    garbage_after: int | None = None  # pieces, then a line that is no JSON
    error_after: int | None = None  # pieces, then an error in the stream
    endless: bool = False
    wait: float = 0.0  # seconds before the first piece
    between: float = 0.0  # seconds between pieces
    deltas: Sequence[Json] = ()  # other deltas, before the pieces
    raws: Sequence[bytes] = ()  # bytes of the stream as they are, before the pieces
    comments: bool = False  # nothing but comments, for ever


Script = Callable[[Json, int], "Say | tuple[int, Any, dict[str, str]]"]


class Endpoint:
    """The server; `requests` are the bodies that came in, in order."""

    def __init__(self, script: Script, models: Sequence[Json] = ({"id": "scripted"},)) -> None:
        self.requests: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                body = {"object": "list", "data": [{"object": "model", **one} for one in models]}
                self.plain(200 if self.path == "/v1/models" else 404, body, {})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/v1/chat/completions":
                    self.plain(404, {"detail": "Not Found"}, {})
                    return
                with endpoint.lock:
                    number = len(endpoint.requests)
                    endpoint.requests.append(body)
                    endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
                    endpoint.at_once += 1
                    endpoint.most_at_once = max(endpoint.most_at_once, endpoint.at_once)
                try:
                    said = script(body, number)
                    if isinstance(said, Say):
                        self.stream(said)
                    else:
                        self.plain(*said)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with endpoint.lock:
                        endpoint.at_once -= 1

            def plain(self, status: int, body: Any, headers: dict[str, str]) -> None:
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def stream(self, said: Say) -> None:
                time.sleep(said.wait)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.event(self.chunk({"role": "assistant", "content": ""}))
                for delta in said.deltas:
                    self.event(self.chunk(delta))
                for data in said.raws:
                    self.raw(data)
                while said.comments:
                    self.raw(b": keep-alive\n\n")
                    time.sleep(0.1)
                sent = 0
                while True:
                    for piece in said.pieces:
                        if sent == said.cut_after:
                            self.close_connection = True
                            self.wfile.flush()
                            self.connection.close()
                            return
                        if sent == said.garbage_after:
                            self.raw(b'data: {"id": "x", "choi\n\n')
                        if sent == said.error_after:
                            self.raw(b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n')
                        self.event(self.chunk({"content": piece}))
                        time.sleep(said.between)
                        sent += 1
                    if not said.endless:
                        break
                for at, call in enumerate(said.calls):
                    self.event(self.chunk({"tool_calls": [{"index": at, **call}]}))
                self.event(self.chunk({}, "tool_calls" if said.calls else said.finish))
                if said.usage is not None:
                    self.event({**self.chunk({}), "choices": [], "usage": {**said.usage, "total_tokens": 0}})
                self.raw(b"data: [DONE]\n\n")
                self.wfile.write(b"0\r\n\r\n")

            def chunk(self, delta: Json, finish: str | None = None) -> Json:
                choice = {"index": 0, "delta": delta, "finish_reason": finish}
                return {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}

            def event(self, value: Json) -> None:
                self.raw(b"data: " + json.dumps(value).encode() + b"\n\n")

            def raw(self, data: bytes) -> None:
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """What a process needs to ask here."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "key-of-the-test", "NO_PROXY": "127.0.0.1"}
