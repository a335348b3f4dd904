"""Both hubs on 127.0.0.1 and ragcli with caches of its own beside them: what the tests of ``download`` share."""

from __future__ import annotations

import random
import signal
import subprocess
from pathlib import Path

from conftest import RAGCLI, environment, lines
from hub_server import Hub, HuggingFaceHandler, ModelScopeHandler, Repo

RANDOM = random.Random(20260101)
WEIGHTS = RANDOM.randbytes(3_000_000)
FILES = {
    ".gitattributes": b"*.safetensors filter=lfs\n",
    "README.md": b"# Tiny\n",
    "config.json": b'{"model_type": "qwen2", "hidden_size": 8}',
    "model.safetensors": WEIGHTS,
    "onnx/model.onnx": RANDOM.randbytes(70_000),
    "pytorch_model.bin": RANDOM.randbytes(90_000),
    "tokenizer.json": RANDOM.randbytes(100_000),
}
WANTED = ["README.md", "config.json", "model.safetensors", "tokenizer.json"]
NAME = "Qwen/Tiny"


class Hubs:
    """Both hubs, and ragcli with caches of its own beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hf, self.ms = Hub(HuggingFaceHandler), Hub(ModelScopeHandler)
        for hub in (self.hf, self.ms):
            hub.repos[NAME] = Repo(dict(FILES))

    def environment(self, **more: str) -> dict[str, str]:
        own = {"HF_ENDPOINT": self.hf.url, "HF_HOME": str(self.folder / "hf"), "MODELSCOPE_ENDPOINT": self.ms.url}
        own |= {"MODELSCOPE_CACHE": str(self.folder / "ms"), "MODELSCOPE_HOME": str(self.folder / "home")}
        kept = environment(**{**own, "RAGCLI_CACHE": str(self.folder / "ragcli"), **more})
        for name in ("HF_TOKEN", "MODELSCOPE_API_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            if name not in more:
                kept.pop(name, None)
        for name in list(kept):
            if name.lower().endswith("_proxy") and name not in more:
                kept.pop(name)
        return kept

    def command(self, *args: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [RAGCLI, *map(str, args)],
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.folder,
        )

    def __call__(self, *args: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        return self.command("download", *args, **more)

    def record(self, *args: str | Path, **more: str) -> dict:
        done = self(*args, **more)
        assert done.returncode == 0, done.stderr
        (record,) = lines(done.stdout.encode())
        return record

    def start(self, *args: str | Path, **more: str) -> subprocess.Popen[str]:
        command = [RAGCLI, "download", *map(str, args)]
        return subprocess.Popen(
            command,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


def content(folder: str | Path) -> dict[str, bytes]:
    """The model's files in a folder, without ragcli's own."""
    root = Path(folder)
    files = [one for one in root.rglob("*") if one.is_file() and not one.name.startswith(".ragcli")]
    return {one.relative_to(root).as_posix(): one.read_bytes() for one in files if ".cache" not in one.parts}


def wanted(files: dict[str, bytes] = FILES) -> dict[str, bytes]:
    return {path: files[path] for path in WANTED}


def size(files: dict[str, bytes]) -> int:
    return sum(map(len, files.values()))
