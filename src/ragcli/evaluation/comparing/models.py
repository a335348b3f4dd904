"""Models of a comparison: opened when they are needed, timed, and asked once for each question."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ragcli.contract import model_hash
from ragcli.errors import ModelError, RagcliError
from ragcli.evaluation.comparing.work import Work, key_of
from ragcli.records import Json

if TYPE_CHECKING:
    from ragcli.embedding.protocols import Embedder, Kind, OnTruncated
    from ragcli.reranking import CrossEncoder

Array = np.ndarray[Any, Any]
_OPENAI = "openai:"


@contextmanager
def foreign_errors(name: str) -> Iterator[None]:
    """Turn whatever a model's own code raises into a `ModelError`: one model must not end a comparison of many."""
    try:
        yield
    except (RagcliError, KeyboardInterrupt):
        raise
    except MemoryError as error:
        raise ModelError(f"{name} needs more memory than there is.") from error
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{name} failed: {said}") from error


def place_of(device: str) -> str:
    """Return what says where models run, as far as that is told: what is timed there is not timed elsewhere."""
    return f"{device} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}"


class Model:
    """An embedding model of the grid.

    Args:
        name: as ``embed -m`` takes it; None is the built-in one.
        shown: what it is called in the comparison.
        device: where it runs; ``place`` is that in full.
        work: keeps what an endpoint says of itself.
    """

    def __init__(self, name: str | None, shown: str, device: str, work: Work) -> None:
        self.name, self.shown, self._device, self._work = name, shown, device, work
        self.place = place_of(device)
        self._contract: Json | None = None
        self._opened: Embedder | None = None

    @property
    def contract(self) -> Json:
        """What a table says of the model; read without opening it where that can be.

        Raises:
            RagcliError: the model cannot be used.
        """
        if self._contract is None:
            with foreign_errors(self.shown):
                self._contract = self._read()
        return self._contract

    def _read(self) -> Json:
        if self.name is not None and self.name.startswith(_OPENAI):
            key = key_of("endpoint", self.name, os.environ.get("OPENAI_BASE_URL"))
            kept = self._work.kept("models", key)
            return kept if kept is not None else self._work.keep("models", key, self.open().contract)
        from ragcli.embedding.profile import profile
        from ragcli.models.folder import resolve

        folder = resolve(self.name)
        return profile(folder).contract(folder)

    @property
    def hash(self) -> str:
        """A digest of what makes the model's vectors what they are."""
        return model_hash({**self.contract, "id": None if self.contract.get("hash") else self.contract["id"]})

    def open(self) -> Embedder:
        """Return the model, opened once.

        Raises:
            RagcliError: it cannot be opened.
        """
        if self._opened is None:
            from ragcli.embedding import open_embedder

            with foreign_errors(self.shown):
                self._opened = open_embedder(self.name, device=self._device)
        return self._opened

    def close(self) -> None:
        """Let go of the model's memory."""
        self._opened = None


class Timed:
    """An embedder that counts what it embeds, and the seconds in which it does."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.seconds = 0.0
        self.texts = self.characters = 0

    @property
    def contract(self) -> Json:
        """That of the model."""
        return self._model.contract

    def encode(self, texts: Sequence[str], kind: Kind, *, on_truncated: OnTruncated | None = None) -> Array:
        """Return what the model does."""
        embedder = self._model.open()
        began = time.perf_counter()
        with foreign_errors(self._model.shown):
            vectors = embedder.encode(texts, kind, on_truncated=on_truncated)
        self.seconds += time.perf_counter() - began
        self.texts += len(texts)
        self.characters += sum(map(len, texts))
        return vectors


class Remembered:
    """An embedder that knows the vectors of the questions, so that each is embedded once for all tables and modes."""

    def __init__(self, model: Model, texts: Sequence[str], vectors: Array) -> None:
        self._model = model
        self._vectors = dict(zip(texts, vectors, strict=True))

    @property
    def contract(self) -> Json:
        """That of the model."""
        return self._model.contract

    def encode(self, texts: Sequence[str], kind: Kind, *, on_truncated: OnTruncated | None = None) -> Array:
        """Return the vectors (len(texts), dimension) of questions."""
        return np.stack([self._vectors[text] for text in texts])


class Rerankers:
    """Opens rerankers, one at a time in memory."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._opened: tuple[str, CrossEncoder] | None = None

    def open(self, name: str) -> CrossEncoder:
        """Return a reranker.

        Raises:
            RagcliError: it cannot be opened.
        """
        if self._opened is None or self._opened[0] != name:
            from ragcli.models import resolve
            from ragcli.reranking import CrossEncoder

            self._opened = None
            with foreign_errors(name):
                self._opened = (name, CrossEncoder(str(resolve(name).path), name, device=self._device))
        return self._opened[1]


class Guarded:
    """A reranker whose errors are the comparison's, and that counts what it did not read to the end."""

    def __init__(self, name: str, open_: Callable[[], CrossEncoder]) -> None:
        self._name, self._open = name, open_
        self.truncated = 0

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return what the reranker does."""
        made = self._open()
        with foreign_errors(self._name):
            before = made.truncated
            scores = made.score(question, texts)
        self.truncated += made.truncated - before
        return scores
