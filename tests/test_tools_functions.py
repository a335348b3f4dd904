"""Python files as tools: what becomes of hints, docstrings and results, and of functions that misbehave."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import environment
from ragcli.tools import Tool, run, schema
from ragcli.tools.functions import Functions
from tools_calling import call, gone

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


def test_results_that_json_does_not_know_become_text(company: dict[str, Tool]) -> None:
    assert call(company["misbehave"], how="circle").text == "[[...]]"
    made = json.loads(call(company["misbehave"], how="object").text)
    assert made["line"] == {"article": "灯", "count": 1}
    assert call(company["look"]).text == "null"


def test_calls_of_several_threads_get_their_own_results(company: dict[str, Tool]) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: call(company["add"], first=n).text, range(40)))
    assert made == [str(n + 5) for n in range(40)]
