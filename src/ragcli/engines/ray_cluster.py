"""A Ray cluster: connecting to one or starting one here, how many workers it holds, and quiet."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import sys
import warnings
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from ragcli.engines.quiet import only_ours
from ragcli.errors import MissingExtraError, RagcliError, UsageError

_EMBED_SHARE = 0.75  # of a CPU that an embedding worker is booked with,
_LOAD_SHARE = 0.25  # and a task that loads: both fit on one CPU, so that neither can keep the other from ever running
_STORE = 512 << 20  # bytes of the object store of a cluster started here
_CONNECT = 10.0  # seconds
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How a run is spread.

    Args:
        embedders: workers that hold the model, at most.
        embed_cpus: CPUs that each is booked with.
        embed_gpus: GPUs that each is booked with.
        threads: threads that each embeds with.
        loaders: tasks that load and split at the same time, at most.
        load_cpus: CPUs that each is booked with.
    """

    embedders: int
    embed_cpus: float
    embed_gpus: float
    threads: int
    loaders: int
    load_cpus: float


def sizes(cpus: float, gpus: float, *, workers: int | None = None, worker_cpus: int = 1, device: str = "auto") -> Sizes:
    """Return how to spread a run over so many CPUs and GPUs.

    Raises:
        RagcliError: the cluster has too little.
        UsageError: more was asked for than there is.
    """
    if cpus < 1:
        raise RagcliError(
            f"the Ray cluster offers {cpus:g} CPUs, and loading and embedding need 1 together.",
            hint="Start its nodes with more: ray start --num-cpus=N",
        )
    gpu = gpus > 0 and device in ("auto", "cuda")
    if device == "cuda" and not gpu:
        raise RagcliError("the Ray cluster offers no GPU.", hint="Leave out --device, or start a node with --num-gpus.")
    if worker_cpus < 1 or worker_cpus > cpus:
        raise UsageError(f"a worker of {worker_cpus} CPUs does not fit on a cluster of {cpus:g}.")
    share = worker_cpus - (1 - _EMBED_SHARE)
    most = int(gpus) or 1 if gpu else max(1, int(cpus // worker_cpus))
    if workers is not None and not 1 <= workers <= most:
        raise UsageError(
            f"{workers} workers do not fit on a cluster of {cpus:g} CPUs and {gpus:g} GPUs, which holds {most}."
        )
    count = workers or most
    if gpu:
        share = min(share, _EMBED_SHARE * cpus / count)
    left = cpus - count * share
    load = 1.0 if gpu and left >= 1 else _LOAD_SHARE
    return Sizes(
        embedders=count,
        embed_cpus=share,
        embed_gpus=min(1.0, gpus) if gpu else 0.0,
        threads=worker_cpus,
        loaders=max(1, int(left // load)),
        load_cpus=load,
    )


class Cluster:
    """A connection to a cluster, to be used in ``with``; one that was started here ends with it.

    Meanwhile what others than Python write to stderr goes nowhere (`ragcli.engines.quiet`).

    Args:
        address: ``HOST:PORT`` of a head node, ``auto`` for one on this machine, ``local`` to start one here; None:
            RAY_ADDRESS, else local.
        cpus: of a cluster that is started here; None: the cores that this process may use.

    Raises:
        MissingExtraError: Ray is not installed.
        RagcliError: there is no way to the cluster.
    """

    def __init__(self, address: str | None = None, *, cpus: int | None = None) -> None:
        self._address = address or os.environ.get("RAY_ADDRESS") or LOCAL
        self._cpus = cpus
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Cluster:
        _reach(self._address)
        # Its ports run whatever is sent to them; Ray reads this as it is imported.
        if self.local and "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
            os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
        ray = import_ray()
        self._stack.enter_context(only_ours())
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": False}
        try:
            if self.local:
                ray.init(
                    address=LOCAL,
                    num_cpus=self._cpus or _cores(),
                    object_store_memory=_STORE,
                    _node_ip_address="127.0.0.1",
                    **quiet,
                )
            else:
                quiet.pop("include_dashboard")
                ray.init(address=self._address, **quiet)
        except BaseException as error:
            self._stack.close()
            if not isinstance(error, Exception):
                raise
            reason = " ".join(str(error).split())[:300]
            what = "a Ray cluster cannot be started here" if self._address == LOCAL else f"no way to {self._address}"
            raise RagcliError(
                f"{what}: {reason}.",
                hint="Is it running (ray status), with the same versions of Ray and Python, and RAY_AUTH_MODE and"
                " RAY_AUTH_TOKEN as here?",
            ) from error
        _hush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(Exception):
            import_ray().shutdown()
        self._stack.close()

    def resources(self) -> tuple[float, float]:
        """Return the CPUs and GPUs of the whole cluster."""
        found = import_ray().cluster_resources()
        return float(found.get("CPU", 0)), float(found.get("GPU", 0))

    @property
    def local(self) -> bool:
        """Whether it was started here, for this run."""
        return self._address == LOCAL


def _reach(address: str) -> None:
    """See that somebody listens at an address; Ray would try for minutes.

    Raises:
        RagcliError: nobody does.
        UsageError: it is no address of a head.
    """
    if address in (LOCAL, "auto"):
        return
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not port.isdecimal():
        raise UsageError(
            f"--address {address!r} is not HOST:PORT of a cluster's head.",
            hint="Run ragcli on a machine of the cluster, and give the head's address, as in 10.0.0.1:6379.",
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT):
            return
    except (OSError, OverflowError) as error:
        raise RagcliError(
            f"no Ray cluster answers at {address}: {getattr(error, 'strerror', None) or error}.",
            hint="Is its head running (ray start --head), and reachable from here?",
        ) from error


def import_ray() -> Any:
    """Import Ray, which else sends usage statistics and talks.

    Raises:
        MissingExtraError: it is not installed.
    """
    for name, value in (
        ("RAY_USAGE_STATS_ENABLED", "0"),
        ("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"),
        ("RAY_DEDUP_LOGS", "0"),
        ("RAY_BACKEND_LOG_LEVEL", "fatal"),
    ):
        os.environ.setdefault(name, value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
            import ray.data
    except ImportError as error:
        raise MissingExtraError("--engine ray", "ray") from error
    return ray


def _hush() -> None:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray", "ray.data"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        logger.handlers.clear()
        logger.propagate = False


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1
