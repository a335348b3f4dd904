"""Choosing a backend: a model's name to an embedder."""

from __future__ import annotations

import atexit
import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING

from ragcli.models.folder import resolve
from ragcli.records import Json

if TYPE_CHECKING:
    from ragcli.embedding.protocols import Embedder
    from ragcli.splitting import TokenCounter

_OPENAI = "openai:"
_LOOK = 0.2  # seconds
_LAST = 2.0  # seconds that the end of the process waits for a model that is being opened
_prepared: dict[tuple[str | None, str], Future[Embedder]] = {}


def prepare(model: str | None = None, *, device: str = "auto") -> None:
    """Begin to open an embedding model in a thread, while other work goes on; `open_embedder` then waits for it.

    What fails is raised there. A model of an endpoint is not opened.

    Args:
        model: see `open_embedder`.
        device: see `open_embedder`.
    """
    if (model or "").startswith(_OPENAI) or (model, device) in _prepared:
        return
    made: Future[Embedder] = Future()

    def work() -> None:
        try:
            made.set_result(_open(model, device))
        except BaseException as error:  # noqa: BLE001  raised where the model is wanted
            made.set_exception(error)

    _prepared[model, device] = made
    thread = threading.Thread(target=work, name="ragcli model", daemon=True)
    thread.start()
    # A thread torn from a library that it loads can abort the process; one that an interrupted import blocks for ever
    # must not keep it.
    atexit.register(thread.join, _LAST)


def open_embedder(
    model: str | None = None, *, device: str = "auto", contract: Json | None = None, threads: int | None = None
) -> Embedder:
    """Open an embedding model.

    Args:
        model: None for the built-in one, a hub's name, a folder, or ``openai:NAME``.
        contract: what a table says of its model; saves asking an endpoint for the dimension.
        device: auto, cpu, cuda or mps. With a GPU, torch; else ONNX Runtime where the folder has a graph.
        threads: how many ONNX Runtime embeds with; None: one a core. Torch obeys OMP_NUM_THREADS.

    Raises:
        ModelError: the model is not here or cannot be loaded.
        MissingExtraError: a package for it is not installed.
    """
    if model is not None and model.startswith(_OPENAI):
        from ragcli.embedding.openai import OpenAIEmbedder

        known = contract if contract is not None and contract.get("id") == model else None
        return OpenAIEmbedder(model[len(_OPENAI) :], known)
    made = _prepared.pop((model, device), None)
    if made is None:
        return _open(model, device, threads)
    while not made.done():
        wait([made], _LOOK)  # a Ctrl-C that comes just before a wait does not end it
    return made.result()


def _open(model: str | None, device: str, threads: int | None = None) -> Embedder:
    from ragcli.embedding.onnx import OnnxEmbedder, graph_of
    from ragcli.embedding.profile import profile

    folder = resolve(model)
    how = profile(folder)
    graph = graph_of(folder.path)
    if graph is not None and (device == "cpu" or (device == "auto" and not _gpu())):
        return OnnxEmbedder(folder, how, graph, threads)
    from ragcli.embedding.torch import TorchEmbedder

    return TorchEmbedder(folder, how, device)


def model_contract(model: str | None = None, *, contract: Json | None = None) -> Json:
    """Return what a table keeps of a model, without loading its weights.

    Args:
        model: as for `open_embedder`.
        contract: what a table says of its model.

    Raises:
        ModelError: the model is not here.
    """
    if model is not None and model.startswith(_OPENAI):
        return open_embedder(model, contract=contract).contract
    from ragcli.embedding.profile import profile

    folder = resolve(model)
    return profile(folder).contract(folder)


def _gpu() -> bool:
    """Whether a CUDA device can be used, without importing torch where there is no driver."""
    import os
    from importlib.util import find_spec
    from pathlib import Path

    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    if os.name == "posix" and not Path("/dev/nvidiactl").exists():
        return False
    if find_spec("torch") is None or find_spec("transformers") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def token_counter(model: str | None = None) -> TokenCounter:
    """Return what counts a text's tokens as the model does, for ``split --unit tokens``.

    Its limit is what the model reads, less the special tokens and the prefix of a passage.
    """
    from ragcli.embedding.profile import profile
    from ragcli.embedding.tokens import load_tokenizer
    from ragcli.splitting import HuggingFaceCounter

    folder = resolve(model)
    how = profile(folder)
    tokenizer = load_tokenizer(folder.path)
    return HuggingFaceCounter(tokenizer, how.max_tokens - len(tokenizer.encode(how.passage).ids))
