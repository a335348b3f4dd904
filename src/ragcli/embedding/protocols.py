"""The seam of the `embed` stage: what an embedding model is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ragcli.records import Json

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["query", "passage"]
OnTruncated = Callable[[int, int], None]


class Embedder(Protocol):
    """An embedding model. One method: batches and windows are written once, above it."""

    @property
    def contract(self) -> Json:
        """What a table must keep: id, hash, dimension, pooling, prefixes, max_tokens, normalize."""
        ...

    def encode(
        self, texts: Sequence[str], kind: Kind, *, on_truncated: OnTruncated | None = None
    ) -> np.ndarray[Any, Any]:
        """Return vectors (len(texts), dimension) in float32.

        Args:
            texts: any strings; the model's prefix for the kind is put before each.
            kind: what the texts are; models treat questions and passages differently.
            on_truncated: called with (place, tokens not read) for each text longer than the model reads.

        Raises:
            ModelError: the model cannot be run, or gives what is no number.
            ServiceError: the endpoint does not answer.
        """
        ...
