"""Real MCP servers as tools; one that fails, hangs or ends is told to the model."""

from __future__ import annotations

import json
import re
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
