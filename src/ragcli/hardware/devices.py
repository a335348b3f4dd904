"""The devices of this machine: GPUs through NVML, nvidia-smi, ROCm or Metal, and always the processor and its memory.

Whatever answers is asked with a time limit: a driver that hangs must not take the command with it. What goes wrong is
a note, not an end, since the processor is always there.
"""

from __future__ import annotations

import os
import platform
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ragcli.jsonl import loads
from ragcli.records import Json

_MIB = 1 << 20
_SECONDS = 10.0
_BF16 = (8, 0)  # compute capability; NVIDIA's CUDA C++ programming guide, table of arithmetic instructions
_FP8 = (8, 9)
_ARCHITECTURES = {"Volta": (7, 0), "Turing": (7, 5), "Ampere": (8, 0), "Ada Lovelace": (8, 9), "Hopper": (9, 0)}
_ARCHITECTURES |= {"Blackwell": (10, 0), "Pascal": (6, 0), "Maxwell": (5, 0), "Kepler": (3, 5)}
_APPLE_PART = 0.75  # of the memory that Metal lets a process have, by default

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device; memory in bytes. ``free`` is what a new process may take now."""

    kind: str  # cuda, rocm, mps or cpu
    index: int
    name: str
    total: int
    free: int
    users: tuple[Json, ...] = ()  # pid, name, bytes
    driver: str | None = None
    cuda: str | None = None  # the newest version that the driver can run
    capability: tuple[int, int] | None = None
    bf16: bool | None = None
    fp8: bool | None = None
    mig: bool = False
    cores: int | None = None

    def record(self) -> Json:
        """Return the device as a JSON object; what is not known is null."""
        capability = ".".join(map(str, self.capability)) if self.capability else None
        values: Json = {"type": "device", "kind": self.kind, "index": self.index, "name": self.name}
        values |= {"memory_total": self.total, "memory_free": self.free, "used_by": list(self.users)}
        if self.kind == "cpu":
            return {**values, "cores": self.cores}
        values |= {"driver": self.driver, "cuda": self.cuda, "compute_capability": capability}
        return values | {"bf16": self.bf16, "fp8": self.fp8, "mig": self.mig}


@dataclass(slots=True)
class Found:
    """What was found: GPUs, the processor, and notes on what did not answer."""

    gpus: list[Device] = field(default_factory=list)
    cpu: Device | None = None
    notes: list[str] = field(default_factory=list)


def devices(environment: Mapping[str, str] | None = None) -> Found:
    """Find the devices; CUDA_VISIBLE_DEVICES counts as it does for CUDA."""
    values = os.environ if environment is None else environment
    found = Found(cpu=processor())
    for ask in (_nvml, _nvidia_smi):
        gpus, note = ask()
        if note is not None:
            found.notes.append(note)
        if gpus:
            found.gpus = _visible(gpus, values.get("CUDA_VISIBLE_DEVICES"))
            if not found.gpus:
                found.notes.append(f"CUDA_VISIBLE_DEVICES hides all {len(gpus)} GPUs.")
            return found
    gpus, note = _rocm()
    if note is not None:
        found.notes.append(note)
    found.gpus = gpus or _apple(found.cpu)
    return found


def _visible(gpus: list[Device], chosen: str | None) -> list[Device]:
    if chosen is None:
        return gpus
    by_index = {str(one.index): one for one in gpus if not one.mig}
    found = []
    for name in chosen.split(","):
        name = name.strip()
        if name.startswith(("GPU-", "MIG-")) or any(one.mig for one in gpus):
            return gpus  # names of parts are CUDA's to read
        if name not in by_index:
            break  # CUDA stops at the first that is not there
        found.append(by_index[name])
    return found


def _limited(work: Callable[[], T], seconds: float = _SECONDS) -> T | None:
    """Return what the work returns, or None where it takes too long; its errors are raised."""
    ended: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            ended.put((work(), None))
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits
            ended.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        value, error = ended.get(timeout=seconds)
    except queue.Empty:
        return None
    if error is not None:
        raise error
    return value


# ---------------------------------------------------------------- NVIDIA


def _nvml() -> tuple[list[Device], str | None]:
    try:
        import pynvml
    except ImportError:
        return [], None
    try:
        found = _limited(lambda: _ask_nvml(pynvml))
    except pynvml.NVMLError as error:
        text = str(error)
        missing = ("Shared Library Not Found", "Driver Not Loaded", "not found")
        if any(one in text for one in missing):
            return [], None
        return [], f"NVML: {text}."
    if found is None:
        return [], f"NVML does not answer within {_SECONDS:.0f} s: the driver hangs; restart it, or the machine."
    return found, None


def _ask_nvml(nvml: Any) -> list[Device]:
    nvml.nvmlInit()
    try:
        driver = _text(nvml.nvmlSystemGetDriverVersion())
        version = int(nvml.nvmlSystemGetCudaDriverVersion_v2())
        cuda = f"{version // 1000}.{version % 1000 // 10}"
        found: list[Device] = []
        for index in range(nvml.nvmlDeviceGetCount()):
            found += _nvml_device(nvml, index, driver, cuda)
        return found
    finally:
        nvml.nvmlShutdown()


def _nvml_device(nvml: Any, index: int, driver: str, cuda: str) -> list[Device]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    name = _text(nvml.nvmlDeviceGetName(handle))
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    parts = [(handle, name, False)]
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(handle)
        if current:
            parts = []
            for place in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
                try:
                    part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place)
                except nvml.NVMLError:  # this place is not taken
                    continue
                parts.append((part, f"{name} MIG {place}", True))
    except nvml.NVMLError:  # a card without MIG
        pass
    found = []
    for part, part_name, mig in parts:
        memory = nvml.nvmlDeviceGetMemoryInfo(part)
        try:
            users = nvml.nvmlDeviceGetComputeRunningProcesses(part)
        except nvml.NVMLError:  # not permitted, or not on this system
            users = []
        found.append(
            _nvidia(
                index=index,
                name=part_name,
                total=int(memory.total),
                free=int(memory.free),
                users=tuple(
                    {"pid": int(one.pid), "name": _process(int(one.pid)), "bytes": one.usedGpuMemory} for one in users
                ),
                driver=driver,
                cuda=cuda,
                capability=(int(major), int(minor)),
                mig=mig,
            )
        )
    return found


def _nvidia(*, capability: tuple[int, int] | None, **values: Any) -> Device:
    bf16 = None if capability is None else capability >= _BF16
    fp8 = None if capability is None else capability >= _FP8
    return Device(kind="cuda", capability=capability, bf16=bf16, fp8=fp8, **values)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _process(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


def _nvidia_smi() -> tuple[list[Device], str | None]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return [], None
    done = _output([program, "-q", "-x"])
    if isinstance(done, str):
        return [], done
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().split(b"\n")[0].decode("utf-8", "replace")
        return [], f"nvidia-smi: {said or f'it ends with {done.returncode}'}"
    try:
        return _read_smi(done.stdout, _capabilities(program)), None
    except (SyntaxError, ValueError, AttributeError) as error:
        return [], f"nvidia-smi does not answer as expected: {error}."


def _capabilities(program: str) -> list[tuple[int, int] | None]:
    """Return each GPU's compute capability; drivers before 510 do not tell."""
    done = _output([program, "--query-gpu=compute_cap", "--format=csv,noheader"])
    if isinstance(done, str) or done.returncode != 0:
        return []
    found = (re.fullmatch(rb"\s*(\d+)\.(\d+)\s*", line) for line in done.stdout.splitlines())
    return [(int(one[1]), int(one[2])) if one else None for one in found]


def _output(command: list[str]) -> subprocess.CompletedProcess[bytes] | str:
    """Run a program; return what became of it, or why nothing did."""
    name = Path(command[0]).name
    try:
        return subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"{name} does not answer within {_SECONDS:.0f} s: the driver hangs; restart it, or the machine."
    except OSError as error:
        return f"{name} cannot be run: {error.strerror}."


def _read_smi(report: bytes, capabilities: Sequence[tuple[int, int] | None]) -> list[Device]:
    """Return the GPUs of an ``nvidia-smi -q -x`` report, the parts of those that are divided by MIG."""
    from lxml import etree

    # The report names a DTD that is nowhere; nothing is fetched or expanded.
    root = etree.fromstring(report, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    driver, cuda = root.findtext("driver_version"), root.findtext("cuda_version")
    found: list[Device] = []
    for index, gpu in enumerate(root.findall("gpu")):
        name = gpu.findtext("product_name") or "a GPU"
        capability = capabilities[index] if index < len(capabilities) else None
        capability = capability or _ARCHITECTURES.get(gpu.findtext("product_architecture") or "")
        parts = [(gpu, name, False)]
        if gpu.findtext("mig_mode/current_mig") == "Enabled":
            places = gpu.findall("mig_devices/mig_device")
            parts = [(one, f"{name} MIG {one.findtext('index')}", True) for one in places]
        for part, part_name, mig in parts:
            total = _mib(part.findtext("fb_memory_usage/total"))
            free = _mib(part.findtext("fb_memory_usage/free"))
            users = tuple(
                {
                    "pid": int(one.findtext("pid") or 0),
                    "name": one.findtext("process_name"),
                    "bytes": _mib(one.findtext("used_memory")),
                }
                for one in part.findall("processes/process_info")
            )
            if total is None:
                continue
            found.append(
                _nvidia(
                    index=index,
                    name=part_name,
                    total=total,
                    free=total if free is None else free,
                    users=users,
                    driver=driver,
                    cuda=cuda if cuda and cuda[0].isdigit() else None,
                    capability=capability,
                    mig=mig,
                )
            )
    return found


def _mib(text: str | None) -> int | None:
    match = re.match(r"(\d+) MiB", text or "")
    return int(match[1]) * _MIB if match else None


# ---------------------------------------------------------------- AMD, Apple, processors


def _rocm() -> tuple[list[Device], str | None]:
    program = shutil.which("rocm-smi")
    if program is None:
        return [], None
    done = _output([program, "--showproductname", "--showmeminfo", "vram", "--showdriverversion", "--json"])
    if isinstance(done, str):
        return [], done
    try:
        cards = loads(done.stdout)
        driver = next((one.get("Driver version") for one in cards.values() if "Driver version" in one), None)
        found = [
            Device(
                kind="rocm",
                index=number,
                name=str(card.get("Card Series") or card.get("Card series") or card.get("Card SKU") or name),
                total=int(card["VRAM Total Memory (B)"]),
                free=int(card["VRAM Total Memory (B)"]) - int(card["VRAM Total Used Memory (B)"]),
                driver=driver,
                bf16=True,
            )
            for number, (name, card) in enumerate(
                (name, card) for name, card in sorted(cards.items()) if "VRAM Total Memory (B)" in card
            )
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [], f"rocm-smi does not answer as expected: {error}."
    return found, None


def _apple(cpu: Device | None) -> list[Device]:
    """Return the GPU of an Apple chip, which shares the processor's memory."""
    if platform.system() != "Darwin" or platform.machine() != "arm64" or cpu is None:
        return []
    total = int(cpu.total * _APPLE_PART)
    return [Device(kind="mps", index=0, name=cpu.name, total=total, free=min(total, cpu.free), bf16=True)]


def processor() -> Device:
    """Return the processor, with the memory that this process may take: a container's limit counts."""
    import psutil

    memory = psutil.virtual_memory()
    total, free = int(memory.total), int(memory.available)
    limit, used = _cgroup()
    if limit is not None and limit < total:
        total, free = limit, min(free, limit - used)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Device(kind="cpu", index=0, name=_cpu_name(), total=total, free=max(free, 0), cores=cores)


def _cgroup() -> tuple[int | None, int]:
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            return int(Path(limit).read_text()), int(Path(used).read_text())
        except (OSError, ValueError):
            continue
    return None, 0


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
