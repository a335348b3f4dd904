"""A run in a folder: what every process of it reads, and what tells whether it is the same run."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from ragcli.errors import RagcliError
from ragcli.finetuning.recipe import Job
from ragcli.finetuning.settings import Settings
from ragcli.jsonl import dumps, loads
from ragcli.models.folder import ModelFolder
from ragcli.records import Json

WORK = ".finetune"  # in the folder of the output: what is under way
NODE = "node-"  # and a number: the folder in there of another machine than the first
CHECKPOINTS = "checkpoints"
TRAINED = "trained"
_FILE = "job.json"
# What may be another when a run goes on: where it runs and what it says, not what it learns.
FREE = ("output", "micro_batch", "device", "processes", "sharding", "keep", "log_steps", "save_steps", "report_to")


def work_of(output: Path, node: int = 0) -> Path:
    """Return the work folder of a machine: each prepares the data for itself."""
    return output / WORK / f"{NODE}{node}" if node else output / WORK


def checkpoints(work: Path) -> Path:
    """Return the folder of the checkpoints, which is the same for all machines."""
    return (work.parent if work.name.startswith(NODE) else work) / CHECKPOINTS


def save(job: Job) -> None:
    """Write a job where its processes find it."""
    value = {
        "settings": asdict(job.settings),
        "base": {"id": job.base.id, "path": str(job.base.path), "hash": job.base.hash},
        "extra": job.extra,
    }
    temporary = job.work / f"{_FILE}.tmp"
    temporary.write_bytes(dumps(value))
    temporary.replace(job.work / _FILE)


def load(work: Path) -> Job:
    """Return the job of a folder.

    Raises:
        RagcliError: it holds none that can be read.
    """
    try:
        value = loads((work / _FILE).read_bytes())
        base = value["base"]
        return Job(
            settings=settings_of(value["settings"]),
            base=ModelFolder(base["id"], Path(base["path"]), base["hash"]),
            work=work,
            extra=value["extra"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RagcliError(f"{work / _FILE} cannot be read: {error}.", hint="Begin anew with --overwrite.") from error


def settings_of(value: Json) -> Settings:
    """Return settings that were written as JSON."""
    given: Json = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
    return Settings(**given)


def with_batch(job: Job, micro_batch: int) -> Job:
    """Return the job with other passes for the same steps."""
    return replace(job, settings=replace(job.settings, micro_batch=micro_batch))
