"""A model's name to its shape: from a folder, from what is on disk, from the table of known ones, or from a hub.

Of a hub only config.json is fetched, and the sizes of the weights from its listing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ragcli.errors import HubError, ModelError
from ragcli.hardware.architecture import Architecture, read
from ragcli.hardware.known import BUILT_IN, CHAT, EMBEDDING
from ragcli.jsonl import loads
from ragcli.records import Json

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
_MOST = 1 << 22  # bytes of a config


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's architecture, the bytes of its weights where they are known, and where both come from."""

    architecture: Architecture
    weights: int | None
    source: str


def known(name: str) -> Architecture:
    """Return the architecture of a model of the table."""
    return read({**CHAT, **EMBEDDING, **BUILT_IN}[name], name)


def shape(name: str, *, source: str = "auto", revision: str | None = None) -> Shape:
    """Return the shape of a model.

    Args:
        name: a folder, a config.json, a name on a hub, or the built-in model.
        source: the hub that is asked where it is not on disk: auto, hf or modelscope.
        revision: a branch, tag or commit; then only disk and hub are asked.

    Raises:
        ModelError: there is no config, or it tells too little.
        HubError: no hub has it.
    """
    from ragcli.models import builtin
    from ragcli.models.installed import find

    path = Path(name).expanduser()
    if path.is_file():
        return Shape(read(_json(path), name), None, str(path))
    own = builtin.named(name)
    if own is not None:
        return Shape(known("intfloat/multilingual-e5-small" if own.id == builtin.ID else own.id), None, "built-in")
    if path.is_dir():
        return _of_folder(name, path)
    for one in find(name, revision=revision):
        if (one.path / "config.json").exists():
            return _of_folder(name, one.path)
    if revision is None and (name in CHAT or name in EMBEDDING):
        return Shape(known(name), None, "table")
    if name.count("/") != 1:
        raise ModelError(
            f"the model {name!r} is not on this machine: there is no such folder.",
            hint="Give the folder that it is in, or its name on a hub: owner/name.",
        )
    return _of_hub(name, source, revision)


def _json(path: Path) -> Json:
    try:
        value = loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no object.")
    return value


def _of_folder(name: str, folder: Path) -> Shape:
    if not (folder / "config.json").is_file():
        raise ModelError(f"the folder {folder} holds no model: there is no config.json in it.")
    files = [(one.name, one.stat().st_size) for one in folder.iterdir() if one.is_file()]
    return Shape(read(_json(folder / "config.json"), name), _weights(files), str(folder))


def _weights(files: Iterable[tuple[str, int]]) -> int | None:
    """Return the bytes of one form of the weights."""
    sizes: dict[str, int] = {}
    for name, size in files:
        for suffix in _WEIGHTS:
            if name.endswith(suffix) and not name.startswith(("optimizer", "training_args", "scheduler", "rng_state")):
                sizes[suffix] = sizes.get(suffix, 0) + size
    return next((sizes[suffix] for suffix in _WEIGHTS if suffix in sizes), None)


def _of_hub(name: str, source: str, revision: str | None) -> Shape:
    from ragcli.models.choosing import ask
    from ragcli.models.hubs.protocol import HF, MODELSCOPE, is_offline
    from ragcli.models.selection import Selection

    if is_offline():
        raise ModelError(f"{name} is not on this machine, and the network is switched off.")
    sources = (HF, MODELSCOPE) if source == "auto" else (source,)

    def config(files: object) -> Selection:
        listed = getattr(files, "files", ())
        wanted = tuple(one for one in listed if one.path == "config.json")
        if not wanted:
            gguf = any(one.path.endswith(".gguf") for one in listed)
            raise ModelError(
                f"{name} has no config.json.",
                hint="It holds GGUF files: name the model that they were made of." if gguf else None,
            )
        return Selection(wanted, ())

    candidates = ask(sources, name, revision, config, lambda listing, chosen: False)
    for one in candidates:
        if one.delivers and one.hub is not None and one.listing is not None and one.selection is not None:
            with one.hub.open(one.listing, one.selection.files[0], 0, 1 << 16) as body:
                data = b""
                for block in body.blocks:
                    data += block
                    if len(data) > _MOST:
                        break
            try:
                value = loads(data)
            except ValueError as error:
                raise ModelError(f"the config.json of {name} on {one.title} is damaged: {error}.") from error
            files = [(file.path, file.size) for file in one.listing.files if "/" not in file.path]
            return Shape(read(value, name), _weights(files), one.source)
    errors = [one.error for one in candidates if one.error is not None]
    kind = next((one.kind for one in errors if isinstance(one, HubError)), "network")
    raise HubError(
        " ".join(one.message for one in errors), kind, hint=next((one.hint for one in errors if one.hint), None)
    )
