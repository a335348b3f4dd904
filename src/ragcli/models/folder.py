"""From a model's name to its folder: the built-in one, a path, what a hub's cache holds, or a download.

A folder's hash is that of everything that decides its vectors. It is kept in ragcli's cache, by size and time
of the files, so that a query does not read hundreds of megabytes to learn which model it has.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ragcli.errors import ModelError
from ragcli.jsonl import dumps, loads
from ragcli.models import builtin

_HASHED = (".safetensors", ".bin", ".onnx", ".onnx_data", ".gguf", ".model")
_HASHED_NAMES = ("tokenizer.json", "vocab.txt", "config.json", "modules.json")
_BLOCK = 1 << 20
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+\Z(?<!/\.)(?<!/\.\.)")

_log = logging.getLogger("ragcli")


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
    """Return the folder of a model; one that is not on this machine is downloaded, unless the network is off.

    A model that is here is used as it is: no hub is asked for a newer revision.

    Args:
        name: None or ``builtin`` for the built-in one, a folder, or a hub's name (owner/name).

    Raises:
        MissingExtraError: the built-in model is not installed.
        ModelError: there is no such model here; the message says where it was looked for.
        HubError: no hub has it, or delivers it.
    """
    own = builtin.named(name)
    path = locate(name)
    if own is not None:
        return ModelFolder(own.id, path, builtin.content(path) or "")
    assert name is not None
    if not (path / "config.json").is_file():
        raise ModelError(f"the folder {path} holds no model: there is no config.json in it.")
    return ModelFolder(name, path, content_hash(path))


def locate(name: str | None = None) -> Path:
    """Return the folder of a model, as `resolve` does, without reading its weights for the hash.

    Raises:
        MissingExtraError: the built-in model is not installed.
        ModelError: there is no such model here; the message says where it was looked for.
        HubError: no hub has it, or delivers it.
    """
    from ragcli.models.installed import find, used

    own = builtin.named(name)
    if own is not None:
        path, _ = builtin.unpack(cache_dir() / "models", own)
        used(path)
        return path
    assert name is not None
    path = Path(name).expanduser()
    if path.is_dir():
        return _whole(path)
    if path.exists():
        raise ModelError(f"the model {name!r} is a file, and a folder is needed.")
    if not _HUB_NAME.match(name):
        raise ModelError(
            f"the model {name!r} is not on this machine: there is no such folder.",
            hint="Give the folder that it is in, or its name on a hub: owner/name.",
        )
    here = find(name)
    whole = next((one for one in here if one.fault is None), None)
    if whole is None:
        from ragcli.models.downloading import download

        for one in here:
            _log.warning("the model %s in %s is not whole: %s", name, one.path, one.fault)
        _log.info("the model %s is not on this machine; downloading it (once)", name)
        found = download(name).path
        assert found is not None
        path = Path(found)
    else:
        path = whole.path
    used(path)
    return _whole(path)


def _whole(path: Path) -> Path:
    from ragcli.models.manifest import fault

    broken = fault(path, weights=False)
    if broken is not None:
        raise ModelError(f"the model in {path} is not whole: {broken}.", hint="ragcli download brings what is missing.")
    return path


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
