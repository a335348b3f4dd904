"""Who is told how a download goes: nobody, unless the command line says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ragcli.models.hubs.protocol import RemoteFile


class Watcher(Protocol):
    """Is told how a download goes; called from several threads."""

    def begin(self, files: Sequence[RemoteFile], there: int) -> None:
        """Take what will be fetched; ``there`` bytes of it are on disk."""

    def advance(self, file: RemoteFile, count: int, here: int) -> None:
        """Take that ``count`` more bytes came (fewer than none where a file begins anew), ``here`` in all."""

    def end(self, file: RemoteFile) -> None:
        """Take that a file is whole."""

    def close(self) -> None:
        """Take that the download is over, one way or the other."""


class Silent:
    """A watcher that tells nobody."""

    def begin(self, files: Sequence[RemoteFile], there: int) -> None:
        """Say nothing."""

    def advance(self, file: RemoteFile, count: int, here: int) -> None:
        """Say nothing."""

    def end(self, file: RemoteFile) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""


_maker: Callable[[], Watcher] = Silent


def watcher() -> Watcher:
    """Return a new watcher for one download."""
    return _maker()


def watch_with(maker: Callable[[], Watcher]) -> None:
    """Have downloads watched by what ``maker`` returns."""
    global _maker
    _maker = maker
