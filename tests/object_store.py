"""What the tests of object storage share: an S3 server as a process, the proxy before it, ragcli told to use it."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conftest import RAGCLI, ROOT, environment, jsonl
from faulty_proxy import Proxy

SECRET = "wJalrXUtnFEMI-never-shown"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}


class Store:
    """The server, the proxy before it, and ragcli told to use that."""

    def __init__(self, port: int) -> None:
        self.proxy = Proxy(port)
        self.db = "s3://docs/库/kb"
        request = urllib.request.Request(f"http://127.0.0.1:{port}/docs", method="PUT")
        urllib.request.urlopen(request).close()

    def environment(self, **more: str) -> dict[str, str]:
        kept = {key: value for key, value in environment().items() if not key.startswith("AWS_")}
        return {**kept, **KEYS, "AWS_ENDPOINT_URL": self.proxy.url, "OMP_NUM_THREADS": "1", **more}

    def run(self, *args: str | Path, stdin: bytes = b"", cwd: Path = ROOT, without: tuple[str, ...] = (), **more: str):
        made = {key: value for key, value in self.environment(**more).items() if key not in without}
        command = [RAGCLI, *map(str, args)]
        return subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, timeout=250, env=made)

    def embed(self, db: str, rows: bytes, table: str = "kb") -> subprocess.Popen[bytes]:
        """Start an embed that has got all of its rows."""
        command = [RAGCLI, "embed", "-d", db, "-t", table]
        with tempfile.TemporaryFile() as given:  # not a pipe, whose filling would wait for the reader
            given.write(rows)
            given.seek(0)
            return subprocess.Popen(command, stdin=given, stderr=subprocess.PIPE, env=self.environment())

    def contents(self, db: str, table: str = "kb") -> list[tuple[str, str]]:
        """What the table holds, read by another program: lancedb's own way of opening it."""
        code = (
            "import json, sys, lance\n"
            "rows = lance.dataset(sys.argv[1]).to_table(columns=['id', 'text', 'vector']).to_pylist()\n"
            "print(json.dumps(sorted([row['id'], row['text'], sum(row['vector'])] for row in rows)))"
        )
        made = self.environment(AWS_ALLOW_HTTP="true")
        done = subprocess.run([sys.executable, "-c", code, f"{db}/{table}.lance"], capture_output=True, env=made)
        assert done.returncode == 0, done.stderr.decode()
        return [tuple(row) for row in json.loads(done.stdout)]


@contextmanager
def serving(log: Path) -> Iterator[int]:
    """Run a moto server as a process; give its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as out:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        for _ in range(300):
            assert process.poll() is None, f"pip install -e '.[dev]': {log.read_text()[-600:]}"
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def vectors(template: dict, numbers: range, source: str) -> bytes:
    """Vector records with these numbers, each with text and vector of its own."""
    out = []
    for number in numbers:
        rng = random.Random(number)
        made = [round(rng.gauss(0, 1), 3) for _ in template["vector"]]
        text = f"第{number}条 保修 row {number}"
        place = {"start": number * 100, "end": number * 100 + len(text), "source": source, "document_id": source}
        out.append({**template, "id": f"row-{number:05}", "text": text, "vector": made, **place})
    return jsonl(*out)


def is_commit(method: str, path: str) -> bool:
    return method == "PUT" and "_versions" in path


def is_content(method: str, path: str) -> bool:
    return "/data/" in path or "/_indices/" in path


def said(done: subprocess.CompletedProcess[bytes], code: int = 1) -> str:
    """What a command said that failed: a sentence and a hint, no traceback and nothing secret."""
    text = done.stderr.decode()
    assert done.returncode == code, text
    assert "Traceback" not in text
    assert SECRET not in text and "AKIATEST" not in text and ".rs:" not in text and "<Error>" not in text
    assert len(text.strip().splitlines()) == 2, text
    assert "\n  hint: " in text
    return text
