"""Functions that a model may call beside the documents: Python files, HTTP services with OpenAPI, MCP servers.

`load_tools` opens them, `schema` tells a model of them, `run` calls one with what the model wrote and always comes back
with a text for the model. Who asks the user, counts the steps and keeps the record stands above this package.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.tools.functions import load_functions
    from ragcli.tools.mcp import McpServer
    from ragcli.tools.naming import unique
    from ragcli.tools.openapi import load_openapi
    from ragcli.tools.opening import Toolbox, load_tools
    from ragcli.tools.protocols import Outcome, Tool, ToolError, schema
    from ragcli.tools.running import run

_HOMES = {
    "McpServer": "ragcli.tools.mcp",
    "Outcome": "ragcli.tools.protocols",
    "Tool": "ragcli.tools.protocols",
    "ToolError": "ragcli.tools.protocols",
    "Toolbox": "ragcli.tools.opening",
    "load_functions": "ragcli.tools.functions",
    "load_openapi": "ragcli.tools.openapi",
    "load_tools": "ragcli.tools.opening",
    "run": "ragcli.tools.running",
    "schema": "ragcli.tools.protocols",
    "unique": "ragcli.tools.naming",
}

__all__ = [
    "McpServer",
    "Outcome",
    "Tool",
    "ToolError",
    "Toolbox",
    "load_functions",
    "load_openapi",
    "load_tools",
    "run",
    "schema",
    "unique",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
