"""An endpoint that speaks OpenAI's protocol, as a real server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragcli.contract import check_contract
from ragcli.embedding import open_embedder
from ragcli.errors import ContractError, ModelError, ServiceError, UsageError
from ragcli.records import Json
from ragcli.store import Table

Answer = Callable[[int, Json], tuple[int, dict[str, str], Any]]


def vector(text: str) -> list[float]:
    return [float(len(text)), 1.0, 2.0]


def good(number: int, body: Json) -> tuple[int, dict[str, str], Any]:
    data = [{"object": "embedding", "index": at, "embedding": vector(text)} for at, text in enumerate(body["input"])]
    return 200, {}, {"object": "list", "data": data[::-1]}  # in no order


class Server:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer = good
        self.asked: list[Json] = []
        self.keys: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                outer.keys.append(self.headers.get("Authorization"))
                code, headers, value = outer.answer(len(outer.asked), body)
                if self.path != "/v1/embeddings":
                    code, value = 404, {"error": {"message": f"no {self.path}"}}
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(code)
                for key, text in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(key, text)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server()
    monkeypatch.setenv("OPENAI_BASE_URL", made.url + "/")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.http.shutdown()
    made.thread.join()
    made.http.server_close()


def unit(texts: list[str]) -> np.ndarray:
    out = np.array([vector(text) for text in texts], np.float32)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def test_batches_in_order_and_of_length_one(server: Server) -> None:
    texts = ["x" * (at % 50 + 1) for at in range(150)]
    out = open_embedder("openai:some-model").encode(texts, "passage")
    np.testing.assert_allclose(out, unit(texts), atol=1e-6)
    assert [len(one["input"]) for one in server.asked] == [64, 64, 22]
    assert {one["model"] for one in server.asked} == {"some-model"}
    assert set(server.keys) == {"Bearer secret"}


def test_the_contract_asks_for_the_dimension_once(server: Server) -> None:
    embedder = open_embedder("openai:some-model")
    assert embedder.contract["dimension"] == 3
    assert embedder.contract["id"] == "openai:some-model"
    assert len(server.asked) == 1


def test_odd_texts_are_sent_as_text(server: Server) -> None:
    out = open_embedder("openai:m").encode(["", "\ud800", "\0"], "query")
    assert out.shape == (3, 3)
    assert "\ud800" not in server.asked[0]["input"]


@pytest.mark.parametrize("code", [429, 500, 503])
def test_what_passes_is_tried_again(server: Server, code: int) -> None:
    def twice(number: int, body: Json) -> tuple[int, dict[str, str], Any]:
        if number < 3:
            return code, {"Retry-After": "0"}, {"error": {"message": "slow down"}}
        return good(number, body)

    server.answer = twice
    np.testing.assert_allclose(open_embedder("openai:m").encode(["ab"], "query"), unit(["ab"]), atol=1e-6)
    assert len(server.asked) == 3


def test_what_does_not_pass_ends_with_the_endpoints_words(server: Server) -> None:
    server.answer = lambda number, body: (429, {"Retry-After": "0"}, {"error": {"message": "quota used up"}})
    with pytest.raises(ServiceError, match="quota used up") as caught:
        open_embedder("openai:m").encode(["ab"], "query")
    assert server.url in caught.value.message


def test_a_refusal_is_not_tried_again(server: Server) -> None:
    server.answer = lambda number, body: (401, {}, {"error": {"message": "wrong key"}})
    with pytest.raises(ServiceError, match="wrong key"):
        open_embedder("openai:m").encode(["ab"], "query")
    assert len(server.asked) == 1


def rows(*pairs: tuple[int, object]) -> Answer:
    return lambda number, body: (200, {}, {"data": [{"index": at, "embedding": value} for at, value in pairs]})


@pytest.mark.parametrize(
    "answer",
    [
        rows((0, [1.0, 2.0])),  # one too few
        rows((0, [1.0]), (1, [1.0]), (2, [1.0])),
        rows((0, [1.0]), (0, [1.0])),
        rows((0, [1.0, 2.0]), (1, [1.0])),
        rows((0, [1.0]), (1, [float("nan")])),
        rows((0, "text"), (1, "text")),
        lambda number, body: (200, {}, {"data": None}),
        lambda number, body: (200, {}, []),
        lambda number, body: (200, {}, b"<html>"),
    ],
)
def test_a_wrong_answer_is_found_out(server: Server, answer: Answer) -> None:
    server.answer = answer
    with pytest.raises(ServiceError):
        open_embedder("openai:m").encode(["a", "b"], "query")


def test_another_dimension_later_is_found_out(server: Server) -> None:
    embedder = open_embedder("openai:m")
    assert embedder.contract["dimension"] == 3
    server.answer = rows((0, [1.0, 2.0]))
    with pytest.raises(ServiceError, match="dimensions"):
        embedder.encode(["a"], "query")


def test_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises((ModelError, UsageError), match="key"):
        open_embedder("openai:m")


def test_another_model_of_an_endpoint_is_another_model(server: Server, tmp_path: Path) -> None:
    first = open_embedder("openai:a")
    table = Table.create(str(tmp_path), "kb", {"model": first.contract, "metric": "cosine"})
    check_contract(table, {"model": open_embedder("openai:a").contract})
    with pytest.raises(ContractError, match=r"openai:a.*openai:b"):
        check_contract(table, {"model": open_embedder("openai:b").contract})
