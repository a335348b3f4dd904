"""Bytes from a hub to disk: side by side, going on where they ended, each file compared with its hash.

Files are fetched into a stage, a folder beside the place where they will stand, under the name of their content.
What is half there has the ending ``.incomplete`` and is continued, by this hub or by another one that has the same
content; a file loses the ending only when its hash is right.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from ragcli.errors import HubError, ModelError
from ragcli.models.hubs.protocol import Hub, Listing, RemoteFile
from ragcli.models.manifest import Digest
from ragcli.models.watching import Watcher

_BLOCK = 1 << 16
_READ = 1 << 20
_TRIES = 5  # in a row without one new byte
_LONGEST_WAIT = 120.0  # seconds that a hub may ask for
_LOOK = 0.2
_SLOW_WINDOW = 30.0  # seconds,
_SLOW_RATE = 1024.0  # and bytes a second that count as standing still, as ModelScope's client has it
_RETRIED = ("network", "busy")


class Stage:
    """A folder of files by content, whole or half."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def whole(self, listing: Listing, file: RemoteFile) -> Path:
        """Return where the content of a file is put when it is whole."""
        return self.folder / key_of(listing, file)

    def half(self, listing: Listing, file: RemoteFile) -> Path:
        """Return where the content of a file grows."""
        return self.folder / (key_of(listing, file) + ".incomplete")

    def there(self, listing: Listing, file: RemoteFile) -> int:
        """Return how many bytes of a file are here."""
        for path in (self.whole(listing, file), self.half(listing, file)):
            try:
                return path.stat().st_size
            except OSError:
                continue
        return 0


def key_of(listing: Listing, file: RemoteFile) -> str:
    """Return the name of a file's content; where the hub gives no hash, one of its place."""
    if file.key:
        return file.key
    place = f"{listing.source}\0{listing.repository}\0{listing.commit}\0{file.path}\0{file.size}"
    return "place-" + hashlib.sha256(place.encode()).hexdigest()


def fetch(
    hub: Hub,
    listing: Listing,
    files: Iterable[RemoteFile],
    stage: Stage,
    *,
    workers: int,
    watcher: Watcher,
    tries: int = _TRIES,
) -> None:
    """Bring files into the stage, as many at once as there are workers.

    Args:
        hub: where they come from.
        listing: the repository they belong to.
        files: what is wanted; what the stage holds whole is not fetched.
        stage: where they go.
        workers: the most at once.
        watcher: is told of every block.
        tries: how often in a row one file may fail without one new byte.

    Raises:
        HubError: the hub does not deliver a file, or other bytes than it should; what came stays in the stage.
        ModelError: the disk does not take it.
    """
    waiting: queue.SimpleQueue[RemoteFile] = queue.SimpleQueue()
    # The largest first: the last ones to end are then short ones.
    unique = {key_of(listing, one): one for one in files}
    for file in sorted(unique.values(), key=lambda one: -one.size):
        waiting.put(file)
    stop = threading.Event()
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            while not stop.is_set():
                try:
                    file = waiting.get_nowait()
                except queue.Empty:
                    break
                _fetch_one(hub, listing, file, stage, watcher, stop, tries)
            ended.put(None)
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits
            ended.put(error)

    # Not a pool: its threads would hold the process at exit while a read waits for its time limit.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(1, min(workers, len(unique))))]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            error = _next(ended)
            if error is not None:
                raise error
    finally:
        stop.set()


def _next(ended: queue.SimpleQueue[BaseException | None]) -> BaseException | None:
    while True:
        try:
            return ended.get(timeout=_LOOK)  # short, so that a Ctrl-C is heard on every system
        except queue.Empty:
            continue


class _Stopped(Exception):
    """Another file failed, or the user has had enough."""


def _fetch_one(
    hub: Hub, listing: Listing, file: RemoteFile, stage: Stage, watcher: Watcher, stop: threading.Event, tries: int
) -> None:
    if stage.whole(listing, file).exists():
        watcher.end(file)
        return
    half = stage.half(listing, file)
    failed = wrong = 0
    while not stop.is_set():
        before = _size(half)
        try:
            right = _continue(hub, listing, file, half, watcher, stop)
        except _Stopped:
            return
        except HubError as error:
            failed = 1 if _size(half) > before else failed + 1
            wait = 0.5 * 2 ** (failed - 1) if error.after is None else error.after
            if error.kind not in _RETRIED or failed >= tries or wait > _LONGEST_WAIT:
                raise
            stop.wait(wait)
            continue
        except OSError as error:
            raise ModelError(
                f"{file.path} cannot be written to {half.parent}: {error.strerror}.",
                hint="What has come is kept; the same command goes on from there.",
            ) from error
        if right:
            half.replace(stage.whole(listing, file))
            watcher.end(file)
            return
        watcher.advance(file, -_size(half), 0)
        half.unlink()
        wrong += 1
        if wrong == 2:
            raise HubError(
                f"{hub.title} sends wrong bytes for {file.path} of {listing.repository}: twice, the hash"
                " was not the one that it names.",
                "data",
            )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _continue(
    hub: Hub, listing: Listing, file: RemoteFile, half: Path, watcher: Watcher, stop: threading.Event
) -> bool:
    """Go on with one file to its end; return whether its hash is right."""
    half.parent.mkdir(parents=True, exist_ok=True)
    digest = Digest(file)
    with half.open("a+b", buffering=0) as out:
        if out.seek(0, os.SEEK_END) > file.size:
            out.truncate(0)
        out.seek(0)
        here = 0
        while block := out.read(_READ):
            digest.update(block)
            here += len(block)
        if here < file.size:
            with hub.open(listing, file, here, _BLOCK) as body:
                if body.start != here:  # the server does not go on from a place
                    watcher.advance(file, -here, 0)
                    out.truncate(0)
                    digest = Digest(file)
                    here = 0
                pace = _Pace()
                for block in body.blocks:
                    if stop.is_set():
                        raise _Stopped
                    here += len(block)
                    if here > file.size:
                        break
                    _write(out, block)
                    digest.update(block)
                    watcher.advance(file, len(block), here)
                    if pace.is_slow(len(block)):
                        raise HubError(f"{hub.title} hardly sends anything of {file.path}.", "network")
            if here < file.size:
                raise HubError(f"{hub.title} ended {file.path} after {here} of {file.size} bytes.", "network")
        if here > file.size:
            return False
        os.fsync(out.fileno())
    return digest.fits()


def _write(out: object, block: bytes) -> None:
    """Write all of a block: an unbuffered file may take only a part of it."""
    view = memoryview(block)
    while view:
        view = view[out.write(view) :]  # type: ignore[attr-defined]


class _Pace:
    """Notices a server that sends next to nothing."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._bytes = 0

    def is_slow(self, count: int) -> bool:
        self._bytes += count
        passed = time.monotonic() - self._since
        if passed < _SLOW_WINDOW:
            return False
        slow = self._bytes < _SLOW_RATE * passed
        self._since, self._bytes = time.monotonic(), 0
        return slow
