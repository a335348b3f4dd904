"""Options of node parsers: what JSON cannot hold is named in it, and made here; and the version that all of it has.

The version is that of the package that brings the class. Code without a package, a user's own, goes by the digest of
its file, and an embedding model by its own, so that chunks say when something else cut them.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from ragcli.errors import RagcliError, UsageError
from ragcli.foreign import find, said
from ragcli.records import Json

OPTION = "--splitter-options"
_CORE = "llama-index-core"
EMBED_MODEL = "embed_model"
_EXAMPLE_CLASS = "llama_index.core:MockEmbedding"
_EXAMPLE_FUNCTION = "ragcli.splitting.parser:sentences"
_DIGITS = 12


@dataclass(slots=True)
class Filled:
    """Arguments of a parser; ``used`` are the classes and functions among them, ``digests`` those of models."""

    values: Json = field(default_factory=dict)
    used: list[Any] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)


def filled(options: Json) -> Filled:
    """Return options with what they name in its place.

    Raises:
        UsageError: there is no such class, function or model, or it takes other options.
    """
    made = Filled()
    made.values = {key: _fill(key, value, made) for key, value in options.items()}
    return made


def _fill(key: str, value: Any, made: Filled) -> Any:
    if key == EMBED_MODEL and isinstance(value, str):
        try:
            model, digest = _embedding(value)
        except RagcliError as error:
            raise UsageError(f"{OPTION}: {key}: {error.message}", hint=error.hint) from error
        made.digests.append(digest)
        return model
    if isinstance(value, list):
        return [_fill("", item, made) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"function"} and isinstance(value["function"], str):
        function = find(value["function"], OPTION, _EXAMPLE_FUNCTION, what="function")
        made.used.append(function)
        return function
    inner = {name: _fill(name, item, made) for name, item in value.items()}
    if not isinstance(value.get("class"), str) or set(value) - {"class", "options"}:
        return inner
    kind = find(value["class"], OPTION, _EXAMPLE_CLASS)
    made.used.append(kind)
    try:
        return kind(**(inner.get("options") or {}))
    except Exception as error:
        raise UsageError(f"{OPTION}: {value['class']}: {said(error)}.") from error


def version_of(kind: type, given: Filled) -> str:
    """Return the version of a class and of all that its options name."""
    packages = {one: _version(one.__module__) for one in (kind, *given.used)}
    base = packages[kind] or metadata.version(_CORE)
    own = {one for one, version in packages.items() if version is None}
    digests = sorted({_file_digest(one.__module__) for one in own} | set(given.digests))
    return "+".join([base, ".".join(digests)]) if digests else base


def _version(module: str) -> str | None:
    """Return the version of the package that brings a module; None where none does."""
    parts = module.split(".")
    if parts[0] == "ragcli":
        from ragcli import __version__

        return __version__
    names = ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]
    for name in names:
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if _brings(found, module):
            return found.version
    for name in metadata.packages_distributions().get(parts[0], ()):
        found = metadata.distribution(name)
        if _brings(found, module):
            return found.version
    return None


def _brings(found: metadata.Distribution, module: str) -> bool:
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or Path(file).resolve().is_relative_to(Path(str(found.locate_file(""))).resolve())


def _file_digest(module: str) -> str:
    file = getattr(sys.modules.get(module), "__file__", None)
    try:
        return hashlib.sha256(Path(file or "").read_bytes()).hexdigest()[:_DIGITS]
    except OSError:
        return module


def _embedding(name: str) -> tuple[Any, str]:
    """Return one of ragcli's embedding models as LlamaIndex's classes call it, and its digest."""
    from llama_index.core.base.embeddings.base import BaseEmbedding

    from ragcli.embedding import open_embedder

    embedder = open_embedder(None if name == "builtin" else name)

    class Embedding(BaseEmbedding):  # type: ignore[misc]
        """A model of ragcli."""

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            made: list[list[float]] = embedder.encode(texts, "passage").tolist()
            return made

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_query_embedding(self, query: str) -> list[float]:
            made: list[float] = embedder.encode([query], "query")[0].tolist()
            return made

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    return Embedding(model_name=name), str(embedder.contract.get("hash") or name)[:_DIGITS]
