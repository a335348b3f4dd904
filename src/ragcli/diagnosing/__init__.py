"""Why answers are bad: each case replayed until the step that lost it, and what is wrong with a table itself.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.diagnosing.integrity import check
    from ragcli.diagnosing.integrity_mending import mend
    from ragcli.diagnosing.stage import Chain, diagnose
    from ragcli.diagnosing.summary import summary

_HOMES = {
    "Chain": "ragcli.diagnosing.stage",
    "check": "ragcli.diagnosing.integrity",
    "diagnose": "ragcli.diagnosing.stage",
    "mend": "ragcli.diagnosing.integrity_mending",
    "summary": "ragcli.diagnosing.summary",
}

__all__ = ["Chain", "check", "diagnose", "mend", "summary"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
