"""Model hubs behind one seam: what a repository holds, its bytes from any place on, and names near to one.

One file a hub, each on the hub's own client, which is imported when the hub is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.models.hubs.protocol import Body, Hub, Listing, RemoteFile, open_hub

_HOMES = {
    "Body": "ragcli.models.hubs.protocol",
    "Hub": "ragcli.models.hubs.protocol",
    "Listing": "ragcli.models.hubs.protocol",
    "RemoteFile": "ragcli.models.hubs.protocol",
    "open_hub": "ragcli.models.hubs.protocol",
}

__all__ = ["Body", "Hub", "Listing", "RemoteFile", "open_hub"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
