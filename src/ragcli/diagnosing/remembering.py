"""An embedding model that remembers the questions it has seen: a diagnosis searches each in every mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragcli.records import Json

if TYPE_CHECKING:
    import numpy as np

    from ragcli.embedding import Embedder
    from ragcli.embedding.protocols import Kind, OnTruncated

_MOST = 10_000  # questions


class Remembering:
    """An embedder that embeds each question once.

    Args:
        embedder: the model.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, np.ndarray[Any, Any]] = {}

    @property
    def contract(self) -> Json:
        """The model's; see `ragcli.embedding.Embedder`."""
        return self._embedder.contract

    def encode(
        self, texts: Sequence[str], kind: Kind, *, on_truncated: OnTruncated | None = None
    ) -> np.ndarray[Any, Any]:
        """Return vectors (len(texts), dimension) in float32; see `ragcli.embedding.Embedder`."""
        import numpy as np

        if kind != "query":
            return self._embedder.encode(texts, kind, on_truncated=on_truncated)
        if len(self._known) > _MOST:
            self._known.clear()
        places = {text: at for at, text in enumerate(texts) if text not in self._known}
        if places:

            def truncated(place: int, lost: int) -> None:
                if on_truncated is not None:
                    on_truncated(list(places.values())[place], lost)

            made = self._embedder.encode(list(places), kind, on_truncated=truncated)
            self._known.update(zip(places, made, strict=True))
        return np.stack([self._known[text] for text in texts])
