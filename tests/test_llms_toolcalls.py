"""Tool calls in what models write: each family's form, and what only looks like one."""

from __future__ import annotations

import json

import pytest

from ragcli.llms.toolcalls import parse
from ragcli.llms.toolprompt import Sieve

SEARCH = ("search", {"query": "保修期多久？", "k": 3})
READ = ("read", {"id": "chunk-1"})
A = '{"name": "search", "arguments": {"query": "保修期多久？", "k": 3}}'
B = '{"name": "read", "arguments": {"id": "chunk-1"}}'
P = '{"name": "search", "parameters": {"query": "保修期多久？", "k": 3}}'
TEXTUAL = json.dumps({"name": "search", "arguments": json.dumps(SEARCH[1])})
FORMS = {
    "hermes": f"<tool_call>\n{A}\n</tool_call>",
    "hermes, ended by the end token": f"<tool_call>\n{A}",
    "llama 3": P,
    "llama 3 with a type": '{"type": "function", ' + P[1:],
    "llama 3 after its tag": f"<|python_tag|>{P}<|eom_id|>",
    "mistral": f"[TOOL_CALLS] [{A}]",
    "mistral of 2025": '[TOOL_CALLS]search[ARGS]{"query": "保修期多久？", "k": 3}',
    "internlm": f"<|action_start|><|plugin|>\n{P}<|action_end|>",
    "a block": f"```json\n{A}\n```",
    "openai's own": f'<tool_call>{{"type": "function", "function": {TEXTUAL}}}</tool_call>',
}  # fmt: skip
TWO = {
    "hermes": f"<tool_call>{A}</tool_call>\n<tool_call>{B}</tool_call>",
    "hermes in one": f"<tool_call>{A}\n{B}</tool_call>",
    "llama 3": f"<|python_tag|>{P}; {B}",
    "mistral": f"[TOOL_CALLS] [{A}, {B}]",
    "mistral of 2025": '[TOOL_CALLS]search{"query": "保修期多久？", "k": 3}[TOOL_CALLS]read{"id": "chunk-1"}',
    "a list": f"[{A}, {B}]",
}
TEXTS = [
    "",
    "The warranty is two years [1].",
    '{"name": "Li", "age": 30}',
    '{"years": 2}',
    '[{"name": "search"}, 3]',
    '```json\n{"name": "x1000", "price": 3}\n```',
    "```python\nprint(1)\n```",
    f"As JSON a call is {A} in most models.",
    "<tool_call>\n{\"name\": \"search\", \"arguments\": {\"query\": \"保修\n</tool_call>",
    "<tool_call>search(query)</tool_call>",
    '<tool_call>{"name": 3, "arguments": {}}</tool_call>',
    '<tool_call>{"name": "search", "arguments": [1]}</tool_call>',
    "[TOOL_CALLS] none",
    "[" * 100_000,
    "<tool_call>" + "[" * 100_000,
]  # fmt: skip


def said(calls: list) -> list[tuple[str, dict]]:
    return [(one["function"]["name"], json.loads(one["function"]["arguments"])) for one in calls]


@pytest.mark.parametrize("form", FORMS)
def test_a_call_in_each_form(form: str) -> None:
    text, calls = parse(FORMS[form])
    assert said(calls) == [SEARCH]
    assert text == ""
    assert calls[0]["type"] == "function"
    assert len(calls[0]["id"]) == 9
    assert calls[0]["id"].isalnum()


@pytest.mark.parametrize("form", TWO)
def test_several_calls_in_order_with_ids_of_their_own(form: str) -> None:
    text, calls = parse(TWO[form])
    assert said(calls) == [SEARCH, READ]
    assert text == ""
    assert calls[0]["id"] != calls[1]["id"]
    assert parse(TWO[form])[1] == calls


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_call_stays_text(text: str) -> None:
    assert parse(text) == (text, [])


@pytest.mark.parametrize("form", [one for one in FORMS if one not in ("llama 3", "llama 3 with a type")])
def test_text_before_a_call_is_kept(form: str) -> None:
    text, calls = parse("我来查一下。\n" + FORMS[form])
    assert text == "我来查一下。\n"
    assert said(calls) == [SEARCH]


def test_a_broken_call_beside_a_whole_one_is_text() -> None:
    text, calls = parse(f"<tool_call>{A}</tool_call><tool_call>{{no}}</tool_call>")
    assert said(calls) == [SEARCH]
    assert text == "<tool_call>{no}</tool_call>"


def test_line_breaks_in_a_string_are_taken() -> None:
    _, calls = parse('<tool_call>{"name": "read", "arguments": {"id": "a\nb"}}</tool_call>')
    assert said(calls) == [("read", {"id": "a\nb"})]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_stream_holds_calls_back_and_nothing_else(form: str, size: int) -> None:
    whole = FORMS[form]
    sieve = Sieve()
    shown = "".join(sieve.add(whole[at : at + size]) for at in range(0, len(whole), size))
    rest, calls = sieve.end()
    assert shown + rest == ""
    assert said(calls) == [SEARCH]


MORE = {
    "pretty": json.dumps(json.loads(A), indent=2, ensure_ascii=False),
    "spaced": "{ " + A[1:],
    "a list": f"[{A}]",
    "a list, spaced": f"[ {A} ]",
    "a block without json": f"```\n{A}\n```",
    "openai's own, bare": f'{{"id": "1", "type": "function", "function": {TEXTUAL}}}',
    "after thinking": f"<think>hmm</think>\n\n{A}",
}


@pytest.mark.parametrize("form", MORE)
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_a_stream_loses_no_call_that_is_read(form: str, size: int) -> None:
    sieve = Sieve(["search"])
    shown = "".join(sieve.add(MORE[form][at : at + size]) for at in range(0, len(MORE[form]), size))
    rest, calls = sieve.end()
    assert said(calls) == [SEARCH]
    assert (shown + rest).strip() in ("", "<think>hmm</think>")


@pytest.mark.parametrize(
    "text",
    [
        'Here is a config:\n```json\n{"name": "demo", "parameters": {"lr": 0.1}}\n```\nUse it [1].',
        '{"name": "demo", "parameters": {"lr": 0.1}}',
        '[{"name": "demo", "arguments": {}}]',
        f"The form is `<tool_call>{A}</tool_call>` [1].",
        "[1] says so, and [2] too.",
        "```python\nprint([1])\n```\nThis prints it [1].",
        "{x} is a set.",
        "```",
        "[",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_stream_keeps_what_is_no_call(text: str, size: int) -> None:
    sieve = Sieve(["search", "read"])
    shown = "".join(sieve.add(text[at : at + size]) for at in range(0, len(text), size))
    rest, calls = sieve.end()
    assert (shown + rest, calls) == (text, [])


@pytest.mark.parametrize("text", ["[1] says so, and more", "```python\nprint([1])\n", "a `b` c {d} [e]"])
def test_what_is_surely_no_call_is_let_through_at_once(text: str) -> None:
    sieve = Sieve(["search"])
    assert "".join(map(sieve.add, text)) == text


def test_an_unknown_name_in_tags_is_a_call_so_that_the_model_is_told() -> None:
    _, calls = parse('<tool_call>{"name": "demo", "arguments": {}}</tool_call>', ["search"])
    assert said(calls) == [("demo", {})]
