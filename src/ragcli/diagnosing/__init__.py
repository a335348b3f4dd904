"""Why an answer is bad: each case replayed step by step, until the step that lost the answer.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.diagnosing.stage import Chain, diagnose
    from ragcli.diagnosing.summary import summary

_HOMES = {
    "Chain": "ragcli.diagnosing.stage",
    "diagnose": "ragcli.diagnosing.stage",
    "summary": "ragcli.diagnosing.summary",
}

__all__ = ["Chain", "diagnose", "summary"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
