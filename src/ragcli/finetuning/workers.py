"""One process of those that train, from its start to its end: it joins the others, works, and says how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ragcli.finetuning import outcomes, ranks
from ragcli.finetuning.outcomes import Outcome

_AFTER = 1.5  # seconds that a process stays when another is gone: the agent says of the first to end how it ended
_ALONE = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def work(
    entry: Callable[..., Any],
    args: tuple[Any, ...],
    folder: str,
    processes: int,
    device: str,
    timeout: float,
    grace: float,
    parent: int,
) -> Any:
    """Run ``entry`` as one of several processes, and write how it ended.

    Args:
        entry: what is done; it can be imported by name.
        args: its arguments.
        folder: of the logs.
        processes: how many train together, over all machines.
        device: cpu or cuda.
        timeout: seconds of waiting for another process.
        grace: seconds that remain when the launcher is gone.
        parent: the launcher.
    """
    rank = ranks.rank()
    place = Path(folder)
    with contextlib.suppress(OSError):
        os.setsid()  # Ctrl-C in a terminal reaches the launcher alone, which passes it on once
    (place / f"rank-{rank}.pid").write_text(str(os.getpid()))
    threading.Thread(target=_orphan, args=(parent, grace), daemon=True).start()
    log = place / f"rank-{rank}.log"
    if rank:
        _redirect(log)
    try:
        if processes == 1:
            for name in _ALONE:
                os.environ.pop(name, None)
        else:
            ranks.begin(processes, device, timeout, store=_store(timeout))
        value = entry(*args)
        if processes > 1:
            ranks.end()
        outcomes.write(place, Outcome(rank=rank, kind="done", at=time.time()))
    except BaseException as error:  # noqa: BLE001  whatever it is, the launcher says it
        outcome = outcomes.describe(error, rank)
        if outcome.kind in ("bug", "memory", "lost"):
            outcomes.note_traceback(log, error)
        outcomes.write(place, outcome)
        if outcome.kind == "lost":
            time.sleep(_AFTER)
        if outcome.kind != "stopped" and outcome.more.get("code") != 0:
            _leave(1)
        value = None  # it ends as one that is done, so that nothing cuts short what the others still write
    _leave_if_orphaned(parent)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # from here it only waits for the launcher
    return value


def _store(timeout: float) -> Any:
    """Return the launcher's store, in a part of its own for each run."""
    from torch.distributed import PrefixStore

    from ragcli.finetuning.nodes import client

    store = client(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), timeout)
    return PrefixStore(f"{os.environ['TORCHELASTIC_RUN_ID']}/workers", store)


def _redirect(log: Path) -> None:
    """Let all that this process writes go to its log."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)


def _orphan(parent: int, grace: float) -> None:
    """End this process some time after its launcher: nobody would else."""
    while os.getppid() == parent:
        time.sleep(2.0)
    time.sleep(grace)
    os._exit(1)


def _leave_if_orphaned(parent: int) -> None:
    if os.getppid() != parent:
        _leave(1)


def _leave(code: int) -> None:
    """End at once: what waits for processes that are gone (nccl, at exit) would never end."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
