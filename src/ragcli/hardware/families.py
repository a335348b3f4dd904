"""What families of models have in common that their config.json files do not say: the ``model_type`` tells it."""

from __future__ import annotations

from typing import Any

_PLAIN = "bert roberta xlm-roberta xlm_roberta distilbert mpnet camembert ernie electra deberta deberta-v2 roformer"
PLAIN_ENCODERS = frozenset(_PLAIN.split())
GATED_ENCODERS = frozenset(("new", "nomic_bert", "modernbert"))  # their MLP has three matrices
ENCODERS = PLAIN_ENCODERS | GATED_ENCODERS

_MOST = "llama mistral mixtral qwen qwen2 qwen2_moe qwen3 qwen3_moe qwen3_next internlm2 internlm3 baichuan yi phi phi3"
_MORE = "phimoe gemma gemma2 gemma3_text gpt2 gpt_neox falcon bloom opt starcoder2 cohere cohere2 chatglm glm glm4"
_REST = "glm4_moe olmo2 deepseek_v2 deepseek_v3 kimi_k2 minicpm gpt_oss llama4_text qwen2_vl qwen2_5_vl qwen2_vl_text"
_LAST = "qwen2_5_vl_text smollm3 granite mpt mistral3 ministral ernie4_5"
DECODERS = frozenset(f"{_MOST} {_MORE} {_REST} {_LAST}".split())

# Their q, k and v have a bias, and no key says so.
BIASED = frozenset(("qwen", "qwen2", "qwen2_moe", "qwen2_vl", "qwen2_5_vl", "qwen2_vl_text", "qwen2_5_vl_text"))
# Their q and k have a norm for each head.
NORMED = frozenset(("qwen3", "qwen3_moe", "qwen3_next", "gemma3_text", "gemma3", "olmo2"))
# Their MLP has two matrices, not three.
PLAIN_MLP = PLAIN_ENCODERS | frozenset(("gpt2", "gpt_neox", "falcon", "phi", "opt", "bloom", "starcoder2", "mpt"))
# Their tables before and after the layers are one, unless the config says otherwise.
_SHARED = "gemma gemma2 gemma3_text gpt2 bloom opt starcoder2 cohere cohere2 falcon minicpm"
TIED = frozenset(_SHARED.split())

# What the families' own config classes take where the file does not say it.
DEFAULTS: dict[str, dict[str, Any]] = {
    "gemma3_text": {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208},
    "falcon": {"multi_query": True},
}
