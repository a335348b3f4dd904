"""How a model wants to be used: pooling, prefixes, normalisation, most tokens.

Read from sentence-transformers' own files in the model's folder (``modules.json``, ``1_Pooling/config.json``,
``config_sentence_transformers.json``, ``sentence_bert_config.json``); where there are none, from a table of the
usual families, by the model's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragcli.errors import ModelError
from ragcli.jsonl import loads
from ragcli.models.folder import ModelFolder
from ragcli.records import Json

POOLINGS = ("mean", "cls", "lasttoken")
_QWEN = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
_INSTRUCT = _QWEN + " "
_BGE_ZH = "为这个句子生成表示以用于检索相关文章："
_BGE_EN = "Represent this sentence for searching relevant passages: "
# Name of the folder or of the model -> pooling, prefix of a query, prefix of a passage. The models' own cards.
_FAMILIES: tuple[tuple[str, str, str, str], ...] = (
    (r"qwen3?-embedding", "lasttoken", _QWEN, ""),
    (r"e5-mistral", "lasttoken", _INSTRUCT, ""),
    (r"e5.*instruct", "mean", _INSTRUCT, ""),
    (r"e5", "mean", "query: ", "passage: "),
    (r"bge-m3", "cls", "", ""),
    (r"bge.*-zh", "cls", _BGE_ZH, ""),
    (r"bge", "cls", _BGE_EN, ""),
    (r"gte-qwen", "lasttoken", _INSTRUCT, ""),
    (r"gte-.*(?:-v1\.5|multilingual)", "cls", "", ""),
    (r"gte", "mean", "", ""),
    (r"minilm|mpnet", "mean", "", ""),
)
_DEFAULT_TOKENS = 512
PROMPTS_MEANT = "ragcli_prompts_meant"  # in config_sentence_transformers.json: empty prefixes are so on purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How to get a vector out of a model; ``max_tokens`` counts the special ones."""

    dimension: int
    pooling: str
    normalize: bool
    query: str
    passage: str
    max_tokens: int

    def contract(self, model: ModelFolder) -> Json:
        """Return what a table keeps of the model."""
        return {
            "id": model.id,
            "hash": model.hash,
            "dimension": self.dimension,
            "pooling": self.pooling,
            "prefixes": {"query": self.query, "passage": self.passage},
            "max_tokens": self.max_tokens,
            "normalize": self.normalize,
        }


def _json(path: Path) -> Any:
    try:
        return loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"the model's file {path} is damaged: {error}.", hint="Fetch the model again.") from error


def profile(model: ModelFolder) -> Profile:
    """Return how a model in a folder wants to be used.

    Raises:
        ModelError: a file of the model is damaged, or its pooling is not known.
    """
    folder = model.path
    config = _json(folder / "config.json") or {}
    family = next((one for one in _FAMILIES if re.search(one[0], f"{model.id} {folder.name}".lower())), None)
    pooling, normalize, dense = _modules(folder)
    if dense:
        raise ModelError(f"the model {model.id!r} has a Dense layer after its pooling, which ragcli does not read yet.")
    if pooling is None:
        pooling = family[1] if family else "mean"
    told = _json(folder / "config_sentence_transformers.json") or {}
    prompts = told.get("prompts") or {}
    # sentence-transformers writes empty ones for a model that it has no word on; ragcli says where it means them.
    if not any(prompts.values()) and not told.get(PROMPTS_MEANT):
        prompts = {"query": family[2], "passage": family[3]} if family else {}
    query = prompts.get("query")
    passage = prompts.get("passage") or prompts.get("document")
    settings = _json(folder / "sentence_bert_config.json") or {}
    limit = settings.get("max_seq_length") or _limit(folder, config)
    dimension = config.get("hidden_size") or config.get("dim") or config.get("d_model")
    if not isinstance(dimension, int):
        raise ModelError(f"the model's file {folder / 'config.json'} does not say its hidden_size.")
    return Profile(
        dimension=dimension,
        pooling=pooling,
        normalize=True if normalize is None else normalize,
        query=str(query or ""),
        passage=str(passage or ""),
        max_tokens=int(limit),
    )


def _modules(folder: Path) -> tuple[str | None, bool | None, bool]:
    modules = _json(folder / "modules.json")
    if not isinstance(modules, list):
        return None, None, False
    pooling: str | None = None
    kinds = [str(one.get("type", "")).rsplit(".", 1)[-1] for one in modules]
    for one, kind in zip(modules, kinds, strict=True):
        if kind == "Pooling":
            pooling = _pooling(folder / str(one.get("path", "1_Pooling")) / "config.json")
    return pooling, "Normalize" in kinds, "Dense" in kinds


def _pooling(path: Path) -> str:
    config = _json(path) or {}
    mode = config.get("pooling_mode")
    if isinstance(mode, str):
        modes = [mode]
    else:
        modes = [key[len("pooling_mode_") :] for key, on in config.items() if key.startswith("pooling_mode_") and on]
    names = {"mean_tokens": "mean", "cls_token": "cls", "lasttoken": "lasttoken", "mean": "mean", "cls": "cls"}
    found = [names.get(one) for one in modes]
    if len(found) != 1 or found[0] is None:
        raise ModelError(f"{path} asks for the pooling {modes}, which is none of {', '.join(POOLINGS)}.")
    return found[0]


def _limit(folder: Path, config: Json) -> int:
    settings = _json(folder / "tokenizer_config.json") or {}
    limits = [settings.get("model_max_length"), config.get("max_position_embeddings")]
    usable = [int(one) for one in limits if isinstance(one, (int, float)) and 0 < one < 1_000_000]
    return min([*usable, 8192]) if usable else _DEFAULT_TOKENS
