"""Encoders that are trained: from a folder to sentence-transformers' model, with adapters where wanted, and back.

What is trained is what `ragcli.embedding.profile` says of the folder, not what a library guesses, and texts become the
token ids that ``embed`` and ``query`` make of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ragcli.embedding.profile import Profile
from ragcli.errors import MissingExtraError, ModelError, UsageError
from ragcli.finetuning.settings import Settings
from ragcli.jsonl import clean
from ragcli.models.folder import ModelFolder

_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
)


class TextIds:
    """Texts to token ids as `ragcli.embedding.torch.TorchEmbedder` makes them, without loading a model.

    Args:
        folder: the model's folder.
        limit: most tokens of a text, special ones included.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: the folder has no tokenizer that can be loaded.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._tokenizer = load_tokenizer(folder)
        self._limit = limit

    @property
    def pad(self) -> int:
        """The token that fills up."""
        return int(self._tokenizer.pad_token_id or 0)

    @property
    def side(self) -> str:
        """Where it stands: right or left."""
        return str(self._tokenizer.padding_side)

    def __call__(self, texts: Sequence[str]) -> list[tuple[list[int], int]]:
        """Return of each text its ids and how many tokens of it are not among them."""
        if not texts:
            return []
        texts = [clean(text) for text in texts]
        whole = self._tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        long = [at for at, ids in enumerate(whole) if len(ids) > self._limit]
        lost = [0] * len(texts)
        if long:
            some = [texts[at] for at in long]
            cut = self._tokenizer(some, truncation=True, max_length=self._limit)["input_ids"]
            for at, ids in zip(long, cut, strict=True):
                whole[at], lost[at] = ids, len(whole[at]) - len(ids)
        return list(zip(whole, lost, strict=True))


def load_tokenizer(folder: Path) -> Any:
    """Return transformers' tokenizer of a folder; nothing is asked of a hub.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: it is missing or damaged.
    """
    try:
        from transformers import AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError("Fine-tuning", "finetune") from error
    logging.set_verbosity_error()
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"the tokenizer in the model folder {folder} cannot be loaded: {reason}") from error


def text_id(ids: Sequence[int]) -> int:
    """Return a number (int64) that a text's token ids make: texts that the model cannot tell apart have the same."""
    raw = b"".join(one.to_bytes(4, "little") for one in ids)
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little", signed=True)


def negatives_of(row: Mapping[str, Any]) -> Iterator[tuple[int, list[int]]]:
    """Yield id and token ids of each negative of an encoded row, in which they stand one behind another."""
    start = 0
    for name, size in zip(row["negative_ids"], row["negative_sizes"], strict=True):
        yield name, row["negatives"][start : start + size]
        start += size


def train_device(settings: Settings) -> str:
    """Return the device of this process; with several GPUs, its own."""
    from ragcli.embedding.torch import torch_device

    device = torch_device(settings.device)
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else device


def model_arguments(settings: Settings) -> dict[str, Any]:
    """Return the arguments of ``from_pretrained`` that method and precision ask for.

    The weights that are trained are in 32 bits; those that stay as they are behind an adapter, in the precision of the
    run.

    Raises:
        UsageError: the method is QLoRA, under which an encoder does not train.
    """
    import torch

    if settings.method == "qlora":
        raise UsageError(
            f"--task {settings.task} does not go with QLoRA: an encoder is small, and 4 bits cost it what it is for.",
            hint="--method lora or full",
        )
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(settings.precision, torch.float32)
    return {
        "dtype": torch.float32 if settings.method == "full" else dtype,
        "local_files_only": True,
        "trust_remote_code": settings.trust_remote_code,
    }


def opened(make: Callable[[], Any], folder: Path) -> Any:
    """Return what a library makes of a model's folder; what it raises becomes a sentence.

    Raises:
        MissingExtraError: a package is not installed.
        ModelError: the folder cannot be loaded.
    """
    try:
        from safetensors import SafetensorError
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError("Fine-tuning", "finetune") from error
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        return make()
    except ImportError as error:
        raise MissingExtraError("Fine-tuning of encoders", "finetune") from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(f"the model folder {folder} cannot be loaded: {reason}") from error


def sentence_model(model: ModelFolder, how: Profile, settings: Settings) -> Any:
    """Return the `sentence_transformers.SentenceTransformer` of a folder, as its profile says.

    Raises:
        MissingExtraError: a package is not installed.
        ModelError: the folder cannot be loaded.
    """

    def make() -> Any:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

        code = {"trust_remote_code": settings.trust_remote_code, "local_files_only": True}
        transformer = Transformer(
            str(model.path),
            model_kwargs=model_arguments(settings),
            processor_kwargs={**code, "model_max_length": how.max_tokens},
            config_kwargs=code,
        )
        # BERT's own pooling layer: nothing reads it, and where the folder lacks it, it is random.
        if getattr(transformer.model, "pooler", None) is not None:
            transformer.model.pooler = None
        modules = [transformer, Pooling(how.dimension, pooling_mode=how.pooling)]
        if how.normalize:
            modules.append(Normalize())
        prompts = {"query": how.query, "passage": how.passage, "document": how.passage}
        return SentenceTransformer(
            modules=modules,
            device=train_device(settings),
            prompts=prompts,
            trust_remote_code=settings.trust_remote_code,
        )

    return opened(make, model.path)


def add_adapter(model: Any, settings: Settings, kind: str, *, keep: Sequence[str] = ()) -> None:
    """Put LoRA's matrices beside the linear layers of a sentence-transformers model.

    PEFT does it, not transformers' ``add_adapter``, which wants a newer PEFT than it is tested with here.

    Args:
        model: a SentenceTransformer or CrossEncoder.
        settings: rank, alpha, dropout, targets.
        kind: PEFT's name of the task.
        keep: modules that are trained whole, such as a new head.

    Raises:
        UsageError: no layer has one of the names that were asked for.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(settings.seed)  # of the matrices
    net = model[0].model
    targets: Any = list(settings.targets)
    if targets == ["all-linear"]:
        targets = "all-linear"
    config = LoraConfig(
        task_type=kind,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        modules_to_save=list(keep) or None,
        exclude_modules=rf".*\b({'|'.join(keep)})\b.*" if keep else None,
    )
    if settings.checkpointing:
        net.enable_input_require_grads()  # else nothing in a recomputed block asks for a gradient
    try:
        model[0].model = get_peft_model(net, config)
    except ValueError as error:
        names = {
            name.rpartition(".")[2] for name, one in net.named_modules() if type(one).__name__.startswith("Linear")
        }
        raise UsageError(
            f"no adapter can be put on {', '.join(settings.targets)}: {str(error).splitlines()[0]}",
            hint=f"This model's linear layers are called {', '.join(sorted(names))}.",
        ) from error


def merged(net: Any) -> Any:
    """Return a transformers model whose adapters are in its weights; one without adapters is returned as it is."""
    if not hasattr(net, "merge_and_unload"):
        return net
    net = net.merge_and_unload()
    for parameter in net.parameters():
        parameter.requires_grad_(requires_grad=True)
    return net


def copy_tokenizer(base: Path, folder: Path) -> None:
    """Put the base's tokenizer in place of what the library wrote: it may have changed in passing."""
    names = [name for name in _TOKENIZER if (base / name).is_file()]
    if "tokenizer.json" not in names:  # the library has made one
        return
    for name in _TOKENIZER:
        (folder / name).unlink(missing_ok=True)
    for name in names:
        shutil.copyfile(base / name, folder / name)
    pieces = base / "pieces"
    if pieces.is_dir():
        shutil.copytree(pieces, folder / "pieces")
