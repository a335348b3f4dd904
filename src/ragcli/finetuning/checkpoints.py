"""Checkpoints: which are whole, how much room the next one needs, and which go.

A checkpoint is written under a temporary name and renamed when all of it is there: a folder of the name
``checkpoint-N`` is whole, whatever was killed when.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

_NAME = re.compile(r"checkpoint-(\d+)\Z")
_STATE = "trainer_state.json"
PART = ".part"  # where one is written


def step_of(checkpoint: Path) -> int:
    """Return the steps that were done when a checkpoint was written; -1 where the folder is none."""
    match = _NAME.match(checkpoint.name)
    return int(match[1]) if match else -1


def checkpoints(folder: Path) -> list[Path]:
    """Return the whole checkpoints of a folder, the oldest first."""
    if not folder.is_dir():
        return []
    found = [one for one in folder.iterdir() if step_of(one) >= 0 and (one / _STATE).is_file()]
    return sorted(found, key=step_of)


def last(folder: Path) -> Path | None:
    """Return the newest whole checkpoint."""
    found = checkpoints(folder)
    return found[-1] if found else None


def size(folder: Path) -> int:
    """Return the bytes of a folder's files."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


def free(folder: Path) -> int:
    """Return the bytes that are free where a folder is or will be."""
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    return shutil.disk_usage(there).free


def remove_oldest(folder: Path, keep: int, best: Path | None = None) -> None:
    """Remove all but the newest ``keep`` checkpoints and the best one."""
    found = checkpoints(folder)
    for one in found[: len(found) - max(1, keep)]:
        if best is None or one.resolve() != best.resolve():
            shutil.rmtree(one, ignore_errors=True)


def remove_parts(folder: Path) -> None:
    """Remove what a killed run left half written."""
    shutil.rmtree(folder / PART, ignore_errors=True)
