"""What the tests share: the real command as a process, and a table made through the real pipe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
RAGCLI = Path(sys.executable).with_name("ragcli")

Run = Callable[..., subprocess.CompletedProcess[bytes]]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script, whose children ignore it, too
    signal.signal(signal.SIGINT, signal.default_int_handler)


def environment(**more: str) -> dict[str, str]:
    """The environment without settings that would change what ragcli does."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAGCLI_")}
    kept.pop("COLUMNS", None)
    return {**kept, "PATH": f"{RAGCLI.parent}{os.pathsep}{kept['PATH']}", "XDG_CONFIG_HOME": "/nonexistent", **more}


def run(*args: str | Path, stdin: bytes = b"", cwd: Path | None = None, timeout: float = 120, **more: str):
    """Run ragcli; return the finished process with bytes."""
    return subprocess.run(
        [RAGCLI, *map(str, args)], input=stdin, capture_output=True, cwd=cwd, timeout=timeout, env=environment(**more)
    )


def lines(data: bytes) -> list[dict]:
    """The JSON objects of a stream."""
    return [json.loads(line) for line in data.splitlines() if line]


def jsonl(*values: dict) -> bytes:
    """A stream of JSON objects."""
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def chunk(number: int, text: str, source: str = "a.txt", **more) -> dict:
    """A chunk record; its place is made up from its number."""
    start = number * 1000
    return {
        "type": "chunk",
        "id": f"chunk-{number}",
        "document_id": f"document-{source}",
        "source": source,
        "text": text,
        "start": start,
        "end": start + len(text),
        **more,
    }


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator:
    """Both model hubs on 127.0.0.1, and ragcli with caches of its own."""
    from hubs import Hubs

    both = Hubs(tmp_path)
    yield both
    both.hf.close()
    both.ms.close()


@pytest.fixture(scope="session")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose table ``kb`` holds the example documents, made by load | split | embed."""
    db = tmp_path_factory.mktemp("db")
    pipe = f"ragcli load examples | ragcli split | ragcli embed -d '{db}' -t kb"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", pipe], cwd=ROOT, env=environment(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return db


@pytest.fixture
def namespaces() -> Iterator[list[str]]:
    """Two namespaces that see nothing of this machine's network, only each other, as 10.99.0.1 and 10.99.0.2."""
    names = [f"ragcli-{os.getpid()}-{n}" for n in range(2)]
    ends = [f"rag{os.getpid() % 100000}{n}" for n in "ab"]
    steps = [f"netns add {name}" for name in names]
    steps += [f"link add {ends[0]} type veth peer name {ends[1]}"]
    steps += [f"link set {end} netns {name}" for end, name in zip(ends, names, strict=True)]
    for number, (end, name) in enumerate(zip(ends, names, strict=True), 1):
        steps += [f"-n {name} addr add 10.99.0.{number}/24 dev {end}", f"-n {name} link set {end} up"]
        steps += [f"-n {name} link set lo up"]
    try:
        for step in steps:
            try:
                done = subprocess.run(["ip", *step.split()], capture_output=True, text=True)
            except FileNotFoundError:
                pytest.skip("no program 'ip': install iproute2")
            if done.returncode:
                pytest.skip(f"network namespaces cannot be made here: ip {step}: {done.stderr.strip()}")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
