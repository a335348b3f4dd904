"""Embedding with ONNX Runtime on the CPU: one sequence a run, as many runs side by side as there are cores.

A sequence alone needs no padding; with sequences of one length there would be nothing to gain from a batch, as
the matrices are large enough to fill a core.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from ragcli.embedding.profile import Profile
from ragcli.embedding.protocols import Kind, OnTruncated
from ragcli.embedding.quick import QuickTokenizer
from ragcli.embedding.tokens import TokenIds
from ragcli.errors import ModelError
from ragcli.models.folder import ModelFolder
from ragcli.records import Json


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def graph_of(folder: Path) -> Path | None:
    """Return a folder's ONNX graph: ragcli's own int8 one, else the full one that hubs carry."""
    for name in ("onnx/model_int8.onnx", "onnx/model.onnx", "model.onnx"):
        if (folder / name).is_file():
            return folder / name
    return None


class OnnxEmbedder:
    """A model folder with an ONNX graph.

    Raises:
        ModelError: the graph or the tokenizer is missing or damaged.
    """

    def __init__(self, model: ModelFolder, profile: Profile, graph: Path, threads: int | None = None) -> None:
        self._threads = threads or cores()
        self._profile = profile
        self._model = model
        failed: list[Exception] = []

        def open_session() -> None:
            try:
                self._session = self._open(graph)
            except Exception as error:  # noqa: BLE001  # handed to the thread that waits
                failed.append(error)

        # The graph is read while the tokenizer is.
        opener = Thread(target=open_session)
        opener.start()
        try:
            self._ids = TokenIds(QuickTokenizer(model.path), profile.max_tokens)
        finally:
            opener.join()
        if failed:
            reason = str(failed[0]).splitlines()[0]
            raise ModelError(f"the model's file {graph} cannot be run: {reason}") from failed[0]
        self._inputs = [one.name for one in self._session.get_inputs()]
        self._pool: ThreadPoolExecutor | None = None

    def _open(self, graph: Path) -> Any:
        import onnxruntime

        onnxruntime.set_default_logger_severity(3)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    @property
    def contract(self) -> Json:
        """What a table keeps of the model."""
        return self._profile.contract(self._model)

    def encode(
        self, texts: Sequence[str], kind: Kind, *, on_truncated: OnTruncated | None = None
    ) -> np.ndarray[Any, Any]:
        """Return vectors (len(texts), dimension); see `ragcli.embedding.Embedder`."""
        prefix = self._profile.query if kind == "query" else self._profile.passage
        out = np.zeros((len(texts), self._profile.dimension), np.float32)
        lost = [0] * len(texts)

        def run(at: int) -> None:
            ids, lost[at] = self._ids(prefix + texts[at])
            out[at] = self._vector(ids)

        if len(texts) == 1:
            run(0)
        else:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(max_workers=self._threads)
            # The longest first: no idle tail.
            list(self._pool.map(run, sorted(range(len(texts)), key=lambda at: -len(texts[at]))))
        if on_truncated is not None:
            for place, count in enumerate(lost):
                if count:
                    on_truncated(place, count)
        if not np.isfinite(out).all():
            raise ModelError(f"the model {self._model.id!r} gave a vector that holds no numbers.")
        return out

    def _vector(self, ids: list[int]) -> np.ndarray[Any, Any]:
        given = np.array([ids], np.int64)
        feed = {"input_ids": given}
        if "attention_mask" in self._inputs:
            feed["attention_mask"] = np.ones_like(given)
        if "token_type_ids" in self._inputs:
            feed["token_type_ids"] = np.zeros_like(given)
        if "position_ids" in self._inputs:
            feed["position_ids"] = np.arange(given.shape[1], dtype=np.int64)[None]
        states = self._session.run(None, feed)[0]
        if states.ndim == 2:  # a graph that pools by itself
            vector = states[0]
        elif self._profile.pooling == "cls":
            vector = states[0, 0]
        elif self._profile.pooling == "lasttoken":
            vector = states[0, -1]
        else:
            vector = states[0].mean(axis=0)
        vector = vector.astype(np.float32)
        if self._profile.normalize:
            vector /= max(float(np.linalg.norm(vector)), 1e-12)
        return vector  # type: ignore[no-any-return]
