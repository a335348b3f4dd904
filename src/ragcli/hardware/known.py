"""The shapes of models that many use, so that a table needs no network: from the models' own config.json files."""

from __future__ import annotations

from typing import Any

_QWEN2 = {"model_type": "qwen2", "max_position_embeddings": 32768}
_QWEN3 = {"model_type": "qwen3", "head_dim": 128, "vocab_size": 151936, "max_position_embeddings": 40960}
_MOE = {**_QWEN3, "model_type": "qwen3_moe", "num_experts": 128, "num_experts_per_tok": 8, "decoder_sparse_step": 1}
_INTERN = {"model_type": "internlm2", "vocab_size": 92544, "max_position_embeddings": 32768}
_LLAMA = {"model_type": "llama", "vocab_size": 128256, "max_position_embeddings": 131072}
_BERT = {"model_type": "bert", "vocab_size": 21128, "max_position_embeddings": 512, "torch_dtype": "float32"}
_XLM = {"model_type": "xlm-roberta", "type_vocab_size": 1, "torch_dtype": "float32"}


def _shape(
    base: dict[str, Any],
    hidden: int,
    layers: int,
    heads: int,
    kv_heads: int,
    inner: int,
    tied: bool = False,
    **more: Any,
) -> dict[str, Any]:
    shape = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads}
    shape |= {"num_key_value_heads": kv_heads, "intermediate_size": inner, "tie_word_embeddings": tied}
    return {"torch_dtype": "bfloat16", **base, **shape, **more}


# Chat models: name on the hubs -> config.
CHAT: dict[str, dict[str, Any]] = {
    "Qwen/Qwen2.5-0.5B-Instruct": _shape(_QWEN2, 896, 24, 14, 2, 4864, True, vocab_size=151936),
    "Qwen/Qwen2.5-1.5B-Instruct": _shape(_QWEN2, 1536, 28, 12, 2, 8960, True, vocab_size=151936),
    "Qwen/Qwen2.5-3B-Instruct": _shape(_QWEN2, 2048, 36, 16, 2, 11008, True, vocab_size=151936),
    "Qwen/Qwen2.5-7B-Instruct": _shape(_QWEN2, 3584, 28, 28, 4, 18944, vocab_size=152064),
    "Qwen/Qwen2.5-14B-Instruct": _shape(_QWEN2, 5120, 48, 40, 8, 13824, vocab_size=152064),
    "Qwen/Qwen2.5-32B-Instruct": _shape(_QWEN2, 5120, 64, 40, 8, 27648, vocab_size=152064),
    "Qwen/Qwen2.5-72B-Instruct": _shape(_QWEN2, 8192, 80, 64, 8, 29568, vocab_size=152064),
    "Qwen/Qwen3-0.6B": _shape(_QWEN3, 1024, 28, 16, 8, 3072, True),
    "Qwen/Qwen3-1.7B": _shape(_QWEN3, 2048, 28, 16, 8, 6144, True),
    "Qwen/Qwen3-4B": _shape(_QWEN3, 2560, 36, 32, 8, 9728, True),
    "Qwen/Qwen3-8B": _shape(_QWEN3, 4096, 36, 32, 8, 12288),
    "Qwen/Qwen3-14B": _shape(_QWEN3, 5120, 40, 40, 8, 17408),
    "Qwen/Qwen3-32B": _shape(_QWEN3, 5120, 64, 64, 8, 25600),
    "Qwen/Qwen3-30B-A3B": _shape(_MOE, 2048, 48, 32, 4, 6144, moe_intermediate_size=768),
    "Qwen/Qwen3-235B-A22B": _shape(_MOE, 4096, 94, 64, 4, 12288, moe_intermediate_size=1536),
    "internlm/internlm2_5-1_8b-chat": _shape(_INTERN, 2048, 24, 16, 8, 8192),
    "internlm/internlm2_5-7b-chat": _shape(_INTERN, 4096, 32, 32, 8, 14336),
    "internlm/internlm2_5-20b-chat": _shape(_INTERN, 6144, 48, 48, 8, 16384),
    "internlm/internlm3-8b-instruct": _shape(
        {**_INTERN, "model_type": "internlm3"}, 4096, 48, 32, 2, 10240, vocab_size=128512, head_dim=128
    ),
    "meta-llama/Llama-3.2-1B-Instruct": _shape(_LLAMA, 2048, 16, 32, 8, 8192, True, head_dim=64),
    "meta-llama/Llama-3.2-3B-Instruct": _shape(_LLAMA, 3072, 28, 24, 8, 8192, True, head_dim=128),
    "meta-llama/Llama-3.1-8B-Instruct": _shape(_LLAMA, 4096, 32, 32, 8, 14336),
    "meta-llama/Llama-3.1-70B-Instruct": _shape(_LLAMA, 8192, 80, 64, 8, 28672),
}

# Embedding models.
EMBEDDING: dict[str, dict[str, Any]] = {
    "intfloat/multilingual-e5-small": _shape(
        {**_BERT, "vocab_size": 250037}, 384, 12, 12, 12, 1536, torch_dtype="float32"
    ),
    "intfloat/multilingual-e5-large": _shape(
        _XLM, 1024, 24, 16, 16, 4096, vocab_size=250002, max_position_embeddings=514
    ),
    "BAAI/bge-small-zh-v1.5": _shape(_BERT, 512, 4, 8, 8, 2048),
    "BAAI/bge-large-zh-v1.5": _shape(_BERT, 1024, 24, 16, 16, 4096),
    "BAAI/bge-m3": _shape(_XLM, 1024, 24, 16, 16, 4096, vocab_size=250002, max_position_embeddings=8194),
    "Qwen/Qwen3-Embedding-0.6B": _shape(_QWEN3, 1024, 28, 16, 8, 3072, True, vocab_size=151669),
    "Qwen/Qwen3-Embedding-8B": _shape(_QWEN3, 4096, 36, 32, 8, 12288, True, vocab_size=151665),
}

# What is built in and has no config.json.
_SMOLLM2 = _shape({**_LLAMA, "vocab_size": 49152, "max_position_embeddings": 8192}, 576, 30, 9, 3, 1536, True)
BUILT_IN: dict[str, dict[str, Any]] = {
    "builtin/smollm2-135m-instruct": _SMOLLM2,
    "builtin/smollm2-135m-instruct-safetensors": _SMOLLM2,
}
