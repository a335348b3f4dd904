"""A model's shape, read from its config.json: what its weights and its cache take follows from it.

Dense decoders and mixtures of experts, grouped queries, latent attention (MLA), sliding windows and linear attention
by layer, tied embeddings, quantised checkpoints, and encoders (BERT, XLM-RoBERTa and their kind).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragcli.errors import ModelError
from ragcli.hardware.families import BIASED, DECODERS, DEFAULTS, ENCODERS, GATED_ENCODERS, NORMED, PLAIN_MLP, TIED

_DTYPES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8, "float8_e4m3fn": 1, "half": 2, "float": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How a checkpoint is quantised: ``bits`` for each weight of the linear layers, scales included."""

    method: str
    bits: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The shape of a transformer; counts are of parameters, sizes of tokens."""

    name: str
    kind: str  # the config's model_type
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int  # of a dense layer's MLP
    vocabulary: int
    tied: bool
    encoder: bool
    positions: int  # the longest context that the model was made for
    item: int  # bytes of a weight in the checkpoint
    linear: int  # parameters of the matrices in the layers
    largest_layer: int  # parameters
    embeddings: int  # parameters of the tables before and after the layers
    other: int  # norms, biases, positions
    width: int  # elements that the MLP holds at once for one token
    windows: tuple[int | None, ...]  # for each layer with a cache: its window, or None for the whole context
    state: int  # elements of a state that does not grow (linear attention), for one sequence
    cache: int  # elements of the cache of one token in one layer
    expanded: int  # the same where latent attention is not kept latent, as in transformers
    experts: int
    active: int  # parameters that one token uses
    quantization: Quantization | None
    in_experts: int  # of the linear ones, those of experts that take turns
    lora_rows: int  # inputs and outputs of all linear matrices that an adapter may sit on, summed
    notes: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """How many parameters there are."""
        return self.linear + self.embeddings + self.other

    @property
    def token_bytes(self) -> int:
        """What one token adds to the cache in bf16, while no window is full."""
        return len(self.windows) * self.cache * 2

    def cached_tokens(self, context: int) -> list[int]:
        """Return for each layer with a cache how many tokens it keeps of a context."""
        return [context if window is None else min(context, window) for window in self.windows]

    def cache_bytes(self, context: int, *, item: int = 2, expanded: bool = False) -> int:
        """Return the bytes of one sequence's cache.

        Two vectors (key and value) of kv_heads * head_dim elements for each token and layer [Pope et al. 2022,
        Efficiently Scaling Transformer Inference, section 3.3]; latent attention keeps one of kv_lora_rank +
        qk_rope_head_dim instead [DeepSeek-V2, section 2.1.2].
        """
        elements = self.expanded if expanded else self.cache
        return (sum(self.cached_tokens(context)) * elements + self.state) * item


def read(config: Mapping[str, Any], name: str = "the model") -> Architecture:
    """Return the architecture that a config.json describes.

    Args:
        config: its content.
        name: the model, for errors and records.

    Raises:
        ModelError: a number is missing, or is none.
    """
    notes: list[str] = []
    outer = config
    inner_config = next(
        (config[key] for key in ("text_config", "llm_config", "language_config", "thinker_config") if key in config),
        None,
    )
    if isinstance(inner_config, Mapping):
        config = inner_config.get("text_config", inner_config)
        notes.append("only the language model is counted, not its towers for pictures or sound")
    kind = str(config.get("model_type") or outer.get("model_type") or "")
    config = {**DEFAULTS.get(kind, {}), **{key: value for key, value in config.items() if value is not None}}
    if kind not in DECODERS | ENCODERS:
        notes.append(f"the kind {kind!r} is not known to ragcli, and is reckoned like a Llama")
    get = _Reader(config, name)
    hidden = get.number("hidden_size", "n_embd", "d_model", "dim", least=1)
    layers = get.number("num_hidden_layers", "n_layer", "num_layers", "n_layers", least=1)
    heads = get.number("num_attention_heads", "n_head", "n_heads", least=1)
    one_kv = config.get("multi_query") is True and not config.get("new_decoder_architecture")
    kv_keys = ("num_key_value_heads", "multi_query_group_num", "n_head_kv", "num_kv_heads")
    kv_heads = 1 if one_kv and kind == "falcon" else get.number(*kv_keys, default=heads, least=1)
    head_dim = get.number("head_dim", "kv_channels", "attention_head_dim", default=hidden // heads)
    vocabulary = get.number("vocab_size", "padded_vocab_size", least=1)
    encoder = kind in ENCODERS
    gated = kind not in PLAIN_MLP
    inner = get.number("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", default=4 * hidden)
    if kind == "qwen":  # its first generation counts both halves of the gated MLP
        inner //= 2
    tied = bool(config.get("tie_word_embeddings", outer.get("tie_word_embeddings", kind in TIED)))
    positions = get.number("max_position_embeddings", "seq_length", "n_positions", "max_sequence_length", default=2048)
    attention, cache, expanded = _attention(get, hidden, heads, kv_heads, head_dim)
    mlps, width, experts, active_mlps, in_experts = _mlps(get, kind, layers, hidden, inner, gated)
    if experts:
        notes.append("adapters sit on attention and dense layers, not on the experts")
    windows, linear_layers = _windows(config, kind, layers)
    state = linear_layers * _linear_state(get, heads, head_dim)
    if linear_layers:
        notes.append(f"{linear_layers} of {layers} layers have linear attention, whose state does not grow")
    linear = layers * attention + sum(mlps)
    narrow = get.number("embedding_size", default=hidden) if encoder else hidden  # then it is widened
    tables = vocabulary * narrow * (1 if tied or encoder else 2)
    other = _other(get, kind, layers, hidden, heads, kv_heads, head_dim, inner, encoder, positions)
    return Architecture(
        name=name,
        kind=kind,
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        inner=inner,
        vocabulary=vocabulary,
        tied=tied,
        encoder=encoder,
        positions=positions,
        item=_item(outer, config),
        linear=linear,
        largest_layer=attention + max(mlps, default=0),
        embeddings=tables,
        other=other,
        width=width,
        windows=() if encoder else windows,
        state=state,
        cache=cache,
        expanded=expanded,
        experts=experts,
        active=layers * attention + sum(active_mlps) + tables + other,
        quantization=_quantization(outer if "quantization_config" in outer else config),
        lora_rows=_lora_rows(get, layers, hidden, heads, kv_heads, head_dim, inner, gated, kind),
        in_experts=in_experts,
        notes=tuple(notes),
    )


_MOST = 10**9  # of any number in a config


class _Reader:
    """Whole numbers of a config under whatever name a family gives them."""

    def __init__(self, config: Mapping[str, Any], name: str) -> None:
        self.config = config
        self._name = name

    def number(self, *keys: str, default: int | None = None, least: int = 0) -> int:
        for key in keys:
            value = self.config.get(key)
            if isinstance(value, list) and value and all(isinstance(one, int) for one in value):
                value = max(value)
            if isinstance(value, bool) or value is None:
                continue
            if not isinstance(value, (int, float)) or not least <= value <= _MOST or value != int(value):
                raise ModelError(f"the config of {self._name} says {value!r} for {key}, which cannot be.")
            return int(value)
        if default is None:
            raise ModelError(
                f"the config of {self._name} does not say its {keys[0]}.",
                hint="Only transformers with a config.json of Hugging Face's form can be reckoned.",
            )
        return default


def _attention(get: _Reader, hidden: int, heads: int, kv_heads: int, head_dim: int) -> tuple[int, int, int]:
    """Return the parameters of one layer's attention, and the elements that its cache keeps of a token."""
    latent = get.number("kv_lora_rank", default=0)
    if latent:  # DeepSeek-V2, section 2.1
        rope = get.number("qk_rope_head_dim", default=64)
        plain = get.number("qk_nope_head_dim", default=128)
        value = get.number("v_head_dim", default=128)
        compressed = get.number("q_lora_rank", default=0)
        query = (
            hidden * compressed + compressed * heads * (plain + rope) if compressed else hidden * heads * (plain + rope)
        )
        rest = hidden * (latent + rope) + latent * heads * (plain + value) + heads * value * hidden
        return query + rest, latent + rope, heads * (plain + rope + value)
    queries, keys = heads * head_dim, kv_heads * head_dim
    return hidden * (queries + 2 * keys) + queries * hidden, 2 * keys, 2 * keys


def _mlps(
    get: _Reader, kind: str, layers: int, hidden: int, inner: int, gated: bool
) -> tuple[list[int], int, int, list[int], int]:
    """Return of the MLPs: parameters by layer, a token's elements, experts, what is active, what experts hold."""
    matrices = 3 if gated else 2
    dense = matrices * hidden * inner
    experts = get.number("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", default=0)
    if experts <= 1:
        return [dense] * layers, matrices * inner, 0, [dense] * layers, 0
    top = get.number("num_experts_per_tok", "num_experts_per_token", "moe_topk", "experts_per_token", default=2)
    own = get.number("moe_intermediate_size", "expert_ffn_hidden_size", default=inner)
    shared = get.number("shared_expert_intermediate_size", default=0)
    shared = shared or own * get.number("n_shared_experts", "num_shared_experts", default=0)
    every_keys = ("decoder_sparse_step", "moe_layer_freq", "moe_layer_interval", "interleave_moe_layer_step")
    every = max(1, get.number(*every_keys, default=1))
    if kind == "llama4_text":  # its experts have the plain size, and one of them is for every token
        shared, dense = own, matrices * hidden * get.number("intermediate_size_mlp", default=inner)
    first = get.number("first_k_dense_replace", "moe_layer_start_index", default=0)
    only = set(get.config.get("mlp_only_layers") or ())
    router = hidden * experts
    sparse = matrices * hidden * (experts * own + shared) + router
    used = matrices * hidden * (top * own + shared) + router
    is_sparse = [
        layer >= first
        and layer not in only
        and (layer + (1 if kind.startswith(("qwen", "llama4")) else 0)) % every == 0
        for layer in range(layers)
    ]
    return (
        [sparse if one else dense for one in is_sparse],
        matrices * max(top * own + shared, 0 if all(is_sparse) else inner),
        experts,
        [used if one else dense for one in is_sparse],
        sum(is_sparse) * matrices * hidden * experts * own,
    )


def _windows(config: Mapping[str, Any], kind: str, layers: int) -> tuple[tuple[int | None, ...], int]:
    """Return for each layer with a cache its window, and how many layers have none."""
    window = config.get("sliding_window")
    if config.get("use_sliding_window") is False or not isinstance(window, int):
        window = None
    chunk = config.get("attention_chunk_size")
    types = config.get("layer_types")
    if not isinstance(types, Sequence) or len(types) != layers:
        types = _types(config, kind, layers, window)
    found: list[int | None] = []
    linear = 0
    for one in types:
        if one in ("linear_attention", "mamba", "recurrent"):
            linear += 1
        elif one == "sliding_attention":
            found.append(window)
        elif one == "chunked_attention":
            found.append(chunk if isinstance(chunk, int) else None)
        else:
            found.append(None)
    return tuple(found), linear


def _types(config: Mapping[str, Any], kind: str, layers: int, window: int | None) -> list[str]:
    """Return the kinds of the layers where the config does not list them, as the family's own code has them."""
    every = config.get("full_attention_interval")
    if isinstance(every, int) and every > 0:
        return ["full_attention" if (layer + 1) % every == 0 else "linear_attention" for layer in range(layers)]
    if window is None:
        return ["full_attention"] * layers
    pattern = config.get("sliding_window_pattern") or {"gemma2": 2, "gemma3_text": 6}.get(kind)
    if isinstance(pattern, int) and pattern > 1:
        return ["full_attention" if (layer + 1) % pattern == 0 else "sliding_attention" for layer in range(layers)]
    full = config.get("max_window_layers")
    if kind.startswith("qwen2") and isinstance(full, int):
        return ["full_attention" if layer < full else "sliding_attention" for layer in range(layers)]
    return ["sliding_attention"] * layers


def _linear_state(get: _Reader, heads: int, head_dim: int) -> int:
    """Return the elements of one layer's state: keys times values for each head, and the last few tokens."""
    values = get.number("linear_num_value_heads", default=heads)
    keys = get.number("linear_num_key_heads", default=heads)
    key, value = (
        get.number("linear_key_head_dim", default=head_dim),
        get.number("linear_value_head_dim", default=head_dim),
    )
    kernel = get.number("linear_conv_kernel_dim", default=4)
    return values * key * value + kernel * (2 * keys * key + values * value)


def _other(
    get: _Reader,
    kind: str,
    layers: int,
    hidden: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    inner: int,
    encoder: bool,
    positions: int,
) -> int:
    """Return the parameters that are not in matrices: norms, biases, learned positions."""
    queries, keys = heads * head_dim, kv_heads * head_dim
    if encoder:
        types = get.number("type_vocab_size", default=2)
        layer = queries + 2 * keys + hidden + inner + hidden + 4 * hidden
        pooler = hidden * hidden + hidden if kind in ("bert", "roberta", "xlm-roberta") else 0
        places = 0 if kind in GATED_ENCODERS else positions  # theirs are turned into the queries and keys
        return layers * layer + (places + types + 2) * hidden + pooler
    layer = 2 * hidden
    if kind in BIASED or get.config.get("qkv_bias"):
        layer += queries + 2 * keys
    elif get.config.get("attention_bias") or get.config.get("bias"):
        layer += queries + 2 * keys + hidden
    if kind in NORMED:
        layer += 2 * head_dim
    return layers * layer + hidden


def _item(*configs: Mapping[str, Any]) -> int:
    for config in configs:
        value = config.get("torch_dtype") or config.get("dtype")
        if isinstance(value, str) and value.removeprefix("torch.") in _DTYPES:
            return _DTYPES[value.removeprefix("torch.")]
    return 2 if any(config.get("bf16") or config.get("fp16") for config in configs) else 4


def _quantization(config: Mapping[str, Any]) -> Quantization | None:
    """Return how the checkpoint is quantised.

    A group of weights shares a scale of 16 bits and a zero point of as many bits as a weight has [GPTQ, Frantar et
    al. 2022; AWQ, Lin et al. 2023]; NF4 has a scale of 8 bits for 64 weights, and one of 32 bits for 256 of these
    [QLoRA, Dettmers et al. 2023, section 3]; FP8 has one of 32 bits for a block of 128 * 128.
    """
    found = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(found, Mapping):
        return None
    method = str(found.get("quant_method") or "unknown")
    bits = found.get("bits") or found.get("w_bit") or found.get("num_bits")
    if method == "bitsandbytes":
        return Quantization(method=method, bits=NF4_BITS if found.get("load_in_4bit") else INT8_BITS)
    if method == "fp8" or str(found.get("fmt", "")).startswith("e4m3"):
        return Quantization(method="fp8", bits=8 + 32 / (128 * 128))
    if method == "mxfp4":
        return Quantization(method=method, bits=4.25)
    if method == "compressed-tensors":
        groups = found.get("config_groups")
        group: Any = (next(iter(groups.values()), None) if isinstance(groups, Mapping) else None) or {}
        bits = bits or (group.get("weights") or {}).get("num_bits") or 8
    if not isinstance(bits, (int, float)) or isinstance(bits, bool):
        return None
    size = found.get("group_size") or found.get("q_group_size") or 128
    extra = (16 + bits) / size if isinstance(size, int) and size > 0 else 0.0
    return Quantization(method=method, bits=bits + extra)


NF4_BITS = 4 + 8 / 64 + 32 / (64 * 256)  # QLoRA, section 3: double quantisation
INT8_BITS = 8.0  # LLM.int8(), Dettmers et al. 2022: a scale a row, which is next to nothing


def _lora_rows(
    get: _Reader, layers: int, hidden: int, heads: int, kv_heads: int, head_dim: int, inner: int, gated: bool, kind: str
) -> int:
    """Return inputs plus outputs of the linear matrices: an adapter of rank r has r times as many parameters.

    Two matrices of rank r beside each weight: (inputs + outputs) * r [LoRA, Hu et al. 2021, section 4.1]. A first
    Qwen has q, k and v in one matrix, so that they share one adapter.
    """
    queries, keys = heads * head_dim, kv_heads * head_dim
    attention = hidden + queries + 2 * keys if kind == "qwen" else 3 * hidden + queries + 2 * keys
    attention += queries + hidden
    latent = get.number("kv_lora_rank", default=0)
    if latent:
        rope, plain = get.number("qk_rope_head_dim", default=64), get.number("qk_nope_head_dim", default=128)
        value, compressed = get.number("v_head_dim", default=128), get.number("q_lora_rank", default=0)
        asked = heads * (plain + rope)
        query = hidden + 2 * compressed + asked if compressed else hidden + asked
        attention = query + hidden + latent + rope + latent + heads * (plain + value) + heads * value + hidden
    return layers * (attention + (3 if gated else 2) * (hidden + inner))
