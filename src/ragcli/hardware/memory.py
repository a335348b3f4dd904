"""What a model takes of a GPU's memory, and what for: bytes, part by part, at the moment when it is most.

Two figures: ``allocated`` is what the framework allocates, as ``torch.cuda.max_memory_allocated`` and the tables of
others show it; ``needed`` is what must be free on the card: that, and the CUDA context, the workspace of the matrix
library, fragments, and the error of the estimate. Whether something fits goes by ``needed``.

The constants marked "fitted" are those with which the estimate comes nearest to the measurements in
tests/data/gpu/measurements.json; the tests hold it against them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ragcli.errors import UsageError
from ragcli.hardware.architecture import INT8_BITS, NF4_BITS, Architecture

TASKS = ("infer", "lora", "qlora", "full", "embed")
PRECISIONS = ("auto", "bf16", "int8", "int4")
SHARDINGS = ("auto", "none", "pipeline", "tensor", "fsdp", "zero3")

GIB = 1 << 30
_MIB = 1 << 20
_HALF = 2  # bytes of a bf16 or fp16 number
_PREFILL = 512  # tokens of the prompt that are worked through at once
_CONTEXT = 512 * _MIB  # of CUDA, with the kernels' code; 300 to 600 MiB, by card and version
_WORKSPACE = 32 * _MIB  # cuBLAS on Hopper; 8 MiB before [PyTorch, CUDAContextLight]
_INFER_MARGIN = 1.02
_QUANTIZED_MARGIN = 1.06  # kernels for few bits keep more beside the weights
_TRAIN_MARGIN = 1.15  # the estimate is between 0.93 and 1.10 of what others measured
_RANK = 64

# Bytes for each element of the logits (tokens * vocabulary) at the start of the backward pass: they are 2 in bf16, 4 in
# fp32, 4 for the log-softmax and 4 for the gradient where the loss is reckoned in fp32, less what is freed meanwhile.
_LOGITS = {"lora": 13, "qlora": 7, "full": 18}  # fitted
_ADAPTER = 4 + 4 + 8 + 4  # bytes of an adapter's parameter: itself, gradient, Adam's two moments, the step's copy
_BUFFERS = {
    "lora": 3 * GIB // 2,
    "qlora": 11 * GIB // 4,
    "full": 3 * GIB // 2,
}  # fitted: buckets, workspace, dequantised
_MASTER, _MOMENTS, _STEP = (
    4,
    8,
    4,
)  # bytes of a parameter in mixed precision [ZeRO, Rajbhandari et al. 2020, section 3.1]
_GRADIENTS = 2 + 4  # in bf16, and in fp32 for the step
_SUBGROUP = 1_000_000_000  # parameters that ZeRO-3 steps at once, DeepSpeed's sub_group_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be done with a model.

    Args:
        task: one of ``TASKS``.
        precision: of the weights; auto takes them as the checkpoint has them, and bf16 where that has more bits.
        context: tokens of one sequence: prompt and answer, or a row of the training data.
        batch: sequences at once on one GPU.
        gpus: how many share the work.
        sharding: what each of them holds; one of ``SHARDINGS``.
        rank: of LoRA's adapters, which sit on all linear matrices.
        prefill: tokens of the prompt that are worked through at once; 0 for the whole prompt.
        on_cpu: the processor does it, and nothing of CUDA is in the way.
    """

    task: str = "infer"
    precision: str = "auto"
    context: int = 4096
    batch: int = 1
    gpus: int = 1
    sharding: str = "auto"
    rank: int = _RANK
    prefill: int = _PREFILL
    on_cpu: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes on the fullest GPU, part by part, when it is fullest."""

    parts: dict[str, int]
    margin: float
    own: int = _CONTEXT + _WORKSPACE  # what CUDA itself takes

    @property
    def allocated(self) -> int:
        """What the framework allocates."""
        return sum(self.parts.values())

    @property
    def needed(self) -> int:
        """What must be free."""
        return int(self.allocated * self.margin) + self.own


def estimate(model: Architecture, load: Load, weights: int | None = None) -> Estimate:
    """Return what a load takes of the fullest GPU.

    Args:
        model: its shape.
        load: what is done.
        weights: bytes of the checkpoint's weights, where they are known; they count for more than the shape says.

    Raises:
        UsageError: a load that makes no sense.
    """
    if load.task not in TASKS or load.precision not in PRECISIONS or load.sharding not in SHARDINGS:
        raise UsageError(f"no such load: {load.task}, {load.precision}, {load.sharding}.")
    if min(load.context, load.batch, load.gpus, load.rank) < 1 or load.prefill < 0:
        raise UsageError("context, batch, gpus and rank are at least 1.")
    scale = _scale(model, weights)
    sharding = resolved_sharding(load)
    own = 0 if load.on_cpu else _CONTEXT + _WORKSPACE
    if load.task in ("infer", "embed"):
        few = load.precision in ("int8", "int4") or (load.precision == "auto" and model.quantization is not None)
        margin = _QUANTIZED_MARGIN if few else _INFER_MARGIN
        return Estimate(_inference(model, load, sharding, scale), margin, own)
    return Estimate(_training(model, load, sharding, scale), _TRAIN_MARGIN, own)


def resolved_sharding(load: Load) -> str:
    """Return what each of several GPUs holds, where the load leaves it open."""
    if load.gpus == 1:
        return "none"
    if load.sharding != "auto":
        return load.sharding
    return "pipeline" if load.task in ("infer", "embed") else "zero3" if load.task == "full" else "fsdp"


def _scale(model: Architecture, weights: int | None) -> float:
    """Return how many times the parameters that the shape tells there really are; 1 where they agree within 2 %."""
    if weights is None:
        return 1.0
    told = weight_bytes(model, "stored")
    ratio = weights / told if told else 1.0
    return ratio if abs(ratio - 1) > 0.02 else 1.0


def weight_bytes(model: Architecture, precision: str) -> int:
    """Return the bytes of the weights at a precision.

    Args:
        model: its shape.
        precision: bf16, int8, int4, auto (as ``Load`` has it), or stored: as the checkpoint has them.
    """
    rest = model.embeddings + model.other
    if precision in ("int8", "int4"):  # embeddings and norms stay in bf16, as bitsandbytes leaves them
        bits = INT8_BITS if precision == "int8" else NF4_BITS
        own = model.quantization
        bits = min(bits, own.bits) if own is not None else bits
        return int(model.linear * bits / 8) + rest * _HALF
    if model.quantization is not None and precision in ("auto", "stored"):
        if model.quantization.method == "fp8" and model.tied and precision == "auto":
            rest += model.vocabulary * model.hidden  # transformers keeps the output's table apart then
        few = model.in_experts if model.quantization.method == "mxfp4" else model.linear  # gpt-oss: the experts alone
        return int(few * model.quantization.bits / 8) + (model.linear - few + rest) * _HALF
    item = model.item if precision == "stored" else _HALF
    return model.parameters * item


def activation_elements(model: Architecture) -> int:
    """Return how many elements one token holds at once in a layer that is not differentiated.

    The MLP's inner vectors, three where it has a gate (gate, up, their product), the residual and its norm, and
    query, key, value and output of the attention [Korthikanti et al. 2022, Reducing Activation Recomputation in Large
    Transformer Models, section 4.1, without what only the backward pass needs].
    """
    attention = 2 * model.heads * model.head_dim + 2 * model.kv_heads * model.head_dim
    return 3 * model.hidden + max(model.width, attention)


def _inference(model: Architecture, load: Load, sharding: str, scale: float) -> dict[str, int]:
    """Return the parts at the larger of two moments: the last piece of the prompt, and the end of the answer.

    The weights, the cache of the whole context, and what the tokens hold that are under way: at the end one token for
    each sequence, before that a piece of the prompt, whose logits are reckoned for its last token alone.
    """
    weights = weight_bytes(model, load.precision) * scale
    logits = 0 if model.encoder else load.batch * model.vocabulary * (_HALF + 4)
    element = activation_elements(model)
    if model.encoder or load.task == "embed":
        tokens = load.context
        cache = 0
    else:
        tokens = 1
        cache = load.batch * model.cache_bytes(load.context)
    piece = load.context if load.prefill == 0 else min(load.context, load.prefill)
    held = load.batch * tokens * element * _HALF
    if cache:
        # With the prompt in pieces the answer's first tokens are not there yet when the last piece is worked through.
        during = load.batch * piece * element * _HALF
        answer = cache - load.batch * model.cache_bytes(max(1, load.context - min(load.context // 2, _PREFILL)))
        held = max(held, during - answer) if load.prefill else max(held, during)
    share, extra = _shares(model, load, sharding)
    kept = share(False)
    if sharding == "tensor":  # by heads; a latent cache has none, and stands on every GPU
        kept = 1.0 if model.expanded != model.cache else 1 / min(load.gpus, model.kv_heads)
    return {
        "weights": int(weights * share(True)) + extra(weights),
        "kv_cache": int(cache * kept) if sharding in ("pipeline", "tensor") else cache,
        "activations": held + logits,
    }


def _shares(model: Architecture, load: Load, sharding: str) -> tuple[Callable[[bool], float], Callable[[float], int]]:
    """Return what part of the weights (of the cache) the fullest GPU holds, and what it holds beside that."""
    gpus = load.gpus
    largest = model.largest_layer / max(model.parameters, 1)

    def share(of_weights: bool) -> float:
        if sharding == "none":
            return 1.0
        if sharding == "pipeline":  # whole layers; the fullest has one more than the others, and a table
            layers = -(-model.layers // gpus) / model.layers
            if not of_weights:
                return layers
            table = model.vocabulary * model.hidden / max(model.parameters, 1)
            tables = model.embeddings / max(model.parameters, 1)
            return min(1.0, layers * (1 - tables) + table)
        return 1 / gpus

    def extra(weights: float) -> int:
        # FSDP and ZeRO-3 bring the weights of the layer at work together.
        return int(largest * weights) if sharding in ("fsdp", "zero3") else 0

    return share, extra


def _training(model: Architecture, load: Load, sharding: str, scale: float) -> dict[str, int]:
    """Return the parts at the larger of two moments: the start of the backward pass, and the optimizer's step.

    With gradient checkpointing: the input of each layer is kept, and one layer's inside is reckoned again
    [Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost]. A layer's inside is 8 times the hidden size
    (attention with flash kernels, norms) and 4 times the MLP's inner size for each token. Full training in mixed
    precision with Adam: 2 bytes of a weight, 2 of its gradient, 12 of the optimizer [ZeRO, section 3.1], and for the
    step the gradient in fp32 and a copy.
    """
    count = model.parameters * scale
    tokens = load.context * load.batch
    logits = 0 if model.encoder else tokens * model.vocabulary * _LOGITS[load.task]
    inside = (8 * model.hidden + 4 * max(model.inner, model.width // 3)) * _HALF
    activations = tokens * (model.layers * model.hidden * _HALF + inside)
    share, extra = _shares(model, load, sharding)
    part = share(True)
    buffers = _BUFFERS[load.task]
    if sharding == "tensor":
        logits, activations = logits // load.gpus, activations // load.gpus
    if load.task == "full":
        weights = int(count * _HALF * part) + extra(count * _HALF)
        kept = int(count * (_MASTER + _MOMENTS) * part)
        stepped = min(count * part, _SUBGROUP) if sharding == "zero3" else count * part
        step = {
            "weights": int(count * _HALF * part),
            "gradients": int(count * part * _HALF + stepped * (_GRADIENTS - _HALF)),
            "optimizer": kept + int(stepped * _STEP),
            "buffers": buffers,
        }
        backward = {
            "weights": weights,
            "optimizer": kept,
            "logits": logits,
            "activations": activations,
            "buffers": buffers,
        }
        # The logits are gone when the gradients are all there.
        ended = {
            "weights": weights,
            "gradients": int(count * _HALF * part),
            "optimizer": kept,
            "activations": activations,
            "buffers": buffers,
        }
        return max((step, backward, ended), key=lambda one: sum(one.values()))
    base = weight_bytes(model, "int4" if load.task == "qlora" else "bf16") * scale
    adapter = model.lora_rows * load.rank
    # FSDP and ZeRO-3 would share the adapters, too; the table of others shows that it was not so there.
    split = part if sharding in ("pipeline", "tensor") else 1.0
    return {
        "weights": int(base * part) + extra(base),
        "adapters": int(adapter * 4 * split),
        "gradients": int(adapter * 4 * split),
        "optimizer": int(adapter * (_MOMENTS + _STEP) * split),
        "logits": logits,
        "activations": activations,
        "buffers": buffers,
    }


def longest_context(model: Architecture, load: Load, free: int, weights: int | None = None) -> int:
    """Return the most tokens of context with which a load fits ``free`` bytes, at most what the model was made for."""
    low, high = 0, max(model.positions, 1)
    while low < high:
        middle = (low + high + 1) // 2
        if estimate(model, replace(load, context=middle), weights).needed <= free:
            low = middle
        else:
            high = middle - 1
    return low
