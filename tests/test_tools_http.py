"""A real HTTP service as tools: its OpenAPI document, its requests, and what goes wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragcli.errors import ServiceError, UsageError
from ragcli.tools import Tool, load_openapi, run
from tools_calling import call
from tools_service import Service, document


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


@pytest.mark.parametrize("charset", ["utf-8", "rot13", "hex", "zlib", "idna", "undefined", "nonsense"])
def test_a_response_with_an_odd_charset_is_read_as_utf8(http: dict[str, Tool], charset: str) -> None:
    assert call(http["charset"], name=charset).text == "库存"


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
