"""Tools of all sources in one box: their names, the limits of a call, and what the package costs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import environment
from ragcli.errors import UsageError
from ragcli.tools import load_tools, run, schema, unique
from ragcli.tools.naming import RESERVED, valid_name
from ragcli.tools.running import cut, one_line
from tools_calling import SERVER, call
from tools_service import Service


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    one, other = Service(), Service()
    one.elsewhere = other.url
    yield one
    assert other.requests == []  # nothing was redirected there
    one.close()
    other.close()


def test_a_box_holds_the_tools_of_all_sources_and_nothing_vanishes(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def stock(x: int) -> int:\n    '''Mine.'''\n    return x\ndef broken() -> str:\n    return 'no'\n")
    with load_tools([str(path), f"{service.url}/openapi.json"], [" ".join(SERVER)]) as box:
        names = [one.name for one in box.tools]
        assert len(names) == len(set(names)) == 2 + 16 + 7
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


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "b", "x" * 64, RESERVED, f"{RESERVED}_2"])))
def test_every_tool_gets_a_name_of_its_own(names: list[str]) -> None:
    made = [one.name for one in unique([Named(name) for name in names])]
    assert RESERVED not in made
    assert len(set(made)) == len(names)
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", one) for one in made)
    if len(set(names)) == len(names) and RESERVED not in names:
        assert made == names


def test_no_tool_has_the_name_of_the_agents_own_search() -> None:
    assert RESERVED == "search_documents"
    (made,) = unique([Named(RESERVED, "Mine.")])
    assert (made.name, made.description) == (f"{RESERVED}_2", "Mine. (from here)")


@given(st.text())
def test_foreign_text_is_shown_on_one_line_without_control_characters(text: str) -> None:
    assert re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", one_line(text)) is None
    assert one_line("坏\x1b[2J 的\u3000钥匙\n") == "坏\\x1b[2J 的 钥匙"


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
