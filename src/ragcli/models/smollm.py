"""The GGUF file of SmolLM2-135M-Instruct, and the model folder for transformers made of it.

What stands in front of the tensors is read by `ragcli.models.gguf`; the tensors follow, row by row. Q4_1 is blocks of
32 values: a half-precision scale d, a half-precision least value m, and 16 bytes; value j is the low nibble of byte j,
value j + 16 its high one; each is nibble * d + m. Q8_0 is a scale and 32 signed bytes. All of it is read with numpy
alone, since transformers takes half a minute for it, and torch, accelerate and gguf with it.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ragcli.errors import ModelError
from ragcli.models.gguf import Front

_CONTROL = 3  # a token's type
Array = np.ndarray[Any, Any]


def _full(raw: Array, shape: tuple[int, ...]) -> Array:
    return raw.view("<f4").reshape(shape)


def _q4_1(raw: Array, shape: tuple[int, ...]) -> Array:
    blocks = raw.reshape(-1, 20)
    scale = blocks[:, 0:2].copy().view("<f2").astype(np.float32)  # (blocks, 1)
    least = blocks[:, 2:4].copy().view("<f2").astype(np.float32)
    values = np.empty((len(blocks), 32), np.float32)
    values[:, :16] = blocks[:, 4:] & 15
    values[:, 16:] = blocks[:, 4:] >> 4
    values *= scale
    values += least
    return values.reshape(shape)


def _q8_0(raw: Array, shape: tuple[int, ...]) -> Array:
    blocks = raw.reshape(-1, 34)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    values: Array = blocks[:, 2:].view(np.int8) * scale
    return values.reshape(shape)


# The number of a type in the file: bytes of 32 values, and what makes float32 of them.
_TYPES: dict[int, tuple[int, Callable[[Array, tuple[int, ...]], Array]]] = {
    0: (128, _full),
    3: (20, _q4_1),
    8: (34, _q8_0),
}


class Gguf:
    """A GGUF file, mapped into memory: ``metadata``, and tensors by name.

    Raises:
        ModelError: the file is not laid out as expected.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as stream:
                data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            front = Front(data)
            self.metadata = front.values
            self._tensors, self._start = front.tensors()
        except (struct.error, ValueError, KeyError, IndexError) as error:
            raise ModelError(f"the built-in chat model's file {path} is not laid out as expected: {error}.") from error
        self._raw = np.frombuffer(data, dtype=np.uint8)

    def tensor(self, name: str) -> Array:
        """Return a tensor in float32, in the shape that torch gives it.

        Raises:
            ModelError: there is no such tensor, or it is packed in another way than this model is.
        """
        try:
            shape, kind, offset = self._tensors[name]
            size, unpack = _TYPES[kind]
        except KeyError as error:
            raise ModelError(f"the built-in chat model's tensor {name} is not what is expected.") from error
        start = self._start + offset
        count = int(np.prod(shape))
        return unpack(self._raw[start : start + count // 32 * size], shape)


def write_model(source: Path, folder: Path) -> None:
    """Write what transformers loads: configuration, weights, tokenizer with its chat template.

    Raises:
        ModelError: the file is not laid out as expected.
    """
    model = Gguf(source)
    try:
        _write_configuration(model, folder)
        _write_tokenizer(model, folder)
    except KeyError as error:
        raise ModelError(f"the built-in chat model's file {source} does not tell {error}.") from error
    _write_weights(model, folder / "model.safetensors")


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def _write_configuration(model: Gguf, folder: Path) -> None:
    told = model.metadata
    ids = {f"{name}_token_id": told[f"tokenizer.ggml.{long}_token_id"] for name, long in _SPECIAL.items()}
    del ids["unk_token_id"]
    theta = told["llama.rope.freq_base"]
    _write_json(
        folder / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": told["llama.embedding_length"],
            "intermediate_size": told["llama.feed_forward_length"],
            "num_hidden_layers": told["llama.block_count"],
            "num_attention_heads": told["llama.attention.head_count"],
            "num_key_value_heads": told["llama.attention.head_count_kv"],
            "vocab_size": told["llama.vocab_size"],
            "max_position_embeddings": told["llama.context_length"],
            "rms_norm_eps": float(f"{told['llama.attention.layer_norm_rms_epsilon']:.6g}"),  # it was a float32
            "rope_theta": theta,
            "rope_parameters": {"rope_type": "default", "rope_theta": theta},
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": True,
            **ids,
            "dtype": "bfloat16",
        },
    )
    _write_json(folder / "generation_config.json", ids)


_SPECIAL = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}


def _write_tokenizer(model: Gguf, folder: Path) -> None:
    """Write the byte-level BPE; each digit is a word of its own, which the file only calls ``smollm``."""
    told = model.metadata
    tokens = [token.decode() for token in told["tokenizer.ggml.tokens"]]
    kinds: list[int] = told["tokenizer.ggml.token_type"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": at, "content": tokens[at], **flags} for at, kind in enumerate(kinds) if kind == _CONTROL
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: at for at, token in enumerate(tokens)},
            "merges": [merge.decode() for merge in told["tokenizer.ggml.merges"]],
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    names = {f"{name}_token": tokens[told[f"tokenizer.ggml.{long}_token_id"]] for name, long in _SPECIAL.items()}
    _write_json(folder / "special_tokens_map.json", names)
    _write_json(
        folder / "tokenizer_config.json",
        {
            **names,
            "clean_up_tokenization_spaces": False,
            "model_max_length": told["llama.context_length"],
            "tokenizer_class": "PreTrainedTokenizerFast",
            "chat_template": told["tokenizer.chat_template"],
        },
    )


_PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def _write_weights(model: Gguf, path: Path) -> None:
    """Write safetensors in bfloat16: the length of the header (uint64), the header in JSON, the values in its order."""
    told = model.metadata
    heads = {"attn_q": told["llama.attention.head_count"], "attn_k": told["llama.attention.head_count_kv"]}
    names = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    for layer in range(told["llama.block_count"]):
        for short, long in _PARTS.items():
            names[f"blk.{layer}.{short}.weight"] = f"model.layers.{layer}.{long}.weight"
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    values: list[Array] = []
    at = 0
    for packed, name in names.items():
        value = model.tensor(packed)
        rotated = heads.get(packed.split(".")[-2])
        value = _bfloat16(value if rotated is None else _unrotated(value, rotated))
        values.append(value)
        header[name] = {"dtype": "BF16", "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for value in values:
            stream.write(np.ascontiguousarray(value).data)


def _unrotated(value: Array, heads: int) -> Array:
    """Undo llama.cpp's order of rows, in which the two halves that a rotary embedding pairs stand side by side."""
    rows, columns = value.shape
    halves: Array = value.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2)
    return halves.reshape(rows, columns)


def _bfloat16(value: Array) -> Array:
    """Return float32 as the upper halves of its bits (uint16), rounded to the nearest, ties to even."""
    bits: Array = np.ascontiguousarray(value).view(np.uint32)
    rounded: Array = bits + ((bits >> 16) & 1)
    rounded += 0x7FFF
    rounded >>= 16
    upper: Array = rounded.astype(np.uint16)
    return upper
