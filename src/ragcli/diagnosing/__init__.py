"""Why answers are bad: what is wrong with a table, and at which step a case is lost.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.diagnosing.integrity import check
    from ragcli.diagnosing.integrity_mending import mend

_HOMES = {
    "check": "ragcli.diagnosing.integrity",
    "mend": "ragcli.diagnosing.integrity_mending",
}

__all__ = ["check", "mend"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
