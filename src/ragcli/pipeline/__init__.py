"""The offline stages as one: files to a table, in one process or wherever an engine runs them.

A `Plan` says what each stage does; `run` has an engine do it. The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.pipeline.ahead import Ahead
    from ragcli.pipeline.engines import ENGINES, run
    from ragcli.pipeline.plan import Done, Loading, Plan, Reports, Splitting, Unwatched, Watch, settled

_HOMES = {
    "Ahead": "ragcli.pipeline.ahead",
    "Done": "ragcli.pipeline.plan",
    "ENGINES": "ragcli.pipeline.engines",
    "Loading": "ragcli.pipeline.plan",
    "Plan": "ragcli.pipeline.plan",
    "Reports": "ragcli.pipeline.plan",
    "Splitting": "ragcli.pipeline.plan",
    "Unwatched": "ragcli.pipeline.plan",
    "Watch": "ragcli.pipeline.plan",
    "run": "ragcli.pipeline.engines",
    "settled": "ragcli.pipeline.plan",
}

__all__ = [
    "ENGINES",
    "Ahead",
    "Done",
    "Loading",
    "Plan",
    "Reports",
    "Splitting",
    "Unwatched",
    "Watch",
    "run",
    "settled",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
