"""Running the stages on many machines: what to do in pieces, who has had which chunk, one commit for many fragments.

The stages themselves know nothing of this. `work` cuts the input into tasks and runs the stages on one; `parcels`
carries what comes out; `keeping` decides which chunks are embedded; `committing` makes their fragments part of the
table; `ledger` sees that every parcel came in. None of these knows Ray: `ray_cluster` and `ray_running` alone do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.engines.ray_cluster import Cluster
    from ragcli.engines.ray_running import index, stream
    from ragcli.engines.tasks import file_tasks, line_tasks, record_tasks
    from ragcli.engines.work import Settings

_HOMES = {
    "Cluster": "ragcli.engines.ray_cluster",
    "Settings": "ragcli.engines.work",
    "file_tasks": "ragcli.engines.tasks",
    "index": "ragcli.engines.ray_running",
    "line_tasks": "ragcli.engines.tasks",
    "record_tasks": "ragcli.engines.tasks",
    "stream": "ragcli.engines.ray_running",
}

__all__ = ["Cluster", "Settings", "file_tasks", "index", "line_tasks", "record_tasks", "stream"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
