"""What ragcli asks of a model hub, and the two that it knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

HF = "hf"
MODELSCOPE = "modelscope"
TITLES = {HF: "Hugging Face", MODELSCOPE: "ModelScope"}

# The same models under another owner. A hub's own pages say so: both are their makers' accounts.
_OWNERS: dict[str, dict[str, str]] = {
    MODELSCOPE: {"internlm": "Shanghai_AI_Laboratory", "meta-llama": "LLM-Research"},
    HF: {"Shanghai_AI_Laboratory": "internlm", "LLM-Research": "meta-llama"},
}
_TRUE = ("1", "ON", "YES", "TRUE")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file of a repository, with what its bytes must be.

    ``sha256`` is that of the bytes; ``git`` is the id of the blob in Git, SHA-1 of a header and the bytes, which is
    all that Hugging Face says of small files.
    """

    path: str
    size: int
    sha256: str | None = None
    git: str | None = None

    @property
    def key(self) -> str | None:
        """The name of the content, the same wherever the hub says the same of it."""
        return self.sha256 or self.git


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a repository holds at one commit.

    ``repository`` is the hub's name for the model, ``name`` the branch or tag that was asked for, ``commit`` what
    that is.
    """

    source: str
    repository: str
    name: str
    commit: str
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes of a file as they come in; ``start`` is the place of the first, which need not be the one asked for."""

    start: int
    blocks: Iterator[bytes]


class Hub(Protocol):
    """A model hub. Every method raises HubError for what the hub or the way to it does."""

    source: str
    title: str  # for people, with the address where it is not the usual one

    def listing(self, repository: str, revision: str | None) -> Listing:
        """Return what a repository holds; the main branch where no revision is given."""

    def open(self, listing: Listing, file: RemoteFile, start: int, block: int) -> AbstractContextManager[Body]:
        """Open a file's bytes from ``start`` on, in blocks of at most ``block`` bytes."""

    def nearest(self, repository: str) -> list[str]:
        """Return names of repositories like this one, the nearest first."""


def open_hub(source: str) -> Hub:
    """Open a hub; its client is imported here."""
    if source == HF:
        from ragcli.models.hubs.huggingface import HuggingFace

        return HuggingFace()
    from ragcli.models.hubs.modelscope import ModelScope

    return ModelScope()


def aliases(source: str, repository: str) -> list[str]:
    """Return what a hub may call a model: the name itself, then the name under its maker's account there."""
    owner, _, name = repository.partition("/")
    other = _OWNERS[source].get(owner)
    return [repository, f"{other}/{name}"] if other else [repository]


def is_offline(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether the network is switched off.

    HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE do it (as their client reads them), and RAGCLI_OFFLINE. ModelScope's client
    has no such switch, and obeys these here.
    """
    values = os.environ if environment is None else environment
    hub = values.get("HF_HUB_OFFLINE") or values.get("TRANSFORMERS_OFFLINE") or ""
    return hub.upper() in _TRUE or values.get("RAGCLI_OFFLINE", "").upper() in _TRUE
