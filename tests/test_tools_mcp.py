"""Real MCP servers as tools; one that fails, hangs or ends is told to the model."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import environment
from ragcli.errors import RagcliError, ServiceError, UsageError
from ragcli.tools import McpServer, Tool, load_tools
from tools_calling import SERVER, call
from tools_service import Service

GIBBERISH = """
import json, sys
tool = {"name": "go", "inputSchema": {"type": "object"}}
results = {
    "initialize": {"capabilities": {"tools": {}}, "serverInfo": {"name": "gbk", "version": "1"}},
    "tools/list": {"tools": [tool]},
    "tools/call": {"content": [{"type": "text", "text": "printed"}]},
}
for line in sys.stdin:
    request = json.loads(line)
    if request["method"] == "initialize":
        results["initialize"]["protocolVersion"] = request["params"]["protocolVersion"]
    if request["method"] == "tools/call":
        sys.stdout.buffer.write("调试信息\\n".encode("gbk"))
        sys.stdout.buffer.flush()
    if "id" in request:
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": results[request["method"]]}), flush=True)
"""
NEWER = """
import json, sys
versions = {"supported": ["2026-07-28"], "requested": "2025-11-25"}
results = {
    "server/discover": {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "newer", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "now", "inputSchema": {"type": "object", "properties": {}}}]},
    "tools/call": {"content": [{"type": "text", "text": "2026"}]},
}
for line in sys.stdin:
    request = json.loads(line)
    answer = {"jsonrpc": "2.0", "id": request.get("id")}
    if request["method"] in results:
        answer["result"] = {**results[request["method"]], "ttlMs": 0, "cacheScope": "private", "resultType": "complete"}
    else:
        answer["error"] = {"code": -32022, "message": "too old", "data": versions}
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture(scope="module")
def mcp() -> Iterator[dict[str, Tool]]:
    server = McpServer(SERVER)
    yield {one.name: one for one in server.tools}
    server.close()


def test_the_tools_of_a_server_are_listed_with_what_it_says_of_them(mcp: dict[str, Tool]) -> None:
    assert list(mcp) == ["stock", "reserve", "fail", "wait", "long", "end", "catalogue_picture"]
    assert [name for name, one in mcp.items() if one.read_only] == ["stock"]
    assert mcp["stock"].description == "库存：一个仓库里还有多少件。"
    assert mcp["stock"].parameters["required"] == ["article"]
    assert "mcp_server.py" in mcp["stock"].origin


def test_a_servers_tools_are_called(mcp: dict[str, Tool]) -> None:
    assert call(mcp["stock"], article="灯").text == "北京的灯还有 7 件"
    assert json.loads(call(mcp["reserve"], article="灯", count=3).text) == {"灯": 3}
    assert "count: '3' is not of type 'integer'" in call(mcp["reserve"], article="灯", count="3").text
    assert call(mcp["catalogue_picture"]).text.split("\n") == [
        "here:",
        "[image, image/png, 1234 bytes]",
        "[audio, audio/wav, 1234 bytes]",
        "内容",
        "[resource, file:///a.bin, application/pdf, 1234 bytes]",
        "[resource, manual, file:///manual.pdf]",
    ]


def test_a_servers_tool_that_fails_hangs_or_says_much_is_an_outcome(mcp: dict[str, Tool]) -> None:
    outcome = call(mcp["fail"], reason="没有")
    assert not outcome.ok
    assert outcome.text.startswith("Error: ")
    outcome = call(mcp["wait"], seconds=60, timeout=0.5)
    assert (outcome.ok, outcome.text) == (False, "Error: wait did not answer within 0.5 seconds.")
    assert outcome.seconds < 2
    outcome = call(mcp["long"], characters=1_000_000, most=1000)
    assert outcome.ok
    assert outcome.truncated > 999_000
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: call(mcp["wait"], seconds=0.3).ok, range(4)))
    assert made == [True] * 4


def test_a_server_that_dies_is_an_outcome_and_the_box_still_closes() -> None:
    with load_tools([], [" ".join(SERVER)]) as box:
        tools = {one.name: one for one in box.tools}
        for _ in range(2):
            outcome = call(tools["end"])
            assert not outcome.ok
            assert "has ended; its last line on stderr: the disk is full" in outcome.text
    assert "is closed" in call(tools["end"]).text


def test_closing_a_server_ends_its_calls() -> None:
    server = McpServer(SERVER)
    tool = next(one for one in server.tools if one.name == "wait")
    timer = threading.Timer(0.3, server.close)
    timer.start()
    outcome = call(tool, seconds=60, timeout=20)
    assert not outcome.ok
    assert "is closed" in outcome.text
    assert outcome.seconds < 10
    timer.join()


def test_all_pages_of_tools_are_read() -> None:
    server = McpServer([*SERVER, "pages"])
    assert [one.name for one in server.tools] == [f"tool{n}" for n in range(10)]
    assert call(server.tools[9]).text == "tool9 {}"
    server.close()


def test_a_server_that_knows_only_the_newer_handshake_is_understood() -> None:
    server = McpServer([sys.executable, "-c", NEWER])
    assert call(server.tools[0]).text == "2026"
    server.close()


@pytest.mark.parametrize(
    ("command", "kind", "said", "seconds"),
    [
        ("nonexistent-command --x", UsageError, "nonexistent-command cannot be run: No such file", 30),
        ("python 'x", UsageError, "No closing quotation", 30),
        ("", UsageError, "needs a command", 30),
        ("sh -c 'echo no licence found >&2; exit 3'", ServiceError, "its last line on stderr: no licence found", 30),
        (" ".join([*SERVER, "none"]), UsageError, "has no tools", 30),
        ("sh -c 'echo 启动了; cat > /dev/null'", ServiceError, "did not tell its tools within 1 seconds", 1),
    ],
)
def test_a_server_that_does_not_start_is_named(
    command: str, kind: type[RagcliError], said: str, seconds: float
) -> None:
    with pytest.raises(kind, match=re.escape(said)) as caught:
        McpServer(command, start=seconds)
    assert command in caught.value.message


def test_a_server_that_is_never_closed_ends_with_its_user() -> None:
    code = f"from ragcli.tools import McpServer, run; s = McpServer({SERVER!r}); print(run(s.tools[0], '{{}}').ok)"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, env=environment(), timeout=30
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_line_that_is_no_utf8_does_not_end_a_server() -> None:
    server = McpServer([sys.executable, "-c", GIBBERISH])
    assert [call(server.tools[0], timeout=5).text for _ in range(2)] == ["printed", "printed"]
    server.close()


def test_what_a_server_says_is_shown_without_control_characters() -> None:
    with pytest.raises(ServiceError) as caught:
        McpServer([sys.executable, "-c", "import sys; sys.stderr.write('\\x1b[2Jno licence\\n'); sys.exit(3)"])
    assert caught.value.message.endswith("its last line on stderr: \\x1b[2Jno licence")


# over HTTP


@pytest.fixture(scope="module")
def urls() -> Iterator[list[str]]:
    """Two servers: one for all, one that wants a token."""
    started = [
        subprocess.Popen([*SERVER, "http", *token], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for token in ([], ["Bearer s3cret"])
    ]
    yield [f"http://127.0.0.1:{int(one.stdout.readline())}/mcp" for one in started if one.stdout is not None]
    for one in started:
        with one:
            one.kill()


def test_a_server_at_a_url_is_called(urls: list[str]) -> None:
    with load_tools([], [urls[0]]) as box:
        tools = {one.name: one for one in box.tools}
        assert tools["stock"].origin == urls[0]
        assert [name for name, one in tools.items() if one.read_only] == ["stock"]
        assert call(tools["stock"], article="灯").text == "北京的灯还有 7 件"
        assert "count: '3' is not of type 'integer'" in call(tools["reserve"], article="灯", count="3").text
        assert not call(tools["fail"], reason="没有").ok
        outcome = call(tools["wait"], seconds=60, timeout=0.5)
        assert (outcome.ok, outcome.text) == (False, "Error: wait did not answer within 0.5 seconds.")
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda n: call(tools["wait"], seconds=0.2).ok, range(4))) == [True] * 4
    assert call(tools["stock"], article="灯").text == f"Error: the MCP server {urls[0]} is closed."


def test_a_token_goes_to_one_server_only(urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGCLI_TOOLS_AUTHORIZATION", "Bearer s3cret")  # is for other services
    with pytest.raises(ServiceError) as refused:
        McpServer(urls[1])
    assert refused.value.message == f"the MCP server {urls[1]} refuses: status 401."
    assert "RAGCLI_MCP_AUTHORIZATION" in str(refused.value.hint)
    monkeypatch.setenv("RAGCLI_MCP_AUTHORIZATION", "Bearer s3cret")
    with load_tools([], [urls[1]]) as box:
        assert call(box.tools[0], article="灯").ok
    with pytest.raises(UsageError, match="RAGCLI_MCP_AUTHORIZATION is for one service, and here are"):
        load_tools([], urls)
    monkeypatch.delenv("RAGCLI_MCP_AUTHORIZATION")
    port = urls[1].removesuffix("/mcp").rpartition(":")[2]
    monkeypatch.setenv(f"RAGCLI_MCP_AUTHORIZATION_127_0_0_1_{port}", "Bearer s3cret")
    with load_tools([], urls) as box:
        assert len(box.tools) == 14


def test_a_server_at_a_url_that_goes_away_is_an_outcome() -> None:
    with subprocess.Popen([*SERVER, "http"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        server = McpServer(f"http://127.0.0.1:{int(process.stdout.readline())}/mcp")
        tools = {one.name: one for one in server.tools}
        for name in ("end", "stock", "stock"):
            outcome = call(tools[name], **({} if name == "end" else {"article": "灯"}))
            assert outcome.text.startswith("Error: the connection to the MCP server http://127.0.0.1:")
            assert outcome.text.endswith("/mcp is lost.")
            assert outcome.seconds < 5
        server.close()


def test_what_is_no_server_at_a_url_is_named(urls: list[str]) -> None:
    service = Service()
    unused = socket.create_server(("127.0.0.1", 0))
    nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/mcp"
    cases = [
        (f"{urls[0]}x", ServiceError, "does not answer as an MCP server does: status 404."),
        (f"{service.url}/image", ServiceError, "server does: MCPError: Unexpected content type: image/png."),
        (f"{service.url}/openapi.json", ServiceError, "does not answer as an MCP server does: MCPError: Failed to"),
        ("http://[bad", UsageError, "--mcp http://[bad: it is not an address that can be called"),
        (nobody, ServiceError, "did not tell its tools within 2 seconds"),
    ]
    for url, kind, said in cases:
        with pytest.raises(kind, match=re.escape(said)) as caught:
            McpServer(url, start=2)
        assert url in caught.value.message
        assert "PATH" not in f"{caught.value.message} {caught.value.hint}"
        assert "\n" not in caught.value.message
    unused.close()
    with pytest.raises(ServiceError, match="cannot be reached: ConnectError"):
        McpServer(nobody)
    service.close()
