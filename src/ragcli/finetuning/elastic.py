"""torch's elastic launcher, as a library: it starts the processes of one machine, and ends all when one fails.

The machines have met before (`ragcli.finetuning.nodes`), with messages that its own rendezvous does not have.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ragcli.finetuning.nodes import Meeting, interface

_BACKEND = "ragcli"


def run(meeting: Meeting, processes: int, logs: Path, args: tuple[Any, ...]) -> dict[int, Any]:
    """Start the processes, wait for all, and return what each of this machine returned, by rank."""
    from dataclasses import fields

    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    from ragcli.finetuning.workers import work

    _register()
    more: dict[str, Any] = {}
    if any(one.name == "signals_to_handle" for one in fields(LaunchConfig)):
        more["signals_to_handle"] = "SIGUSR2"  # the others are the launcher's own
    settings = meeting.settings
    config = LaunchConfig(
        min_nodes=settings.count,
        max_nodes=settings.count,
        nproc_per_node=processes,
        run_id=meeting.run,
        rdzv_backend=_BACKEND,
        rdzv_endpoint=f"{settings.address}:{meeting.port}",
        rdzv_configs={"meeting": meeting},
        max_restarts=0,
        monitor_interval=0.2,
        start_method="spawn",
        local_addr=settings.address,
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),
        **more,
    )
    with _environment(meeting, processes), _silenced(logs):
        found = elastic_launch(config, work)(*args)
    return dict(found)


def _register() -> None:
    """Make the store that the machines share known to the elastic launcher as a rendezvous."""
    from torch.distributed import PrefixStore
    from torch.distributed.elastic.rendezvous import (
        RendezvousHandler,
        RendezvousInfo,
        RendezvousParameters,
        RendezvousStoreInfo,
        rendezvous_handler_registry,
    )

    class Met(RendezvousHandler):  # type: ignore[misc]
        """The machines have met already."""

        def __init__(self, meeting: Meeting) -> None:
            self.meeting = meeting

        @property
        def use_agent_store(self) -> bool:
            return True

        def get_backend(self) -> str:
            return _BACKEND

        def next_rendezvous(self) -> RendezvousInfo:
            settings = self.meeting.settings
            store = PrefixStore(f"{self.meeting.run}/agents", self.meeting.store)
            place = RendezvousStoreInfo(settings.address, self.meeting.port)
            return RendezvousInfo(store, settings.rank, settings.count, place)

        def is_closed(self) -> bool:
            return False

        def set_closed(self) -> None:
            pass

        def num_nodes_waiting(self) -> int:
            return 0

        def get_run_id(self) -> str:
            return self.meeting.run

        def shutdown(self) -> bool:
            return True

    def made(parameters: RendezvousParameters) -> RendezvousHandler:
        return Met(parameters.config["meeting"])

    with contextlib.suppress(ValueError):  # it is known already
        rendezvous_handler_registry.register(_BACKEND, made)


@contextlib.contextmanager
def _environment(meeting: Meeting, processes: int) -> Iterator[None]:
    """Set for the processes, where the user has not: threads, and the network that gloo takes."""
    from ragcli.hardware.devices import processor

    more: dict[str, str] = {}
    more["OMP_NUM_THREADS"] = str(max(1, (processor().cores or 1) // processes))
    network = interface(meeting.settings)
    if network is not None:
        more["GLOO_SOCKET_IFNAME"] = network
    before = dict(os.environ)
    for name, value in more.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def _silenced(logs: Path) -> Iterator[None]:
    """Let what the elastic launcher logs go to a file: what matters of it is raised."""
    loggers = [logging.getLogger(name) for name in ("torch.distributed.elastic", "torch.multiprocessing.spawn")]
    handler = logging.FileHandler(logs / "launcher.log", encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagate
        handler.close()
