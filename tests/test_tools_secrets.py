"""Secrets for HTTP services: which of them gets a token or a key, where in the request, and what is said without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ragcli.errors import UsageError
from ragcli.tools import load_openapi, load_tools
from ragcli.tools.credentials import Secret, origin
from tools_calling import call
from tools_service import TEXT, Service, parameter, small, written


@pytest.fixture
def services() -> Iterator[tuple[Service, Service]]:
    made = Service(), Service()
    yield made
    for one in made:
        one.close()


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
