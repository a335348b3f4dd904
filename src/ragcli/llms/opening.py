"""From what ``-m`` says to a language model: a table from the form of the name to the backend."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ragcli.errors import ModelError, UsageError
from ragcli.llms.protocols import LLM, Options

_log = logging.getLogger("ragcli")

OPENAI, LLAMAINDEX, GGUF = "openai:", "llamaindex:", ".gguf"

# The form that answers nearly as well as the full model at a quarter of its size first; then its neighbours.
_PREFERRED = ("q4_k_m", "q5_k_m", "q4_k_s", "q5_k_s", "q6_k", "q8_0", "q4_0", "q4_1", "iq4", "q3_k_m", "f16", "bf16")
_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf\Z", re.IGNORECASE)
_WAYS = (
    "A model is openai:NAME, a GGUF file, a folder or a name on a hub (owner/name), or llamaindex:package.Class;"
    " see ragcli download --help."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a model is to be opened; each backend takes what concerns it, and refuses what it cannot do.

    Args:
        window: tokens of prompt and answer together.
        concurrency: answers at once.
        timeout: seconds of an answer of an endpoint.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        quantize: ``int8`` or ``int4``.
        adapter: a LoRA's folder (or GGUF file).
        options: the backend's own.
    """

    window: int | None = None
    concurrency: int | None = None
    timeout: float = 600.0
    device: str = "auto"
    quantize: str | None = None
    adapter: Path | None = None
    options: Options | None = None


def open_llm(name: str, wish: Wish | None = None) -> LLM:
    """Return the language model of a name; one on a hub that is not here is downloaded.

    Raises:
        UsageError: the name has no form that is known, or a wish is not the backend's to fulfil.
        MissingExtraError: the backend's package is not installed.
        ModelError: there is no such model, or it cannot be loaded.
        HubError: no hub has it, or delivers it.
    """
    wish = wish or Wish()
    if name.startswith(OPENAI):
        return _openai(name.removeprefix(OPENAI), wish)
    if name.startswith(LLAMAINDEX):
        return _llamaindex(name.removeprefix(LLAMAINDEX), wish)
    path = Path(name).expanduser()
    if name.lower().endswith(GGUF):
        if path.is_dir():
            files = gguf_files(path)
            if not files:
                raise ModelError(f"{name} is a folder, and holds no GGUF model.")
            return _gguf(_best(files, name), path.name, wish)
        if not path.is_file():
            raise ModelError(
                f"there is no file {name}.",
                hint="ragcli download OWNER/NAME --include '*q4_k_m.gguf' brings one, and prints where it is with -q.",
            )
        return _gguf(path, path.name, wish)
    if not _exists(path) and "/" not in name:
        raise UsageError(f"there is no model {name!r}.", hint=_WAYS)
    from ragcli.models.folder import locate

    if (path / "adapter_config.json").is_file() and not (path / "config.json").is_file():
        raise UsageError(
            f"{name} is an adapter, not a model.", hint=f"Name its base model with -m, and this with --adapter {name}."
        )
    folder = locate(name)
    if (folder / "config.json").is_file():
        return _transformers(folder, name, wish)
    files = gguf_files(folder)
    if not files:
        raise ModelError(f"the folder {folder} holds no model: neither config.json nor a GGUF file.")
    return _gguf(_best(files, name), name, wish)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def gguf_files(folder: Path) -> list[Path]:
    """Return the GGUF models of a folder, by name: of one in several parts the first, and no projectors."""
    return [
        path
        for path in sorted(folder.rglob("*.gguf"))
        if not _LATER_PART.search(path.name) and not path.name.lower().startswith("mmproj")
    ]


def _best(files: list[Path], name: str) -> Path:
    def place(path: Path) -> int:
        lower = path.name.lower().replace("-", "_")
        return next((at for at, form in enumerate(_PREFERRED) if form in lower), len(_PREFERRED))

    chosen = min(files, key=place)
    if len(files) > 1:
        _log.info("%s has %d GGUF files; using %s (name another by its path)", name, len(files), chosen.name)
    return chosen


def _refuse(wish: Wish, kind: str, *names: str) -> None:
    for name in names:
        if getattr(wish, name) is not None:
            raise UsageError(f"--{name} is not for {kind}.", hint="It is for models that run here with transformers.")


def _openai(name: str, wish: Wish) -> LLM:
    from ragcli.llms.openai import OpenAILLM

    if not name:
        raise UsageError("openai: needs the model's name there, as in openai:qwen2.5.")
    _refuse(wish, "an endpoint", "quantize", "adapter")
    return OpenAILLM(name, window=wish.window, timeout=wish.timeout, options=wish.options)


def _llamaindex(name: str, wish: Wish) -> LLM:
    from ragcli.llms.llamaindex import LlamaIndexLLM

    _refuse(wish, "LlamaIndex's models", "quantize", "adapter")
    return LlamaIndexLLM(name, window=wish.window, options=wish.options)


def _gguf(path: Path, name: str, wish: Wish) -> LLM:
    from ragcli.llms.gguf import GgufLLM

    _refuse(wish, "GGUF files, which are quantized already", "quantize")
    if wish.adapter is not None and wish.adapter.is_dir():
        files = gguf_files(wish.adapter)
        if not files:
            raise UsageError(
                f"{wish.adapter} holds no GGUF adapter, which a GGUF model needs.",
                hint="Give the folder of the model itself with -m, or an adapter as GGUF.",
            )
        wish = replace(wish, adapter=files[0])
    return GgufLLM(
        path,
        name,
        window=wish.window,
        parallel=wish.concurrency or 1,
        adapter=wish.adapter,
        options=wish.options,
    )


def _transformers(folder: Path, name: str, wish: Wish) -> LLM:
    from ragcli.llms.transformers import TransformersLLM

    return TransformersLLM(
        folder,
        name,
        device=wish.device,
        quantize=wish.quantize,
        adapter=wish.adapter,
        batch=wish.concurrency,
        window=wish.window,
        options=wish.options,
    )
