"""From a model's name to its folder: the built-in one, a path, or what a hub's cache holds.

A folder's hash is that of everything that decides its vectors. It is kept in ragcli's cache, by size and time
of the files, so that a query does not read hundreds of megabytes to learn which model it has.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ragcli.errors import ModelError
from ragcli.jsonl import dumps, loads
from ragcli.models import builtin

_HASHED = (".safetensors", ".bin", ".onnx", ".onnx_data", ".gguf", ".model")
_HASHED_NAMES = ("tokenizer.json", "vocab.txt", "config.json", "modules.json")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model on disk: what it is called, where it is, and the hash of its content."""

    id: str
    path: Path
    hash: str


def cache_dir() -> Path:
    """Return ragcli's cache: RAGCLI_CACHE, else ``$XDG_CACHE_HOME/ragcli``, else ``~/.cache/ragcli``."""
    given = os.environ.get("RAGCLI_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser(), "ragcli")


def resolve(name: str | None = None) -> ModelFolder:
    """Return the folder of a model.

    Args:
        name: None or ``builtin`` for the built-in one, a folder, or a hub's name that is in a local cache.

    Raises:
        MissingExtraError: the built-in model is not installed.
        ModelError: there is no such model here; the message says where it was looked for.
    """
    if name is None or name in builtin.NAMES:
        path, content = builtin.unpack(cache_dir() / "models")
        return ModelFolder(builtin.ID, path, content)
    path = Path(name).expanduser()
    if path.is_dir():
        return _folder(name, path)
    if path.exists():
        raise ModelError(f"the model {name!r} is a file, and a folder is needed.")
    looked = [str(path)]
    for candidate in _cached(name):
        looked.append(str(candidate))
        if (candidate / "config.json").is_file():
            return _folder(name, candidate)
    raise ModelError(
        f"the model {name!r} is not on this machine (looked at {', '.join(looked)}).",
        hint="Give the folder that it is in.",
    )


def _folder(name: str, path: Path) -> ModelFolder:
    if not (path / "config.json").is_file():
        raise ModelError(f"the folder {path} holds no model: there is no config.json in it.")
    return ModelFolder(name, path, content_hash(path))


def _cached(name: str) -> list[Path]:
    """Return where the caches of Hugging Face and ModelScope would hold a model."""
    found: list[Path] = []
    if name.count("/") != 1:
        return found
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    home = os.environ.get("HF_HOME") or caches / "huggingface"
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(home, "hub"), "models--" + name.replace("/", "--"))
    try:
        revision = (hub / "refs" / "main").read_text().strip()
        found.append(hub / "snapshots" / revision)
    except OSError:
        found.append(hub)
    scope = Path(os.environ.get("MODELSCOPE_CACHE") or Path("~/.cache/modelscope/hub").expanduser())
    found += [scope / "models" / name, scope / name]
    return found


def content_hash(folder: Path) -> str:
    """Return the SHA-256 of a folder's weights, tokenizer and configuration, by name."""
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and (path.suffix in _HASHED or path.name in _HASHED_NAMES)
    )
    stamp = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = hashlib.sha256(dumps([str(folder.resolve()), stamp])).hexdigest()
    kept = cache_dir() / "hashes" / key
    try:
        value = loads(kept.read_bytes())
        if isinstance(value, str):
            return value
    except (OSError, ValueError):
        pass
    digest = hashlib.sha256()
    try:
        for path in files:
            digest.update(str(path.relative_to(folder)).encode() + b"\0")
            with path.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
    except OSError as error:
        raise ModelError(f"the model's file {error.filename} cannot be read: {error.strerror}.") from error
    content = digest.hexdigest()
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f"{key}.{os.getpid()}.tmp")
        temporary.write_bytes(dumps(content))
        temporary.replace(kept)
    except OSError:  # a cache that cannot be written only costs time
        pass
    return content
