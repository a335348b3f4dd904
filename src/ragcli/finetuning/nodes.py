"""Several machines, one run: what the environment says of them, and how they find each other within a time limit.

The machine of NODE_RANK 0 opens a store at MASTER_ADDR:MASTER_PORT; the others connect to it, each says who it is, and
all see that the same was asked of all. The same store serves the processes that train, and tells each launcher of the
others' end.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ragcli.errors import RagcliError, UsageError
from ragcli.records import Json

if TYPE_CHECKING:
    from torch.distributed import Store, TCPStore

PORT = 29500  # torchrun's
TIMEOUT = 600.0  # seconds until the others must be there
_TRY = 2.0  # seconds of one attempt, in which nothing else is done
_SAY = 5.0  # seconds after which it is said that one waits


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """The machines of a run, as this one sees them.

    Args:
        count: how many.
        rank: this one's number, from 0.
        address: where the machine of rank 0 is reached by all.
        port: of the store there; 0 for any, on one machine.
        timeout: seconds until all must be there.
    """

    count: int = 1
    rank: int = 0
    address: str = "127.0.0.1"
    port: int = 0
    timeout: float = TIMEOUT

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> NodeSettings:
        """Return what NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT and RAGCLI_RENDEZVOUS_TIMEOUT say.

        Raises:
            UsageError: they do not go together.
        """
        values = os.environ if environment is None else environment
        timeout = _seconds("RAGCLI_RENDEZVOUS_TIMEOUT", values.get("RAGCLI_RENDEZVOUS_TIMEOUT", ""))
        count = _number("NNODES", values.get("NNODES", ""), 1)
        if count is None:
            if values.get("NODE_RANK", "").strip() not in ("", "0"):
                raise UsageError(
                    "NODE_RANK is set, and NNODES is not.", hint="NNODES says how many machines there are."
                )
            return cls(timeout=timeout)
        rank = _number("NODE_RANK", values.get("NODE_RANK", ""), 0)
        if count == 1:
            if rank:
                raise UsageError(f"NODE_RANK is {rank}, and NNODES is 1: the only machine has number 0.")
            return cls(timeout=timeout)
        address = values.get("MASTER_ADDR", "").strip()
        if not address:
            raise UsageError(
                f"NNODES is {count}, and MASTER_ADDR is not set.",
                hint="Set it to the name or address of the machine with NODE_RANK=0, as all others reach it.",
            )
        if rank is None:
            raise UsageError(
                f"NNODES is {count}, and NODE_RANK is not set.",
                hint="Each machine has a number of its own, from 0. SLURM: NODE_RANK=$SLURM_NODEID.",
            )
        if rank >= count:
            raise UsageError(f"NODE_RANK is {rank}, and NNODES is {count}: the last machine has number {count - 1}.")
        port = _number("MASTER_PORT", values.get("MASTER_PORT", ""), 1)
        if port is not None and port > 65535:
            raise UsageError(f"MASTER_PORT={port} is no port: the last is 65535.")
        return cls(count=count, rank=rank, address=address, port=port or PORT, timeout=timeout)

    @property
    def place(self) -> str:
        """Where the machine of rank 0 listens, as in messages."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def _number(name: str, text: str, least: int) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        hint = "How many machines take part cannot change." if name == "NNODES" and ":" in text else None
        raise UsageError(f"{name}={text!r} is not a whole number from {least}.", hint=hint)
    return int(text)


def _seconds(name: str, text: str) -> float:
    text = text.strip()
    if not text:
        return TIMEOUT
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e7:
        raise UsageError(f"{name}={text!r} is not a number of seconds.")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """The machines of a run that have found each other: the store they share, and who they are.

    Args:
        settings: the machines.
        store: the one at MASTER_ADDR; this process holds it where ``settings.rank`` is 0.
        port: where it is.
        hosts: the machines' names, by rank.
        run: the name of this run in the store, which serves several where one is begun again.
    """

    settings: NodeSettings
    store: TCPStore
    port: int
    hosts: tuple[str, ...]
    run: str

    def name(self, rank: int) -> str:
        """Return how a machine is called in messages."""
        return f"machine {rank} ({self.hosts[rank]})"

    def connect(self) -> Store:
        """Return what the machines say to each other in this run, by a connection of its own: for another thread."""
        return _part(self.run, client(self.settings.address, self.port, _TRY * 5))


# The store of a run of several machines stays open for the next one, which begins where this one lacked memory: on
# another machine that one may have begun already.
_open: dict[str, tuple[TCPStore, int]] = {}
_runs: dict[str, int] = {}


def client(address: str, port: int, seconds: float) -> TCPStore:
    """Return a connection to a store; ``seconds`` are for connecting and for each answer."""
    from torch.distributed import TCPStore

    limit = timedelta(seconds=seconds)
    return TCPStore(address, port, is_master=False, timeout=limit, wait_for_workers=False)


def _part(run: str, store: TCPStore) -> Store:
    from torch.distributed import PrefixStore

    return PrefixStore(run, store)


def meet(
    settings: NodeSettings,
    processes: int,
    agreement: str = "",
    *,
    stopped: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda text: None,
) -> Meeting:
    """Find the other machines.

    Args:
        settings: the machines.
        processes: that this machine brings.
        agreement: what must be the same on all: a hash of settings and data.
        stopped: whether the user wants no more.
        say: where it is said that one waits, and for what.

    Raises:
        RagcliError: the time is over, the port is taken, or the machines were not asked for the same.
        KeyboardInterrupt: it was stopped.
    """
    end = time.monotonic() + settings.timeout
    waits = _Waits(end, stopped, say)
    if settings.count == 1:
        store, port = _serve(settings)
        return Meeting(settings=settings, store=store, port=port, hosts=(socket.gethostname(),), run="run-1")
    if settings.place not in _open:
        serves = settings.rank == 0
        _open[settings.place] = _serve(settings) if serves else (_connect(settings, waits), settings.port)
    store, port = _open[settings.place]
    number = _runs[settings.place] = _runs.get(settings.place, 0) + 1
    run = f"run-{number}"
    mine: Json = {"host": socket.gethostname(), "processes": processes, "agreement": agreement}
    mine["id"] = f"{socket.gethostname()}:{os.getpid()}"
    found = _gather(settings, _part(run, store), mine, waits)
    _same(settings, found, mine)
    hosts = tuple(str(one["host"]) for one in found)
    return Meeting(settings=settings, store=store, port=port, hosts=hosts, run=run)


class _Waits:
    """The time that is left, and the user who wants to know why nothing happens."""

    def __init__(self, end: float, stopped: Callable[[], bool], say: Callable[[str], None]) -> None:
        self.end, self.stopped, self.say = end, stopped, say
        self.begun = time.monotonic()
        self.last = ""

    def more(self, what: str) -> bool:
        """Return whether there is time left; say what one waits for, once for each reason."""
        if self.stopped():
            raise KeyboardInterrupt
        now = time.monotonic()
        if now - self.begun > _SAY and what != self.last:
            self.last = what
            self.say(f"waiting {self.end - self.begun:.0f} s at most: {what}")
        return now < self.end

    def left(self) -> float:
        """Return the seconds of the next attempt."""
        return max(0.2, min(_TRY, self.end - time.monotonic()))


def _serve(settings: NodeSettings) -> tuple[TCPStore, int]:
    """Open the store of the machine of rank 0; on one machine it listens for that machine alone."""
    from torch.distributed import TCPStore

    try:
        listener = _listen(settings)
    except OSError as error:
        raise RagcliError(
            f"port {settings.port} of this machine, the one with NODE_RANK=0, cannot be opened: {error.strerror}.",
            hint="Another program, or a run that has not ended, holds it: set MASTER_PORT to another on all machines.",
        ) from error
    port = int(listener.getsockname()[1])
    host = str(listener.getsockname()[0])
    host = settings.address if host in ("0.0.0.0", "::") else host
    try:
        store = TCPStore(
            host,
            port,
            is_master=True,
            timeout=timedelta(seconds=settings.timeout),
            wait_for_workers=False,
            master_listen_fd=listener.fileno(),
        )
    except RuntimeError as error:
        raise RagcliError(f"this machine does not reach itself at {settings.place}: {_line(error)}.") from error
    listener.detach()  # the store's now
    return store, port


def _listen(settings: NodeSettings) -> socket.socket:
    """Return a socket at the address that is given where it is this machine's own, and at all of them where it is not.

    A name that leads here by way of a service or a router is not an address of the machine itself, and a machine's own
    name is often that of an address which no other machine can reach: 127.0.1.1.
    """
    try:
        options = socket.getaddrinfo(settings.address, settings.port, type=socket.SOCK_STREAM)
    except OSError:
        options = []
    if _hidden(settings, options):
        options = []
    last: OSError | None = None
    anywhere = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("0.0.0.0", settings.port))
    for family, kind, _, _, place in [*options, anywhere]:
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen(2048)
            return listener
        except OSError as error:
            listener.close()
            last = error
            if error.errno in _TAKEN:
                break
    assert last is not None
    raise last


def _hidden(settings: NodeSettings, options: list[Any]) -> bool:
    """Return whether a name stands for this machine alone, though its number or `localhost` was not given."""
    literal = settings.address == "localhost" or settings.address.replace(".", "").isdigit() or ":" in settings.address
    return not literal and any(str(one[4][0]).startswith("127.") or one[4][0] == "::1" for one in options)


_TAKEN = (98, 48, 13)  # in use (Linux, macOS), not allowed


def _connect(settings: NodeSettings, waits: _Waits) -> TCPStore:
    """Connect to the store of the machine of rank 0."""
    while True:
        try:
            place = socket.getaddrinfo(settings.address, settings.port, type=socket.SOCK_STREAM)[0]
        except OSError:
            problem = f"the name {settings.address!r} (MASTER_ADDR) does not resolve"
        else:
            problem = _knock(place, settings, waits.left())
            if not problem:
                store = _greet(settings, max(3.0, waits.left()))
                if store is not None:
                    return store
                problem = f"what answers at {settings.place} is no run of ragcli"
        if not waits.more(problem):
            raise RagcliError(
                f"machine {settings.rank} of {settings.count} did not find the one with NODE_RANK=0"
                f" within {settings.timeout:g} s: {problem}.",
                hint="Is it started, is MASTER_ADDR its address as seen from here, and is MASTER_PORT open?"
                " RAGCLI_RENDEZVOUS_TIMEOUT sets the seconds.",
            )
        time.sleep(0.5)


def _greet(settings: NodeSettings, seconds: float) -> TCPStore | None:
    """Return a connection to the store; None where something else answers, or takes the call and says nothing."""
    made: queue.SimpleQueue[TCPStore] = queue.SimpleQueue()

    def call() -> None:
        with contextlib.suppress(RuntimeError):
            made.put(client(settings.address, settings.port, seconds))

    threading.Thread(target=call, daemon=True).start()  # what says nothing is waited for without an end
    try:
        store = made.get(timeout=seconds + 1.0)
    except queue.Empty:
        return None
    store.set_timeout(timedelta(seconds=settings.timeout))
    return store


def _knock(place: Any, settings: NodeSettings, seconds: float) -> str:
    """Return why nobody can be reached there, or nothing; the store's own attempt says less, and later."""
    knocking = socket.socket(place[0], place[1])
    knocking.settimeout(seconds)
    try:
        knocking.connect(place[4])
    except TimeoutError:
        return f"{settings.place} does not answer"
    except OSError as error:
        return f"{settings.place}: {error.strerror}"
    finally:
        knocking.close()
    return ""


def _gather(settings: NodeSettings, store: Store, mine: Json, waits: _Waits) -> list[Json]:
    """Say who one is; return what all said, by rank."""
    key = f"node/{settings.rank}"
    try:
        said = json.loads(store.compare_set(key, "", json.dumps(mine)))
        if said != mine:
            raise RagcliError(
                f"two machines have NODE_RANK={settings.rank}: {said['host']} and {mine['host']}.",
                hint="Each has a number of its own, from 0; or the run before has not ended: take another MASTER_PORT.",
            )
        while True:
            missing = [n for n in range(settings.count) if not store.check([f"node/{n}"])]
            if store.check(["gone"]):
                raise RagcliError(f"the machine with NODE_RANK=0 gave up: {store.get('gone').decode()}")
            if not missing:
                return [json.loads(store.get(f"node/{n}")) for n in range(settings.count)]
            names = ", ".join(map(str, missing))
            if not waits.more(f"{settings.count - len(missing)} of {settings.count} machines are here, not {names}"):
                break
            time.sleep(0.2)
    except RuntimeError as error:
        raise RagcliError(f"the machine with NODE_RANK=0, at {settings.place}, is gone: {_line(error)}.") from error
    text = (
        f"{settings.count - len(missing)} of {settings.count} machines came within {settings.timeout:g} s;"
        f" not the one{'s' if len(missing) > 1 else ''} with NODE_RANK {names}."
    )
    if settings.rank == 0:
        with contextlib.suppress(RuntimeError):
            store.set("gone", text)
            time.sleep(1.0)  # the store ends with this process; the others read it first
    raise RagcliError(
        text, hint=f"Each is started with the same command, NNODES={settings.count} and MASTER_ADDR={settings.address}."
    )


def _same(settings: NodeSettings, found: list[Json], mine: Json) -> None:
    for rank, one in enumerate(found):
        if one["processes"] != mine["processes"]:
            raise UsageError(
                f"machine {rank} ({one['host']}) starts {one['processes']} processes, and machine {settings.rank}"
                f" ({mine['host']}) {mine['processes']}.",
                hint="Give the same --gpus on all machines.",
            )
        if one["agreement"] != mine["agreement"]:
            raise UsageError(
                f"machine {rank} ({one['host']}) has other settings, data or another version than machine"
                f" {settings.rank} ({mine['host']}).",
                hint="All machines run the same command with the same files.",
            )


def interface(settings: NodeSettings) -> str | None:
    """Return the name of the network that leads to the machine of rank 0, for gloo, which asks the host's name else.

    A host's name often stands for an address that no other machine can reach.
    """
    import psutil

    try:
        options = socket.getaddrinfo(settings.address, settings.port or 9, type=socket.SOCK_DGRAM)
        family, place = options[0][0], options[0][4]
        if _hidden(settings, options):
            family, place = socket.AF_INET, ("192.0.2.1", 9)  # nobody's address: the way out of here
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect(place)  # nothing is sent: the system only chooses the way
            own = asked.getsockname()[0]
    except OSError:
        return None
    own = settings.address if own.startswith("127.") else own
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.address == own or (own == "localhost" and one.address == "127.0.0.1") for one in addresses):
            return str(name)
    return None


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (text if len(text) < 300 else text[:300] + " …").rstrip(".")
