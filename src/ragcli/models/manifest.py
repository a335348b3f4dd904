"""What a model's folder says of itself: ``.ragcli.json`` names each file with size and hash, and is written last.

A folder that another tool filled has none; what can be seen without it (parts that an index names, links to nothing,
files half written) still tells whether it is whole.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ragcli.errors import UsageError
from ragcli.jsonl import dumps, loads
from ragcli.models.hubs.protocol import Listing, RemoteFile
from ragcli.models.selection import select
from ragcli.records import Json

NAME = ".ragcli.json"
CHANGING = ".ragcli.incomplete"  # stands in a folder while its files are replaced
OWN = (".ragcli", ".cache")  # and every name that begins with the first
_BLOCK = 1 << 20
_WEIGHTS = (".safetensors", ".bin", ".onnx", ".gguf", ".pt", ".pth", ".msgpack", ".h5")
_HALF = (".incomplete", ".parallel_tmp")
_DOCUMENTS = re.compile(r"\.(?:md|rst|ipynb)$|(?:^|/)(?:license|notice|use_policy|copying)[^/]*$", re.IGNORECASE)
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)")


@dataclass(slots=True)
class Manifest:
    """A model's folder as it was made; ``damaged`` is what a check found since."""

    id: str
    repository: str
    source: str
    name: str
    revision: str
    files: dict[str, RemoteFile] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)  # modification of each file, in nanoseconds
    damaged: list[str] = field(default_factory=list)
    left_out: dict[str, RemoteFile] = field(default_factory=dict)  # what the repository holds beside them
    stale: list[str] = field(default_factory=list)  # files of an older commit that still stand in the folder

    @classmethod
    def of(cls, id_: str, listing: Listing, files: Iterable[RemoteFile]) -> Manifest:
        """Make the manifest of files that are about to be put into a folder."""
        return cls(
            id=id_,
            repository=listing.repository,
            source=listing.source,
            name=listing.name,
            revision=listing.commit,
            files={one.path: one for one in files},
            left_out={one.path: one for one in listing.files},
        )

    def keep(self, older: Manifest, folder: Path) -> None:
        """Take over what an older manifest says of files of the same commit that this one does not name."""
        for path, file in older.files.items():
            if path not in self.files and (folder / path).exists():
                self.files[path] = file
                self.times[path] = older.times.get(path, 0)
                if path in older.damaged:
                    self.damaged.append(path)

    def write(self, folder: Path) -> None:
        """Write it into its folder, whole or not at all."""
        self.times = {path: self.times.get(path) or _time(folder / path) for path in self.files}
        files = {path: _entry(one) | {"time": self.times[path]} for path, one in self.files.items()}
        content: Json = {"id": self.id, "repository": self.repository, "source": self.source, "name": self.name}
        content |= {"revision": self.revision, "files": files}
        others = {path: _entry(one) for path, one in self.left_out.items() if path not in self.files}
        if others:
            content["left_out"] = others
        if self.damaged:
            content["damaged"] = self.damaged
        if self.stale:
            content["stale"] = self.stale
        temporary = folder / f"{NAME}.{os.getpid()}"
        temporary.write_bytes(dumps(content))
        temporary.replace(folder / NAME)

    def is_as_sent(self, folder: Path, path: str) -> bool:
        """Whether a file stands in the folder as a hub sent it, so that nobody's work is lost with it."""
        own = self.files.get(path)
        if own is None:
            return False
        try:
            stat = (folder / path).stat()
        except OSError:
            return False
        return stat.st_size == own.size and stat.st_mtime_ns == self.times.get(path)

    def untouched(self, folder: Path, file: RemoteFile) -> bool:
        """Whether a file stands in the folder as this manifest has it, with this content, going by size and time."""
        own = self.files.get(file.path)
        if own is None or file.path in self.damaged or own.size != file.size:
            return False
        if not any(mine and mine == other for mine, other in ((own.sha256, file.sha256), (own.git, file.git))):
            return False
        return self.is_as_sent(folder, file.path)


def _entry(file: RemoteFile) -> Json:
    values = (("size", file.size), ("sha256", file.sha256), ("git", file.git))
    return {key: value for key, value in values if value is not None}


def _files(value: Mapping[str, Any]) -> dict[str, RemoteFile]:
    if not all(is_inside(path) for path in value):  # a folder may come from anywhere
        raise ValueError("a path that leads out of the folder")
    return {
        path: RemoteFile(path=path, size=int(one["size"]), sha256=one.get("sha256"), git=one.get("git"))
        for path, one in value.items()
    }


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # gone since; whoever reads the manifest sees it
        return 0


def read(folder: Path) -> Manifest | None:
    """Return the folder's manifest, or None where it has none that can be read."""
    try:
        value: Any = loads((folder / NAME).read_bytes())
        return Manifest(
            id=str(value["id"]),
            repository=str(value["repository"]),
            source=str(value["source"]),
            name=str(value["name"]),
            revision=str(value["revision"]),
            files=_files(value["files"]),
            left_out=_files(value.get("left_out", {})),
            times={path: int(one.get("time", 0)) for path, one in value["files"].items()},
            damaged=[str(one) for one in value.get("damaged", [])],
            stale=[str(one) for one in value.get("stale", [])],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def is_own(name: str) -> bool:
    """Whether a name in a model's folder is ragcli's or a client's, and no file of the model."""
    return name.startswith(OWN[0]) or name in OWN


def files_of(folder: Path) -> list[Path]:
    """Return the model's files in a folder, links included, without what ragcli and the clients keep there."""
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_own(name))
        found += [Path(root, name) for name in sorted(names) if not is_own(name)]
    return found


def fault(folder: Path, *, weights: bool = True) -> str | None:
    """Return why a folder is not a whole model, or None.

    Args:
        folder: the folder.
        weights: whether it must hold some.
    """
    if (folder / CHANGING).exists():
        return "a download into it was interrupted"
    manifest = read(folder)
    if manifest is not None:
        if manifest.damaged:
            return f"{manifest.damaged[0]} is damaged"
        for path, file in manifest.files.items():
            try:
                size = (folder / path).stat().st_size
            except OSError:
                return f"{path} is missing"
            if size != file.size:
                return f"{path} has {size} bytes in place of {file.size}"
        return _unmet(folder, manifest) if weights else None
    found = files_of(folder)
    for one in found:
        if one.suffix in _HALF:
            return f"{one.name} is only a part of a file"
        if not one.exists():
            return f"{one.relative_to(folder)} leads to nothing"
    indexes = [one for one in found if one.name.endswith(".index.json")]
    missing = next((part for one in indexes for part in _missing_parts(one)), None) or _missing_number(found)
    if missing:
        return f"{missing} is missing"
    if weights and not any(one.suffix in _WEIGHTS for one in found):
        return "it holds no weights"
    return None


def _unmet(folder: Path, manifest: Manifest) -> str | None:
    """Return what is wanting in a folder whose files are as they came, but were only some, or not of one commit."""
    for path in manifest.stale:
        if not path.endswith(".gguf") and (folder / path).exists():
            return f"{path} is of an older commit than the rest"
    if any(path.endswith(".gguf") for path in manifest.files):
        return None
    try:
        needed = select(manifest.repository, [*manifest.files.values(), *manifest.left_out.values()]).files
    except UsageError:  # a choice that is the user's
        return None
    missing = [one.path for one in needed if one.path not in manifest.files and not _DOCUMENTS.search(one.path)]
    return f"only some of its files were downloaded, and not {missing[0]}" if missing else None


def _missing_number(found: Iterable[Path]) -> str | None:
    """Return the first part that is not there of a file in numbered parts."""
    parts: dict[tuple[Path, str, str], set[int]] = {}
    for one in found:
        match = _PART.fullmatch(one.name)
        if match:
            parts.setdefault((one.parent, match[1], match[3] + match[4]), set()).add(int(match[2]))
    for (_, stem, rest), numbers in parts.items():
        for number in range(1, int(rest[:5]) + 1):
            if number not in numbers:
                return f"{stem}-{number:05d}-of-{rest}"
    return None


def _missing_parts(index: Path) -> list[str]:
    """Return the files that an index of weights names and that are not there, unless all are not there.

    A download may leave out a whole form of the weights and still bring its index.
    """
    try:
        value: Any = loads(index.read_bytes())
        names = sorted({str(one) for one in value["weight_map"].values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    missing = [name for name in names if not (index.parent / name).exists()]
    return missing if len(missing) < len(names) or _only_form(index) else []


def _only_form(index: Path) -> bool:
    return not any(one.suffix in _WEIGHTS for one in index.parent.iterdir())


class Digest:
    """The hash of a file's bytes in the form that a hub gives: SHA-256, or the id of a blob in Git."""

    def __init__(self, file: RemoteFile) -> None:
        self._wanted = file.sha256 or file.git
        self._hash = hashlib.sha256() if file.sha256 or not file.git else hashlib.sha1(usedforsecurity=False)
        if not file.sha256 and file.git:
            self._hash.update(b"blob %d\0" % file.size)

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._hash.update(data)

    def fits(self) -> bool:
        """Whether the bytes are what they should be; those that a hub gives no hash for are taken as they are."""
        return self._wanted is None or self._hash.hexdigest() == self._wanted


def content_fits(path: Path, file: RemoteFile) -> bool:
    """Whether a file on disk holds what it should; OSError where it cannot be read."""
    if path.stat().st_size != file.size:
        return False
    digest = Digest(file)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.fits()


def is_inside(path: str) -> bool:
    """Whether a path from elsewhere stays inside the folder that it is put into."""
    parts = PurePosixPath(path)
    if "\\" in path or "\0" in path or not parts.parts or parts.is_absolute() or ".." in parts.parts:
        return False
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True
