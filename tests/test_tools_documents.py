"""OpenAPI documents that are odd, large or meant for several services: what is called, with which secret, and with what
schemas.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ragcli.errors import UsageError
from ragcli.tools import load_openapi, load_tools
from ragcli.tools.credentials import Secret, origin
from tools_calling import call
from tools_service import TEXT, Service, body, document, parameter, ref


@pytest.fixture
def services() -> Iterator[tuple[Service, Service]]:
    made = Service(), Service()
    yield made
    for one in made:
        one.close()


def small(server: str | None, name: str = "look", **more: Any) -> dict:
    """A document with one operation."""
    servers = {} if server is None else {"servers": [{"url": server}]}
    return {"openapi": "3.0.3", "paths": {f"/{name}": {"get": {"operationId": name}}}, **servers, **more}


def written(path: Path, value: dict) -> str:
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


def variable(service: Service, name: str = "RAGCLI_TOOLS_AUTHORIZATION") -> str:
    return f"{name}_127_0_0_1_{service.url.rpartition(':')[2]}"


def sent(service: Service, name: str = "authorization") -> list[str | None]:
    return [one["headers"].get(name) for one in service.requests]


# which service gets the secret


def test_a_token_goes_to_one_service_only(
    services: tuple[Service, Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = services
    specs = [
        written(tmp_path / "d1.json", small(first.url, "one")),
        written(tmp_path / "d2.json", small(second.url, "two")),
    ]
    load_tools(specs).close()  # nothing is secret
    monkeypatch.setenv("RAGCLI_TOOLS_AUTHORIZATION", "Bearer s3cret")
    with pytest.raises(UsageError) as caught:
        load_tools(specs)
    assert caught.value.message == (
        f"RAGCLI_TOOLS_AUTHORIZATION is for one service, and here are {', '.join(sorted([first.url, second.url]))}."
    )
    assert "Set RAGCLI_TOOLS_BASE_URL to the one that it is for, or set" in str(caught.value.hint)
    assert variable(first) in str(caught.value.hint)
    assert variable(second) in str(caught.value.hint)

    monkeypatch.setenv("RAGCLI_TOOLS_BASE_URL", f"{first.url}/x")
    with load_tools(specs) as box:
        assert box.notes == [
            f"{specs[1]}: {second.url} is called without a token: RAGCLI_TOOLS_AUTHORIZATION goes to {first.url} only, "
            f"and {variable(second)} is not set."
        ]
        assert all(call(one).ok for one in box.tools)
    assert (sent(first), sent(second)) == (["Bearer s3cret"], [None])

    monkeypatch.delenv("RAGCLI_TOOLS_BASE_URL")
    monkeypatch.setenv(variable(second), "Bearer other")
    with load_tools(specs) as box:
        assert box.notes == []
        assert all(call(one).ok for one in box.tools)
    assert (sent(first)[1:], sent(second)[1:]) == (["Bearer s3cret"], ["Bearer other"])


def test_a_token_goes_where_the_document_comes_from_and_not_where_it_points(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Service()
    service = Service(small(other.url))
    url = f"{service.url}/openapi.json"
    monkeypatch.setenv("RAGCLI_TOOLS_AUTHORIZATION", "Bearer s3cret")
    service.token = "Bearer s3cret"  # the document is fetched with it
    notes: list[str] = []
    (tool,) = load_openapi(url, on_skipped=notes.append)
    assert call(tool).ok
    assert sent(other) == [None]
    assert f"{other.url} is called without a token: RAGCLI_TOOLS_AUTHORIZATION goes to {service.url} only" in notes[0]
    with pytest.raises(UsageError, match="is for one service, and here are"):  # before anything is sent
        load_tools([url, f"{other.url}/openapi.json"])
    service.token = ""
    monkeypatch.setenv("RAGCLI_TOOLS_BASE_URL", other.url)
    (tool,) = load_openapi(url)
    assert call(tool).ok
    assert sent(other) == [None, "Bearer s3cret"]
    service.close()
    other.close()


def test_the_operations_of_one_document_may_not_share_a_token_among_hosts(
    services: tuple[Service, Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = services
    value = small(first.url)
    value["paths"]["/other"] = {"get": {"operationId": "other", "servers": [{"url": second.url}]}}
    path = written(tmp_path / "d.json", value)
    monkeypatch.setenv("RAGCLI_TOOLS_AUTHORIZATION", "Bearer s3cret")
    with pytest.raises(UsageError, match="is for one service"):
        load_openapi(path)
    (tool,) = load_openapi(path, choose=["look"])  # what is not chosen is not called either
    assert call(tool).ok
    assert (sent(first), sent(second)) == (["Bearer s3cret"], [])


@pytest.mark.parametrize("base", ["ftp://x", "nonsense", "http://[bad", "http://h:99999999"])
def test_a_base_that_is_no_address_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setenv("RAGCLI_TOOLS_BASE_URL", base)
    with pytest.raises(UsageError, match=re.escape(f"RAGCLI_TOOLS_BASE_URL: {base!r} is not an address")):
        load_openapi(written(tmp_path / "d.json", small("/api")))


def test_different_hosts_have_different_variables() -> None:
    urls = ["https://a-b.c", "https://a.b.c", "http://a.b.c", "https://a.b.c:80", "https://a.b.c:8", "https://a--b.c"]
    secret = Secret("RAGCLI_TOOLS_API_KEY")
    names = [secret.variable_for(origin(one)) for one in urls]
    assert names[:2] == ["RAGCLI_TOOLS_API_KEY_A__B_C", "RAGCLI_TOOLS_API_KEY_A_B_C"]
    assert len({*names}) == len(urls) - 1  # http on port 80 and https on port 80 are one service at most
    assert secret.variable_for("http://[::1]:8000") is None
    assert secret.variable_for("https://a_b.c") is None
    assert origin("HTTPS://User:pw@A.b:443/x") == "https://a.b"


# what the document says of keys


def secured(server: str, place: str, name: str, wanted: Any = None, **operation: Any) -> dict:
    schemes = {
        "key": {"type": "apiKey", "in": place, "name": name},
        "second": {"type": "apiKey", "in": "header", "name": "X-Second"},
        "token": {"type": "http", "scheme": "bearer"},
        "tls": {"type": "mutualTLS"},
    }
    value = small(server, components={"securitySchemes": schemes}, security=wanted or [{"key": []}])
    value["paths"]["/look"]["get"].update(operation)
    return value


@pytest.mark.parametrize("place", ["header", "query", "cookie"])
def test_a_key_is_sent_where_the_document_says(
    services: tuple[Service, Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    service, other = services
    value = secured(
        service.url, place, "X-Key", parameters=[parameter("x-key", place if place == "header" else "query", TEXT)]
    )
    path = written(tmp_path / "d.json", value)
    notes: list[str] = []
    (tool,) = load_openapi(path, on_skipped=notes.append)
    assert call(tool).ok
    assert notes == [
        f"{path}: {service.url} is called without its security scheme key ({place} X-Key): "
        "RAGCLI_TOOLS_API_KEY is not set."
    ]
    monkeypatch.setenv("RAGCLI_TOOLS_API_KEY", "k&y=1")
    notes.clear()
    (tool,) = load_openapi(path, on_skipped=notes.append)
    assert call(tool, **{"x-key": "what a model wrote"}).ok
    without, request = service.requests
    found = {
        "header": lambda one: one["headers"].get("x-key"),
        "query": lambda one: one["query"].get("X-Key", [None])[0],
        "cookie": lambda one: (one["headers"].get("cookie") or "=").partition("=")[2] or None,
    }[place]
    assert (found(without), found(request)) == (None, "k&y=1")
    assert notes == []
    elsewhere = written(tmp_path / "e.json", secured(other.url, place, "X-Key"))
    with pytest.raises(UsageError, match="RAGCLI_TOOLS_API_KEY is for one service"):
        load_tools([path, elsewhere])
    with load_tools([path, written(tmp_path / "o.json", small(other.url, "open"))]) as box:  # it wants no key
        assert box.notes == []
        assert all(call(one).ok for one in box.tools)
    assert found(other.requests[0]) is None


@pytest.mark.parametrize(
    ("security", "own", "environment", "headers", "lacks"),
    [
        ([{"key": []}], [], {}, {}, None),  # the operation wants nothing
        ([{"key": []}], [{"token": []}], {"API_KEY": "k"}, {}, "token (header Authorization): RAGCLI_TOOLS_AUTH"),
        ([{"key": []}], [{"token": []}], {"AUTHORIZATION": "Bearer t"}, {"authorization": "Bearer t"}, None),
        ([{"token": []}, {"key": []}], None, {"API_KEY": "k"}, {"x-key": "k"}, None),
        ([{}, {"key": []}], None, {}, {}, None),
        ([{}, {"key": []}], None, {"API_KEY": "k"}, {"x-key": "k"}, None),
        ([{"key": [], "second": []}], None, {"API_KEY": "k"}, {"x-key": "k"}, "second (header X-Second): RAGCLI_TOOLS"),
        ([{"tls": []}], None, {"API_KEY": "k"}, {}, "tls: it is of a type that is not known"),
        ([{"nowhere": []}], None, {}, {}, "nowhere: it is of a type that is not known"),
    ],
)
def test_an_operations_own_wishes_go_before_those_of_the_document(
    services: tuple[Service, Service],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    security: list,
    own: list | None,
    environment: dict[str, str],
    headers: dict[str, str],
    lacks: str | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"RAGCLI_TOOLS_{name}", value)
    more = {} if own is None else {"security": own}
    path = written(tmp_path / "d.json", secured(services[0].url, "header", "X-Key", security, **more))
    notes: list[str] = []
    (tool,) = load_openapi(path, on_skipped=notes.append)
    assert call(tool).ok
    got = services[0].requests[0]["headers"]
    assert {key: got[key] for key in ("x-key", "x-second", "authorization") if key in got} == headers
    assert len(notes) == (lacks is not None)
    assert lacks is None or f"is called without its security scheme {lacks}" in notes[0]


def test_a_scheme_that_is_missing_is_told_once_for_all_operations(tmp_path: Path) -> None:
    value = secured("http://127.0.0.1:9", "header", "X-Key")
    value["paths"].update({f"/{n}": {"get": {}} for n in range(50)})
    notes: list[str] = []
    assert len(load_openapi(written(tmp_path / "d.json", value), on_skipped=notes.append)) == 51
    assert len(notes) == 1


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
