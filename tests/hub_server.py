"""Two model hubs on 127.0.0.1: the endpoints that the clients of Hugging Face and ModelScope use, with faults.

Each hub has an API host and a data host, as the real ones have: weights are answered with a redirect to signed
addresses on the data host, small files directly. The forms of the answers are those of the real hubs, which the
clients' own code reads: huggingface_hub 2.4 and modelscope_hub 0.5.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

SMALL = 1 << 16  # what is larger is in LFS


@functools.lru_cache(maxsize=10_000)
def _sha256(key: int, data: _Same) -> str:
    return hashlib.sha256(data.value).hexdigest()


@dataclass(frozen=True)
class _Same:
    """Bytes that are compared by being the same object, which for long ones takes no time."""

    value: bytes

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value


def sha256(data: bytes) -> str:
    """The hash of bytes, reckoned once for each object."""
    return _sha256(id(data), _Same(data))


@dataclass
class Fault:
    """What goes wrong with a request: its path is matched by ``path``; ``times`` is how often."""

    path: str
    times: int = 1
    status: int | None = None
    after: str | None = None  # Retry-After
    cut: int | None = None  # the connection ends after so many bytes of the body
    rate: float | None = None  # bytes a second
    wrong: bool = False  # a byte of the body is another one
    no_range: bool = False
    hang: float | None = None  # seconds before the first byte
    method: str = "GET"


@dataclass
class Repo:
    """A repository: its files at each commit, and the names of commits."""

    files: dict[str, bytes]
    gated: bool = False
    private: bool = False
    refs: dict[str, str] = field(default_factory=dict)
    old: dict[str, dict[str, bytes]] = field(default_factory=dict)
    date: int = 1_700_000_000

    @property
    def commit(self) -> str:
        digest = hashlib.sha1(usedforsecurity=False)
        for path, data in sorted(self.files.items()):
            digest.update(path.encode() + b"\0" + hashlib.sha256(data).digest())
        return digest.hexdigest()

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if revision in ("main", "master", self.commit):
            return self.commit, self.files
        commit = self.refs.get(revision, revision)
        return (commit, self.old[commit]) if commit in self.old else None


class Hub:
    """One hub: its repositories, its tokens, its faults, and what was asked of it."""

    def __init__(self, handler: type[Handler]) -> None:
        self.repos: dict[str, Repo] = {}
        self.tokens: set[str] = {"hf_good"}
        self.faults: list[Fault] = []
        self.asked: deque[tuple[str, str, dict[str, str]]] = deque()
        self.sent = 0  # bytes of files
        self.gzip_ignored = 0
        self.lock = threading.Lock()
        self.api = self._serve(handler, "api")
        self.data = self._serve(handler, "data")

    def _serve(self, handler: type[Handler], role: str) -> ThreadingHTTPServer:
        hub = self

        class Bound(handler):
            pass

        Bound.hub, Bound.role = hub, role
        server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def close(self) -> None:
        for server in (self.api, self.data):
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api.server_port}"

    @property
    def data_url(self) -> str:
        return f"http://127.0.0.1:{self.data.server_port}"

    def fault(self, role: str, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and fnmatch(f"{role}:{path}", fault.path):
                    fault.times -= 1
                    return fault
        return None

    def paths(self, pattern: str = "*") -> list[str]:
        return [path for _, path, _ in self.asked if fnmatch(path, pattern)]


class Handler(BaseHTTPRequestHandler):
    """What both hubs have: answers, faults, ranges."""

    protocol_version = "HTTP/1.1"
    hub: Hub
    role: str
    site: str

    def log_message(self, *args) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionResetError):  # a client that was killed
            super().handle()

    def do_HEAD(self) -> None:
        self.answer("HEAD")

    def do_GET(self) -> None:
        self.answer("GET")

    def answer(self, method: str) -> None:
        self.method = method
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.hub.asked.append((f"{self.role}:{method}", self.path, {k.lower(): v for k, v in self.headers.items()}))
        self.failing = self.hub.fault(self.role, method, unquote(self.path))
        try:
            if self.failing is not None and self.failing.hang:
                time.sleep(self.failing.hang)
            if self.failing is not None and self.failing.status is not None:
                headers = {"Retry-After": self.failing.after} if self.failing.after else {}
                self.json({"error": "made to fail", "Message": "made to fail"}, self.failing.status, headers)
            elif self.role == "data":
                self.content(path.rsplit("/", 1)[-1])
            else:
                self.route(path, query)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def route(self, path: str, query: dict[str, str]) -> None:
        raise NotImplementedError

    def json(self, value: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, content in (headers or {}).items():
            self.send_header(name, content)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.method != "HEAD":
            self.wfile.write(body)

    def redirect(self, location: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(302)
        for name, content in (headers or {}).items():
            self.send_header(name, content)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def content(self, digest: str) -> None:
        for repo in self.hub.repos.values():
            for files in (repo.files, *repo.old.values()):
                for data in files.values():
                    if sha256(data) == digest:
                        return self.body(data, {})
        return self.json({"error": "no such object"}, 404)

    def body(self, data: bytes, headers: dict[str, str]) -> None:
        fault = self.failing or Fault("")
        start, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and not fault.no_range:
            start, status = int(asked[1]), 206
            if start >= len(data):
                return self.json({}, 416, {"Content-Range": f"bytes */{len(data)}"})
        part = data[start:]
        if fault.wrong and part:
            part = part[:-1] + bytes([part[-1] ^ 1])
        self.send_response(status)
        for name, content in headers.items():
            self.send_header(name, content)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.method == "HEAD":
            return None
        if fault.cut is not None:
            part = part[: fault.cut]
        step = 1 << 14 if fault.rate is None else max(1, int(fault.rate / 20))
        for at in range(0, len(part), step):
            block = part[at : at + step]
            self.wfile.write(block)
            with self.hub.lock:
                self.hub.sent += len(block)
            if fault.rate is not None:
                time.sleep(len(block) / fault.rate)
        if fault.cut is not None:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(2)
        return None


class HuggingFaceHandler(Handler):
    """What huggingface_hub asks."""

    def token(self) -> str | None:
        given = self.headers.get("Authorization") or ""
        return given.removeprefix("Bearer ") or None

    def refused(self, name: str, *, data: bool) -> bool:
        """Answer for a repository that is not for everyone, as huggingface.co does."""
        token, repo = self.token(), self.hub.repos.get(name)
        if token is not None and token not in self.hub.tokens:
            message = "Invalid credentials in Authorization header"
            self.json({"error": message}, 401, {"X-Error-Message": message})
            return True
        if repo is None or (repo.private and token is None):
            headers = {"X-Error-Message": "Repository not found" if token else "Invalid username or password."}
            if token:
                headers["X-Error-Code"] = "RepoNotFound"
            self.json({"error": headers["X-Error-Message"]}, 404 if token else 401, headers)
            return True
        if data and repo.gated and token != "hf_good":
            message = f"Access to model {name} is restricted."
            self.json(
                {"error": message}, 403 if token else 401, {"X-Error-Code": "GatedRepo", "X-Error-Message": message}
            )
            return True
        return False

    def route(self, path: str, query: dict[str, str]) -> None:
        if path == "/api/models":
            return self.search(query)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            return self.info(found[1], found[2] or "main", "blobs" in query)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
            return self.tree(found[1], found[2])
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/refs", path):
            repo = self.hub.repos[found[1]]
            tags = [{"name": name, "ref": f"refs/tags/{name}", "targetCommit": to} for name, to in repo.refs.items()]
            main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.commit}
            return self.json({"branches": [main], "tags": tags, "converts": []})
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.resolve(found[1], found[2], found[3])
        return self.json({"error": "Not Found"}, 404)

    def search(self, query: dict[str, str]) -> None:
        search, author = query.get("search", "").lower(), query.get("author")
        names = [name for name, repo in self.hub.repos.items() if not repo.private]
        if author:
            names = [name for name in names if name.split("/")[0] == author]
        self.json([{"id": name, "modelId": name} for name in names if search in name.lower()])

    def found(self, name: str, revision: str, *, data: bool = False):
        if self.refused(name, data=data):
            return None
        at = self.hub.repos[name].at(revision)
        if at is None:
            self.json({"error": f"Invalid rev id: {revision}"}, 404, {"X-Error-Code": "RevisionNotFound"})
        return at

    def info(self, name: str, revision: str, blobs: bool) -> None:
        at = self.found(name, revision)
        if at is None:
            return
        commit, files = at
        siblings = [self.entry(path, data) if blobs else {"rfilename": path} for path, data in files.items()]
        repo = self.hub.repos[name]
        value = {"id": name, "modelId": name, "sha": commit, "private": repo.private, "disabled": False}
        value |= {
            "gated": "auto" if repo.gated else False,
            "tags": [],
            "downloads": 1,
            "likes": 0,
            "siblings": siblings,
        }
        self.json(value)

    @staticmethod
    def entry(path: str, data: bytes) -> dict:
        git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        value = {"rfilename": path, "size": len(data), "blobId": git}
        if len(data) > SMALL:
            value["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 135}
        return value

    def tree(self, name: str, revision: str) -> None:
        at = self.found(name, revision)
        if at is None:
            return
        entries = []
        for path, data in at[1].items():
            one = self.entry(path, data)
            value = {"type": "file", "oid": one["blobId"], "size": one["size"], "path": path}
            if "lfs" in one:
                value["lfs"] = {"oid": one["lfs"]["sha256"], "size": one["size"], "pointerSize": 135}
            entries.append(value)
        self.json(entries)

    def resolve(self, name: str, revision: str, path: str) -> None:
        at = self.found(name, revision, data=True)
        if at is None:
            return None
        commit, files = at
        if path not in files:
            return self.json(
                {"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}
            )
        data = files[path]
        entry = self.entry(path, data)
        headers = {"X-Repo-Commit": commit, "X-Linked-Size": str(len(data))}
        if "lfs" not in entry:
            return self.body(data, {**headers, "ETag": f'"{entry["blobId"]}"'})
        digest = entry["lfs"]["sha256"]
        headers["X-Linked-Etag"] = f'"{digest}"'
        return self.redirect(f"{self.hub.data_url}/{name}/{digest}?signed=1", headers)


class ModelScopeHandler(Handler):
    """What modelscope_hub asks."""

    def token(self) -> str | None:
        given = self.headers.get("Authorization") or ""
        return given.removeprefix("Bearer ") or None

    def said(self, value: object, status: int = 200, message: str = "success") -> None:
        self.json(
            {"Code": 200 if status == 200 else status, "Data": value, "Message": message, "Success": status == 200},
            status,
        )

    def route(self, path: str, query: dict[str, str]) -> None:
        if path == "/openapi/v1/models":
            search, owner = query.get("search", "").lower(), query.get("owner")
            names = [n for n in self.hub.repos if search in n.lower() and (not owner or n.startswith(owner + "/"))]
            models = [{"id": name, "name": name.split("/")[1], "owner": name.split("/")[0]} for name in names]
            value = {"models": models, "total_count": len(models), "page_number": 1, "page_size": 50}
            return self.json({"success": True, "data": value})
        found = re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)(/repo/files|/repo|/revisions)?", path)
        if not found:
            return self.said(None, 404, "not found")
        token = self.token()
        if token is not None and token not in self.hub.tokens:
            return self.said(None, 401, "user not logged in")
        repo = self.hub.repos.get(found[1])
        if repo is None:
            return self.said(None, 404, "模型不存在")
        if repo.private and token is None:
            return self.said(None, 403, "no permission")
        if found[2] is None:
            owner, _, name = found[1].partition("/")
            return self.said({"Path": owner, "Name": name, "Id": 1})
        if found[2] == "/revisions":
            branches = [{"Revision": "master", "CreatedAt": repo.date}]
            tags = [{"Revision": name, "CreatedAt": repo.date} for name in repo.refs]
            return self.said({"RevisionMap": {"Branches": branches, "Tags": tags}})
        at = repo.at(query.get("Revision", "master"))
        if at is None:
            return self.said(None, 404, "revision not found")
        if found[2] == "/repo/files":
            return self.said({"Files": [self.entry(repo, *at, path) for path in at[1]]})
        data = at[1].get(query["FilePath"])
        if data is None:
            return self.said(None, 404, "file not found")
        if len(data) > SMALL:
            return self.redirect(f"{self.hub.data_url}/{found[1]}/{sha256(data)}?auth_key=1")
        return self.body(data, {})

    @staticmethod
    def entry(repo: Repo, commit: str, files: dict[str, bytes], path: str) -> dict:
        data = files[path]
        value = {"Name": path.rsplit("/", 1)[-1], "Path": path, "Type": "blob", "Size": len(data), "Mode": "33188"}
        value |= {"Sha256": sha256(data), "IsLFS": len(data) > SMALL, "InCheck": False}
        return {**value, "Revision": commit, "CommittedDate": repo.date, "CommitterName": "someone"}


class Proxy(BaseHTTPRequestHandler):
    """A forward proxy for plain HTTP that notes what passes."""

    protocol_version = "HTTP/1.0"
    passed: list[str]

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        import http.client

        self.passed.append(self.path)
        parts = urlsplit(self.path)
        connection = http.client.HTTPConnection(parts.hostname, parts.port)
        headers = {key: value for key, value in self.headers.items() if not key.lower().startswith("proxy-")}
        connection.request("GET", parts.path + ("?" + parts.query if parts.query else ""), headers=headers)
        response = connection.getresponse()
        self.send_response(response.status)
        for key, value in response.getheaders():
            if key.lower() not in ("connection", "transfer-encoding"):
                self.send_header(key, value)
        self.end_headers()
        self.wfile.write(response.read())
        connection.close()
