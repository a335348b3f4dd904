"""What a process of a run needs to know of the others: how many there are, whether it is the first, and to agree.

Everything here is for the processes that train. The one that starts and watches them is `ragcli.finetuning.launch`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ragcli.errors import ModelError, UsageError

_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


def inside(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether torchrun (or ragcli, or SLURM by the same names) has started this process as one of several.

    Raises:
        UsageError: the names are there in part, or are no numbers.
    """
    values = os.environ if environment is None else environment
    there = [name for name in _NAMES if values.get(name, "").strip()]
    if values.get("NNODES") and "LOCAL_RANK" not in there:
        return False  # RANK and WORLD_SIZE may be left from an operator that counts machines
    if not there:
        return False
    if len(there) < len(_NAMES):
        missing = " and ".join(name for name in _NAMES if name not in there)
        raise UsageError(
            f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'} set, and {missing} not.",
            hint="Start with torchrun, which sets all three; or unset them, and set NNODES, NODE_RANK and MASTER_ADDR"
            " for several machines (where they count machines: NNODES=$WORLD_SIZE NODE_RANK=$RANK).",
        )
    rank, world, local = (_number(name, values[name]) for name in _NAMES)
    if not 0 <= rank < world or local > rank:
        raise UsageError(f"RANK={rank}, WORLD_SIZE={world} and LOCAL_RANK={local} do not go together.")
    return True


def _number(name: str, value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        number = -1
    if number < 0:
        raise UsageError(f"{name}={value!r} is not a number.")
    return number


def rank() -> int:
    """Return this process's number among all, from 0; 0 where it stands alone."""
    return int(os.environ["RANK"]) if inside() else 0


def local_rank() -> int:
    """Return this process's number among those of its machine, from 0."""
    return int(os.environ["LOCAL_RANK"]) if inside() else 0


def node() -> int:
    """Return a number that all processes of this machine share, and no other machine has; 0 of the first."""
    return rank() - local_rank()


def world() -> int:
    """Return how many processes train together; 1 where it stands alone."""
    return int(os.environ["WORLD_SIZE"]) if inside() else 1


def is_first() -> bool:
    """Return whether this process writes the results: rank 0."""
    return rank() == 0


def quiet() -> None:
    """Let what is written to stdout go to stderr, in every process but the first, libraries in C included."""
    if not is_first():
        sys.stdout.flush()
        os.dup2(2, 1)


def backend(device: str) -> str:
    """Return the means by which processes talk: gloo; on CUDA nccl, with gloo for what is not on the GPU."""
    return "cuda:nccl,cpu:gloo" if device == "cuda" else "gloo"


def begin(processes: int, device: str, timeout: float = 1800.0, store: Any = None) -> None:
    """Join the others, and see that they are as many as was asked for, and talk as they should.

    Args:
        processes: over all machines.
        device: cpu or cuda.
        timeout: seconds after which waiting for another process is an error.
        store: by which they find each other; without one, MASTER_ADDR and MASTER_PORT say it.

    Raises:
        ModelError: there are fewer or more, they do not come, or they talk by other means.
    """
    there = world()
    if there != processes:
        raise ModelError(
            f"{processes} processes were to train together, and there {'is' if there == 1 else 'are'} {there}.",
            hint="Under torchrun, --nproc-per-node and --nnodes say how many there are: leave --gpus out.",
        )
    if there == 1:
        return
    import torch
    from torch import distributed

    if device == "cuda":
        torch.cuda.set_device(local_rank())
    if not distributed.is_initialized():
        try:
            limit = timedelta(seconds=timeout)
            places: dict[str, Any] = {} if store is None else {"store": store, "rank": rank(), "world_size": there}
            distributed.init_process_group(backend(device), timeout=limit, **places)
            distributed.barrier()  # gloo and nccl connect with their first use
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"the processes do not reach each other: {_short(error)}.",
                hint="Between machines every port must be open; GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME name the"
                " network to take.",
            ) from error
    check(processes, device)


def check(processes: int, device: str) -> None:
    """See that the group of processes is as large as it should be, and has the backend of its device.

    Raises:
        ModelError: it is not so.
    """
    from torch import distributed

    if not distributed.is_initialized():
        raise ModelError(f"{processes} processes were to train together, and this one stands alone.")
    there = distributed.get_world_size()
    if there != processes:
        raise ModelError(f"{processes} processes were to train together, and {there} do.")
    wanted, kind = ("nccl", "cuda") if device == "cuda" else ("gloo", "cpu")
    talks = str(distributed.get_backend_config())
    found = dict(part.split(":", 1) for part in talks.split(",") if ":" in part).get(kind, talks)
    if found != wanted:
        raise ModelError(f"the processes talk by {found}, not by {wanted}, which {device} needs.")


def any_of(flag: bool) -> bool:
    """Return whether it is so in any process; all must ask at the same step.

    What ends a run (a signal, a loss that is no number) reaches one process before another: without asking, one would
    stop while the others wait for it.
    """
    from torch import distributed

    if world() == 1 or not distributed.is_initialized():
        return flag
    import torch

    config = str(distributed.get_backend_config())
    place = "cpu" if "cpu:gloo" in config else "cuda"
    said = torch.tensor([1 if flag else 0], dtype=torch.int32, device=place)
    distributed.all_reduce(said, op=distributed.ReduceOp.MAX)
    return bool(said.item())


def barrier() -> None:
    """Wait until every process is here."""
    from torch import distributed

    if world() > 1 and distributed.is_initialized():
        distributed.barrier()


def end() -> None:
    """Leave the group of processes."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def _short(error: BaseException, most: int = 300) -> str:
    text = " ".join(str(error).split())
    return (text if len(text) <= most else text[:most] + " …").rstrip(".")
