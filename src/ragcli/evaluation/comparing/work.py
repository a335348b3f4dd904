"""The work folder: what each stage gave, kept under a digest of all that it was made from.

Nothing in it is ever wrong for being old: another document, setting, model or version of ragcli is another digest. A
result is written last and under a temporary name, so that a run that is killed goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from ragcli import __version__
from ragcli.errors import RagcliError, UsageError
from ragcli.jsonl import dumps, loads
from ragcli.records import Json, content_id

_MAKER = 1  # raised when a stage of the comparison gives something else than before
_BLOCK = 1 << 20


def key_of(*parts: Any) -> str:
    """Return a digest of values (of JSON), of this version of ragcli and of the comparison's own."""
    return content_id(orjson.dumps([__version__, _MAKER, *parts], option=orjson.OPT_SORT_KEYS).decode())


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


class Work:
    """A work folder; see `at_work`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reused = 0  # results that were there
        self.made = 0

    @property
    def db(self) -> str:
        """Where the tables are."""
        return str(self.folder / "tables")

    def path(self, kind: str, name: str) -> Path:
        """Return a place for a file of a stage."""
        return self.folder / kind / name

    def kept(self, kind: str, key: str, *names: str) -> Json | None:
        """Return what a stage gave before, or None; what cannot be read, or lacks one of the names, is made anew."""
        try:
            value = loads(self.path(kind, f"{key}.json").read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(value, dict) or not all(name in value for name in names):
            return None
        self.reused += 1
        return value

    def keep(self, kind: str, key: str, value: Json) -> Json:
        """Keep what a stage gave, and return it.

        Raises:
            RagcliError: the folder cannot be written.
        """
        self.write(kind, f"{key}.json", dumps(value))
        self.made += 1
        return value

    def write(self, kind: str, name: str, data: bytes) -> Path:
        """Write a file whole or not at all.

        Raises:
            RagcliError: the folder cannot be written.
        """
        path = self.path(kind, name)
        with self.writing(path) as temporary:
            temporary.write_bytes(data)
        return path

    @contextmanager
    def writing(self, path: Path) -> Iterator[Path]:
        """Give a temporary name for a file, which gets its own when all of it is written.

        Raises:
            RagcliError: the folder cannot be written.
        """
        temporary = path.with_name(path.name + ".tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            temporary.replace(path)
        except OSError as error:
            raise RagcliError(
                f"cannot write {path}: {error.strerror}.", hint="--work DIR names another folder for what is kept."
            ) from error


@contextmanager
def at_work(folder: Path) -> Iterator[Work]:
    """Open a work folder for one run at a time.

    Raises:
        UsageError: it cannot be made, or another run is at work in it.
    """
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(str(folder / ".lock"))
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise UsageError(
            f"another comparison is at work in {folder}.", hint="Wait for it, or name another folder with --work."
        ) from error
    except OSError as error:
        raise UsageError(f"--work {folder} cannot be made or written: {error.strerror}.") from error
    except NotImplementedError:  # a file system without locks
        yield Work(folder)
        return
    try:
        yield Work(folder)
    finally:
        lock.release()
