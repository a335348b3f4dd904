"""Whether the torch that is installed can use the GPUs here, learnt without importing it, and what mends it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ragcli.hardware.devices import Device
from ragcli.records import Json

# The oldest driver for each major version of CUDA on Linux, and the version of CUDA that older ones still run:
# NVIDIA's CUDA compatibility guide, table of minor version compatibility.
_DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
_OLDEST_CARD = {(12, 8): (7, 5), (13, 0): (7, 5)}  # builds for it and newer leave older cards out


@dataclass(frozen=True, slots=True)
class TorchState:
    """What is known of torch: its version, the CUDA or ROCm it was built for, and what is wrong with it here."""

    version: str | None
    built_for: str | None
    usable: bool
    problem: str | None = None
    mend: str | None = None

    def record(self) -> Json:
        """Return it as a JSON object."""
        values: Json = {"type": "torch", "version": self.version, "built_for": self.built_for, "usable": self.usable}
        return values | {"problem": self.problem, "mend": self.mend}


def torch_state(gpus: Sequence[Device]) -> TorchState:
    """Return whether torch can use these GPUs; without one, whether it is there at all."""
    try:
        installed = version("torch")
    except PackageNotFoundError:
        return TorchState(None, None, False, "torch is not installed", "pip install 'ragcli[torch]'")
    built = _built_for()
    label = ".".join(map(str, built)) if isinstance(built, tuple) else built
    if not gpus:
        return TorchState(installed, label, True)
    problem, mend = _problem(gpus[0], built)
    return TorchState(installed, label, problem is None, problem, mend)


def _built_for() -> tuple[int, int] | str | None:
    """Return the version of CUDA that torch was built for, "rocm", or None for the processor alone."""
    spec = find_spec("torch")
    places = list(spec.submodule_search_locations or []) if spec else []
    try:
        text = Path(places[0], "version.py").read_text()
    except (OSError, IndexError):
        return None
    found = re.search(r"^cuda[^=\n]*=\s*['\"](\d+)\.(\d+)", text, re.MULTILINE)
    if found:
        return int(found[1]), int(found[2])
    return "rocm" if re.search(r"^hip[^=\n]*=\s*['\"]", text, re.MULTILINE) else None


def _problem(gpu: Device, built: tuple[int, int] | str | None) -> tuple[str | None, str | None]:
    again = "uv pip install --reinstall torch --torch-backend="
    if gpu.kind == "mps":
        return None, None
    if gpu.kind == "rocm":
        return (None, None) if built == "rocm" else ("this torch was not built for ROCm", again + "auto")
    if not isinstance(built, tuple):
        return "this torch was built for the processor alone", again + "auto"
    able = tuple(map(int, gpu.cuda.split("."))) if gpu.cuda else None
    if able is not None and able[0] < built[0]:
        newest = _DRIVERS.get(built[0])
        older = f"cu{able[0]}8" if able[0] == 11 else "auto"
        wants = f" (it needs {newest} or newer)" if newest else ""
        return (
            f"the driver {gpu.driver} runs CUDA {gpu.cuda} at most, and this torch was built for"
            f" {built[0]}.{built[1]}{wants}",
            f"update the driver, or: {again}{older}",
        )
    for since, oldest in _OLDEST_CARD.items():
        if built >= since and gpu.capability is not None and gpu.capability < oldest:
            own = ".".join(map(str, gpu.capability))
            return (
                f"this torch, built for CUDA {built[0]}.{built[1]}, has no code for a card of compute capability {own}",
                again + "cu126",
            )
    return None, None
