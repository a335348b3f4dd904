"""An HTTP proxy in front of an object store that can be told to be slow, to fail, to refuse, to hang and to cut.

It counts what passes, so that a test can say how many requests a command takes. Conditional writes go through one
at a time: a real store decides them atomically, and moto's server looks first and writes then.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
_OWN = {"connection", "transfer-encoding", "content-length", "keep-alive", "server", "date"}


@dataclass
class Fault:
    """What is done to requests: ``times`` of them (None: all) that ``only`` (method, path) says yes to."""

    status: int = 0  # answer with this, and with ``code`` as S3's XML
    code: str = ""
    cut: bool = False  # close the connection without an answer
    hang: float = 0.0  # seconds without an answer, and then none
    delay: float = 0.0  # seconds before it is passed on
    times: int | None = None
    only: Callable[[str, str], bool] = lambda method, path: True


class Proxy:
    """The proxy, in threads of this process: ``url``, ``requests`` [(method, path)], ``faults``, ``lost``."""

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.requests: list[tuple[str, str]] = []
        self.faults = 0
        self.lost = 0  # conditional writes that another had come before
        self._fault: Fault | None = None
        self._lock = threading.Lock()
        self.conditional = threading.Lock()
        self.stopping = threading.Event()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def fault(self, fault: Fault | None) -> None:
        """From now on do this; None: pass all on. What was counted is forgotten."""
        with self._lock:
            self._fault, self.faults, self.lost = fault, 0, 0
            self.requests = []

    def take(self, method: str, path: str) -> Fault | None:
        """Count a request and say what is to be done to it."""
        with self._lock:
            self.requests.append((method, path))
            fault = self._fault
            if fault is None or not fault.only(method, path):
                return None
            if fault.times is not None and self.faults >= fault.times:
                return None
            self.faults += 1
            return fault

    def close(self) -> None:
        """Stop, also what hangs."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that was killed


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Proxy

    def setup(self) -> None:
        super().setup()
        self._up: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        if self._up is not None:
            self._up.close()
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.owner.take(self.command, self.path)
        if fault is not None:
            if fault.delay:
                time.sleep(fault.delay)
            if fault.hang:
                self.owner.stopping.wait(fault.hang)
            if fault.cut or fault.hang:
                self.close_connection = True
                return
            if fault.status:
                self._answer(fault.status, [("Content-Type", "application/xml")], _ERROR.format(code=fault.code))
                return
        if self.headers.get("If-None-Match"):
            with self.owner.conditional:
                status, headers, content = self._ask(body)
                self.owner.lost += status == 412
        else:
            status, headers, content = self._ask(body)
        length = next((value for name, value in headers if name.lower() == "content-length"), None)
        kept = [(name, value) for name, value in headers if name.lower() not in _OWN]
        self._answer(status, kept, content, length if self.command == "HEAD" else None)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if self._up is None:
            self._up = http.client.HTTPConnection("127.0.0.1", self.owner.upstream, timeout=60)
        up = self._up
        for last in (False, True):  # the server may have closed a connection that was idle
            try:
                up.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in {"connection", "content-length"}:
                        up.putheader(name, value)
                up.putheader("Content-Length", str(len(body)))
                up.endheaders(body)
                answer = up.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            except (http.client.HTTPException, ConnectionError):
                up.close()
                if last:
                    raise
        raise AssertionError("unreachable")

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes | str, length: str | None = None
    ) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
            self.wfile.flush()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve
