"""Language models behind their seam: the real OpenAI client at a scripted endpoint, llama.cpp itself, LlamaIndex."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openai_server import Endpoint, Say
from ragcli.errors import ModelError, RefusedError, ServiceError, UsageError
from ragcli.llms import Completion, ContextError, CutError, Sampling, complete, open_llm
from ragcli.llms.openai import OpenAILLM
from ragcli.llms.opening import Wish, gguf_files
from ragcli.llms.run import Answer
from ragcli.llms.toolprompt import Sieve, described
from ragcli.models.gguf import read_header

HELLO: list[Any] = [{"role": "user", "content": "Say hello."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Opens an endpoint with a script and a model that asks there."""
    opened: list[Any] = []

    def make(script: Any, models: Any = ({"id": "scripted"},), **more: Any) -> tuple[Endpoint, OpenAILLM]:
        endpoint = Endpoint(script if callable(script) else lambda body, number: script, models)
        for name, value in endpoint.environment().items():
            monkeypatch.setenv(name, value)
        llm = OpenAILLM("scripted", **more)
        opened.extend((llm.close, lambda: endpoint.__exit__()))
        return endpoint, llm

    yield make
    for close in opened:
        close()


def test_an_endpoint_streams_with_usage_and_every_setting(ask: Any) -> None:
    endpoint, llm = ask(Say(["Hel", "lo", " 你好"]), options={"top_p": 0.5})
    pieces: list[str] = []
    sampling = Sampling(temperature=0.3, seed=7, max_tokens=9, stop=("END",))
    done = complete(llm, HELLO, sampling, on_piece=pieces.append)
    assert (done.text, done.finish, "".join(pieces)) == ("Hello 你好", "stop", "Hello 你好")
    assert len(pieces) == 3
    assert done.usage == {"prompt_tokens": 1000, "completion_tokens": 5}
    body = endpoint.requests[0]
    assert body["messages"] == HELLO
    assert (body["temperature"], body["seed"], body["max_tokens"], body["stop"]) == (0.3, 7, 9, ["END"])
    assert body["top_p"] == 0.5
    assert endpoint.headers[0]["authorization"] == "Bearer key-of-the-test"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_endpoint_is_asked_again(ask: Any, status: int) -> None:
    endpoint, llm = ask(
        lambda body, number: (status, {"error": {"message": "busy"}}, {}) if number < 2 else Say(["fine"])
    )
    assert complete(llm, HELLO, Sampling()).text == "fine"
    assert len(endpoint.requests) == 3


def test_retry_after_is_waited_for(ask: Any) -> None:
    endpoint, llm = ask(lambda body, number: (429, {}, {"Retry-After": "1"}) if number == 0 else Say(["fine"]))
    began = time.monotonic()
    assert complete(llm, HELLO, Sampling()).text == "fine"
    assert time.monotonic() - began >= 1
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("fault", [{"cut_after": 1}, {"garbage_after": 1}, {"error_after": 1}, {"finish": None}])
def test_a_cut_stream_is_asked_for_again_and_what_came_is_void(ask: Any, fault: dict[str, Any]) -> None:
    endpoint, llm = ask(lambda body, number: Say(["one", "two"], **(fault if number == 0 else {})))
    said: list[str] = []
    done = complete(llm, HELLO, Sampling(), on_piece=said.append, on_restart=lambda why: said.append("RESTART"))
    assert done.text == "onetwo"
    assert said[said.index("RESTART") + 1 :] == ["one", "two"]
    assert len(endpoint.requests) == 2


def test_a_stream_that_is_always_cut_is_an_error(ask: Any) -> None:
    endpoint, llm = ask(Say(["one", "two"], cut_after=1))
    with pytest.raises(CutError, match="cut"):
        complete(llm, HELLO, Sampling())
    assert len(endpoint.requests) == 3


def test_an_endless_answer_ends(ask: Any) -> None:
    _, llm = ask(Say(["word "], endless=True))
    done = complete(llm, HELLO, Sampling(max_tokens=20))
    assert done.finish == "length"
    assert len(done.text) < 5 * 200


def test_a_slow_answer_ends_at_the_time_limit(ask: Any) -> None:
    _, llm = ask(Say(["word "], endless=True, between=0.1), timeout=1)
    began = time.monotonic()
    with pytest.raises(ServiceError, match="within 1 seconds"):
        complete(llm, HELLO, Sampling(max_tokens=10_000))
    assert time.monotonic() - began < 3


def test_what_a_server_does_not_know_is_left_out_from_then_on(ask: Any) -> None:
    def script(body: Any, number: int) -> Any:
        if "max_tokens" in body:
            said = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return 400, {"error": {"message": said}}, {}
        if "temperature" in body:
            return 400, {"error": {"message": "Unsupported value: 'temperature' does not support 0"}}, {}
        return Say(["fine"])

    endpoint, llm = ask(script)
    assert complete(llm, HELLO, Sampling(max_tokens=9)).text == "fine"
    assert complete(llm, HELLO, Sampling(max_tokens=9)).text == "fine"
    assert len(endpoint.requests) == 4
    assert endpoint.requests[-1]["max_completion_tokens"] == 9


@pytest.mark.parametrize(
    ("said", "window"),
    [
        ("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens", 4096),
        ("request (9031 tokens) exceeds the available context size (8192 tokens), try increasing it", 8192),
        ("Range of input length should be [1, 30720]", 30720),
        ("'max_tokens' is too large: the prompt is too long", None),
    ],
)
def test_a_prompt_that_is_too_long_tells_the_window(ask: Any, said: str, window: int | None) -> None:
    _, llm = ask((400, {"error": {"message": said}}, {}))
    with pytest.raises(ContextError) as error:
        complete(llm, HELLO, Sampling())
    assert error.value.window == window
    assert llm.window == window


def test_the_window_is_asked_for_where_the_refusal_does_not_tell_it(ask: Any) -> None:
    _, llm = ask(
        (400, {"error": {"message": "context length exceeded"}}, {}), [{"id": "scripted", "max_model_len": 2048}]
    )
    with pytest.raises(ContextError) as error:
        complete(llm, HELLO, Sampling())
    assert error.value.window == 2048


@pytest.mark.parametrize(("status", "hint"), [(401, "OPENAI_API_KEY"), (404, "scripted"), (400, "model's name")])
def test_a_refusal_says_what_to_do(ask: Any, status: int, hint: str) -> None:
    endpoint, llm = ask((status, {"error": {"message": "no such thing"}}, {}))
    with pytest.raises(ServiceError, match=f"status {status}: no such thing") as error:
        complete(llm, HELLO, Sampling())
    assert hint in str(error.value.hint)
    assert isinstance(error.value, RefusedError) == (status != 400)
    assert len(endpoint.requests) == 1


def test_an_address_without_v1_is_noticed(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, _ = ask(Say(["x"]))
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url.removesuffix("/v1"))
    with pytest.raises(ServiceError) as error:
        complete(OpenAILLM("scripted"), HELLO, Sampling())
    assert f"{endpoint.url}" in str(error.value.hint)


def test_no_server_and_no_key_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    began = time.monotonic()
    with pytest.raises(RefusedError, match="cannot be reached"):
        complete(OpenAILLM("scripted"), HELLO, Sampling())
    assert time.monotonic() - began < 5
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelError, match="needs a key"):
        OpenAILLM("gpt")


def test_tool_calls_of_an_endpoint_come_in_parts(ask: Any) -> None:
    parts = [
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "weather", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"北京"}'}}]},
    ]
    endpoint, llm = ask(Say(deltas=parts, finish="tool_calls"))
    done = complete(llm, HELLO, Sampling(), tools=[TOOL])
    assert done.finish == "tool_calls"
    assert done.tool_calls[0]["id"] == "a"
    assert done.tool_calls[0]["function"] == {"name": "weather", "arguments": '{"city": "北京"}'}
    assert endpoint.requests[0]["tools"] == [TOOL]


def test_closing_the_stream_ends_the_request(ask: Any) -> None:
    endpoint, llm = ask(Say(["word "], endless=True, between=0.01))
    stream = llm.stream(HELLO, Sampling(max_tokens=100_000))
    assert next(stream)
    stream.close()
    deadline = time.monotonic() + 5
    while endpoint.at_once and time.monotonic() < deadline:
        time.sleep(0.02)
    assert endpoint.at_once == 0


def test_several_threads_share_a_model(ask: Any) -> None:
    _, llm = ask(lambda body, number: Say([body["messages"][0]["content"]], wait=0.1))
    out: dict[int, str] = {}

    def one(at: int) -> None:
        out[at] = complete(llm, [{"role": "user", "content": str(at)}], Sampling()).text

    threads = [threading.Thread(target=one, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert out == {at: str(at) for at in range(8)}


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        (["<think>", "hmm", "</think>", "\n\nyes"], "yes"),
        (["<th", "ink>a</thi", "nk>b", " c "], "b c"),
        (["  <thin", "g>"], "<thing>"),
        (["no ", " think", "ing\n"], "no  thinking"),
        (["<think>never ends"], ""),
        (["<"], "<"),
        (["<think>a</think>\n<think>b</th", "ink>\n\nyes"], "yes"),
        (["<thinking>a</thinking>yes"], "yes"),
        (["[TH", "INK]a[/THINK]", "yes"], "yes"),
        (["<seed:think>a</seed:think>yes"], "yes"),
        (["◁think▷a◁/think▷yes"], "yes"),
        (["<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>yes"], "yes"),
        (["hmm</think>yes"], "yes"),
        (["[1] is a marker"], "[1] is a marker"),
        (
            ["Models end it with `</think>`, not with “</think>”."],
            "Models end it with `</think>`, not with “</think>”.",
        ),
        (["The tags are <think> and", " </think>."], "The tags are <think> and </think>."),
    ],
)
def test_thinking_is_no_answer(pieces: list[str], answer: str) -> None:
    said: list[str] = []
    view = Answer(said.append)
    for piece in pieces:
        view.add(piece)
    assert view.end() == answer
    assert "".join(said) == answer


@pytest.mark.parametrize("size", [1, 2, 7])
def test_what_was_shown_before_a_closing_tag_alone_is_void(size: int) -> None:
    text = "The user asks… 99 months?\n</think>\n<think>again</think>\n\nIt is 24 months [1]."
    shown: list[str] = []
    reasons: list[str] = []

    def restart(reason: str) -> None:
        reasons.append(reason)
        shown.clear()

    view = Answer(shown.append, restart)
    for at in range(0, len(text), size):
        view.add(text[at : at + size])
    assert view.end() == "It is 24 months [1]."
    assert "".join(shown) == view.end()
    assert len(reasons) == 1


def test_thinking_that_the_endpoint_does_not_part_is_no_answer(ask: Any) -> None:
    _, llm = ask(Say(["Let me see. ", "99 months", "</think>", "\n\n24 months [1]."]))
    shown: list[str] = []
    done = complete(llm, HELLO, Sampling(), on_piece=shown.append, on_restart=lambda _: shown.clear())
    assert done.text == "".join(shown) == "24 months [1]."


def test_an_answer_that_is_only_thinking_is_an_error(ask: Any) -> None:
    _, llm = ask(Say(["<think>", "so long"], finish="length"))
    with pytest.raises(ModelError, match="still thinking after 9 tokens"):
        complete(llm, HELLO, Sampling(max_tokens=9))
    _, llm = ask(Say([" \n"]))
    with pytest.raises(ModelError, match="wrote nothing"):
        complete(llm, HELLO, Sampling())


# llama.cpp


@pytest.fixture(scope="module")
def gguf() -> Iterator[Any]:
    pytest.importorskip("xllamacpp")
    llm = open_llm("builtin/smollm2-135m-instruct", Wish(window=2048))
    yield llm
    llm.close()


def test_a_gguf_model_streams_counts_and_stops(gguf: Any) -> None:
    question: list[Any] = [{"role": "user", "content": "Write a long story about a dog."}]
    pieces: list[str] = []
    done = complete(gguf, question, Sampling(max_tokens=12), on_piece=pieces.append)
    assert done.finish == "length"
    assert len(pieces) > 6
    assert done.usage["completion_tokens"] == 12
    assert done.usage["prompt_tokens"] == gguf.count(question)
    again = complete(gguf, question, Sampling(max_tokens=12))
    assert again.text == done.text
    word = done.text.split()[3]
    stopped = complete(gguf, question, Sampling(max_tokens=12, stop=(word,)))
    assert done.text.startswith(stopped.text)
    assert word not in stopped.text
    assert (gguf.window, gguf.parallel) == (2048, 1)
    assert "<|im_end|>" in gguf.special


def test_a_seed_makes_sampling_repeatable(gguf: Any) -> None:
    texts = {
        seed: [complete(gguf, HELLO, Sampling(temperature=1.5, seed=seed, max_tokens=12)).text for _ in range(2)]
        for seed in (1, 2)
    }
    assert texts[1][0] == texts[1][1]
    assert texts[1] != texts[2]


def test_a_prompt_beyond_the_window_is_an_error(gguf: Any) -> None:
    long: list[Any] = [{"role": "user", "content": "word " * 3000}]
    with pytest.raises(ContextError) as error:
        complete(gguf, long, Sampling())
    assert error.value.window == 2048
    assert error.value.tokens == gguf.count(long)


def test_closing_the_stream_ends_the_work(gguf: Any) -> None:
    stream = gguf.stream([{"role": "user", "content": "Count to ten thousand."}], Sampling(max_tokens=1900))
    next(stream)
    stream.close()
    began = time.monotonic()
    complete(gguf, HELLO, Sampling(max_tokens=1))
    assert time.monotonic() - began < 10  # 1,900 tokens take 20 s and more


def test_options_reach_llama_cpp() -> None:
    pytest.importorskip("xllamacpp")
    grammar = 'root ::= "only this"'
    llm = open_llm("builtin/smollm2-135m-instruct", Wish(window=512, options={"grammar": grammar, "n_threads": 1}))
    assert complete(llm, HELLO, Sampling()).text == "only this"
    llm.close()


def test_tools_are_told_and_found_where_the_template_knows_none(gguf: Any) -> None:
    told = described([{"role": "system", "content": "Be brief."}, *HELLO], [TOOL])
    assert told[0]["content"].startswith("Be brief.")
    assert '"weather"' in told[0]["content"]
    assert gguf.count(HELLO, [TOOL]) > gguf.count(HELLO) + 50
    call = '{"name": "weather", "arguments": {"city": "Paris"}}'
    grammar = f"root ::= {json.dumps(f'I look. <tool_call>{call}</tool_call>')}"
    llm = open_llm("builtin/smollm2-135m-instruct", Wish(window=1024, options={"grammar": grammar, "n_threads": 1}))
    pieces: list[str] = []
    done = complete(llm, HELLO, Sampling(), tools=[TOOL], on_piece=pieces.append)
    llm.close()
    assert done.finish == "tool_calls"
    assert "".join(pieces) == done.text == "I look."
    assert done.tool_calls[0]["function"] == {"name": "weather", "arguments": '{"city":"Paris"}'}


def test_calls_and_results_are_told_as_text() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    conversation: list[Any] = [
        *HELLO,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "sunny", "tool_call_id": "a", "name": "weather"},
    ]
    told = described(conversation, [TOOL])
    assert [message["role"] for message in told] == ["system", "user", "assistant", "user"]
    assert '"name": "weather", "arguments": {"city": "Rome"}' in told[2]["content"]
    assert told[3]["content"] == "<tool_response>\nsunny\n</tool_response>"


def test_the_sieve_holds_back_only_what_may_be_a_call() -> None:
    sieve = Sieve()
    out = [sieve.add(piece) for piece in ("a < b and ", "<too", "th> x", " [TOOL", "_BOX] y")]
    assert "".join(out) + sieve.end()[0] == "a < b and <tooth> x [TOOL_BOX] y"
    assert out[0] == "a < b and "


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    whole = Path(gguf_files(Path(open_folder()))[0])
    (tmp_path / "half.gguf").write_bytes(whole.read_bytes()[: 1 << 20])
    (tmp_path / "text.gguf").write_bytes(b"hello")
    (tmp_path / "empty.gguf").write_bytes(b"")
    header = read_header(whole)
    assert (header.architecture, header.window) == ("llama", 8192)
    for name in ("half.gguf", "text.gguf", "empty.gguf"):
        with pytest.raises(ModelError, match=name):
            open_llm(str(tmp_path / name))


def open_folder() -> str:
    from ragcli.models.folder import locate

    return str(locate("builtin/smollm2-135m-instruct"))


def test_of_several_files_the_best_is_chosen(tmp_path: Path) -> None:
    for name in ("m-q8_0.gguf", "m-Q4_K_M-00001-of-00002.gguf", "m-Q4_K_M-00002-of-00002.gguf", "mmproj-f16.gguf"):
        (tmp_path / name).touch()
    assert [path.name for path in gguf_files(tmp_path)] == ["m-Q4_K_M-00001-of-00002.gguf", "m-q8_0.gguf"]
    with pytest.raises(ModelError, match="Q4_K_M-00001"):  # the chosen one, which is empty here
        open_llm(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "wish", "said"),
    [
        ("nothing-like-this", Wish(), "there is no model"),
        ("missing.gguf", Wish(), "ragcli download"),
        ("openai:", Wish(), "model's name"),
        ("openai:x", Wish(quantize="int4"), "--quantize is not for an endpoint"),
        ("llamaindex:NoDot", Wish(), "names no class"),
        ("llamaindex:nowhere.at_all.Class", Wish(), "pip install"),
    ],
)
def test_a_wrong_name_says_what_is_right(name: str, wish: Wish, said: str) -> None:
    with pytest.raises((UsageError, ModelError)) as error:
        open_llm(name, wish)
    assert said in f"{error.value} {error.value.hint}"


# LlamaIndex


@pytest.mark.filterwarnings("ignore")
def test_any_class_of_llama_index_answers() -> None:
    pytest.importorskip("llama_index.core")
    llm = open_llm("llamaindex:llama_index.core.llms.MockLLM", Wish(options={"max_tokens": 3}))
    done: Completion = complete(llm, HELLO, Sampling())
    assert done.text.startswith("text text text") or "hello" in done.text.lower()
    assert llm.name.startswith("llamaindex:llama_index.core.llms.MockLLM")
    with pytest.raises(ModelError, match="cannot be made"):
        open_llm("llamaindex:llama_index.core.llms.MockLLM", Wish(options={"max_tokens": "many"}))
    with pytest.raises(UsageError, match="no language model"):
        open_llm("llamaindex:llama_index.core.schema.Document")
