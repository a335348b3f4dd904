"""What is on disk: the caches of both hubs and the built-in models; to list, to check, to remove.

A model brought by another tool counts like one of ragcli's. When a model was last used is the later of what the file
system says and of a stamp that ragcli sets, since many disks note no reading.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from ragcli.errors import ModelError
from ragcli.models import builtin, manifest
from ragcli.models.hubs.protocol import HF, MODELSCOPE, Listing, RemoteFile, aliases
from ragcli.models.places import Folder, alone, hf_cache, modelscope_cache
from ragcli.records import Model

BUILT_IN = "built-in"
_SOURCES = (HF, MODELSCOPE, BUILT_IN)
_SHA256, _SHA1 = 64, 40  # hexadecimal digits
_NO_MODELS = ("hub", "models", "datasets", "studios", "mcps", "skills")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A model's folder at one revision; ``fault`` says why it is not whole."""

    id: str
    source: str
    revision: str | None
    path: Path
    fault: str | None
    local: bool = False  # a folder that the user named, not a cache

    def listing(self) -> Listing:
        """Return what its repository holds, as far as this folder tells."""
        known = manifest.read(self.path)
        if known is not None:
            files = [*known.files.values(), *known.left_out.values()]
        else:
            paths = [one for one in self.files() if one.exists()]
            files = [RemoteFile(path=one.relative_to(self.path).as_posix(), size=one.stat().st_size) for one in paths]
        revision = self.revision or ""
        return Listing(source=self.source, repository=self.id, name=revision, commit=revision, files=tuple(files))

    def files(self) -> list[Path]:
        """Return its files."""
        return manifest.files_of(self.path)

    def record(self) -> Model:
        """Return it as a record, with last use and size."""
        sizes = [one.stat() for one in self.files() if one.exists()]
        last = max([*(one.st_atime for one in sizes), _stamp_of(self.path)], default=0.0)
        extra = {"last_used": _time(last) if last else None, "whole": self.fault is None}
        if self.fault is not None:
            extra["fault"] = self.fault
        return Model(
            id=self.id,
            source=self.source,
            revision=self.revision,
            path=str(self.path),
            files=len(sizes),
            bytes=sum(one.st_size for one in sizes),
            extra=extra,
        )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _stamp(folder: Path) -> Path:
    from ragcli.models.folder import cache_dir

    return cache_dir() / "used" / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()


def _stamp_of(folder: Path) -> float:
    try:
        return _stamp(folder).stat().st_mtime
    except OSError:
        return 0.0


def used(folder: Path) -> None:
    """Note that a model is used now; a cache that cannot be written only loses the note."""
    stamp = _stamp(folder)
    with contextlib.suppress(OSError):
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()


def installed(sources: Sequence[str] = _SOURCES, cache: Path | None = None) -> Iterator[Installed]:
    """Yield what is on disk, a folder for each model and revision, hub by hub and by name.

    Args:
        sources: which hubs; the built-in models are one.
        cache: another folder than the clients' own.
    """
    if HF in sources:
        root = cache or hf_cache()
        for place in sorted(root.glob("models--*")):
            yield from _hf(place, place.name.removeprefix("models--").replace("--", "/"))
    if MODELSCOPE in sources:
        root = cache or modelscope_cache()
        for place in sorted((root / "models").glob("*--*")):
            yield from _modelscope(place, place.name.replace("--", "/", 1))
        for older in (root / "models", root / "hub" / "models", root / "hub", root):
            for place in sorted(older.glob("*/*")):
                if _is_older(place):
                    name = f"{place.parent.name}/{place.name.replace('___', '.')}"
                    yield _folder(name, MODELSCOPE, None, place)
    if BUILT_IN in sources and cache is None:
        from ragcli.models.folder import cache_dir

        for model in builtin.ALL:
            path = builtin.folder_of(cache_dir() / "models", model)
            if path is not None and path.is_dir():
                yield again(Installed(id=model.id, source=BUILT_IN, revision=None, path=path, fault=None))


def _is_older(place: Path) -> bool:
    """Whether a folder is a model in the form of ModelScope's older clients: owner/name, and its files in it."""
    if (
        place.parent.name in _NO_MODELS
        or place.parent.name.startswith(".")
        or place.name.startswith((".", "snapshots"))
    ):
        return False
    return any((place / name).is_file() for name in ("config.json", "configuration.json", ".msc", ".mdl"))


def find(
    id_: str, *, sources: Sequence[str] = (HF, MODELSCOPE), revision: str | None = None, cache: Path | None = None
) -> list[Installed]:
    """Return the folders of one model, the main branch's first, without a look at the other models.

    Args:
        id_: the name on a hub.
        sources: which hubs.
        revision: only this branch, tag or commit.
        cache: another folder than the clients' own.
    """
    found: list[Installed] = []
    for source in sources:
        for name in aliases(source, id_):
            if source == HF:
                place = (cache or hf_cache()) / ("models--" + name.replace("/", "--"))
                found += _hf(place, name, revision)
            else:
                root = cache or modelscope_cache()
                found += _modelscope(root / "models" / name.replace("/", "--", 1), name, revision)
                owner, _, short = name.partition("/")
                olders = [one / owner / form for one in _olders(root) for form in (short.replace(".", "___"), short)]
                if revision is None:
                    found += [_folder(name, source, None, one) for one in dict.fromkeys(olders) if _is_older(one)]
    return found


def _olders(root: Path) -> list[Path]:
    default = modelscope_cache() == root and not os.environ.get("MODELSCOPE_CACHE")
    return [root / "models", root / "hub" / "models", root / "hub", *([] if default else [root])]


def at(id_: str, path: Path, revision: str | None = None) -> Installed | None:
    """Return the model in a folder that the user named, or None where there is none.

    Raises:
        ModelError: it is another model, or another revision.
    """
    known = manifest.read(path)
    if known is None:
        return None
    if known.repository not in (*aliases(HF, id_), *aliases(MODELSCOPE, id_)):
        raise ModelError(f"{path} holds another model, {known.repository}.", hint="Name that one, or another folder.")
    if revision is not None and revision not in (known.revision, known.name):
        raise ModelError(f"{path} holds {known.repository} at {known.name}, not at {revision}.")
    return Installed(
        id=id_, source=known.source, revision=known.revision, path=path, fault=manifest.fault(path), local=True
    )


def again(model: Installed) -> Installed:
    """Return a model as it is now, whether whole or not."""
    if model.source == BUILT_IN:
        content = builtin.content(model.path)
        fault = None if content else "it is damaged, and is unpacked again when it is used"
        return replace(model, revision=model.revision or content, fault=fault)
    return replace(model, fault=manifest.fault(model.path))


def _folder(name: str, source: str, revision: str | None, path: Path) -> Installed:
    known = manifest.read(path)
    if known is not None:
        name, revision = known.repository, known.revision
    return Installed(id=name, source=source, revision=revision, path=path, fault=manifest.fault(path))


def _hf(place: Path, name: str, revision: str | None = None) -> list[Installed]:
    names: dict[str, str] = {}
    for ref in sorted((place / "refs").rglob("*")):
        with contextlib.suppress(OSError):
            names[ref.relative_to(place / "refs").as_posix()] = ref.read_text().strip()
    commits = [one.name for one in sorted((place / "snapshots").glob("*")) if one.is_dir()]
    if revision is not None:
        commits = [one for one in commits if one in (revision, names.get(revision))]
    commits.sort(key=lambda one: one != names.get("main"))
    return [_folder(name, HF, one, place / "snapshots" / one) for one in commits]


def _modelscope(place: Path, name: str, revision: str | None = None) -> list[Installed]:
    root = place / "snapshots"
    paths = sorted(_models_in(root))
    paths.sort(key=lambda one: one.name not in ("master", "main"))
    found = [_folder(name, MODELSCOPE, one.relative_to(root).as_posix(), one) for one in paths]
    if revision is None:
        return found
    return [one for one in found if revision in (one.path.relative_to(root).as_posix(), one.revision)]


def _models_in(root: Path) -> Iterator[Path]:
    """Yield the folders that hold files: a branch with a slash in its name is a folder in a folder."""
    for one in root.glob("*"):
        if one.is_dir() and not manifest.is_own(one.name):
            if any(file.is_file() for file in one.iterdir()):
                yield one
            else:
                yield from _models_in(one)


def verify(model: Installed) -> list[tuple[str, str]]:
    """Compare a model's files with their hashes; return the path of each that is wrong, and what is wrong.

    The hashes are those of the hub, from the folder's manifest or, in Hugging Face's cache, from the names of the
    contents. What is found is noted in the folder, so that the model is not used before it is mended.

    Raises:
        ModelError: there is nothing to compare with.
    """
    if model.source == BUILT_IN:
        return builtin.wrong(model.path)
    known = manifest.read(model.path)
    if known is None:
        named = _named(model.path)
        known = manifest.Manifest(model.id, model.id, model.source, model.path.name, model.path.name, files=named)
    if not any(one.key for one in known.files.values()):
        raise ModelError(
            f"{model.path} does not say what its files should be.",
            hint=f"ragcli download {model.id} compares them with the hub, and makes a note for the next time.",
        )
    wrong: list[tuple[str, str]] = []
    for path, file in known.files.items():
        target = model.path / path
        try:
            if not manifest.content_fits(target, file):
                wrong.append((path, "its content is not what the hub has"))
        except OSError as error:
            wrong.append((path, str(error.strerror or error)))
    if wrong or known.damaged:
        known.damaged = [path for path, _ in wrong]
        with contextlib.suppress(OSError):
            known.write(model.path)
    return wrong


def _named(folder: Path) -> dict[str, RemoteFile]:
    """Return what the links of Hugging Face's cache say of the files: a content's name is its hash."""
    found: dict[str, RemoteFile] = {}
    for link in manifest.files_of(folder):
        if not link.is_symlink():
            continue
        blob = link.resolve()
        path = link.relative_to(folder).as_posix()
        size = blob.stat().st_size if blob.exists() else -1
        if len(blob.name) == _SHA256:
            found[path] = RemoteFile(path=path, size=size, sha256=blob.name)
        elif len(blob.name) == _SHA1:
            found[path] = RemoteFile(path=path, size=size, git=blob.name)
    return found


def remove(model: Installed) -> int:
    """Remove a model from disk; return the bytes that this frees.

    Of Hugging Face's cache only the contents go that no other revision of the model has; of a folder that the user
    named, only the files that ragcli brought and nobody changed.

    Raises:
        ModelError: it cannot be removed, or another process is bringing it.
    """
    root = _repository(model)
    place = Folder(model.path, _guarded(model, root) / ".ragcli")
    try:
        with contextlib.ExitStack() as stack:
            if model.source != BUILT_IN and not stack.enter_context(alone(place, None)):
                raise ModelError(f"{model.id} is being downloaded.", hint="Wait for it, or end it.")
            if model.local or (root is None and model.source != BUILT_IN and manifest.read(model.path) is not None):
                return _remove_local(model)
            if root is None and model.source == MODELSCOPE and not (model.path / ".msc").exists():
                raise ModelError(f"{model.path} was not made by a client of ModelScope.", hint="Remove it yourself.")
            if model.source == HF and root is not None:
                return _remove_hf(model, root)
            freed = sum(one.stat().st_size for one in model.files() if one.exists() and one.stat().st_nlink == 1)
            shutil.rmtree(model.path)
            if root is not None:
                _tidy(root)
            return freed
    except OSError as error:
        raise ModelError(f"{model.path} cannot be removed: {error.strerror or error}.") from error


def _guarded(model: Installed, root: Path | None) -> Path:
    """Return the folder whose lock a download of the model takes."""
    if root is not None or model.local or model.source != MODELSCOPE:
        return root or model.path
    name = f"{model.path.parent.name}--{model.path.name.replace('___', '.')}"
    base = model.path.parents[1]
    return (base.parent.parent / "models" if base.parent.name == "hub" else base) / name


def _repository(model: Installed) -> Path | None:
    """Return the folder of a model's repository in a cache: the one that holds its ``snapshots``."""
    if model.local:
        return None
    return next((one.parent for one in model.path.parents if one.name == "snapshots"), None)


def _remove_local(model: Installed) -> int:
    known = manifest.read(model.path)
    if known is None:
        raise ModelError(f"{model.path} does not say which files ragcli brought.", hint="Remove the folder yourself.")
    freed = 0
    for path in known.files:
        if known.is_as_sent(model.path, path):
            target = model.path / path
            freed += target.stat().st_size
            target.unlink()
    for name in (manifest.NAME, manifest.CHANGING):
        (model.path / name).unlink(missing_ok=True)
    shutil.rmtree(model.path / ".ragcli", ignore_errors=True)
    (model.path / ".ragcli.lock").unlink(missing_ok=True)
    for folder in sorted({path.parent for path in map(Path, known.files)}, key=lambda one: -len(one.parts)):
        with contextlib.suppress(OSError):  # it holds something else
            (model.path / folder).rmdir()
    with contextlib.suppress(OSError):
        model.path.rmdir()
    return freed


def _remove_hf(model: Installed, root: Path) -> int:
    blobs = root / "blobs"
    own = {one.resolve() for one in model.files() if one.is_symlink()}
    inside = sum(one.stat().st_size for one in model.files() if not one.is_symlink())
    shutil.rmtree(model.path)
    others = {link.resolve() for link in manifest.files_of(root / "snapshots") if link.is_symlink()}
    freed = inside
    for blob in own - others:
        if blob.parent == blobs.resolve() and blob.exists():
            freed += blob.stat().st_size if blob.stat().st_nlink == 1 else 0
            blob.unlink()
    for ref in (root / "refs").rglob("*"):
        if ref.is_file() and ref.read_text().strip() == model.path.name:
            ref.unlink()
    (root / "trees" / f"{model.path.name}.json").unlink(missing_ok=True)
    _tidy(root)
    return freed


def _tidy(root: Path) -> None:
    """Remove a repository's folder in a cache where no revision is left in it."""
    if next(_models_in(root / "snapshots"), None) is None:
        shutil.rmtree(root, ignore_errors=True)
