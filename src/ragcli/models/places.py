"""Where models stand: the caches of the two clients, each in the client's own form, or a folder of the user's.

So that what ragcli brings is found by transformers and the clients, and the other way round. A folder that is new
gets its name when all its files are in it; where files come into a folder that is there, those that tell a model
(config.json, indexes) come last, and a mark says that it is being changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ragcli.errors import ModelError
from ragcli.models import manifest
from ragcli.models.fetching import Stage, key_of
from ragcli.models.hubs.protocol import HF, Listing, RemoteFile

_STAGE = ".ragcli"
_BUILDING = "building"
_LAST = ("config.json", "configuration.json")


def hf_cache() -> Path:
    """Return Hugging Face's cache: HF_HUB_CACHE, ``$HF_HOME/hub``, ``$XDG_CACHE_HOME/huggingface/hub``."""
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if given:
        return Path(given).expanduser().absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or str(Path(caches, "huggingface"))
    return Path(home).expanduser().absolute() / "hub"


def modelscope_cache() -> Path:
    """Return ModelScope's cache: MODELSCOPE_CACHE, else ``~/.cache/modelscope``."""
    return Path(os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope").expanduser().absolute()


class Place(Protocol):
    """Where one repository stands, or will stand, at one commit."""

    path: Path  # the model's folder
    stage: Stage
    lock: Path

    def holds(self, listing: Listing, file: RemoteFile) -> Path | None:
        """Return a file here with the content of this one, or None."""

    def stands(self, listing: Listing, files: Sequence[RemoteFile]) -> bool:
        """Return whether all files are in the folder as they are listed, without reckoning hashes."""

    def check(self, listing: Listing, files: Sequence[RemoteFile]) -> None:
        """Refuse, by ModelError, to put files where they would take another model's place."""

    def recover(self, listing: Listing) -> None:
        """Take what a killed run had put into a folder without a name back into the stage."""

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
        return Folder(local, local / _STAGE, local=True)
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


@contextlib.contextmanager
def alone(place: Place, waiting: Callable[[], None] | None) -> Iterator[bool]:
    """Keep other processes from a place meanwhile; give whether that is so.

    Args:
        place: the place.
        waiting: is called before waiting for another process, or None not to wait for it.
    """
    import filelock

    try:
        place.lock.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(str(place.lock))
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if waiting is None:
                yield False
                return
            waiting()
            lock.acquire()
    except NotImplementedError:  # a file system without locks
        yield True
        return
    try:
        yield True
    finally:
        lock.release()


class Blobs:
    """Hugging Face's cache: contents under their hash, and a folder of links for each commit."""

    def __init__(self, cache: Path, listing: Listing) -> None:
        self._root = cache / ("models--" + listing.repository.replace("/", "--"))
        self._blobs = self._root / "blobs"
        self.path = self._root / "snapshots" / listing.commit
        self.stage = Stage(self._root / _STAGE)
        self.lock = self._root / f"{_STAGE}.lock"
        known = manifest.read(self.path)
        self._damaged = frozenset(known.damaged if known is not None else ())
        self._damaged_contents = {
            page.files[path].key for _, page in self._pages() for path in page.damaged if path in page.files
        }

    def _pages(self) -> Iterator[tuple[Path, manifest.Manifest]]:
        for folder in self.path.parent.glob("*"):
            page = manifest.read(folder)
            if page is not None:
                yield folder, page

    def holds(self, listing: Listing, file: RemoteFile) -> Path | None:
        """Return the content here, going by its name and size, or None."""
        if file.path in self._damaged or (file.key and file.key in self._damaged_contents):
            return None
        for path in (self._blobs / key_of(listing, file), self.path / file.path):
            with contextlib.suppress(OSError):
                if path.stat().st_size == file.size:
                    return path
        return None

    def stands(self, listing: Listing, files: Sequence[RemoteFile]) -> bool:
        """Return whether all files are in the folder, whoever put them there."""
        try:
            return not any(
                file.path in self._damaged
                or (file.key and file.key in self._damaged_contents)
                or (self.path / file.path).stat().st_size != file.size
                for file in files
            )
        except OSError:
            return False

    def check(self, listing: Listing, files: Sequence[RemoteFile]) -> None:
        """Refuse nothing: a commit's folder is one model's."""

    def recover(self, listing: Listing) -> None:
        """Do nothing: such a folder holds links only."""

    def put(self, id_: str, listing: Listing, files: Sequence[RemoteFile]) -> None:
        """Put the contents under their hash, then the folder of links, then the branch's name.

        OSError where a content is not there any more.
        """
        self._blobs.mkdir(parents=True, exist_ok=True)
        known = manifest.read(self.path)
        for file in files:
            staged = self.stage.whole(listing, file)
            if staged.exists():
                staged.replace(self._blobs / key_of(listing, file))
        mended = {one.key for one in files} & self._damaged_contents
        for folder, page in self._pages() if mended else ():
            bad = [path for path in page.damaged if path not in page.files or page.files[path].key not in mended]
            if bad != page.damaged and folder != self.path:
                page.damaged = bad
                page.write(folder)
        page = manifest.Manifest.of(id_, listing, files)
        if known is not None:
            page.keep(known, self.path)
        left = _uses(listing, files)
        with _folder(self.path, self.stage.folder) as folder:
            for file in _in_order(files):
                left[key_of(listing, file)] -= 1
                self._link(folder, listing, file, last=not left[key_of(listing, file)])
            page.write(folder)
        if listing.name != listing.commit:
            _write(self._root / "refs" / listing.name, listing.commit, self.stage.folder)
        _tidy(self.stage, listing, files)

    def _link(self, folder: Path, listing: Listing, file: RemoteFile, last: bool) -> None:
        link = folder / file.path
        blob = self._blobs / key_of(listing, file)
        if not blob.exists():
            if link.exists():  # the file itself stands in the folder, where links cannot be made
                return
            raise FileNotFoundError(2, f"{file.path} has vanished", str(blob))
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink() and link.resolve() == blob.resolve():
            return
        temporary = self.stage.folder / f"link-{os.getpid()}"
        temporary.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        try:
            temporary.symlink_to(os.path.relpath(blob, (self.path / file.path).parent))
            temporary.replace(link)
        except OSError:  # a system or a disk without links
            temporary.unlink(missing_ok=True)
            _move(blob, link, keep=not last)


class Folder:
    """A folder that holds the files themselves: ModelScope's cache, or one that the user names."""

    def __init__(self, path: Path, stage: Path, *, local: bool = False) -> None:
        self.path = path
        self._local = local
        self.stage = Stage(stage)
        self.lock = stage.with_name(stage.name + ".lock")
        self._known = manifest.read(path)

    def holds(self, listing: Listing, file: RemoteFile) -> Path | None:
        """Return the file here if its content is this one, or None; without a manifest, its hash is reckoned.

        A file that the hub gives no hash for is this one only if it came at the same commit.
        """
        path = self.path / file.path
        known = self._known
        if file.key is None:
            same = known is not None and known.revision == listing.commit and file.path in known.files
            return path if same and known is not None and known.is_as_sent(self.path, file.path) else None
        if known is not None and known.untouched(self.path, file):
            return path
        try:
            return path if manifest.content_fits(path, file) else None
        except OSError:
            return None

    def stands(self, listing: Listing, files: Sequence[RemoteFile]) -> bool:
        """Return whether all files are in the folder as its manifest has them."""
        known = self._known
        if known is None or known.repository != listing.repository or known.revision != listing.commit:
            return False
        return all(known.untouched(self.path, one) if one.key else self.holds(listing, one) for one in files)

    def put(self, id_: str, listing: Listing, files: Sequence[RemoteFile]) -> None:
        """Put the files into the folder; one there with another content is replaced, if the hub once sent it.

        One that was changed by hand is kept beside, with the ending ``.orig``. What the repository has no more goes, if
        it stands as it was sent. OSError where a content is not there any more.
        """
        known = self._known
        page = manifest.Manifest.of(id_, listing, files)
        listed = {one.path: one for one in listing.files}
        if known is not None and known.repository == listing.repository:
            for path in [*known.files, *known.stale]:
                if path not in listed or path in page.files:
                    continue
                if path in known.files and known.untouched(self.path, listed[path]):
                    page.files[path] = listed[path]
                elif (self.path / path).exists():
                    page.stale.append(path)
        left = _uses(listing, files)
        with _folder(self.path, self.stage.folder) as folder:
            for file in _in_order(files):
                key = key_of(listing, file)
                left[key] -= 1
                if self.holds(listing, file) is not None:
                    continue
                staged, target = self.stage.whole(listing, file), folder / file.path
                if not staged.exists():
                    raise FileNotFoundError(2, f"{file.path} has vanished", str(staged))
                target.parent.mkdir(parents=True, exist_ok=True)
                as_sent = known is not None and file.path not in known.damaged and known.is_as_sent(folder, file.path)
                if self._local and target.exists() and not as_sent:
                    target.replace(_free(target))
                _move(staged, target, keep=left[key] > 0)
            if known is not None and known.repository == listing.repository:
                for path in known.files.keys() - listed.keys():
                    if known.is_as_sent(folder, path):
                        (folder / path).unlink(missing_ok=True)
            page.write(folder)
        _tidy(self.stage, listing, files)

    def recover(self, listing: Listing) -> None:
        """Take what a killed run had put into a folder without a name back into the stage."""
        building = self.stage.folder / _BUILDING
        for file in listing.files:
            with contextlib.suppress(OSError):  # what cannot be taken back is fetched
                path = building / file.path
                if path.stat().st_size == file.size:
                    path.replace(self.stage.whole(listing, file))

    def check(self, listing: Listing, files: Sequence[RemoteFile]) -> None:
        """Refuse to put files over those of another model.

        Raises:
            ModelError: the folder holds files of another model under the same names.
        """
        known = self._known
        if known is None or known.repository == listing.repository:
            return
        for file in files:
            if file.path in known.files and self.holds(listing, file) is None:
                raise ModelError(
                    f"{self.path} holds the {file.path} of another model, {known.repository}.",
                    hint="Name another folder, or take other files with --include.",
                )


def _uses(listing: Listing, files: Sequence[RemoteFile]) -> dict[str, int]:
    """Return how many files have each content."""
    found: dict[str, int] = {}
    for file in files:
        found[key_of(listing, file)] = found.get(key_of(listing, file), 0) + 1
    return found


def _move(source: Path, target: Path, *, keep: bool) -> None:
    """Move a file, or copy it where it is needed again."""
    if keep:
        copy = source.with_name(source.name + ".copy")
        shutil.copyfile(source, copy)
        copy.replace(target)
    else:
        source.replace(target)


def _free(path: Path) -> Path:
    """Return a name beside a file that no file has."""
    name = path.with_name(path.name + ".orig")
    number = 0
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.orig.{number}")
    return name


@contextlib.contextmanager
def _folder(path: Path, stage: Path) -> Iterator[Path]:
    """Give a folder to put files into; a new one gets its name at the end, one that is there a mark meanwhile."""
    if not path.exists():
        building = stage / _BUILDING
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


def _tidy(stage: Stage, listing: Listing, put: Sequence[RemoteFile]) -> None:
    """Remove from the stage what is of no use any more; what is there of this listing's other files stays."""
    done = {one.path for one in put}
    left = [one for one in listing.files if one.path not in done]
    useful = {path.name for one in left for path in (stage.whole(listing, one), stage.half(listing, one))}
    useful -= {stage.whole(listing, one).name for one in put}
    with contextlib.suppress(OSError):
        for path in stage.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name not in useful:
                path.unlink(missing_ok=True)
        stage.folder.rmdir()  # if nothing is left


def _in_order(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Return weights and parts first, then indexes, then what tells a model."""
    return sorted(files, key=lambda one: (one.path in _LAST, one.path.endswith(".index.json"), one.path))


def _write(path: Path, text: str, stage: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stage.mkdir(parents=True, exist_ok=True)
    temporary = stage / f"ref-{os.getpid()}"
    temporary.write_text(text)
    temporary.replace(path)
