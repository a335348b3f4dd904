"""How the processes of a run ended: each writes it to a file, and the launcher says the one reason for all.

When one process fails, the others fail for the want of it, often within milliseconds and sometimes before it is seen.
What is said is the cause: an error that names what is wrong, before a lack of memory, a death by signal, a bug, and
last the broken connections that follow from any of them.
"""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragcli import errors
from ragcli.errors import OutOfMemoryError, RagcliError
from ragcli.records import Json

_TAIL = 12  # lines of a log that are shown
# What gloo, nccl and the store say when another process is gone.
_LOST = (
    "connection closed by peer",
    "connection reset by peer",
    "broken pipe",
    "connection refused",
    "connection was likely closed",
    "remote process",
    "remote peer",
    "ncclremoteerror",
    "socket closed",
    "timed out waiting",
    "read from socket",
    "application timeout caused pair closure",
)
_SHORT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "cannot allocate memory",
    "cublas_status_alloc_failed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one process ended.

    Args:
        rank: which.
        kind: error (of ours), memory, lost (another is gone), bug, exit, stopped, or signal (it could not say).
        at: when, in seconds of the clock.
        name: the error's class.
        message: one sentence.
        hint: what to do.
        more: what else the error holds; of an exit its code.
    """

    rank: int
    kind: str
    at: float
    name: str = ""
    message: str = ""
    hint: str | None = None
    more: Json = field(default_factory=dict)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the device, or this process, has no memory left."""
    if isinstance(error, MemoryError | OutOfMemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SHORT_OF_MEMORY)


def describe(error: BaseException, rank: int) -> Outcome:
    """Return how an exception ended a process."""
    now = time.time()
    text = " ".join(str(error).split())
    if is_out_of_memory(error):
        return Outcome(rank=rank, kind="memory", at=now, name=type(error).__name__, message=text[:600])
    if isinstance(error, RagcliError) and not _is_lost(error.__cause__):
        more = {key: value for key, value in vars(error).items() if _plain(value)}
        name, hint = type(error).__name__, error.hint
        return Outcome(rank=rank, kind="error", at=now, name=name, message=error.message, hint=hint, more=more)
    if isinstance(error, KeyboardInterrupt):
        return Outcome(rank=rank, kind="stopped", at=now)
    if isinstance(error, SystemExit):
        return Outcome(rank=rank, kind="exit", at=now, more={"code": _code(error)}, message=text)
    kind = "lost" if _is_lost(error) or _is_lost(error.__cause__) else "bug"
    return Outcome(rank=rank, kind=kind, at=now, name=type(error).__name__, message=text[:600])


def _is_lost(error: BaseException | None) -> bool:
    """Return whether an error says that another process is gone."""
    text = str(error).lower()
    return type(error).__name__ in ("DistNetworkError", "DistStoreError") or any(words in text for words in _LOST)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _code(error: SystemExit) -> int:
    return error.code if isinstance(error.code, int) else 0 if error.code is None else errors.FAILED


def write(folder: Path, outcome: Outcome) -> None:
    """Write how a process ended, whole or not at all."""
    values = {name: getattr(outcome, name) for name in Outcome.__slots__}
    place = folder / f"rank-{outcome.rank}.json"
    part = place.with_suffix(".part")
    part.write_text(json.dumps(values), encoding="utf-8")
    part.replace(place)


def read(folder: Path) -> list[Outcome]:
    """Return what the processes of this machine wrote, by time."""
    found = []
    for path in folder.glob("rank-*.json"):
        try:
            found.append(Outcome(**json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            continue  # half a file of a process that was killed
    return sorted(found, key=lambda one: one.at)


def cause(found: list[Outcome]) -> Outcome | None:
    """Return the outcome that explains the others."""
    for kind in ("error", "memory", "signal", "bug", "exit", "lost", "stopped"):
        for one in found:
            if one.kind == kind and not (kind == "exit" and not one.more.get("code")):
                return one
    return None


def raised(outcome: Outcome, logs: Path, several: bool = True) -> BaseException:
    """Return the exception that says in the launcher what ended the run.

    Args:
        outcome: the cause.
        logs: the folder of the logs.
        several: more than one process trained, and the rank says something.
    """
    who = f"rank {outcome.rank}" if several else "the training process"
    log = logs / f"rank-{outcome.rank}.log"
    where = f"The log is {log}." if log.exists() else f"Its log, {log.name}, is in the same folder on its machine."
    if outcome.kind == "error":
        return _again(outcome)
    if outcome.kind == "memory":
        return OutOfMemoryError(f"{who} is out of memory: {_first(outcome.message)}.", hint=where)
    if outcome.kind == "stopped":
        return KeyboardInterrupt()
    if outcome.kind == "exit":
        return SystemExit(outcome.more.get("code", errors.FAILED))
    end = tail(log)
    shown = f"\n{end}" if end else ""
    if outcome.kind == "signal":
        return RagcliError(f"{who} {outcome.message}.{shown}", hint=where)
    if outcome.kind == "lost":
        return RagcliError(
            f"{who} lost the connection to another process, and no process of this machine says why:"
            f" {_first(outcome.message)}.",
            hint=f"One on another machine has ended, or the network between them broke: see the logs there. {where}",
        )
    return RagcliError(f"{who} failed: {outcome.name}: {outcome.message}{shown}", hint=where)


def _first(text: str, most: int = 240) -> str:
    text = text.split(" This is typically caused by")[0].strip()
    return (text if len(text) <= most else text[:most] + " …").rstrip(".")


def _again(outcome: Outcome) -> RagcliError:
    """Return the error of a process as the same error here."""
    found = getattr(errors, outcome.name, RagcliError)
    kind = found if isinstance(found, type) and issubclass(found, RagcliError) else RagcliError
    error: RagcliError = kind.__new__(kind)
    RagcliError.__init__(error, outcome.message, hint=outcome.hint)
    for name, value in outcome.more.items():
        setattr(error, name, value)
    return error


def killed(rank: int, number: int, memory: bool) -> Outcome:
    """Return the outcome of a process that a signal ended.

    Args:
        rank: which.
        number: of the signal.
        memory: the kernel says that it killed a process for want of memory meanwhile.
    """
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = str(number)
    if name == "SIGKILL" and memory:
        message = "killed by the kernel, which had no memory left"
        return Outcome(rank=rank, kind="memory", at=time.time(), name=name, message=message)
    reason = {
        "SIGKILL": " (by hand, by the scheduler, or by the kernel for want of memory)",
        "SIGSEGV": " (a fault in a library)",
        "SIGBUS": " (a fault in a library, or /dev/shm is full)",
        "SIGABRT": " (a library gave up)",
    }.get(name, "")
    return Outcome(rank=rank, kind="signal", at=time.time(), name=name, message=f"was killed: {name}{reason}")


def tail(path: Path, most: int = _TAIL) -> str:
    """Return the last lines of a log, indented, or nothing."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 8192))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    kept = [line[:300] for line in text.replace("\r", "\n").split("\n") if line.strip()]
    return "\n".join(f"    {line}" for line in kept[-most:])


def note_traceback(path: Path, error: BaseException) -> None:
    """Add a traceback to the log of a process."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write("".join(traceback.format_exception(error)))
