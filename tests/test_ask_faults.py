"""ask at endpoints that fail in every way: one question's failure stays its own, and the end comes in time."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from typing import Any

import pytest

from conftest import RAGCLI, chunk, environment, jsonl, lines, run
from openai_server import Endpoint, Say
from ragcli.errors import RequestError, ServiceError, UsageError
from ragcli.llms.openai import OpenAILLM
from ragcli.llms.protocols import CutError, Sampling
from ragcli.llms.run import complete

TEXT = "The warranty of the phone is 24 months."
GOOD = Say(["The warranty of the phone is 24 months [1]."])
HELLO: Any = [{"role": "user", "content": "hello"}]
BLOCKED = (400, {"error": {"message": "Input data may contain inappropriate content.", "code": "data_inspection"}}, {})


def results(*marks: str) -> bytes:
    """Results whose question carries a mark, each with the passage that answers."""
    hit = {**chunk(1, TEXT), "type": "hit", "rank": 1, "score": 1.0}
    rows = [
        {"type": "result", "id": f"q{at}", "query": f"How long is the warranty of the phone? {mark}", "hits": [hit]}
        for at, mark in enumerate(marks)
    ]
    return jsonl(*rows)


def asked(script: Any, stdin: bytes, *args: Any, **more: Any) -> subprocess.CompletedProcess[bytes]:
    with Endpoint(script if callable(script) else lambda body, number: script) as endpoint:
        return run("ask", "-m", "openai:m", *args, stdin=stdin, **{**endpoint.environment(), **more})


def blocks(body: Any, number: int) -> Any:
    return BLOCKED if "BAD" in body["messages"][-1]["content"] else GOOD


def test_a_parameter_that_is_not_known_costs_no_question() -> None:
    def script(body: Any, number: int) -> Any:
        if "max_tokens" in body:
            time.sleep(0.2)  # so that all those at once are refused
            said = "Unsupported parameter: 'max_tokens' is not supported with this model."
            return 400, {"error": {"message": said, "param": "max_tokens"}}, {}
        return GOOD

    done = asked(script, results(*"x" * 12))
    assert done.returncode == 0, done.stderr.decode()
    assert len(lines(done.stdout)) == 12


def test_a_question_that_names_a_parameter_changes_no_setting() -> None:
    said: list[Any] = []

    def script(body: Any, number: int) -> Any:
        said.append(body.get("stop"))
        return (400, {"error": {"message": "Please stop this kind of request"}}, {}) if number == 0 else GOOD

    done = asked(script, results("a", "b"), "--stop", "END", "--concurrency", "1")
    assert done.returncode == 3
    assert said == [["END"], ["END"]]


@pytest.mark.parametrize("first", [True, False])
def test_a_question_that_is_refused_for_itself_ends_nothing(first: bool, tmp_path: Any) -> None:
    marks = ["BAD", "BAD", "BAD", *"xxxxx"] if first else ["x", "BAD", "x", "BAD", "BAD", "BAD", "x", "x"]
    done = asked(blocks, results(*marks), "--concurrency", "1")
    assert done.returncode == 3
    assert len(lines(done.stdout)) == len(marks) - marks.count("BAD")
    assert done.stderr.decode().count("inappropriate content") == marks.count("BAD")
    # and a run that goes on gets beyond them
    (tmp_path / "answers.jsonl").write_bytes(b"".join(done.stdout.splitlines(keepends=True)[:1]))
    again = asked(blocks, results(*marks), "--resume", tmp_path / "answers.jsonl")
    assert again.returncode == 3
    assert len(lines(again.stdout)) == len(lines(done.stdout)) - 1


def test_one_forbidden_question_among_answers_ends_nothing() -> None:
    def script(body: Any, number: int) -> Any:
        return (403, {"error": {"message": "blocked"}}, {}) if "BAD" in body["messages"][-1]["content"] else GOOD

    done = asked(script, results("x", "BAD", "x"), "--concurrency", "1")
    assert (done.returncode, len(lines(done.stdout))) == (3, 2)
    done = asked(script, results("x", "BAD", "BAD", "BAD", "x"), "--concurrency", "1")
    assert (done.returncode, len(lines(done.stdout))) == (1, 1)


def test_failures_of_questions_do_not_count_as_those_of_the_endpoint() -> None:
    def script(body: Any, number: int) -> Any:
        prompt = body["messages"][-1]["content"]
        if "BAD" in prompt:
            return BLOCKED
        return (403, {"error": {"message": "blocked"}}, {}) if "NO" in prompt else GOOD

    marks = ["x", *["BAD"] * 18, "NO", "x"]
    done = asked(script, results(*marks), "--concurrency", "1")
    assert (done.returncode, len(lines(done.stdout))) == (3, 2)


@pytest.mark.parametrize(
    "chunk_",
    [
        b"data: []\n\n",
        b'data: "ping"\n\n',
        b"data: 5\n\n",
        b"data: null\n\n",
        b'data: {"choices": 5}\n\n',
        b'data: {"choices": [null]}\n\n',
        b'data: {"choices": [{"index": 0, "delta": "abc"}]}\n\n',
        b'data: {"choices": [{"index": 0, "delta": {"content": 5}}]}\n\n',
    ],
)
def test_a_chunk_that_is_none_is_asked_for_again(chunk_: bytes) -> None:
    done = asked(lambda body, number: Say(GOOD.pieces, raws=[chunk_] if number == 0 else ()), results("x"))
    assert done.returncode == 0, done.stderr.decode()
    assert lines(done.stdout)[0]["answer"] == GOOD.pieces[0]


@pytest.mark.parametrize("usage", ['"none"', "[]", "{}", '{"prompt_tokens": null}'])
def test_odd_usage_is_no_usage(usage: str) -> None:
    odd = f'data: {{"choices": [], "usage": {usage}}}\n\n'.encode()
    done = asked(Say(GOOD.pieces, raws=[odd], usage=None), results("x"))
    assert done.returncode == 0, done.stderr.decode()
    assert lines(done.stdout)[0]["usage"] == {}


def test_text_in_parts_and_a_second_choice() -> None:
    parts = json.dumps({"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "It is "}]}}]})
    second = json.dumps({"choices": [{"index": 1, "delta": {"content": "another answer"}}]})
    raws = [f"data: {one}\n\n".encode() for one in (parts, second)]
    done = asked(Say(["24 months [1]."], raws=raws), results("x"))
    assert lines(done.stdout)[0]["answer"] == "It is 24 months [1]."


def test_a_server_that_does_not_stream() -> None:
    body = {"choices": [{"message": {"role": "assistant", "content": "It is 24 months [1]."}, "finish_reason": "stop"}]}
    done = asked((200, body, {}), results("x"))
    assert done.returncode == 0, done.stderr.decode()
    assert lines(done.stdout)[0]["answer"] == "It is 24 months [1]."


@pytest.mark.parametrize("finish", ["STOP", "eos_token", "stop_sequence", "length"])
def test_what_ends_an_answer(finish: str) -> None:
    done = asked(Say(GOOD.pieces, finish=finish), results("x"))
    kinds = [one["kind"] for one in lines(done.stdout)[0]["problems"]]
    assert kinds == (["cut_off"] if finish == "length" else [])


def test_a_filter_is_one_questions_failure() -> None:
    def script(body: Any, number: int) -> Any:
        return Say(["no"], finish="sensitive") if number == 0 else GOOD

    done = asked(script, results("a", "b"), "--concurrency", "1")
    assert (done.returncode, len(lines(done.stdout))) == (3, 1)
    assert "content filter" in done.stderr.decode()


def test_a_character_a_piece_is_no_endless_answer() -> None:
    text = "The warranty of the phone is 24 months [1]. " * 20
    done = asked(Say(list(text.strip())), results("x"), "--max-tokens", "256")
    (made,) = lines(done.stdout)
    assert len(made["answer"]) == len(text.strip())
    assert not made["problems"]


def open_llm(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, **more: Any) -> OpenAILLM:
    for name, value in endpoint.environment().items():
        monkeypatch.setenv(name, value)
    return OpenAILLM("scripted", **more)


def test_comments_keep_no_answer_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint(lambda body, number: Say(comments=True)) as endpoint:
        llm = open_llm(endpoint, monkeypatch, timeout=1)
        began = time.monotonic()
        with pytest.raises(ServiceError, match="within 1 seconds"):
            complete(llm, HELLO, Sampling())
        assert time.monotonic() - began < 5


def test_a_server_that_never_answers_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
        llm = OpenAILLM("m", timeout=1)
        began = time.monotonic()
        with pytest.raises(ServiceError, match="time limit"):
            complete(llm, HELLO, Sampling())
        assert time.monotonic() - began < 5


def test_the_window_bounds_what_is_asked_for() -> None:
    def script(body: Any, number: int) -> Any:
        wanted = sum(len(one["content"]) for one in body["messages"]) // 4 + body["max_tokens"]
        if wanted > 4096:
            said = f"This model's maximum context length is 4096 tokens. However, you requested {wanted} tokens."
            return 400, {"error": {"message": said}}, {}
        return GOOD

    done = asked(script, results("a", "b"), "--max-tokens", "4096", "--concurrency", "1")
    assert done.returncode == 0, done.stderr.decode()


def test_an_endpoint_that_is_gone_is_not_asked_to_the_end() -> None:
    count = 0

    def script(body: Any, number: int) -> Any:
        nonlocal count
        count += 1
        return GOOD if number == 0 else (501, {"error": {"message": "gone"}}, {"Retry-After": "0"})

    done = asked(script, results(*"x" * 60), "--concurrency", "1")
    assert done.returncode == 1
    assert len(lines(done.stdout)) == 1
    assert count < 60 * 6


def test_an_interrupt_waits_for_no_request() -> None:
    with Endpoint(lambda body, number: Say(["word "], endless=True, between=0.2)) as endpoint:
        process = subprocess.Popen(
            [RAGCLI, "ask", "-m", "openai:m"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(**endpoint.environment()),
        )
        assert process.stdin is not None
        process.stdin.write(results(*"x" * 12))
        process.stdin.close()
        deadline = time.monotonic() + 20
        while endpoint.at_once < 8 and time.monotonic() < deadline:
            time.sleep(0.05)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert time.monotonic() - began < 5
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("key", ["sk-SECRETKEY\n", " sk-SECRETKEY\r\n"])
def test_a_key_from_a_file_with_a_line_end_works(key: str) -> None:
    done = asked(GOOD, results("x"), OPENAI_API_KEY=key)
    assert done.returncode == 0, done.stderr.decode()


def test_no_message_shows_a_key() -> None:
    refusal = (401, {"error": {"message": "Incorrect key sk-SECRETKEY \x1b[31mprovided"}}, {})
    done = asked(refusal, results("x"), OPENAI_API_KEY="sk-SECRETKEY")
    assert done.returncode == 1
    assert b"SECRET" not in done.stderr
    assert b"\x1b" not in done.stderr
    done = run("ask", "-m", "openai:m", stdin=results("x"), OPENAI_BASE_URL="http://user:SECRETPW@127.0.0.1:9/v1")
    assert b"SECRET" not in done.stderr
    assert b"cannot be reached" in done.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:8000/v1", "http//x", "http://[::1/v1", "http://"])
def test_an_address_that_is_none_is_said_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(UsageError, match="no http"):
        OpenAILLM("m")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1/chat/completions ")
    assert OpenAILLM("m").url == "http://127.0.0.1:8000/v1"
    monkeypatch.setenv("OPENAI_API_KEY", "密钥")
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        OpenAILLM("m")


def test_a_refusal_of_one_request_is_told_from_one_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint(lambda body, number: BLOCKED) as endpoint, pytest.raises(RequestError):
        complete(open_llm(endpoint, monkeypatch), HELLO, Sampling())
    broke_off = Say(["a"], finish="insufficient_system_resource")
    with Endpoint(lambda body, number: broke_off) as endpoint, pytest.raises(CutError):
        complete(open_llm(endpoint, monkeypatch), HELLO, Sampling())


def test_examples_are_not_doubled_by_a_run_that_goes_on(tmp_path: Any) -> None:
    kept = tmp_path / "sft.jsonl"
    first = asked(GOOD, results("a", "b"), "--save-sft", kept)
    assert first.returncode == 0
    kept.write_bytes(kept.read_bytes()[:-20])  # killed within the second
    again = asked(GOOD, results("a", "b", "c"), "--save-sft", kept)
    assert again.returncode == 0, again.stderr.decode()
    assert sorted(row["id"] for row in lines(kept.read_bytes())) == ["q0", "q1", "q2"]
    (tmp_path / "notes.txt").write_text("my notes")
    wrong = asked(GOOD, results("a"), "--save-sft", tmp_path / "notes.txt")
    assert wrong.returncode == 2
    assert (tmp_path / "notes.txt").read_text() == "my notes"


def test_a_half_line_is_cut_off_whatever_appends(tmp_path: Any) -> None:
    kept = tmp_path / "answers.jsonl"
    first = asked(GOOD, results("a", "b"))
    kept.write_bytes(first.stdout[:-20])
    again = asked(GOOD, results("a", "b"), "--resume", kept)
    assert [row["id"] for row in lines(again.stdout)] == ["q1"]
    kept.write_bytes(kept.read_bytes() + again.stdout)
    assert [row["id"] for row in lines(kept.read_bytes())] == ["q0", "q1"]


def test_keys_that_the_record_has_itself_are_kept_apart() -> None:
    row = lines(results("x"))[0]
    row |= {"answer": "30 days", "model": "human", "topic": "warranty"}
    (made,) = lines(asked(GOOD, jsonl(row)).stdout)
    assert made["given"] == {"answer": "30 days", "model": "human"}
    assert made["topic"] == "warranty"
    assert made["model"] == "openai:m"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-m", ""), "names no model"),
        (("--adapter", "x"), "--adapter is for language models"),
        (("--window", "4000"), "--window is for language models"),
        (("-m", "openai:x", "--timeout", "nan"), "--timeout is nan"),
        (("-m", "openai:x", "--temperature", "inf"), "temperature is inf"),
        (("-m", "openai:x", "--tools", "x.py", "--tool-timeout", "inf"), "--tool-timeout is inf"),
    ],
)
def test_flags_that_make_no_sense_are_a_sentence(args: tuple[str, ...], said: str) -> None:
    done = run("ask", *args, stdin=results("x"), OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert said in done.stderr.decode()
