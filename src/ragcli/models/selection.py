"""Which files of a repository a model needs: one copy of the weights, and all that is needed to run them.

What stands for the same weights in another form is left out where a better form is there, folder by folder:
safetensors before PyTorch's pickles before the rest. So are pictures, and what training left behind. Everything else
stays, also what no rule knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from ragcli.errors import UsageError
from ragcli.models.hubs.protocol import RemoteFile

_SPLIT = re.compile(r"-\d{5}-of-\d{5}(?=\.\w+$)")
_SAFETENSORS = re.compile(r"^(?!consolidated)(?:(?!\.fp16|\.bf16|\.int8).)*\.safetensors$")
_TORCH = re.compile(r"^(?:pytorch_model|model|adapter_model|diffusion_pytorch_model)[\w.-]*\.bin$")
_OTHER_WEIGHTS = re.compile(
    r"^tf_model.*\.h5$|\.tflite$|^flax_model.*\.msgpack$|^rust_model\.ot$|\.ckpt(?:\.|$)|\.nemo$|\.mlmodel$|\.llamafile$"
    r"|^consolidated[\w.-]*\.(?:pth|pt|safetensors)$|\.(?:fp16|bf16|int8)\.(?:safetensors|bin)$|\.ggml(?:v\d)?[\w.-]*\.bin$"
)
_OTHER_FOLDERS = ("onnx", "openvino", "coreml", "original", "metal", "gguf", "tflite", "saved_model", "mlx")
_TORCH_INDEX = re.compile(r"\.bin\.index\.json$")
_ONNX = re.compile(r"\.onnx(?:_data(?:_\d+)?|\.data)?$")
_TRAINING = re.compile(
    r"^(?:optimizer|scheduler|scaler)\.(?:pt|bin)$|^rng_state[\w.-]*\.pth$|^(?:training_args\.bin|trainer_state\.json)$"
    r"|^events\.out\.tfevents"
)
_TRAINING_FOLDERS = re.compile(r"^(?:checkpoint-\d+|runs|global_step\d+)$")
_PICTURES = re.compile(r"\.(?:png|jpe?g|gif|webp|svg|mp4|pdf)$", re.IGNORECASE)
_GIT = (".gitattributes", ".gitignore")
_ONE_PRECISION = ("model.onnx", "model.onnx_data", "model.onnx.data")
_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Selection:
    """The files that are wanted, and those that are left out."""

    files: tuple[RemoteFile, ...]
    left_out: tuple[RemoteFile, ...]

    @property
    def bytes(self) -> int:
        """What the wanted files take."""
        return sum(one.size for one in self.files)


class ChoiceError(UsageError):
    """A repository holds several models in GGUF form, and none was chosen."""


def select(
    name: str,
    files: Sequence[RemoteFile],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    everything: bool = False,
) -> Selection:
    """Choose the files of a model.

    Args:
        name: the model, for errors.
        files: what its repository holds.
        include: patterns of paths or names, as a shell's, whatever the case; only what matches is chosen. A pattern
            for one GGUF file matches all its parts.
        exclude: patterns of what is left out.
        everything: leave nothing out.

    Raises:
        ChoiceError: there are only GGUF files, several of them, and no pattern; the message lists them.
        UsageError: nothing is chosen.
    """
    if include:
        wanted = [one for one in files if _matches(one.path, include)]
        if not wanted:
            raise UsageError(
                f"no file of {name} matches {', '.join(include)}.",
                hint=f"It holds: {_listed([one.path for one in files])}.",
            )
    elif everything:
        wanted = list(files)
    else:
        wanted = _needed(name, files, bool(exclude))
    wanted = [one for one in wanted if not _matches(one.path, exclude)]
    if not wanted:
        raise UsageError(f"no file of {name} is left to download.", hint="See what --exclude leaves out.")
    chosen = {one.path for one in wanted}
    return Selection(tuple(wanted), tuple(one for one in files if one.path not in chosen))


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more


def _matches(path: str, patterns: Sequence[str]) -> bool:
    lowered = path.lower()
    names = {lowered, PurePosixPath(lowered).name}
    names |= {_SPLIT.sub("", one) for one in names}
    return any(fnmatchcase(name, pattern.lower()) for name in names for pattern in patterns)


def _needed(name: str, files: Sequence[RemoteFile], excluding: bool) -> list[RemoteFile]:
    paths = [PurePosixPath(one.path) for one in files]
    kept = [one for one, path in zip(files, paths, strict=True) if not _is_dispensable(path)]
    safe = {path.parent for path in paths if _SAFETENSORS.search(path.name)}
    torch = {path.parent for path in paths if _TORCH.search(path.name)}
    if safe or torch:
        return [one for one in kept if not _is_duplicate(PurePosixPath(one.path), safe)]
    gguf = [one for one in kept if one.path.endswith(".gguf")]
    if gguf:
        choices = gguf_choices(gguf)
        if len(choices) > 1 and not excluding:
            width = max(len(path) for path, _ in choices)
            listing = "\n".join(f"    {path:<{width}}  {size / 1e9:8.2f} GB" for path, size in choices)
            raise ChoiceError(
                f"{name} holds {len(choices)} models in GGUF form, and one is to be chosen:\n{listing}",
                hint="Name it: --include '*q4_k_m.gguf', or take them all with --all.",
            )
        return [one for one in kept if not _ONNX.search(one.path)]
    graphs = [one for one in kept if _ONNX.search(one.path)]
    main = [one for one in graphs if PurePosixPath(one.path).name in _ONE_PRECISION]
    return [one for one in kept if one not in graphs or one in main] if main else kept


def gguf_choices(files: Sequence[RemoteFile]) -> list[tuple[str, int]]:
    """Return the models in GGUF form with their bytes, a model in parts as one, the smallest first."""
    sizes: dict[str, int] = {}
    for one in files:
        if one.path.endswith(".gguf") and "mmproj" not in one.path.lower():  # the projector of a model for pictures
            path = _SPLIT.sub("", one.path)
            sizes[path] = sizes.get(path, 0) + one.size
    return sorted(sizes.items(), key=lambda item: (item[1], item[0]))


def _is_dispensable(path: PurePosixPath) -> bool:
    """Whether a file does nothing for running the model."""
    return (
        path.name in _GIT
        or bool(_PICTURES.search(path.name) or _TRAINING.search(path.name))
        or any(_TRAINING_FOLDERS.match(part) for part in path.parts[:-1])
    )


def _is_duplicate(path: PurePosixPath, safe: set[PurePosixPath]) -> bool:
    """Whether a file holds the same weights as another that is kept."""
    if path.parts[0].lower() in _OTHER_FOLDERS and len(path.parts) > 1:
        return True
    if _ONNX.search(path.name) or path.suffix == ".gguf" or _OTHER_WEIGHTS.search(path.name):
        return True
    return path.parent in safe and bool(_TORCH.search(path.name) or _TORCH_INDEX.search(path.name))
