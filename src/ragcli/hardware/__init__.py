"""What is here and what runs on it: devices, the memory that a model takes, and whether the one has room for the other.

A model is read from its config.json alone, so that the answer comes before the download.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.hardware.architecture import Architecture, read
    from ragcli.hardware.devices import Device, devices
    from ragcli.hardware.memory import Estimate, Load, estimate
    from ragcli.hardware.plan import Fit, fit

_HOMES = {
    "Architecture": "ragcli.hardware.architecture",
    "Device": "ragcli.hardware.devices",
    "Estimate": "ragcli.hardware.memory",
    "Fit": "ragcli.hardware.plan",
    "Load": "ragcli.hardware.memory",
    "devices": "ragcli.hardware.devices",
    "estimate": "ragcli.hardware.memory",
    "fit": "ragcli.hardware.plan",
    "read": "ragcli.hardware.architecture",
}

__all__ = ["Architecture", "Device", "Estimate", "Fit", "Load", "devices", "estimate", "fit", "read"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
