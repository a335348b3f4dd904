"""Embedding with transformers and torch: any model folder, on a GPU in bf16 or on the CPU in full precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ragcli.embedding.profile import Profile
from ragcli.embedding.protocols import Kind, OnTruncated
from ragcli.errors import MissingExtraError, ModelError
from ragcli.jsonl import clean
from ragcli.models.folder import ModelFolder
from ragcli.records import Json

_BATCH_TOKENS = {"cpu": 2_048, "cuda": 32_768, "mps": 8_192}


def torch_device(wanted: str) -> str:
    """Return the device to use: what was asked for, or the best there is.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: the device that was asked for is not there.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("This model", "torch") from error
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if have[name])
    if not have[wanted]:
        raise ModelError(f"there is no device {wanted!r} here.", hint="Leave out --device to use what there is.")
    return wanted


class TorchEmbedder:
    """A model folder in transformers' format.

    Args:
        model: the folder.
        profile: how to use it.
        device: auto, cpu, cuda or mps.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ModelError: the folder cannot be loaded.
    """

    def __init__(self, model: ModelFolder, profile: Profile, device: str = "auto") -> None:
        self._device = torch_device(device)
        try:
            import torch
            from safetensors import SafetensorError
            from transformers import AutoModel, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            raise MissingExtraError(f"The model {model.id!r}", "torch") from error
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self._torch = torch
        self._profile, self._model = profile, model
        dtype = torch.bfloat16 if self._device == "cuda" else torch.float32
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(model.path, local_files_only=True)
            self._net: Any = AutoModel.from_pretrained(model.path, dtype=dtype, local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"the model folder {model.path} cannot be loaded: {reason}") from error
        self._net.to(self._device).eval()

    @property
    def contract(self) -> Json:
        """What a table keeps of the model."""
        return self._profile.contract(self._model)

    def encode(
        self, texts: Sequence[str], kind: Kind, *, on_truncated: OnTruncated | None = None
    ) -> np.ndarray[Any, Any]:
        """Return vectors (len(texts), dimension); see `ragcli.embedding.Embedder`."""
        prefix = self._profile.query if kind == "query" else self._profile.passage
        whole = self._tokenizer([clean(prefix + text) for text in texts], truncation=False, verbose=False)["input_ids"]
        limit = self._profile.max_tokens
        if on_truncated is not None:
            for place, ids in enumerate(whole):
                if len(ids) > limit:
                    on_truncated(place, len(ids) - limit)
        out = np.zeros((len(texts), self._profile.dimension), np.float32)
        order = sorted(range(len(texts)), key=lambda at: len(whole[at]))
        some: list[int] = []
        for at in [*order, None]:
            longest = min(limit, len(whole[at])) if at is not None else 0
            if some and (at is None or (len(some) + 1) * longest > _BATCH_TOKENS[self._device]):
                out[some] = self._batch([clean(prefix + texts[one]) for one in some])
                some = []
            if at is not None:
                some.append(at)
        if not np.isfinite(out).all():
            raise ModelError(f"the model {self._model.id!r} gave a vector that holds no numbers.")
        return out

    def _batch(self, texts: list[str]) -> np.ndarray[Any, Any]:
        torch = self._torch
        given = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._profile.max_tokens, return_tensors="pt"
        ).to(self._device)
        with torch.inference_mode():
            states = self._net(**given).last_hidden_state.float()  # (batch, tokens, hidden)
        mask = given["attention_mask"].to(states.dtype)  # (batch, tokens)
        if self._profile.pooling == "cls":
            pooled = states[:, 0]
        elif self._profile.pooling == "lasttoken":
            last = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).argmax(dim=1)
            pooled = states[torch.arange(len(states)), last]
        else:
            pooled = (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1e-9)
        if self._profile.normalize:
            pooled = torch.nn.functional.normalize(pooled, dim=1)
        return pooled.cpu().numpy()  # type: ignore[no-any-return]
