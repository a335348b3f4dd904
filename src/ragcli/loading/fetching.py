"""Objects on object storage are brought to disk ahead of their reading, several at once, within a limit of bytes."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from ragcli.loading.buckets import fetch
from ragcli.loading.discovery import Found

MOST_BYTES = 256 << 20  # on disk, that are not read yet; a larger one has it for itself
_LOOK = 0.2


class Fetching:
    """Brings objects into files, and removes these when they have been read.

    `wait` is asked for room in the order of reading, so that what is read next always has it.

    Args:
        wanted: says by the first bytes of an object whether the rest is wanted.
        stopped: ends it.
        ahead: how many are brought at once.
    """

    def __init__(self, wanted: Callable[[Found, bytes], bool], stopped: threading.Event, ahead: int) -> None:
        self._wanted = wanted
        self._stopped = stopped
        self._folder = tempfile.TemporaryDirectory(prefix="ragcli-", ignore_cleanup_errors=True)
        self._pool = ThreadPoolExecutor(ahead, "ragcli fetch")
        self._change = threading.Condition()
        self._held: dict[str, int] = {}
        self._number = 0

    def room(self, found: Found) -> bool:
        """Whether there is room for an object now."""
        assert found.status is not None
        with self._change:
            return not self._held or sum(self._held.values()) + found.status[0] <= MOST_BYTES

    def wait(self, found: Found) -> None:
        """Wait until there is room, or it is stopped."""
        while not self.room(found) and not self._stopped.is_set():
            with self._change:
                self._change.wait(_LOOK)

    def begin(self, found: Found) -> tuple[Path, Future[None]]:
        """Begin to bring an object, for which there is room; return where it will be, and what to wait for."""
        assert found.status is not None
        self._number += 1
        # A reader that was brought in may go by the name.
        name = re.sub(r"[^\w.-]", "_", found.name.rpartition("/")[2])[-80:]
        path = Path(self._folder.name, str(self._number), name or "object")
        with self._change:
            self._held[str(path)] = found.status[0]
        return path, self._pool.submit(self._fetch, found, path)

    def _fetch(self, found: Found, path: Path) -> None:
        path.parent.mkdir()
        first = True

        def wanted(block: bytes) -> bool:
            nonlocal first
            asked, first = first, False
            return not self._stopped.is_set() and (not asked or self._wanted(found, block))

        fetch(found.path, path, wanted)

    def end(self, future: Future[None]) -> None:
        """Wait for an object.

        Raises:
            LoadError: it does not come.
            OSError: the disk does not take it.
        """
        while not self._stopped.is_set():
            if wait([future], timeout=_LOOK).done:
                future.result()
                return

    def release(self, path: str | Path | None) -> None:
        """Remove a file that has been read; one that is not of here stays."""
        with self._change:
            if self._held.pop(str(path), None) is None:
                return
            self._change.notify_all()
        shutil.rmtree(Path(str(path)).parent, ignore_errors=True)

    def close(self) -> None:
        """Remove all files, and end what is on its way, without waiting for a store that is silent."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._folder.cleanup()
