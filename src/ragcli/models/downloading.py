"""``download``: a model's name to a folder on disk, whole and compared with the hub's hashes, or an error."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ragcli.errors import HubError, ModelError, UsageError
from ragcli.models import builtin
from ragcli.models.borrowing import borrow, elsewhere, held_elsewhere
from ragcli.models.choosing import Candidate, ask
from ragcli.models.fetching import fetch, key_of
from ragcli.models.hubs.protocol import HF, MODELSCOPE, Listing, is_offline
from ragcli.models.installed import at, find
from ragcli.models.manifest import fault, is_inside, is_own
from ragcli.models.places import (
    Place,
    alone,
    hf_cache,
    modelscope_cache,
    place_of,
)
from ragcli.models.selection import Selection, select
from ragcli.models.watching import Watcher, watcher
from ragcli.records import Json, Model

if TYPE_CHECKING:
    from ragcli.models.installed import Installed

SOURCES = ("auto", HF, MODELSCOPE, "built-in")
_WORKERS = 8
_SPARE = 64 << 20  # bytes that a disk keeps beyond the model
_TRIES_WITH_OTHER = 3

_log = logging.getLogger("ragcli")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted of a model, and where."""

    revision: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    everything: bool = False
    local: Path | None = None
    cache: Path | None = None
    workers: int = _WORKERS

    def select(self, listing: Listing) -> Selection:
        """Choose files; those with a path that leads out of the folder are refused."""
        for file in listing.files:
            if not is_inside(file.path):
                what = f"{listing.repository} names a file that no model's folder can hold: {file.path!r}"
                raise HubError(f"{what}.", "data")
        return select(
            listing.repository,
            [one for one in listing.files if not any(is_own(part) for part in PurePosixPath(one.path).parts)],
            include=self.include,
            exclude=self.exclude,
            everything=self.everything,
        )


def download(
    id_: str,
    *,
    source: str = "auto",
    wish: Wish | None = None,
    offline: bool = False,
    dry_run: bool = False,
    watched_by: Watcher | None = None,
) -> Model:
    """Bring a model to disk, or find that it is there.

    Args:
        id_: its name on the hubs (owner/name), or a built-in one's.
        source: one of ``SOURCES``; auto takes the hub that delivers, and the other one where that ends to.
        wish: which revision and files, and where to.
        offline: send nothing; the environment's switches count, too.
        dry_run: write nothing; the record's ``selected`` lists the files.
        watched_by: is told of the progress.

    Raises:
        HubError: no hub has it, or delivers it; ``kind`` says why.
        ModelError: the disk does not take it, or it is not there and nothing may be sent.
        UsageError: options that do not make sense, or a choice that is to be made.
    """
    began = time.monotonic()
    wish = wish or Wish()
    if source == "built-in" or builtin.named(id_) is not None:
        return _built_in(id_, source, wish, dry_run, began)
    if id_.count("/") != 1 or not all(id_.split("/")):
        raise UsageError(f"{id_!r} is no model's name.", hint="It takes owner/name, as in Qwen/Qwen2.5-7B-Instruct.")
    sources = (HF, MODELSCOPE) if source == "auto" else (source,)
    if offline or is_offline():
        return _from_disk(id_, sources, wish, began, None, dry_run)

    def is_there(listing: Listing, chosen: Selection) -> bool:
        return _is_there(listing, chosen, wish)

    candidates = ask(sources, id_, wish.revision, wish.select, is_there)
    usable = [one for one in candidates if one.delivers]
    if not usable:
        return _nowhere(id_, candidates, wish, began, dry_run)
    why = _why(usable[0], candidates)
    if why is not None:
        _log.info("%s: from %s, %s", id_, usable[0].title, why)
    if dry_run:
        return _planned(id_, usable[0], wish, why, began)
    late = [one.source for one in candidates if one.late]
    while True:
        candidate = usable.pop(0)
        try:
            return _bring(id_, candidate, wish, bool(usable or late), watched_by or watcher(), why, began)
        except HubError as error:
            if error.kind in ("token", "offline"):
                raise
            if not usable and late:  # it did not answer in time before; now there is time
                usable = [one for one in ask((late.pop(),), id_, wish.revision, wish.select, is_there) if one.delivers]
            if not usable:
                raise
            why = f"since {error.message.rstrip('.')}"
            _log.warning("%s: %s; goes on from %s", id_, error.message.rstrip("."), usable[0].title)


def _record(id_: str, listing: Listing, place: Place, chosen: Selection, began: float, **extra: object) -> Model:
    more: Json = {key: value for key, value in extra.items() if value is not None}
    if listing.repository != id_:
        more["repository"] = listing.repository
    if chosen.left_out:
        more["left_out"] = {"files": len(chosen.left_out), "bytes": sum(one.size for one in chosen.left_out)}
    return Model(
        id=id_,
        source=listing.source,
        revision=listing.commit,
        path=str(place.path),
        files=len(chosen.files),
        bytes=chosen.bytes,
        seconds=round(time.monotonic() - began, 3),
        extra=more,
    )


def _is_there(listing: Listing, chosen: Selection, wish: Wish) -> bool:
    place = place_of(listing, wish.cache, wish.local)
    return place.stands(listing, chosen.files) and fault(place.path, weights=False) is None


def _why(chosen: Candidate, all_: Sequence[Candidate]) -> str | None:
    if len(all_) == 1:
        return None
    if chosen.there:
        return "where it is on disk as the hub lists it"
    others = [one for one in all_ if one is not chosen]
    said = [one.error.message.rstrip(".") for one in others if one.error is not None]
    if said:
        return "; ".join(f"since {one}" for one in said)
    rates = [f"{one.title} with {(one.rate or 0) / 1e6:.1f} MB/s" for one in others if one.rate is not None]
    own = f"which delivers with {(chosen.rate or 0) / 1e6:.1f} MB/s"
    return f"{own}, {', '.join(rates)}" if rates else own


def _planned(id_: str, candidate: Candidate, wish: Wish, why: str | None, began: float) -> Model:
    listing, chosen = candidate.listing, candidate.selection
    assert listing is not None and chosen is not None
    place = place_of(listing, wish.cache, wish.local)
    files = [
        {"path": one.path, "bytes": one.size, "there": place.holds(listing, one) is not None} for one in chosen.files
    ]
    there = sum(one.size for one, said in zip(chosen.files, files, strict=True) if said["there"])
    return _record(
        id_, listing, place, chosen, began, reason=why, dry_run=True, to_fetch=chosen.bytes - there, selected=files
    )


def _bring(
    id_: str, candidate: Candidate, wish: Wish, has_other: bool, watching: Watcher, why: str | None, began: float
) -> Model:
    hub, listing, chosen = candidate.hub, candidate.listing, candidate.selection
    assert hub is not None and listing is not None and chosen is not None
    place = place_of(listing, wish.cache, wish.local)
    if candidate.there:
        return _record(id_, listing, place, chosen, began, reason=why, fetched=0)

    def waiting() -> None:
        _log.info("%s: another process is bringing it; waiting", id_)

    try:
        with alone(place, waiting):
            place = place_of(listing, wish.cache, wish.local)  # anew: another process may have changed it meanwhile
            if _is_there(listing, chosen, wish):
                return _record(id_, listing, place, chosen, began, reason=why, fetched=0)
            place.check(listing, chosen.files)
            place.recover(listing)
            missing = [one for one in chosen.files if place.holds(listing, one) is None]
            own = place_of(listing, wish.cache, None)
            others = [one for one in (*elsewhere(listing, wish.cache), own) if one.path != place.path]
            link = wish.local is None  # what a user may change must not be the cache's own
            held = held_elsewhere(listing, missing, others)
            growing = sum(one.size for one in missing if not (link and key_of(listing, one) in held))
            _check_space(place, growing - sum(place.stage.there(listing, one) for one in missing), id_)
            borrow(place, listing, missing, others, link=link)
            there = sum(place.stage.there(listing, one) for one in missing)
            to_fetch = sum(one.size for one in missing) - there
            watching.begin(missing, there)
            tries = {"tries": _TRIES_WITH_OTHER} if has_other else {}
            try:
                fetch(hub, listing, missing, place.stage, workers=wish.workers, watcher=watching, **tries)
            finally:
                watching.close()
            place.put(id_, listing, chosen.files)
    except OSError as error:
        raise ModelError(
            f"{id_} cannot be written to {place.path}: {error.strerror or error}.",
            hint="What has come is kept; the same command goes on from there.",
        ) from error
    return _record(id_, listing, place, chosen, began, reason=why, fetched=to_fetch)


def _check_space(place: Place, wanted: int, id_: str) -> None:
    folder = next(one for one in (place.path, *place.path.parents) if one.exists())
    free = shutil.disk_usage(folder).free
    if wanted and wanted + _spare(wanted) > free:
        raise ModelError(
            f"{id_} needs {wanted / 1e9:.2f} GB more, and {folder} has {free / 1e9:.2f} GB free.",
            hint="Free some (ragcli download --list shows the models), or name another disk with --cache-dir.",
        )


def _spare(wanted: int) -> int:
    return min(_SPARE, wanted // 20)


def _from_disk(
    id_: str, sources: Sequence[str], wish: Wish, began: float, trouble: HubError | None, dry_run: bool
) -> Model:
    """Return what is on disk, where nothing may or can be sent."""
    here: list[Installed | None]
    if wish.local is not None:
        here = [at(id_, wish.local, wish.revision)]
    else:
        here = [*find(id_, sources=sources, revision=wish.revision, cache=wish.cache)]
    reason = "is not on this machine"
    for one in here:
        if one is None or one.fault is not None:
            continue
        if wish.include or wish.exclude or wish.everything:
            try:
                chosen = wish.select(one.listing())
            except UsageError:  # no file that is wanted
                continue
            if any(not (one.path / file.path).exists() for file in chosen.files):
                reason = "is on this machine only in part"
                continue
        if trouble is not None:
            _log.warning("%s: %s; this is what is on disk", id_, trouble.message.rstrip("."))
        extra = {"dry_run": True} if dry_run else {}
        record = one.record()
        seconds = round(time.monotonic() - began, 3)
        return replace(record, id=id_, seconds=seconds, extra={**record.extra, **extra})
    if trouble is not None:
        raise trouble
    revision = f" at {wish.revision}" if wish.revision else ""
    looked = [str(wish.local)] if wish.local else [str(wish.cache)] if wish.cache else _caches(sources)
    raise ModelError(
        f"{id_}{revision} {reason} (looked in {', '.join(looked)}), and the network is switched off.",
        hint="ragcli download --list shows what is there.",
    )


def _caches(sources: Sequence[str]) -> list[str]:
    return [str(hf_cache() if one == HF else modelscope_cache()) for one in sources]


def _nowhere(id_: str, candidates: Sequence[Candidate], wish: Wish, began: float, dry_run: bool) -> Model:
    """Say why no hub delivers, or return what is on disk where none can be reached."""
    for one in candidates:
        if isinstance(one.error, UsageError):  # a hub that has the model, and not the files that are wanted
            raise one.error
    errors = [one.error for one in candidates if isinstance(one.error, HubError)]
    if len(errors) == 1:
        error = errors[0]
    else:
        kinds = {one.kind for one in errors}
        message = " ".join(one.message for one in errors)
        hints = [one.hint for one in errors if one.hint]
        # What can be done something about comes before what cannot.
        order = ("gated", "token", "revision", "missing", "data", "busy", "network")
        kind = next(one for one in order if one in kinds)
        error = HubError(message, kind, hint=" ".join(hints) or None)
    if all(one.kind in ("network", "busy", "data") for one in errors):
        hint = error.hint
        if hint is None and any(one.kind == "network" for one in errors):
            hint = "Is there a way to the network? HTTPS_PROXY names a proxy, HF_ENDPOINT a mirror."
        trouble = HubError(error.message, error.kind, hint=hint)
        return _from_disk(id_, [one.source for one in candidates], wish, began, trouble, dry_run)
    if error.kind == "missing":
        near = _near(id_, candidates)
        if near:
            error = HubError(error.message, "missing", hint=f"Did you mean {' or '.join(near)}?")
    raise error


def _near(id_: str, candidates: Sequence[Candidate]) -> list[str]:
    from ragcli.models.hubs.names import near

    found: list[str] = []
    for one in candidates:
        if one.hub is not None and isinstance(one.error, HubError) and one.error.kind == "missing":
            with contextlib.suppress(HubError, UsageError):
                found += one.hub.nearest(id_)
    return near(id_, dict.fromkeys(found))


def _built_in(id_: str, source: str, wish: Wish, dry_run: bool, began: float) -> Model:
    model = builtin.named(id_)
    if model is None:
        known = " and ".join(one.id for one in builtin.ALL)
        raise UsageError(f"there is no built-in model {id_!r}.", hint=f"There are {known}.")
    if source not in ("auto", "built-in") or wish != Wish(workers=wish.workers):
        raise UsageError(f"{model.id} is built in: it has no source, revision, files or folder to choose.")
    from ragcli.models.folder import cache_dir

    models = cache_dir() / "models"
    path = model.folder(models, model.weights()) if dry_run else builtin.unpack(models, model)[0]
    files = [one for one in path.rglob("*") if one.is_file()]
    return Model(
        id=model.id,
        source="built-in",
        revision=builtin.content(path),
        path=str(path),
        files=len(files),
        bytes=sum(one.stat().st_size for one in files),
        seconds=round(time.monotonic() - began, 3),
        extra={"dry_run": True} if dry_run else {},
    )
