"""What a run was made with: versions, devices, and the state of the code around it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ragcli import __version__
from ragcli.records import Json

PACKAGES = (
    "torch", "transformers", "trl", "peft", "accelerate", "datasets", "sentence-transformers", "tokenizers",
    "safetensors", "bitsandbytes", "deepspeed", "flash-attn", "liger-kernel", "numpy",
)  # fmt: skip
_SECONDS = 5.0


def environment(folder: Path | None = None) -> Json:
    """Return what a run is made with, so that it can be repeated; torch is not imported.

    Args:
        folder: whose git state is told; None for the current one.
    """
    from ragcli.hardware.devices import devices

    found = devices()
    cpu = found.cpu
    packages = {name: there for name in PACKAGES if (there := _version(name)) is not None}
    drivers = sorted({gpu.driver for gpu in found.gpus if gpu.driver})
    return {
        "type": "environment",
        "ragcli": __version__,
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": platform.platform(),
        "cpu": cpu.name if cpu else None,
        "cores": cpu.cores if cpu else None,
        "gpus": [gpu.name for gpu in found.gpus],
        "driver": drivers[0] if drivers else None,
        "packages": packages,
        "git": git_state(folder or Path.cwd()),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_state(folder: Path) -> Json | None:
    """Return commit, branch and changed files of the repository that a folder is in; None without git or repository.

    Args:
        folder: the folder, which may be any in the repository.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--no-renames", "-z")
    files = [one for one in (changed or "").split("\0") if one]
    return {
        "commit": commit,  # none before the first one
        "branch": _git(folder, "symbolic-ref", "--short", "-q", "HEAD"),
        "dirty": None if changed is None else bool(files),
        "changed": len(files),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    # A repository of someone else's may name programs to run in its configuration: fsmonitor is the one of status.
    command = ["git", "-c", "core.fsmonitor=false", *arguments]
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, timeout=_SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").rstrip("\n") if done.returncode == 0 else None
