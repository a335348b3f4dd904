"""Where models stand: the caches of the two clients, each in the client's own form, or a folder of the user's.

So that what ragcli brings is found by transformers and the clients, and the other way round. A folder that is new
gets its name when all its files are in it; where files come into a folder that is there, those that tell a model
(config.json, indexes) come last, and a mark says that it is being changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ragcli.models import manifest
from ragcli.models.fetching import Stage, key_of
from ragcli.models.hubs.protocol import HF, MODELSCOPE, Listing, RemoteFile

_STAGE = ".ragcli"
_LAST = ("config.json", "configuration.json")


def hf_cache() -> Path:
    """Return Hugging Face's cache: HF_HUB_CACHE, ``$HF_HOME/hub``, ``$XDG_CACHE_HOME/huggingface/hub``."""
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if given:
        return Path(given).expanduser()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or str(Path(caches, "huggingface"))
    return Path(home).expanduser() / "hub"


def modelscope_cache() -> Path:
    """Return ModelScope's cache: MODELSCOPE_CACHE, else ``~/.cache/modelscope``."""
    return Path(os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope").expanduser()


class Place(Protocol):
    """Where one repository stands, or will stand, at one commit."""

    path: Path  # the model's folder
    stage: Stage

    def holds(self, listing: Listing, file: RemoteFile) -> Path | None:
        """Return a file here with the content of this one, or None."""

    def put(self, id_: str, listing: Listing, files: Sequence[RemoteFile]) -> None:
        """Put files into the folder: those of the stage, and those that are held."""


def place_of(listing: Listing, cache: Path | None, local: Path | None) -> Place:
    """Return the place for what a hub lists.

    Args:
        listing: the repository at its commit.
        cache: the cache's folder, or None for the client's own.
        local: a folder that the files themselves are put into, or None for a cache.
    """
    if local is not None:
        return Folder(local, local / _STAGE)
    if listing.source == HF:
        return Blobs(cache or hf_cache(), listing)
    base = cache or modelscope_cache()
    root = base / "models" / listing.repository.replace("/", "--", 1)
    return Folder(older(base, listing.repository) or root / "snapshots" / listing.name, root / _STAGE)


def older(base: Path, repository: str) -> Path | None:
    """Return a model's folder in the form of ModelScope's clients up to 1.37, which the newer ones go on using."""
    owner, _, name = repository.partition("/")
    for path in (
        base / "models" / owner / name.replace(".", "___"),
        base / "hub/models" / owner / name.replace(".", "___"),
    ):
        with contextlib.suppress(OSError):
            if next(path.iterdir(), None) is not None:
                return path
    return None


def elsewhere(listing: Listing, cache: Path | None) -> Place:
    """Return the place that the same model would have in the other hub's cache."""
    if listing.source == HF:
        name = "master" if listing.name == "main" else listing.name
        return place_of(replace(listing, source=MODELSCOPE, name=name), cache, None)
    name = "main" if listing.name == "master" else listing.name
    return place_of(replace(listing, source=HF, name=name), cache, None)


class Blobs:
    """Hugging Face's cache: contents under their hash, and a folder of links for each commit."""

    def __init__(self, cache: Path, listing: Listing) -> None:
        self._root = cache / ("models--" + listing.repository.replace("/", "--"))
        self._blobs = self._root / "blobs"
        self.path = self._root / "snapshots" / listing.commit
        self.stage = Stage(self._root / _STAGE)

    def holds(self, listing: Listing, file: RemoteFile) -> Path | None:
        """Return the content here, or None."""
        for path in (self._blobs / key_of(listing, file), self.path / file.path):
            with contextlib.suppress(OSError):
                if path.stat().st_size == file.size and not self._is_damaged(file):
                    return path
        return None

    def _is_damaged(self, file: RemoteFile) -> bool:
        known = manifest.read(self.path)
        return known is not None and file.path in known.damaged

    def put(self, id_: str, listing: Listing, files: Sequence[RemoteFile]) -> None:
        """Put the contents under their hash, then the folder of links, then the branch's name."""
        self._blobs.mkdir(parents=True, exist_ok=True)
        known = manifest.read(self.path)
        for file in files:
            staged = self.stage.whole(listing, file)
            if staged.exists():
                staged.replace(self._blobs / key_of(listing, file))
        page = manifest.Manifest.of(id_, listing, files)
        if known is not None:
            page.keep(known, self.path)
        with _folder(self.path, self.stage.folder) as folder:
            for file in _in_order(files):
                self._link(folder, listing, file)
            page.write(folder)
        if listing.name != listing.commit:
            _write(self._root / "refs" / listing.name, listing.commit)
        shutil.rmtree(self.stage.folder, ignore_errors=True)

    def _link(self, folder: Path, listing: Listing, file: RemoteFile) -> None:
        link = folder / file.path
        blob = self._blobs / key_of(listing, file)
        if not blob.exists():  # the file itself stands in the folder, where links cannot be made
            return
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.exists() and link.is_symlink() and link.resolve() == blob.resolve():
            return
        temporary = link.with_name(f"{link.name}.{os.getpid()}.link")
        try:
            final = self.path / file.path
            temporary.symlink_to(os.path.relpath(blob, final.parent))
            temporary.replace(link)
        except OSError:  # a system or a disk without links
            temporary.unlink(missing_ok=True)
            blob.replace(link)


class Folder:
    """A folder that holds the files themselves: ModelScope's cache, or one that the user names."""

    def __init__(self, path: Path, stage: Path) -> None:
        self.path = path
        self.stage = Stage(stage)
        self._known: manifest.Manifest | None = None
        self._read = False

    def holds(self, listing: Listing, file: RemoteFile) -> Path | None:
        """Return the file here if its content is this one, or None; without a manifest, its hash is reckoned."""
        if not self._read:
            self._known = manifest.read(self.path)
            self._read = True
        path = self.path / file.path
        if self._known is not None and self._known.untouched(self.path, file):
            return path
        try:
            return path if manifest.content_fits(path, file) else None
        except OSError:
            return None

    def put(self, id_: str, listing: Listing, files: Sequence[RemoteFile]) -> None:
        """Put the files into the folder; one there with another content is replaced, if the hub once sent it.

        One that was changed by hand is kept beside, with the ending ``.orig``.
        """
        known = manifest.read(self.path)
        page = manifest.Manifest.of(id_, listing, files)
        if known is not None and known.revision == listing.commit:
            page.keep(known, self.path)
        # A content that several files have is copied for all but the last.
        left: dict[str, int] = {}
        for file in files:
            left[key_of(listing, file)] = left.get(key_of(listing, file), 0) + 1
        with _folder(self.path, self.stage.folder) as folder:
            for file in _in_order(files):
                key = key_of(listing, file)
                left[key] -= 1
                staged = self.stage.whole(listing, file)
                target = folder / file.path
                if not staged.exists():
                    continue
                if self.holds(listing, file) is None:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if target.exists() and not _is_as_sent(target, file, known):
                        target.replace(target.with_name(target.name + ".orig"))
                    if left[key]:
                        copy = staged.with_name(staged.name + ".copy")
                        shutil.copyfile(staged, copy)
                        copy.replace(target)
                    else:
                        staged.replace(target)
            if known is not None:
                for path in known.files.keys() - page.files.keys():
                    if _is_as_sent(folder / path, known.files[path], known):
                        (folder / path).unlink(missing_ok=True)
            page.write(folder)
        shutil.rmtree(self.stage.folder, ignore_errors=True)


def _is_as_sent(path: Path, file: RemoteFile, known: manifest.Manifest | None) -> bool:
    """Whether a file stands as a hub sent it, so that nobody's work is lost with it."""
    if known is None or file.path not in known.files:
        return False
    return file.path in known.damaged or known.untouched(
        path.parents[len(Path(file.path).parts) - 1], known.files[file.path]
    )


@contextlib.contextmanager
def _folder(path: Path, stage: Path) -> Iterator[Path]:
    """Give a folder to put files into; a new one gets its name at the end, one that is there a mark meanwhile."""
    if not path.exists():
        building = stage / "building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        yield building
        path.parent.mkdir(parents=True, exist_ok=True)
        building.rename(path)
        return
    mark = path / manifest.CHANGING
    mark.touch()
    yield path
    mark.unlink()


def _in_order(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Return weights and parts first, then indexes, then what tells a model."""
    return sorted(files, key=lambda one: (one.path in _LAST, one.path.endswith(".index.json"), one.path))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


def borrow(stage: Stage, listing: Listing, files: Sequence[RemoteFile], others: Sequence[Place]) -> None:
    """Take over what other places hold of these contents, whole or half, so that it is not fetched again."""
    stage.folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if not file.key:
            continue
        whole, half = stage.whole(listing, file), stage.half(listing, file)
        for other in others:
            if whole.exists():
                break
            staged, growing = other.stage.whole(listing, file), other.stage.half(listing, file)
            held = None if staged.exists() else other.holds(listing, file)
            with contextlib.suppress(OSError):  # what cannot be taken over is fetched
                if staged.exists():
                    shutil.move(staged, whole)
                elif held is not None:
                    _share(held.resolve(), whole)
                elif growing.exists() and growing.stat().st_size > stage.there(listing, file):
                    shutil.move(growing, half)


def _share(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:
        copy = target.with_name(target.name + ".copy")
        shutil.copyfile(path, copy)
        copy.replace(target)
