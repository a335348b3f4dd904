"""What other places on this disk hold of a model: taken over, so that it is not fetched again."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ragcli.models import manifest
from ragcli.models.fetching import Stage, key_of
from ragcli.models.hubs.protocol import HF, MODELSCOPE, Listing, RemoteFile, aliases
from ragcli.models.places import Place, alone, place_of


def elsewhere(listing: Listing, cache: Path | None) -> list[Place]:
    """Return the places that the model may have in the other hub's cache, under each name that it may have there."""
    if listing.source == HF:
        source, name = MODELSCOPE, "master" if listing.name == "main" else listing.name
    else:
        source, name = HF, "main" if listing.name == "master" else listing.name
    return [
        place_of(replace(listing, source=source, name=name, repository=repository), cache, None)
        for repository in aliases(source, listing.repository)
    ]


def held_elsewhere(listing: Listing, files: Sequence[RemoteFile], others: Sequence[Place]) -> set[str]:
    """Return the keys of the contents that other places hold."""
    return {
        key_of(listing, file)
        for file in files
        if file.key and any(other.holds(listing, file) is not None for other in others)
    }


def borrow(place: Place, listing: Listing, files: Sequence[RemoteFile], others: Sequence[Place], *, link: bool) -> None:
    """Take over what other places hold of these contents, whole or half, so that it is not fetched again.

    What another process works on is left to it, and nothing is taken whose hash is not right.

    Args:
        place: where it is taken to.
        listing: what the files belong to.
        files: the contents that are wanted.
        others: where they may be.
        link: whether a content may be shared with the other place; copied if not.
    """
    stage = place.stage
    stage.folder.mkdir(parents=True, exist_ok=True)
    for other in others:
        wanted = [one for one in files if one.key and not stage.whole(listing, one).exists()]
        if not wanted or not other.lock.parent.exists():
            continue
        with contextlib.suppress(OSError), alone(other, None) as free:  # what cannot be taken over is fetched
            if free:
                for file in wanted:
                    _borrow_one(stage, listing, file, other, link)


def _borrow_one(stage: Stage, listing: Listing, file: RemoteFile, other: Place, link: bool) -> None:
    whole, half = stage.whole(listing, file), stage.half(listing, file)
    staged, growing = other.stage.whole(listing, file), other.stage.half(listing, file)
    if staged.exists():
        shutil.move(staged, whole)
        return
    held = other.holds(listing, file)
    if held is not None and manifest.content_fits(held, file):
        if not (link and _linked(held, whole)):
            copy = whole.with_name(whole.name + ".copy")
            shutil.copyfile(held, copy)
            copy.replace(whole)
    elif growing.exists() and growing.stat().st_size > stage.there(listing, file):
        shutil.move(growing, half)


def _linked(content: Path, name: Path) -> bool:
    """Give a content a second name; return whether the disk can."""
    try:
        os.link(content.resolve(), name)
    except OSError:
        return False
    return True
