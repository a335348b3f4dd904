"""A folder in transformers' format to a model on its device: precision, quantization, adapters, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

from ragcli.errors import MissingExtraError, ModelError, UsageError
from ragcli.hardware.families import ENCODERS
from ragcli.jsonl import loads
from ragcli.llms.protocols import Options
from ragcli.records import Json

QUANTIZED = ("int8", "int4")
_CONFIG, _ADAPTER = "config.json", "adapter_config.json"
_WEIGHTS = ("*.safetensors", "*.bin", "*.safetensors.index.json")
_REMOTE = "trust_remote_code"
# Of the model's options, those that its loading takes.
_LOADING = ("dtype", "attn_implementation", "max_memory")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model and its tokenizer, both of transformers; the device that prompts go to, and the numbers' type."""

    net: Any
    tokenizer: Any
    device: str
    dtype: str


def load(
    folder: Path,
    name: str,
    *,
    device: str = "auto",
    quantize: str | None,
    adapter: Path | None,
    options: Options,
    spread: bool = True,
    storage: str = "uint8",
) -> Loaded:
    """Return a model that is ready to write.

    Args:
        folder: config, weights and tokenizer.
        name: for messages.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; with several GPUs ``auto`` and ``cuda`` take all of them.
        quantize: ``int8``, ``int4`` or None.
        adapter: a LoRA's folder.
        options: what is for loading is taken out of it.
        spread: over all GPUs; else it is on the current one, as training wants it.
        storage: the type that 4-bit weights are kept as.

    Raises:
        MissingExtraError: a package that is needed is not installed.
        UsageError: options that do not make sense together.
        ModelError: the folder cannot be loaded.
    """
    if quantize is not None and quantize not in QUANTIZED:
        raise UsageError(f"--quantize takes {' or '.join(QUANTIZED)}, not {quantize!r}.")
    from ragcli.embedding.torch import torch_device

    device = torch_device(device)
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError(f"The model {name!r}", "torch") from error
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    getLogger("bitsandbytes").setLevel(ERROR)  # peft, too, imports it, and it advises packages
    trusted = bool(options.pop(_REMOTE, False))
    _check(folder, name, quantize, trusted)
    told = {key: options.pop(key) for key in _LOADING if key in options}
    told["dtype"] = told.get("dtype") or _dtype(torch, device)
    several = spread and device == "cuda" and torch.cuda.device_count() > 1
    if several or quantize is not None:
        told["device_map"] = "auto" if several else {"": _current(torch, device)}
        _need("accelerate", "Several GPUs at once" if several else "Quantization", "torch" if several else "quantize")
    if quantize is not None:
        told["quantization_config"] = _quantization(torch, quantize, storage)
    with _reported(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=trusted)
        net, found = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trusted, output_loading_info=True, **told
        )
        if "device_map" not in told and getattr(net, "hf_device_map", None) is None:
            net.to(device)
    missing = sorted(found.get("missing_keys") or ())
    if missing and quantize is None:
        raise ModelError(
            f"{name}: the weights lack {len(missing)} tensors, as {missing[0]}.",
            hint="Is it a model that writes text, and whole (ragcli download --verify)?",
        )
    if adapter is not None:
        template = adapter / "chat_template.jinja"
        if not tokenizer.chat_template and template.is_file():  # it taught a base model to chat
            tokenizer.chat_template = template.read_text(encoding="utf-8")
        net = _with_adapter(net, name, adapter, merge=quantize is None and not hasattr(net, "hf_quantizer"))
    net.eval()
    return Loaded(net, tokenizer, str(net.device), str(net.dtype).removeprefix("torch."))


def window_of(net: Any, tokenizer: Any) -> int | None:
    """Return the tokens of prompt and answer together: what the positions allow, or the tokenizer where it says less.

    Scaled positions count where the config states them as a factor on the original ones (YaRN).
    """
    config = net.config.get_text_config(decoder=True)
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")
    values = (getattr(config, key, None) for key in names)
    window: int | None = next((one for one in values if isinstance(one, int) and one > 0), None)
    scaling = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    kind = scaling.get("rope_type") or scaling.get("type")
    if window is not None and kind == "yarn":
        original = scaling.get("original_max_position_embeddings") or window
        window = max(window, int(original * (scaling.get("factor") or 1)))
    told = getattr(tokenizer, "model_max_length", None)
    if isinstance(told, int) and 0 < told < 10**9 and (window is None or told < window):  # else it says "no limit"
        window = told
    return window


def _need(package: str, feature: str, extra: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise MissingExtraError(feature, extra)


@contextmanager
def _reported(folder: Path) -> Iterator[None]:
    """Map what transformers raises while it reads a folder."""
    from safetensors import SafetensorError

    try:
        yield
    except ImportError as error:  # of a package that this one model needs: its quantization, its tokenizer
        reason = " ".join(str(error).split())
        raise ModelError(f"the model folder {folder} needs a package that is not installed: {reason}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise out_of_memory(str(folder)) from error
        if _REMOTE in str(error):
            raise _foreign_code(str(folder)) from error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"the model folder {folder} cannot be loaded: {reason}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory, on any device: torch has a class for it only on some."""
    if not isinstance(error, (RuntimeError, MemoryError)):
        return False
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def out_of_memory(name: str) -> ModelError:
    """Return the error for a device whose memory is not enough."""
    return ModelError(
        f"{name}: the memory of the device is not enough.",
        hint="Ask with fewer passages (-k), or with --quantize int4; ragcli gpu-check says what fits.",
    )


def _read(path: Path) -> Json | None:
    try:
        value = loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _check(folder: Path, name: str, quantize: str | None, trusted: bool) -> None:
    """Refuse, before anything is loaded, what would fail late or in words that help nobody."""
    config = _read(folder / _CONFIG)
    if (folder / _ADAPTER).is_file() and not _has_weights(folder):
        base = (_read(folder / _ADAPTER) or {}).get("base_model_name_or_path") or "its base model"
        raise ModelError(
            f"{folder} holds an adapter, not a model.", hint=f"Give the base with -m {base}, and --adapter {folder}."
        )
    if config is None:
        raise ModelError(f"the folder {folder} holds no model: there is no {_CONFIG} that can be read.")
    if quantize is not None and config.get("quantization_config"):
        method = config["quantization_config"].get("quant_method", "some way")
        raise UsageError(
            f"{name} is quantized already ({method}); --quantize is for models in full precision.",
            hint="Leave out --quantize.",
        )
    kind = config.get("model_type")
    own = next(iter(config.get("architectures") or [""]))
    if kind in ENCODERS and not own.endswith(("LMHeadModel", "CausalLM")):
        raise ModelError(
            f"{name} is no model that writes text, but one for embedding or ranking ({own or kind}).",
            hint="Give a chat model with -m, such as Qwen/Qwen2.5-7B-Instruct.",
        )
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if config.get("auto_map") and kind not in CONFIG_MAPPING and not trusted:
        raise _foreign_code(f"{name} ({kind})")


def _foreign_code(name: str) -> ModelError:
    return ModelError(
        f"{name} is run by code in its own repository, as InternLM2 is, and that is not run unless you say so.",
        hint=f"If you trust it: --model-options '{{\"{_REMOTE}\": true}}'. Models of types that transformers knows"
        " need none (of InternLM: internlm3).",
    )


def _has_weights(folder: Path) -> bool:
    found = (path for pattern in _WEIGHTS for path in folder.glob(pattern))
    return any(not path.name.startswith(("adapter_", "training_args", "optimizer")) for path in found)


def _dtype(torch: Any, device: str) -> Any:
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device == "mps":
        return torch.float16
    return torch.bfloat16 if has_fast_bf16() else torch.float32


def has_fast_bf16() -> bool:
    """Whether this processor works with bf16.

    Measured on one that does: a prompt is read 3 times as fast as in float32, an answer written as fast. One that does
    not is many times slower, so that older versions of torch, which cannot tell, take float32.
    """
    import torch

    able: Json = getattr(torch.cpu, "get_capabilities", dict)()
    return any(able.get(key) for key in ("amx_bf16", "avx512_bf16", "bf16"))


def _current(torch: Any, device: str) -> Any:
    return torch.cuda.current_device() if device == "cuda" else device


def _quantization(torch: Any, quantize: str, storage: str) -> Any:
    _need("bitsandbytes", "Quantization", "quantize")
    from transformers import BitsAndBytesConfig

    if quantize == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_quant_storage=getattr(torch, storage),
    )


def _with_adapter(net: Any, name: str, adapter: Path, *, merge: bool) -> Any:
    """Return a model with a LoRA in it.

    Raises:
        MissingExtraError: peft is not installed.
        ModelError: it is no adapter, or that of another model.
    """
    told = _read(adapter / _ADAPTER)
    if told is None:
        raise ModelError(
            f"{adapter} holds no adapter: there is no {_ADAPTER} that can be read.",
            hint="--adapter takes the folder that ragcli finetune wrote.",
        )
    try:
        from peft import PeftModel, get_peft_model_state_dict
    except ImportError as error:
        raise MissingExtraError("--adapter", "finetune") from error
    import warnings

    from safetensors import SafetensorError, safe_open

    base = told.get("base_model_name_or_path") or "another model"
    other = ModelError(
        f"the adapter {adapter} does not fit {name}: it was made for {base}.", hint=f"Give that one with -m {base}."
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say is checked below
            adapted = PeftModel.from_pretrained(net, str(adapter))
            expected = set(get_peft_model_state_dict(adapted))
            weights = adapter / "adapter_model.safetensors"
            if weights.is_file():
                with safe_open(weights, "pt") as stream:
                    given = set(stream.keys())
                if given - expected:  # layers that this model does not have
                    raise other
            return adapted.merge_and_unload() if merge else adapted
    except (RuntimeError, ValueError) as error:  # shapes, or names of layers, that are not this model's
        raise other from error
    except (OSError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"the adapter {adapter} cannot be loaded: {str(error).splitlines()[0]}") from error
