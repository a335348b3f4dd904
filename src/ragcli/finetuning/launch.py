"""Starts the processes that train: one for each GPU of this machine, together with those of other machines.

torch's elastic launcher does it, as a library: nobody calls torchrun. The run ends as one: what a process raises is
raised here, once, by the class it had; a process that is killed ends all; Ctrl-C reaches all, and they save first.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ragcli.errors import OutOfMemoryError, RagcliError, UsageError
from ragcli.finetuning import elastic, outcomes, ranks
from ragcli.finetuning.nodes import Meeting, NodeSettings, meet
from ragcli.finetuning.outcomes import Outcome
from ragcli.finetuning.watching import Watch

GRACE = 120.0  # seconds to save a checkpoint in
_ASK = 40.0  # seconds in which another machine may say what it was: it is found gone before that
_LINGER = 5.0  # seconds that the store stays after a failure, so that the other machines hear the reason
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class _StuckError(Exception):
    """The agent waits for a process that has ended without a word."""


def device_of(device: str) -> str:
    """Return the device that is used: what was asked for, or for auto the GPU that is here, or cpu."""
    if device != "auto":
        return device
    kinds = {one.kind for one in _gpus()}
    return "cuda" if kinds & {"cuda", "rocm"} else "mps" if "mps" in kinds else "cpu"


def _gpus() -> list[Any]:
    from ragcli.hardware.devices import devices

    return devices().gpus


def processes_for(gpus: str | int | None, device: str, environment: Mapping[str, str] | None = None) -> int:
    """Return how many processes this machine starts.

    Args:
        gpus: how many GPUs; auto (or None) takes all that are visible. On the processor: how many processes.
        device: auto, cpu, cuda or mps.
        environment: this process's own, where None.

    Raises:
        UsageError: it is no number, or there are not so many GPUs.
    """
    values = os.environ if environment is None else environment
    text = "auto" if gpus is None else str(gpus).strip()
    asked = None if text == "auto" else int(text) if text.isascii() and text.isdigit() else 0
    if asked == 0:
        raise UsageError(f"--gpus {text}: it is a number from 1, or auto.")
    if ranks.inside(values):
        there = int(values.get("LOCAL_WORLD_SIZE") or values["WORLD_SIZE"])
        if asked not in (None, there):
            raise UsageError(
                f"--gpus is {asked}, and torchrun has started {there} processes on this machine.",
                hint="Leave --gpus out under torchrun.",
            )
        return there
    device = device_of(device)
    if device == "cpu":
        return asked or 1
    if device == "mps":
        if asked not in (None, 1):
            raise UsageError(f"--gpus {asked}: a Mac has one GPU.")
        return 1
    import torch

    visible = torch.cuda.device_count()
    if visible == 0:
        raise UsageError("--device cuda: no GPU is visible.", hint="`ragcli gpu-check` says what is here and why.")
    if asked is not None and asked > visible:
        hidden = values.get("CUDA_VISIBLE_DEVICES")
        also = f" (CUDA_VISIBLE_DEVICES={hidden})" if hidden is not None else ""
        raise UsageError(
            f"--gpus is {asked}, and {visible} GPU{' is' if visible == 1 else 's are'} visible{also}.",
            hint="For several machines, --gpus is how many each has, and NNODES how many machines there are.",
        )
    return asked or visible


def launch(
    entry: Callable[..., Any],
    args: tuple[Any, ...] = (),
    *,
    processes: int,
    device: str,
    work: Path,
    nodes: NodeSettings | None = None,
    grace: float = GRACE,
    timeout: float = 1800.0,
    agreement: str = "",
    apart: bool = False,
    say: Callable[[str], None] | None = None,
) -> Any:
    """Run ``entry(*args)`` in each of several processes; return what the first of this machine returns.

    One process on one machine is this one, unless ``apart``. Where torchrun has started this one already, it takes
    part. Only rank 0 keeps its stdout; what the others write is in ``work/logs``.

    When SIGINT, SIGTERM or SIGHUP arrives, each process gets one SIGTERM. It is to save, and to raise
    KeyboardInterrupt or to return, at the same step in all (`ranks.any_of`). A second signal kills them.

    Args:
        entry: a function that can be imported by name.
        args: its arguments; they can be pickled.
        processes: on this machine, as `processes_for` says.
        device: cpu, cuda or mps.
        work: the run's folder.
        nodes: the machines; the environment's where None.
        grace: seconds that the processes have to save when they are stopped.
        timeout: seconds that one process waits for another.
        agreement: what must be the same on all machines: a hash of settings and data.
        apart: also a single process is one of its own, so that its memory is free again afterwards.
        say: where it is said what one waits for; stderr where None.

    Raises:
        RagcliError: what a process raised, its class and sentence kept; or one was killed, or a machine is gone.
        OutOfMemoryError: a process had no memory left.
        UsageError: the machines do not go together.
        KeyboardInterrupt: it was stopped.
        SystemExit: a process ended by it, with its code.
    """
    nodes = nodes or NodeSettings.from_environment()
    if ranks.inside():
        return _take_part(entry, args, processes, device, timeout)
    total = processes * nodes.count
    if total == 1 and not apart:
        return _here(entry, args)
    logs = work / "logs"
    first = nodes.rank * processes
    own = range(first, first + processes)
    _clear(logs, own)
    with _Stops() as stops:
        meeting = meet(nodes, processes, agreement, stopped=stops.asked.is_set, say=say or _say)
        watch = Watch(meeting, logs, own, grace, say or _say)
        stops.watch = watch
        settled = (str(logs), total, device, timeout, grace, os.getpid())
        watch.start()
        try:
            return _run(watch, meeting, processes, entry, args, settled)
        finally:
            watch.finish()


def _take_part(entry: Callable[..., Any], args: tuple[Any, ...], processes: int, device: str, timeout: float) -> Any:
    """Run as one of the processes that torchrun has started."""
    there = int(os.environ.get("LOCAL_WORLD_SIZE") or ranks.world())
    if processes != there:
        raise UsageError(f"{processes} processes were to train on this machine, and torchrun has started {there}.")
    ranks.quiet()
    ranks.begin(ranks.world(), device, timeout)
    value = _here(entry, args)
    ranks.end()
    return value


def _here(entry: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return entry(*args)
    except RagcliError:
        raise
    except Exception as error:
        if outcomes.is_out_of_memory(error):
            raise OutOfMemoryError(f"out of memory: {' '.join(str(error).split())[:240]}") from error
        raise


def _say(text: str) -> None:
    sys.stderr.write(f"ragcli: {text}\n")
    sys.stderr.flush()


def _clear(logs: Path, own: range) -> None:
    """Make the folder of the logs, without what a run before left of these ranks."""
    logs.mkdir(parents=True, exist_ok=True)
    for rank in own:
        for suffix in ("json", "pid", "log", "part"):
            (logs / f"rank-{rank}.{suffix}").unlink(missing_ok=True)


class _Stops:
    """The signals that end a run: the first is passed on, the second kills, the third ends this process, too."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.watch: Watch | None = None
        self._count = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> _Stops:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: Any) -> None:
        if self.watch is not None and self.watch.stuck.is_set():
            raise _StuckError
        self._count += 1
        self.asked.set()
        if self.watch is None:
            return
        self.watch.stop.set()
        if self._count == 1:
            with contextlib.suppress(OSError, RuntimeError):
                _say(f"stopping: the processes save first, {self.watch.grace:g} s at most; again to kill them")
        elif self._count == 2:
            self.watch.killed = True
            self.watch.kill()
        else:
            os._exit(128 + number)


def _run(
    watch: Watch,
    meeting: Meeting,
    processes: int,
    entry: Callable[..., Any],
    args: tuple[Any, ...],
    settled: tuple[Any, ...],
) -> Any:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    kills = _kernel_kills()
    found: list[Outcome] = []
    value = None
    try:
        watch.waiting = True
        values = elastic.run(meeting, processes, watch.folder, (entry, args, *settled))
        value = values.get(watch.own[0])
    except ChildFailedError as error:
        found = _by_signal(error, watch, _kernel_kills() > kills)
    except _StuckError:
        pass
    finally:
        watch.waiting = False
    if watch.for_others:
        found = []  # killed by us
    found += [one for one in watch.ended() if one.kind != "done"]
    gone = watch.peers.gone()
    bad = outcomes.cause(found)
    if bad is None and not (watch.for_others or _silent(watch)):
        watch.peers.tell_end(None)
        watch.peers.flush(3.0)
        return value
    if watch.stop.is_set() and (bad is None or bad.kind in ("stopped", "signal", "lost")) and not gone:
        watch.peers.tell_end(Outcome(rank=watch.own[0], kind="stopped", at=time.time()))
        watch.peers.flush(3.0)
        raise KeyboardInterrupt
    raise _reason(watch, bad)


def _silent(watch: Watch) -> list[int]:
    """Return the ranks of this machine that ended and did not say how."""
    return [rank for rank in watch.own if not (watch.folder / f"rank-{rank}.json").exists()]


def _reason(watch: Watch, bad: Outcome | None) -> BaseException:
    """Return what ended the run, here or on another machine; tell the others what it was here."""
    silent = [] if watch.for_others else _silent(watch)
    if (bad is None or bad.kind == "lost") and silent:
        others = f", or rank {', '.join(map(str, silent[1:]))} did" if silent[1:] else ""
        bad = Outcome(rank=silent[0], kind="signal", at=time.time(), message=f"ended without a word{others}")
    if bad is not None:
        watch.peers.tell_end(bad)
    # Who lost only a connection waits for the machine that can say why.
    end = time.monotonic() + (_ASK if bad is None or bad.kind == "lost" else 0.0)
    reason = outcomes.cause([*watch.peers.failed, *([bad] if bad else [])])
    while watch.peers.any and (reason is None or reason.kind == "lost") and time.monotonic() < end:
        if watch.peers.gone():
            break
        time.sleep(0.3)
        reason = outcomes.cause([*watch.peers.failed, *([bad] if bad else [])])
    watch.peers.flush(3.0)
    if watch.peers.any and watch.meeting.settings.rank == 0:
        time.sleep(_LINGER)
    gone = watch.peers.gone()
    if gone is not None and (reason is None or reason.kind == "lost"):
        return RagcliError(f"{gone}.", hint=f"The logs of this machine are in {watch.folder}.")
    if reason is None:
        return RagcliError("another machine has ended the run.", hint="See the logs there.")
    return outcomes.raised(reason, watch.folder, len(watch.own) * watch.meeting.settings.count > 1)


def _by_signal(error: Any, watch: Watch, memory: bool) -> list[Outcome]:
    """Return what the agent saw of processes that could not say how they ended."""
    said = {one.rank for one in watch.ended()}
    found = []
    for rank, failure in error.failures.items():
        if rank in said:
            continue
        if failure.exitcode < 0:
            found.append(outcomes.killed(rank, -failure.exitcode, memory))
        else:
            message = f"ended with code {failure.exitcode} and without a word"
            found.append(Outcome(rank=rank, kind="signal", at=time.time(), message=message))
    return found


def _kernel_kills() -> int:
    """Return how many processes the kernel has killed for want of memory since it runs."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0
