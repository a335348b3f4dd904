"""NVML as it answered on a real machine: the answers are read from the file that NVML_REPLAY names.

It stands before the real ``nvidia-ml-py`` on the path of the process under test. NVML_REPLAY=hang never answers, and
NVML_REPLAY=none says what NVML says where there is no driver.
"""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace

_FILE = os.environ.get("NVML_REPLAY", "none")
_ANSWERS = json.load(open(_FILE)) if _FILE not in ("none", "hang") else {"gpus": []}  # noqa: SIM115, PTH123


class NVMLError(Exception):
    """An error of NVML."""


def nvmlInit() -> None:
    if _FILE == "hang":
        time.sleep(3600)
    if _FILE == "none":
        raise NVMLError("NVML Shared Library Not Found")


def nvmlShutdown() -> None:
    pass


def nvmlSystemGetDriverVersion() -> str:
    return _ANSWERS["driver"]


def nvmlSystemGetCudaDriverVersion_v2() -> int:
    return _ANSWERS["cuda"]


def nvmlDeviceGetCount() -> int:
    return len(_ANSWERS["gpus"])


def nvmlDeviceGetHandleByIndex(index: int) -> dict:
    return _ANSWERS["gpus"][index]


def nvmlDeviceGetName(handle: dict) -> str:
    return handle["name"]


def nvmlDeviceGetCudaComputeCapability(handle: dict) -> list[int]:
    return handle["capability"]


def nvmlDeviceGetMigMode(handle: dict) -> list[int]:
    if handle["mig"] is None:
        raise NVMLError("Not Supported")
    return handle["mig"]


def nvmlDeviceGetMaxMigDeviceCount(handle: dict) -> int:
    return 7


def nvmlDeviceGetMigDeviceHandleByIndex(handle: dict, index: int) -> dict:
    try:
        return handle["parts"][index]
    except IndexError:
        raise NVMLError("Not Found") from None


def nvmlDeviceGetMemoryInfo(handle: dict) -> SimpleNamespace:
    return SimpleNamespace(total=handle["total"], used=handle["used"], free=handle["free"])


def nvmlDeviceGetComputeRunningProcesses(handle: dict) -> list[SimpleNamespace]:
    return [SimpleNamespace(**one) for one in handle.get("processes", [])]
