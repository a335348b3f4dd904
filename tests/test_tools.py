"""Tools: Python functions, a real HTTP service, a real MCP server; what goes wrong is told to the model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, environment
from ragcli.errors import RagcliError, ServiceError, UsageError
from ragcli.tools import McpServer, Outcome, Tool, load_functions, load_openapi, load_tools, run, schema, unique
from ragcli.tools.functions import Functions
from ragcli.tools.naming import valid_name
from ragcli.tools.running import cut
from tools_service import Service, document

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
SERVER = [sys.executable, str(ROOT / "tests" / "mcp_server.py")]

COMPANY = '''
"""公司的函数。"""
from __future__ import annotations

import asyncio
import enum
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional, TypedDict

from typing_extensions import NotRequired

READ_ONLY = ["查询订单", "look"]
_private = 3


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Line:
    article: str
    count: int = 1


class Address(TypedDict):
    city: str
    lines: NotRequired[list[Line]]


def 查询订单(订单号: Annotated[str, "订单的编号，如 A-7"], 详细: bool = False) -> dict[str, Any]:
    """查询一个订单的状态。

    参数：
        订单号: 不用这一句
        详细: 是否列出全部内容
    """
    return {"订单号": 订单号, "详细": 详细, "状态": "已发货"}


def look() -> None:
    """Look."""


def order(
    lines: list[Line],
    colour: Colour = Colour.RED,
    where: Optional[Address] = None,
    mode: Literal["fast", "slow"] = "slow",
    prices: dict[str, float] | None = None,
    *,
    weight: float = 0.5,
) -> list[str]:
    """Order articles.

    Args:
        lines: what to order,
            and how much
        colour (Colour): of all articles

    Returns:
        What was understood.
    """
    kinds = [type(one).__name__ for one in (*lines, colour, where, mode, prices, weight)]
    return [*kinds, lines[0].article, colour.name]


async def nap(seconds: float) -> str:
    """Sleep.

    :param seconds: how long
    :type seconds: float
    :returns: a word
    """
    await asyncio.sleep(seconds)
    return "awake"


def add(first: int, /, second: int = 2, third: int = 3) -> int:
    """Add.

    Parameters
    ----------
    first : int
        the first number
    second, third : int, optional
        the others
    """
    return first + second + third


def misbehave(how: str, path: str = "") -> Any:
    """Misbehave."""
    print("printed by a function")
    os.write(1, b"written to descriptor 1\\n")
    if how == "raise":
        raise ValueError("没有这个订单")
    if how == "hang":
        child = subprocess.Popen(["sleep", "600"])
        with open(path, "w") as file:
            file.write(str(child.pid))
        time.sleep(600)
    if how == "spin":
        while True:
            pass
    if how == "exit":
        os._exit(7)
    if how == "sys.exit":
        sys.exit("enough")
    if how == "much":
        return "头" + "x" * 2_000_000 + "尾"
    if how == "read":
        return sys.stdin.read()
    if how == "circle":
        circle = []
        circle.append(circle)
        return circle
    if how == "object":
        return {"when": time, "bytes": b"\\xff", "line": Line("灯")}
    return os.getpid()
'''


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Tool]]:
    path = tmp_path_factory.mktemp("tools") / "company.py"
    path.write_text(COMPANY, encoding="utf-8")
    functions = Functions(path)
    yield {one.name: one for one in functions.tools}
    functions.close()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    one, other = Service(), Service()
    one.elsewhere = other.url
    yield one
    assert other.requests == []  # nothing was redirected there
    one.close()
    other.close()


@pytest.fixture(scope="module")
def http(service: Service) -> dict[str, Tool]:
    return {one.name: one for one in load_openapi(f"{service.url}/openapi.json")}


@pytest.fixture(scope="module")
def mcp() -> Iterator[dict[str, Tool]]:
    server = McpServer(SERVER)
    yield {one.name: one for one in server.tools}
    server.close()


def call(tool: Tool, timeout: float = 10, most: int = 20_000, **arguments: object) -> Outcome:
    return run(tool, json.dumps(arguments), timeout=timeout, most=most)


def gone(pid: int) -> bool:
    """Whether a process ends within some seconds."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # nobody has waited for it here
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


# Python functions


def test_the_public_functions_of_a_file_become_tools(company: dict[str, Tool]) -> None:
    names = [re.sub(r"tool_[0-9a-f]{6}", "tool", name) for name in company]
    assert names == ["tool", "look", "order", "nap", "add", "misbehave"]
    assert [name for name, tool in company.items() if tool.read_only] == [next(iter(company)), "look"]
    assert all(tool.origin.endswith("company.py") for tool in company.values())


def test_hints_and_docstrings_become_a_schema(company: dict[str, Tool]) -> None:
    made = schema(company["order"])
    assert made["type"] == "function"
    function = made["function"]
    assert function["name"] == "order"
    assert function["description"] == "Order articles.\n\nReturns:\n    What was understood."
    parameters = function["parameters"]
    assert parameters["type"] == "object"
    assert parameters["required"] == ["lines"]
    assert parameters["additionalProperties"] is False
    properties = parameters["properties"]
    assert properties["lines"]["description"] == "what to order, and how much"
    assert properties["lines"]["items"] == {"$ref": "#/$defs/Line"}
    assert properties["colour"] == {"description": "of all articles", "default": "red", "$ref": "#/$defs/Colour"}
    assert properties["mode"] == {"default": "slow", "enum": ["fast", "slow"], "type": "string"}
    assert {"type": "object", "additionalProperties": {"type": "number"}} in properties["prices"]["anyOf"]
    assert properties["weight"] == {"default": 0.5, "type": "number"}
    assert parameters["$defs"]["Colour"]["enum"] == ["red", "blue"]
    assert parameters["$defs"]["Line"]["properties"]["count"] == {"default": 1, "type": "integer"}
    assert parameters["$defs"]["Address"]["properties"]["city"] == {"type": "string"}
    assert parameters["$defs"]["Address"]["required"] == ["city"]
    assert "title" not in json.dumps(parameters)


def test_all_three_forms_of_docstrings_are_read(company: dict[str, Tool]) -> None:
    add, nap = company["add"], company["nap"]
    assert add.description == "Add."
    texts = {name: one["description"] for name, one in add.parameters["properties"].items()}
    assert texts == {"first": "the first number", "second": "the others", "third": "the others"}
    assert nap.parameters["properties"]["seconds"]["description"] == "how long"
    assert nap.description == "Sleep.\n\n:returns: a word"


def test_a_chinese_function_takes_chinese_arguments(company: dict[str, Tool]) -> None:
    tool = next(iter(company.values()))
    assert tool.description == "查询订单: 查询一个订单的状态。"
    properties = tool.parameters["properties"]
    assert properties["订单号"] == {"description": "订单的编号，如 A-7", "type": "string"}
    assert properties["详细"]["description"] == "是否列出全部内容"
    outcome = run(tool, '{"订单号": "甲-7"}')
    assert outcome.ok
    assert json.loads(outcome.text) == {"订单号": "甲-7", "详细": False, "状态": "已发货"}
    assert "已发货" in outcome.text


def test_json_becomes_what_the_hints_say(company: dict[str, Tool]) -> None:
    outcome = call(
        company["order"],
        lines=[{"article": "灯"}, {"article": "椅", "count": 2}],
        colour="blue",
        where={"city": "北京"},
        prices={"灯": 3},
        weight=1,
    )
    assert json.loads(outcome.text) == ["Line", "Line", "Colour", "dict", "str", "dict", "float", "灯", "BLUE"]


def test_functions_may_be_async_or_take_arguments_by_position_only(company: dict[str, Tool]) -> None:
    assert call(company["nap"], seconds=0.01).text == "awake"
    assert call(company["add"], first=1).text == "6"
    assert call(company["add"], first=1, third=0).text == "3"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"first": ', "not valid JSON"),
        ("[1]", "must be one JSON object"),
        ("", "'first' is a required property"),
        ('{"first": "1"}', "first: '1' is not of type 'integer'"),
        ('{"first": 1, "fourth": 4}', "'fourth' was unexpected"),
        ('{"first": NaN}', "NaN is no JSON number"),
        ('{"first": ' + "[" * 100_000, "nested too deep"),
        ('{"first": "' + "长" * 100_000 + '"}', "is not of type 'integer'"),
    ],
)
def test_wrong_arguments_are_told_to_the_model(company: dict[str, Tool], arguments: str, said: str) -> None:
    outcome = run(company["add"], arguments)
    assert not outcome.ok
    assert said in outcome.text
    assert len(outcome.text) < 1000
    if "deep" not in said:
        assert "first (integer, required)" in outcome.text


def test_a_function_that_raises_or_exits_is_an_outcome_and_the_next_call_works(company: dict[str, Tool]) -> None:
    tool = company["misbehave"]
    assert call(tool, how="raise").text == "Error: ValueError: 没有这个订单"
    assert call(tool, how="sys.exit").text == "Error: SystemExit: enough"
    outcome = call(tool, how="exit")
    assert not outcome.ok
    assert "exit code 7" in outcome.text
    assert "Traceback" not in outcome.text
    assert call(tool, how="").ok


def test_a_function_that_hangs_is_killed_with_what_it_started(company: dict[str, Tool], tmp_path: Path) -> None:
    tool = company["misbehave"]
    worker = int(call(tool, how="").text)
    outcome = call(tool, how="hang", path=str(tmp_path / "pid"), timeout=1)
    assert not outcome.ok
    assert "did not end within 1 seconds" in outcome.text
    assert 1 <= outcome.seconds < 4
    assert gone(worker)
    assert gone(int((tmp_path / "pid").read_text()))
    assert not call(tool, how="spin", timeout=0.5).ok
    assert call(tool, how="").ok


def test_what_functions_print_never_gets_into_a_result(tmp_path: Path) -> None:
    path = tmp_path / "company.py"
    path.write_text(COMPANY.replace("READ_ONLY =", "print('printed at import')\nREAD_ONLY ="))
    code = f"""
from ragcli.tools import load_functions, run
tool = {{one.name: one for one in load_functions({str(path)!r})}}["misbehave"]
print(run(tool, '{{"how": "read"}}').text == "", run(tool, '{{"how": ""}}').ok)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=30)
    assert done.stdout == "True True\n"
    assert done.stderr.count("printed by a function") == 2
    assert done.stderr.count("written to descriptor 1") == 2
    assert done.stderr.count("printed at import") == 1
    assert "Warning" not in done.stderr


def test_a_long_result_keeps_its_head_and_its_tail(company: dict[str, Tool]) -> None:
    outcome = call(company["misbehave"], how="much", most=1000)
    assert outcome.ok
    assert len(outcome.text) <= 1000
    assert outcome.text.startswith("头x")
    assert outcome.text.endswith("x尾")
    assert outcome.truncated == 2_000_002 - (len(outcome.text) - len(re.findall(r"\n\[….*\]\n", outcome.text)[0]))
    assert f"{outcome.truncated} characters left out" in outcome.text


@given(st.text(max_size=300), st.integers(0, 200))
def test_a_cut_text_is_never_longer_than_it_may_be(text: str, most: int) -> None:
    made, left_out = cut(text, most)
    if len(text) <= most:
        assert (made, left_out) == (text, 0)
    elif most > 60:
        assert len(made) <= most
        note = f"\n[… {left_out} characters left out …]\n"
        assert len(made) - len(note) + left_out == len(text)
        head, _, tail = made.partition(note)
        assert text.startswith(head)
        assert text.endswith(tail)


def test_results_that_json_does_not_know_become_text(company: dict[str, Tool]) -> None:
    assert call(company["misbehave"], how="circle").text == "[[...]]"
    made = json.loads(call(company["misbehave"], how="object").text)
    assert made["line"] == {"article": "灯", "count": 1}
    assert call(company["look"]).text == "null"


def test_calls_of_several_threads_get_their_own_results(company: dict[str, Tool]) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: call(company["add"], first=n).text, range(40)))
    assert made == [str(n + 5) for n in range(40)]


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("x = 1\n", "", "no functions"),
        ("def f(x: int) -> int:\n    return (\n", ":2", "cannot be imported: SyntaxError"),
        ("\nimport nonexistent_module\n", ":2", "No module named 'nonexistent_module'"),
        ("\n\nraise SystemExit(3)\n", ":3", "cannot be imported: SystemExit: 3"),
        ("import os\nos._exit(9)\n", "", "the process that imports it ended (exit code 9)"),
        ("\ndef f(*numbers: int):\n    pass\n", ":2", "f takes *numbers"),
        ("\ndef f(**more: int):\n    pass\n", ":2", "f takes **more"),
        ("\ndef f(x):\n    pass\n", ":2", "the parameter x of f has no type hint"),
        ("\n\ndef f(x: 'Nothing'):\n    pass\n", ":3", "type hints of f cannot be read: name 'Nothing'"),
        ("import threading\ndef f(x: threading.Thread):\n    pass\n", ":2", "parameter x of f has no JSON form"),
        ("from typing import Callable\ndef f(x: Callable[[], int]):\n    pass\n", ":2", "x of f has no JSON form"),
        ("__all__ = ['g']\ndef f():\n    pass\n", "", "__all__ names g"),
        ("READ_ONLY = ['g']\ndef f():\n    pass\n", "", "READ_ONLY names g"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, at: str, said: str) -> None:
    path = tmp_path / "tools.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_functions(path)
    assert caught.value.message.startswith(f"{path}{at}: ")
    assert said in caught.value.message


def test_an_import_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "tools.py"
    path.write_text("import time\ntime.sleep(600)\n")
    with pytest.raises(UsageError, match="did not end within 1 seconds"):
        Functions(path, start=1)
    with pytest.raises(UsageError, match="no such file"):
        load_functions(tmp_path / "none.py")


def test_all_names_the_tools_and_an_attribute_marks_those_that_only_read(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def helped(x: int) -> int:\n    return x + 1\n")
    path = tmp_path / "json.py"  # its name must not hide the module that the process itself needs
    path.write_text(
        "from helper import helped\n__all__ = ['helped', '_hidden', 'NUMBER']\nNUMBER = 3\n"
        "def _hidden() -> int:\n    return 1\n_hidden.read_only = True\ndef other(x):\n    pass\n"
    )
    tools = load_functions(path)
    assert [(one.name, one.read_only) for one in tools] == [("helped", False), ("_hidden", True)]
    assert call(tools[0], x=1).text == "2"


def test_the_process_of_functions_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    path = tmp_path / "tools.py"
    path.write_text("import os, time\ndef pid() -> int:\n    return os.getpid()\ndef hang():\n    time.sleep(600)\n")
    code = f"""
from ragcli.tools import load_functions, run
pid, hang = load_functions({str(path)!r})
print(run(pid, "").text, flush=True)
run(hang, "", timeout=600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment())
    with parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert gone(worker)


# an HTTP service


def test_the_operations_of_a_service_become_tools(service: Service) -> None:
    skipped: list[str] = []
    tools = {one.name: one for one in load_openapi(f"{service.url}/openapi.json", on_skipped=skipped.append)}
    assert list(tools)[:4] == ["getOrder", "put__orders_id", "delete_order", "createOrder"]
    assert [name for name, one in tools.items() if not one.read_only] == [
        *("put__orders_id", "delete_order", "createOrder", "addNote", "sum", "picture", "touch")
    ]
    assert tools["getOrder"].description == "查询一个订单"
    assert tools["getOrder"].origin == f"{service.url}/api"
    properties = tools["getOrder"].parameters["properties"]
    assert list(properties) == ["id", "fields", "tags", "filter", "full", "X-Tenant"]
    assert properties["full"]["description"] == "with all lines"
    assert tools["getOrder"].parameters["required"] == ["id"]
    assert [one.removeprefix(f"{service.url}/openapi.json: ") for one in skipped] == [
        "PUT /touch is called without its body, which is no JSON but image/png.",
        "POST /touch is called without its parameter session (cookie, form).",
        "POST /upload is left out: its body is no JSON but multipart/form-data.",
        "GET /other is left out: it refers to another file, other.json#/x.",
    ]


def test_schemas_are_resolved_and_those_that_hold_themselves_stay_finite(http: dict[str, Tool]) -> None:
    parameters = http["createOrder"].parameters
    assert list(parameters["properties"]) == ["dry", "lines", "note"]
    assert parameters["required"] == ["lines"]
    assert parameters["properties"]["note"] == {"type": ["string", "null"]}
    line = parameters["$defs"]["Line"]
    assert line["properties"]["count"] == {"type": "integer", "exclusiveMinimum": 0}
    assert line["properties"]["parts"] == {"type": "array", "items": {"$ref": "#/$defs/Line"}}
    assert "id" not in line["properties"]  # readOnly: only answers have it
    assert line["required"] == ["article"]
    assert "$defs" not in http["getOrder"].parameters
    outcome = call(http["createOrder"], lines=[{"article": "灯", "parts": [{"article": "泡", "count": 0}]}])
    assert "lines.0.parts.0.count: 0 is less than" in outcome.text


def test_a_get_has_its_arguments_in_path_query_and_header(service: Service, http: dict[str, Tool]) -> None:
    arguments = {"fields": ["a", "状 态"], "tags": ["x", "y"], "filter": {"city": "北京"}, "full": True}
    outcome = call(http["getOrder"], id="A/7 号?x#y%2e", **arguments, **{"X-Tenant": "t1"})
    assert outcome.ok
    request = service.requests[-1]
    assert request["path"] == "/api/orders/A%2F7%20%E5%8F%B7%3Fx%23y%252e"
    assert request["query"] == {
        "fields": ["a", "状 态"],
        "tags": ["x,y"],
        "filter[city]": ["北京"],
        "full": ["true"],
    }
    assert request["headers"]["x-tenant"] == "t1"


@pytest.mark.parametrize("value", ["../admin", "..", ".", "", "a/../../admin", "..\\admin"])
def test_no_argument_changes_the_path(service: Service, http: dict[str, Tool], value: str) -> None:
    before = len(service.requests)
    outcome = call(http["getOrder"], id=value)
    assert not outcome.ok
    assert "would change the path" in outcome.text
    assert len(service.requests) == before


def test_a_post_has_its_fields_in_the_body(service: Service, http: dict[str, Tool]) -> None:
    outcome = call(http["createOrder"], lines=[{"article": "灯", "count": 3}], note=None, dry=False)
    assert json.loads(outcome.text)["body"] == {"lines": [{"article": "灯", "count": 3}], "note": None}
    assert service.requests[-1]["query"] == {"dry": ["false"]}
    assert service.requests[-1]["headers"]["content-type"] == "application/json"


def test_a_body_that_may_be_left_out_is_left_out(service: Service, http: dict[str, Tool]) -> None:
    assert json.loads(call(http["touch"]).text)["body"] is None
    assert "content-type" not in service.requests[-1]["headers"]
    assert json.loads(call(http["touch"], by="我").text)["body"] == {"by": "我"}


def test_a_body_that_clashes_or_is_no_object_is_one_argument(http: dict[str, Tool]) -> None:
    assert http["addNote"].parameters["required"] == ["id", "body"]
    made = json.loads(call(http["addNote"], id="7", body={"id": "x", "text": "y"}).text)
    assert (made["path"], made["body"]) == ("/api/orders/7/note", {"id": "x", "text": "y"})
    assert json.loads(call(http["sum"], body=[1, 2]).text)["body"] == [1, 2]
    assert "body.0: 'x' is not of type 'integer'" in call(http["sum"], body=["x"]).text


def test_a_service_that_fails_or_hangs_is_an_outcome(http: dict[str, Tool]) -> None:
    outcome = call(http["broken"])
    assert (outcome.ok, outcome.text) == (
        False,
        "Error: the service answered with status 500: the database is gone",
    )
    for name in ("slow", "trickle"):
        outcome = call(http[name], timeout=0.5)
        assert not outcome.ok
        assert re.search("did not answer in time|no response within 0.5 seconds|did not end in time", outcome.text)
        assert outcome.seconds < 2
    assert call(http["empty"]).text == "(no content)"
    assert call(http["image"]).text == "[image/png, 1234 bytes]"


def test_no_more_than_a_mebibyte_is_read(http: dict[str, Tool]) -> None:
    outcome = call(http["long"], most=10_000_000)  # 3 MB in UTF-8
    assert outcome.ok
    assert outcome.text.count("长") == (1 << 20) // 3
    assert outcome.text.endswith("长\n[… the response is longer; the rest was not read …]")


def test_redirects_are_followed_on_the_same_host_only(service: Service, http: dict[str, Tool]) -> None:
    assert json.loads(call(http["redirect"], where="here").text)["path"] == "/api/orders/7"
    outcome = call(http["redirect"], where="there")
    assert outcome.text == f"Error: the service redirected to {service.elsewhere}, which is not followed."
    assert "more than 5 times" in call(http["redirect"], where="loop").text


def test_the_token_of_the_environment_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    service.token = "Bearer s3cret"
    url = f"{service.url}/openapi.json"
    with pytest.raises(ServiceError, match="status 401") as caught:
        load_openapi(url)
    assert "RAGCLI_TOOLS_AUTHORIZATION" in str(caught.value.hint)
    monkeypatch.setenv("RAGCLI_TOOLS_AUTHORIZATION", "Bearer s3cret\n")
    tool = load_openapi(url)[0]
    assert call(tool, id="7").ok
    assert service.requests[-1]["headers"]["authorization"] == "Bearer s3cret"
    service.close()
    outcome = call(tool, id="7")
    assert not outcome.ok
    assert "cannot be reached" in outcome.text
    assert "s3cret" not in outcome.text
    monkeypatch.setenv("RAGCLI_TOOLS_AUTHORIZATION", "Bearer\ns3cret")
    with pytest.raises(UsageError, match="holds what an HTTP header cannot") as wrong:
        load_openapi(url)
    assert "s3cret" not in wrong.value.message


@pytest.mark.parametrize("servers", [[], [{"url": "/api"}], [{"url": "{root}/api", "variables": {}}]])
def test_a_document_in_a_file_says_or_is_told_where_its_service_is(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: list[dict]
) -> None:
    if servers and "variables" in servers[0]:
        servers = [{"url": "{root}/api", "variables": {"root": {"default": service.url}}}]
    path = tmp_path / "service.json"
    path.write_text(json.dumps(document(servers)), encoding="utf-8")
    if "variables" not in str(servers):
        with pytest.raises(UsageError, match="does not say where the service is"):
            load_openapi(path)
        monkeypatch.setenv("RAGCLI_TOOLS_BASE_URL", service.url if servers else f"{service.url}/api")
    assert json.loads(call(load_openapi(path)[0], id="7").text)["path"] == "/api/orders/7"


def test_a_document_may_be_yaml(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "service.yaml"
    path.write_text(
        f"""
openapi: 3.1.0
info: {{title: 服务, version: 1}}
servers: [{{url: "{service.url}/api"}}]
paths:
  /orders:
    get:
      summary: 全部订单
      parameters:
        - {{name: since, in: query, example: 2026-01-01, schema: {{type: [string, "null"]}}}}
      responses:
        200: {{description: 好}}
"""
    )
    (tool,) = load_openapi(path)
    assert (tool.name, tool.description) == ("get__orders", "全部订单")
    assert json.loads(call(tool, since="2026-01-01").text)["path"] == "/api/orders"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "no valid JSON"),
        ("a.yaml", "a: [", "neither JSON nor YAML"),
        ("a.json", '{"swagger": "2.0"}', "no OpenAPI 3 document (it is Swagger 2.0)"),
        ("a.json", '{"openapi": "3.0.0", "paths": {}}', "none of its operations can be a tool"),
    ],
)
def test_what_is_no_openapi_document_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError, match=re.escape(said)):
        load_openapi(path)


def test_a_schema_that_names_a_url_is_not_fetched(service: Service) -> None:
    class Remote:
        name, description, origin, read_only = "remote", "", "here", True
        parameters = {"type": "object", "$ref": f"{service.url}/schema"}  # noqa: RUF012

        def call(self, arguments: dict, timeout: float) -> str:
            return "called"

    before = len(service.requests)
    outcome = run(Remote(), "{}")
    assert not outcome.ok
    assert "outside of it" in outcome.text
    assert len(service.requests) == before


# an MCP server


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


def test_a_package_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("openapi: 3.0.0\n")
    code = f"""
import sys
from ragcli.errors import RagcliError
from ragcli.tools import load_tools
sys.modules["mcp"] = sys.modules["yaml"] = None
for arguments in ([], ["server"]), ([{str(tmp_path / "a.yaml")!r}], []):
    try:
        load_tools(*arguments)
    except RagcliError as error:
        print(error.message, error.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    first, second = done.stdout.splitlines()
    assert first == "--mcp needs the extra 'tools', which is not installed. pip install 'ragcli[tools]'"
    assert "PyYAML, which reads YAML, is not installed" in second


# all of them


def test_a_box_holds_the_tools_of_all_sources_and_nothing_vanishes(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def stock(x: int) -> int:\n    '''Mine.'''\n    return x\ndef broken() -> str:\n    return 'no'\n")
    with load_tools([str(path), f"{service.url}/openapi.json"], [" ".join(SERVER)]) as box:
        names = [one.name for one in box.tools]
        assert len(names) == len(set(names)) == 2 + 15 + 7
        tools = {one.name: one for one in box.tools}
        assert call(tools["stock"], x=3).text == "3"
        assert call(tools["stock_2"], article="灯").text == "北京的灯还有 7 件"
        assert tools["stock_2"].read_only
        assert tools["stock"].description == f"Mine. (from {path})"
        assert call(tools["broken"]).text == "no"
        assert "status 500" in call(tools["broken_2"]).text
        assert len(box.notes) == 4
    assert "is closed" in call(tools["stock"], x=3).text
    with pytest.raises(UsageError, match="neither a Python file nor an OpenAPI document"):
        load_tools([str(path), "tools.txt"])


class Named:
    def __init__(self, name: str, description: str = "") -> None:
        self.name, self.description = name, description
        self.origin, self.read_only, self.parameters = "here", False, {"type": "object"}

    def call(self, arguments: dict, timeout: float) -> str:
        raise RuntimeError("a bug")


def test_an_error_that_no_tool_should_raise_is_an_outcome_too() -> None:
    assert run(Named("bug"), "").text == "Error: RuntimeError: a bug"


def test_a_description_is_cut_to_what_openai_takes() -> None:
    assert len(schema(Named("x", "长" * 2000))["function"]["description"]) == 1024


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "b", "x" * 64])))
def test_every_tool_gets_a_name_of_its_own(names: list[str]) -> None:
    made = [one.name for one in unique([Named(name) for name in names])]
    assert len(set(made)) == len(names)
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", one) for one in made)
    if len(set(names)) == len(names):
        assert made == names


@given(st.text(min_size=1))
def test_every_name_becomes_one_that_models_can_write(text: str) -> None:
    assert re.fullmatch("[a-zA-Z0-9_-]{1,64}", valid_name(text))


def test_names_in_another_script_stay_apart() -> None:
    assert valid_name("查询订单") != valid_name("取消订单")
    assert valid_name("get_order-2") == "get_order-2"


def test_the_package_costs_nothing_until_it_is_used() -> None:
    code = (
        "import sys, ragcli.tools.opening, ragcli.tools.running, ragcli.tools.functions, ragcli.tools.openapi, "
        "ragcli.tools.mcp; print([m for m in ('mcp', 'pydantic', 'jsonschema', 'httpx', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
