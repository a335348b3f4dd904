"""OpenAPI documents that are odd or large: what they cost, which schemas a tool has, and a choice of tools."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ragcli.errors import UsageError
from ragcli.tools import load_openapi, load_tools
from tools_calling import call
from tools_service import TEXT, Service, body, document, parameter, ref, small, written


@pytest.fixture
def services() -> Iterator[tuple[Service, Service]]:
    made = Service(), Service()
    yield made
    for one in made:
        one.close()


# documents that are not as they should be


def changed(where: str, value: Any) -> dict:
    """A document with one operation that is in order, and one with an odd value at a place."""
    made = small("http://127.0.0.1:9")
    odd = {
        "operationId": "odd",
        "parameters": [parameter("p", "query", TEXT)],
        "requestBody": body({"type": "object", "properties": {"a": ref("A")}}),
    }
    made["paths"]["/odd"] = {"post": odd}
    made["components"] = {"schemas": {"A": {"type": "string"}}}
    at: Any = {"operation": odd, "parameter": odd["parameters"][0], "document": made}
    *path, last = where.split(".")
    for key in path:
        at = at[int(key)] if isinstance(at, list) else at[key]
    at[last] = value
    return made


NESTED: Any = TEXT
for _ in range(400):
    NESTED = {"type": "array", "items": NESTED}


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("operation.parameters", True),
        ("operation.parameters", [5]),
        ("operation.parameters", [{"in": "query"}]),
        ("parameter.name", ["p"]),
        ("parameter.in", 5),
        ("parameter.content", {"application/json": None}),
        ("parameter.content", [1]),
        ("parameter.style", ["form"]),
        ("parameter.schema", "string"),
        ("operation.requestBody.content", []),
        ("operation.requestBody.content", 5),
        ("operation.requestBody.content", {"application/json": "string"}),
        ("operation.requestBody.content", {"application/json": {"schema": {"$ref": 5, "required": [["a"]]}}}),
        ("operation.requestBody.content", {"application/json": {"schema": NESTED}}),
        ("operation.requestBody.content", {"application/json": {"schema": {"properties": {"a": 5}}}}),
        ("operation.servers", [{"url": "http://[bad"}]),
        ("operation.servers", [{"url": "http://h:99999999"}]),
        ("operation.servers", [{"url": 5}]),
        ("operation.servers", [{"url": "http://{h}", "variables": 5}]),
        ("operation.servers", [{"url": "http://{h}", "variables": {"h": "x"}}]),
        ("operation.security", 5),
        ("operation.security", [5]),
        ("document.security", {"key": []}),
        ("document.components.schemas.A", 5),
        ("document.components.schemas.A", NESTED),
        ("document.components.schemas.A", {"$ref": "other.json#/A"}),
        ("document.components", {"securitySchemes": 5}),
        ("document.paths./odd", [5]),
        ("document.servers", [{"url": "http://[bad"}]),
        ("document.servers", [{"url": "http://{h}", "variables": {"h": 5}}]),
        ("document.servers", "http://h"),
    ],
)
def test_what_is_not_as_openapi_has_it_costs_only_its_operation(tmp_path: Path, where: str, value: Any) -> None:
    path = written(tmp_path / "d.json", changed(where, value))
    notes: list[str] = []
    try:
        tools = load_openapi(path, on_skipped=notes.append)
    except UsageError as error:
        assert where.startswith("document.se")
        assert str(tmp_path) in error.message
        return
    assert "look" in [one.name for one in tools]
    if "odd" not in [one.name for one in tools]:
        assert "/odd is left out: " in notes[0]


def test_a_note_holds_no_control_characters(tmp_path: Path) -> None:
    value = small("http://127.0.0.1:9")
    value["paths"]["/\x1b[2J\n/x"] = {"get": {"parameters": True}}
    notes: list[str] = []
    load_openapi(written(tmp_path / "d.json", value), on_skipped=notes.append)
    assert "/\\x1b[2J /x is left out" in notes[0]


# documents that are large


def linked(schemas: int, operations: int) -> dict:
    """A document each of whose schemas refers to the next, and each of whose operations to one schema."""
    made = small("http://127.0.0.1:9")
    made["components"] = {
        "schemas": {
            f"S{n}": {"type": "object", "properties": {"next": ref(f"S{n + 1}"), "text": TEXT}} for n in range(schemas)
        }
    }
    made["components"]["schemas"][f"S{schemas}"] = {"type": "object", "properties": {"end": TEXT}}
    for n in range(operations):
        made["paths"][f"/{n}"] = {"put": {"operationId": f"put{n}", "requestBody": body(ref(f"S{n}"))}}
    return made


def test_a_long_chain_of_schemas_is_followed(tmp_path: Path) -> None:
    tools = load_openapi(written(tmp_path / "d.json", linked(3000, 1)))
    assert len(tools[1].parameters["$defs"]) == 3000  # S0 is the arguments themselves


def test_an_operation_has_only_the_schemas_that_it_uses_and_shares_them(tmp_path: Path) -> None:
    path = written(tmp_path / "d.json", linked(120, 120))
    start = time.monotonic()
    tools = {one.name: one for one in load_openapi(path)}
    assert time.monotonic() - start < 2
    assert len(tools["put0"].parameters["$defs"]) == 120
    assert list(tools["put118"].parameters["$defs"]) == ["S119", "S120"]
    assert tools["put0"].parameters["$defs"]["S120"] is tools["put118"].parameters["$defs"]["S120"]


def test_what_fills_every_prompt_is_told(tmp_path: Path) -> None:
    notes: list[str] = []
    path = written(tmp_path / "d.json", linked(150, 150))
    load_openapi(path, on_skipped=notes.append)
    (note,) = notes
    assert re.search(r"its 151 tools take [\d.]+ MB of every prompt; .*d.json#NAME,get\*' chooses some", note)
    load_openapi(path, on_skipped=notes.append, choose=["put149"])
    assert len(notes) == 1


# a choice of tools


def test_operations_are_chosen_behind_a_number_sign(
    services: tuple[Service, Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{services[0].url}/openapi.json"
    path = written(tmp_path / "d#1.json", document([{"url": f"{services[0].url}/api"}]))
    for source in (url, path):
        with load_tools([f"{source}#getOrder, add*,delete order,delete_order"]) as box:
            assert [one.name for one in box.tools] == ["getOrder", "delete_order", "addNote"]
            assert box.notes == []  # nothing of those that are not wanted
            assert call(box.tools[0], id="7").ok
        with pytest.raises(UsageError) as caught:
            load_tools([f"{source}#getOrder,none*"])
        assert caught.value.message == f"{source}: there is no none* among its tools."
        assert str(caught.value.hint).startswith("There are: getOrder, put_/orders/{id}, delete order, createOrder")
        with pytest.raises(UsageError, match="no names stand behind the #"):
            load_tools([f"{source}#,"])
    with load_tools([path]) as box:
        assert len(box.tools) == 16
    with load_tools([f"{path}#{','.join(['getOrder'] * 100)}"]) as box:
        assert len(box.tools) == 1


def test_functions_are_chosen_behind_a_number_sign(tmp_path: Path) -> None:
    path = tmp_path / "erp.py"
    path.write_text(
        "READ_ONLY = ['get_stock', '查询']\ndef get_stock() -> int:\n    return 7\ndef get_order() -> str:\n"
        "    return 'A-7'\ndef 查询() -> str:\n    return '有'\ndef unfit(x):\n    pass\n",
        encoding="utf-8",
    )
    with load_tools([f"{path}#get_*,查*"]) as box:
        assert [(one.name[:9], one.read_only) for one in box.tools] == [
            *(("get_stock", True), ("get_order", False), (box.tools[2].name[:9], True))
        ]
        assert [call(one).text for one in box.tools] == ["7", "A-7", "有"]
    with load_tools([f"{path}#{box.tools[2].name}"]) as box:
        assert len(box.tools) == 1
    with pytest.raises(UsageError) as caught:
        load_tools([f"{path}#set_*"])
    assert caught.value.message == f"{path}: there is no set_* among its tools."
    assert caught.value.hint == "There are: get_stock, get_order, 查询, unfit."
