"""A real MCP server for the tests, made with the package mcp; its argument says how it behaves.

Over stdio ``tools``: one tool of each kind. ``pages``: many tools, three a page. ``none``: no tools. Over streamable
HTTP ``http``: the tools again, on a free port of 127.0.0.1, which is printed; a second argument is the token it wants.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import sys
import time

import mcp_types as types
from mcp.server import MCPServer, Server
from mcp.server.stdio import stdio_server

LOOK = types.ToolAnnotations(read_only_hint=True)
server = MCPServer("company")


@server.tool(annotations=LOOK)
def stock(article: str, warehouse: str = "北京") -> str:
    """库存：一个仓库里还有多少件。"""
    return f"{warehouse}的{article}还有 7 件"


@server.tool()
def reserve(article: str, count: int) -> dict[str, int]:
    """Reserve articles."""
    return {article: count}


@server.tool()
def fail(reason: str) -> str:
    """Fail."""
    raise ValueError(reason)


@server.tool()
async def wait(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "awake"


@server.tool()
def long(characters: int) -> str:
    """Say much."""
    return "x" * characters


@server.tool()
def end() -> str:
    """End the server in the middle of the call."""
    sys.stderr.write("the disk is full\n")
    sys.stderr.flush()
    time.sleep(0.1)
    os._exit(7)


@server.tool(name="catalogue.picture", structured_output=False)
def picture() -> list:
    """Show a picture, a sound and two files."""
    data = base64.b64encode(b"x" * 1234).decode()
    text = types.TextResourceContents(uri="file:///a.txt", text="内容", mime_type="text/plain")
    blob = types.BlobResourceContents(uri="file:///a.bin", blob=data, mime_type="application/pdf")
    return [
        types.TextContent(text="here:"),
        types.ImageContent(data=data, mime_type="image/png"),
        types.AudioContent(data=data, mime_type="audio/wav"),
        types.EmbeddedResource(resource=text),
        types.EmbeddedResource(resource=blob),
        types.ResourceLink(name="manual", uri="file:///manual.pdf"),
    ]


async def pages() -> None:
    """Serve ten tools on four pages."""

    async def listed(_context, params) -> types.ListToolsResult:
        first = int(params.cursor or 0) if params else 0
        numbers = range(first, min(first + 3, 10))
        found = [types.Tool(name=f"tool{n}", input_schema={"type": "object"}) for n in numbers]
        return types.ListToolsResult(tools=found, next_cursor=str(first + 3) if first + 3 < 10 else None)

    async def called(_context, params) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(text=f"{params.name} {params.arguments}")])

    paged = Server("paged", on_list_tools=listed, on_call_tool=called)
    async with stdio_server() as (reading, writing):
        await paged.run(reading, writing, paged.create_initialization_options())


def serve(token: str) -> None:
    """Serve the tools over streamable HTTP; print the port."""
    import uvicorn

    app = server.streamable_http_app()

    async def guarded(scope, receive, send) -> None:
        if scope["type"] == "http" and token and (b"authorization", token.encode()) not in scope["headers"]:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"no token"})
            return
        await app(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(uvicorn.Config(guarded, log_level="critical", lifespan="on")).run([listening])


if __name__ == "__main__":
    how = sys.argv[1] if len(sys.argv) > 1 else "tools"
    if how == "tools":
        sys.stderr.write("company server, ready\n")
        server.run()
    elif how == "pages":
        asyncio.run(pages())
    elif how == "http":
        serve(sys.argv[2] if len(sys.argv) > 2 else "")
    else:
        MCPServer("empty").run()
