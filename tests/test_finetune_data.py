"""Training data: every form that people have, every mistake with its line, in any encoding, the same rows each time."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import DATA, environment, jsonl, run
from ragcli.answering.refusing import is_refusal, refusal
from ragcli.errors import InputError, UsageError
from ragcli.finetuning.data.files import PIECE
from ragcli.finetuning.data.forms import FORMS, form_of, rows_of
from ragcli.finetuning.data.reading import detect_task, read_rows
from ragcli.finetuning.data.rows import TASKS, ChatRow, PairRow, Place, PreferenceRow, Row, RowError, ScoredRow, TextRow
from ragcli.finetuning.data.sources import Source, parse, ready

TRAIN, VALID = DATA / "sft" / "train.jsonl", DATA / "sft" / "valid.jsonl"
WEATHER = {"type": "function", "function": {"name": "weather", "description": "天气", "parameters": {"type": "object"}}}
CASE = {
    "type": "case", "id": "c1", "question": "水泵P7的保修期多久？", "answers": ["24个月"], "source": "手册.md",
    "chunk_id": "k1", "context": "水泵P7的保修期为24个月。", "pages": [3], "answerable": True,
}  # fmt: skip


def write(folder: Path, data: bytes, name: str = "data.jsonl") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def rows(path: Path | str, task: str | None = None, **more) -> list[Row]:
    sources = parse([str(path)])
    return list(read_rows(sources, task or detect_task(sources), **more))


def one(tmp_path: Path, value: dict, task: str | None = None) -> Row:
    (row,) = rows(write(tmp_path, jsonl(value)), task)
    return row


def said(row: Row) -> list[tuple[str, str]]:
    assert isinstance(row, (ChatRow, PreferenceRow))
    return [(message["role"], message["content"]) for message in row.messages]


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def bot(text: str, **more) -> dict:
    return {"role": "assistant", "content": text, **more}


HI = [("user", "你好"), ("assistant", "您好！")]
TALKS = [  # form, row, conversation
    ("messages", {"messages": [user("你好"), bot("您好！")], "source": "x", "id": 3}, HI),
    ("messages", {"messages": [{"role": "system", "content": ""}, user("你好"), bot("您好！")]}, HI),
    ("messages", {"messages": [user("你好"), bot("您好！"), user("再见")]}, HI),
    (
        "messages",
        {"messages": [{"role": "developer", "content": "Kurz."}, *[user("你好"), bot("您好！")]]},
        [("system", "Kurz."), *HI],
    ),
    (
        "messages",
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "你"}, {"type": "text", "text": "好"}]},
                bot("您好！", tool_calls=None, name=None),
            ]
        },
        HI,
    ),
    (
        "messages",
        {"messages": [user("2+2?"), bot("4", reasoning_content="2 and 2 are 4.")]},
        [("user", "2+2?"), ("assistant", "<think>\n2 and 2 are 4.\n</think>\n\n4")],
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "你好"}, {"from": "gpt", "value": "您好！"}], "system": "礼貌。"},
        [("system", "礼貌。"), *HI],
    ),
    (
        "sharegpt",
        {"conversations": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "您好！"}]},
        HI,
    ),
    ("sharegpt", {"conversation": [{"human": "你好", "assistant": "您好！"}], "dataset": "firefly"}, HI),
    (
        "alpaca",
        {"instruction": "翻译成英文", "input": "保修期", "output": "warranty"},
        [("user", "翻译成英文\n保修期"), ("assistant", "warranty")],
    ),
    (
        "alpaca",
        {"instruction": "你好", "input": "", "output": "您好！", "system": "礼貌。", "history": [["在吗", "在。"]]},
        [("system", "礼貌。"), ("user", "在吗"), ("assistant", "在。"), *HI],
    ),
    (
        "alpaca",
        {"instruction": "Who wrote it?", "context": "Written by Ada.", "response": "Ada.", "category": "closed_qa"},
        [("user", "Who wrote it?\nWritten by Ada."), ("assistant", "Ada.")],
    ),
    ("prompt-completion", {"prompt": "你好", "completion": "您好！"}, HI),
    ("prompt-completion", {"prompt": [user("你好")], "completion": [bot("您好！")]}, HI),
    ("prompt-completion", {"prompt": "你好", "completion": "您好！", "label": True}, HI),
    ("prompt-completion", {"query": "你好", "response": "您好！", "history": []}, HI),
    ("prompt-completion", {"kind": "NLI", "input": "你好", "target": "您好！"}, HI),
    ("question-answer", {"question": "你好", "answer": "您好！"}, HI),
]


@pytest.mark.parametrize(
    ("form", "value", "wanted"), TALKS, ids=[f"{form}-{at}" for at, (form, _, _) in enumerate(TALKS)]
)
def test_conversations_of_every_form(tmp_path, form, value, wanted):
    row = one(tmp_path, value)
    assert isinstance(row, ChatRow)
    assert said(row) == wanted
    assert (row.place.form, row.place.line, row.tools, row.masked) == (form, 1, (), ())


PREFERENCES = [
    {"prompt": "你好", "chosen": "您好！", "rejected": "滚。"},
    {"prompt": [user("你好")], "chosen": [bot("您好！")], "rejected": [bot("滚。")]},
    {"chosen": [user("你好"), bot("您好！")], "rejected": [user("你好"), bot("滚。")]},
    {"prompt": "你好", "messages": [user("你好"), bot("您好！")], "chosen": [user("你好"), bot("您好！")],
     "rejected": [user("你好"), bot("滚。")], "score_chosen": 8.0},
    {"chosen": "\n\nHuman: 你好\n\nAssistant: 您好！", "rejected": "\n\nHuman: 你好\n\nAssistant: 滚。"},
    {"conversations": [{"from": "human", "value": "你好"}], "chosen": {"from": "gpt", "value": "您好！"},
     "rejected": {"from": "gpt", "value": "滚。"}},
    {"instruction": "你好", "input": "", "chosen": "您好！", "rejected": "滚。"},
    {"question": "你好", "chosen": "您好！", "rejected": "滚。"},
    {"messages": [user("你好"), bot("您好！")], "rejected_response": "滚。"},
]  # fmt: skip


@pytest.mark.parametrize("value", PREFERENCES, ids=range(len(PREFERENCES)))
def test_preferences_of_every_form(tmp_path, value):
    row = one(tmp_path, value)
    assert isinstance(row, PreferenceRow)
    assert (said(row), row.chosen, row.rejected) == ([("user", "你好")], "您好！", "滚。")
    assert said(one(tmp_path, value, "chat")) == HI
    assert said(one(tmp_path, {**value, "system": "礼貌。"})) == [("system", "礼貌。"), ("user", "你好")]


PAIRS = [
    {"query": "保修多久", "positive": "两年。", "negatives": ["电池", "屏幕"]},
    {"query": "保修多久", "pos": ["两年。"], "neg": ["电池", "屏幕"], "pos_scores": [1.0], "prompt": ""},
    {"anchor": "保修多久", "positive": "两年。", "negative_1": "电池", "negative_2": "屏幕"},
    {"question": "保修多久", "passage": "两年。", "neg": ["电池", "屏幕", "电池"]},
    {"query": "保修多久", "positive_passages": [{"docid": "1", "title": "t", "text": "两年。"}],
     "negative_passages": [{"text": "电池"}, {"text": "屏幕"}]},
    {"question": "保修多久", "answers": ["两年"], "positive_ctxs": [{"text": "两年。"}],
     "hard_negative_ctxs": [{"text": "电池"}], "negative_ctxs": [{"text": "屏幕"}]},
]  # fmt: skip


@pytest.mark.parametrize("value", PAIRS, ids=range(len(PAIRS)))
def test_pairs_of_every_form_and_as_scores(tmp_path, value):
    row = one(tmp_path, value)
    assert isinstance(row, PairRow)
    assert (row.query, row.positive, row.negatives, row.known) == ("保修多久", "两年。", ("电池", "屏幕"), ())
    scored = rows(tmp_path / "data.jsonl", "reranker")
    assert [(each.passage, each.score) for each in scored] == [("两年。", 1.0), ("电池", 0.0), ("屏幕", 0.0)]
    assert [each.place.part for each in scored] == [0, 1, 2]


def test_several_positives_are_several_rows_that_know_of_each_other(tmp_path):
    first, second = rows(write(tmp_path, jsonl({"query": "q", "pos": ["a", "b"], "neg": ["c"]})))
    assert (first.positive, first.known, second.positive, second.known) == ("a", ("b",), "b", ("a",))
    assert (first.place.part, second.place.part) == (0, 1)


def test_scores_texts_and_other_ways(tmp_path):
    for value in (
        {"query": "q", "passage": "p", "label": 1},
        {"query": "q", "text": "p", "score": 1.0},
        {"text1": "q", "text2": "p", "label": True},
        {"question": "q", "answer": "p", "label": 1},
    ):
        row = one(tmp_path, value)
        assert isinstance(row, ScoredRow)
        assert (row.query, row.passage, row.score) == ("q", "p", 1.0)
    two = rows(write(tmp_path, jsonl({"query": "q", "documents": ["a", "b"], "labels": [0.25, 0]})))
    assert [(row.passage, row.score) for row in two] == [("a", 0.25), ("b", 0.0)]
    assert one(tmp_path, {"text": "长文。", "meta": {}}) == TextRow(
        text="长文。", place=one(tmp_path, {"text": "a"}).place
    )
    assert one(tmp_path, {"query": "q", "answer": "a"}).positive == "a"
    assert one(tmp_path, {"question": "q", "answer": "a"}, "embedding").positive == "a"
    assert one(tmp_path, {"question": "q", "answer": "a", "score": 57}).place.form == "question-answer"


def test_calls_in_openais_form_and_in_sharegpts(tmp_path):
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": {"city": "北京"}}}
    result = {"role": "tool", "tool_call_id": "c1", "content": {"temperature": 3}}
    openai = one(tmp_path, {"tools": [WEATHER], "messages": [
        user("北京冷吗？"), bot("", tool_calls=[call]), result, bot("3 度。")]})  # fmt: skip
    assert openai.tools == (WEATHER,)
    assert openai.messages[1]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"北京"}'}}
    ]
    assert openai.messages[2] == {"role": "tool", "content": '{"temperature":3}', "tool_call_id": "c1"}
    text = {**call, "function": {"name": "weather", "arguments": '{"city": "北京"}'}}
    assert one(tmp_path, {"messages": [user("?"), bot(None, tool_calls=[text])]}).messages[1]["content"] == ""
    sharegpt = one(tmp_path, {"tools": json.dumps([WEATHER["function"]]), "conversations": [
        {"from": "human", "value": "北京冷吗？"},
        {"from": "gpt", "value": "我查一下。"},
        {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "北京"}}'},
        {"from": "observation", "value": '{"temperature":3}'},
        {"from": "gpt", "value": "3 度。"}]})  # fmt: skip
    assert sharegpt.tools == (WEATHER,)
    assert [message["role"] for message in sharegpt.messages] == ["user", "assistant", "tool", "assistant"]
    made = sharegpt.messages[1]["tool_calls"][0]
    assert (sharegpt.messages[1]["content"], made["function"]) == (
        "我查一下。",
        openai.messages[1]["tool_calls"][0]["function"],
    )
    assert sharegpt.messages[2]["tool_call_id"] == made["id"]
    old = one(tmp_path, {"messages": [
        user("北京冷吗？"), bot(None, function_call={"name": "weather", "arguments": "{}"}),
        {"role": "function", "name": "weather", "content": "3"}, bot("3 度。")]})  # fmt: skip
    assert old.messages[2]["tool_call_id"] == old.messages[1]["tool_calls"][0]["id"]
    assert one(tmp_path, {"messages": [user("?"), bot("", tool_calls=[call])]}).messages[-1]["tool_calls"]
    huge = {"name": "f", "arguments": '{"n": 123456789012345678901234567890, "s": "\\ud800"}'}
    assert one(tmp_path, {"messages": [user("?"), bot("", tool_calls=[huge])]})


def test_weights_of_messages(tmp_path):
    for key in ("weight", "train", "loss"):
        row = one(tmp_path, {"messages": [user("a"), bot("b", **{key: 0}), user("c"), bot("d", **{key: 1})]})
        assert row.masked == (1,)


def test_cases_of_ragcli_questions(tmp_path):
    near = {
        "type": "case",
        "id": "c2",
        "question": "水泵P7的重量是多少？",
        "answers": [],
        "answerable": False,
        "derived_from": "k1",
    }
    far = {"type": "case", "id": "c3", "question": "What does the Zorblax cost?", "answers": [], "answerable": False}
    lost = {**near, "id": "c4", "derived_from": "elsewhere"}
    path = write(tmp_path, jsonl(CASE, near, far, lost))
    left: list = []
    (pair,) = rows(path, on_left_out=lambda place, reason: left.append((place.line, reason)))
    assert (pair.query, pair.positive, pair.answers) == (CASE["question"], CASE["context"], ("24个月",))
    assert left == [(2, "unanswerable"), (3, "unanswerable"), (4, "unanswerable")]
    left.clear()
    first, second, third = rows(path, "chat", on_left_out=lambda place, reason: left.append((place.line, reason)))
    assert left == [(4, "unanswerable")]
    assert [message["role"] for message in first.messages] == ["system", "user", "assistant"]
    assert first.messages[-1]["content"] == "24个月[1]"
    for row in (first, second, third):
        assert CASE["context"] in row.messages[1]["content"] and "手册.md" in row.messages[1]["content"]
    assert second.messages[-1]["content"] == refusal(near["question"]) and is_refusal(third.messages[-1]["content"])
    assert [row.score for row in rows(path, "reranker")] == [1.0]
    squad = {"question": "Who?", "answers": {"text": ["Ada"], "answer_start": [0]}, "context": "Ada wrote it."}
    assert one(tmp_path, squad).positive == "Ada wrote it."
    assert said(one(tmp_path, {"question": "Who?", "answers": ["Ada"]})) == [("user", "Who?"), ("assistant", "Ada")]


def test_what_ask_saves_and_questions_and_load_write_is_read(kb, tmp_path):
    """The real commands, one after another."""
    sft = tmp_path / "sft.jsonl"
    done = run("ask", "-d", kb, "-t", "kb", "--save-sft", sft, "保修期多久？", "How do I clean the filter?")
    assert sft.is_file(), done.stderr.decode()
    saved = rows(sft)
    assert saved and all(isinstance(row, ChatRow) and row.messages[0]["role"] == "system" for row in saved)
    made = write(
        tmp_path, run("questions", "-d", kb, "-t", "kb", "-n", "6", "--unanswerable", "2").stdout, "cases.jsonl"
    )
    assert detect_task(parse([str(made)])) == "embedding"
    pairs = rows(made)
    assert pairs and all(isinstance(row, PairRow) and row.answers for row in pairs)
    chats = rows(made, "chat")
    assert len(chats) > len(pairs) and all("[1]" in row.messages[1]["content"] for row in chats)
    chunks = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"ragcli load {DATA.parent.parent / 'examples'} | ragcli split"],
        capture_output=True, env=environment(),
    )  # fmt: skip
    texts = rows(write(tmp_path, chunks.stdout, "chunks.jsonl"))
    assert len(texts) == len(chunks.stdout.splitlines()) and all(isinstance(row, TextRow) for row in texts)


BAD = [  # row, words of the sentence, its kind
    ("hello", "expected a JSON object", "json"),
    ({"foo": 1, "bar": 2}, "no form of training data is known with these keys: foo, bar", "form"),
    ({"type": "result", "id": "r", "query": "q", "hits": []}, "a record of type 'result' is no training data", "form"),
    ({"messages": []}, "no turn is the assistant's", "no_assistant"),
    ({"messages": "hi"}, "'messages' must be a list of messages, not a string", "form"),
    ({"messages": [user("a")]}, "no turn is the assistant's", "no_assistant"),
    ({"messages": ["a"]}, "message 1 must be an object with role and content, not a string", "form"),
    ({"messages": [user("a"), {"role": "robot", "content": "b"}]}, "message 2 has the role 'robot'", "role"),
    ({"messages": [user("a"), {"content": "b"}]}, "message 2 has no role", "role"),
    ({"messages": [user(" "), bot("b")]}, "message 1 (user) is empty", "empty"),
    ({"messages": [user("a"), bot("")]}, "message 2 (assistant) is empty, and calls nothing", "empty"),
    ({"messages": [user("a"), user("b"), bot("c")]}, "message 2 is the user's, and so is the one before it", "turns"),
    ({"messages": [user("a"), bot("b"), bot("c")]}, "message 3 is the assistant's, and so is the one before", "turns"),
    ({"messages": [bot("b"), user("a"), bot("c")]}, "message 1 is the assistant's: the user must speak first", "turns"),
    (
        {"messages": [user("a"), bot("b"), {"role": "system", "content": "s"}, user("c"), bot("d")]},
        "message 3 is the system's: only the first may be",
        "turns",
    ),
    (
        {"messages": [user("a"), {"role": "tool", "content": "1"}, bot("b")]},
        "message 2 is a tool's result, and no call",
        "tools",
    ),
    (
        {"messages": [user("a"), bot("", tool_calls=[{"name": "f"}]), bot("b"), user("c"), bot("d")]},
        "the call of f before it has no result",
        "tools",
    ),
    (
        {
            "messages": [
                user("a"),
                bot("", tool_calls=[{"id": "1", "name": "f"}]),
                {"role": "tool", "tool_call_id": "2", "content": ""},
                bot("b"),
            ]
        },
        "the call '2', which nobody made",
        "tools",
    ),
    (
        {"messages": [user("a"), bot("", tool_calls=[{"name": "f", "arguments": "{x"}])]},
        "the arguments of f in message 2",
        "tools",
    ),
    (
        {"messages": [user("a"), bot("", tool_calls=[{"name": "f", "arguments": [1]}])]},
        "must be a JSON object, not a list",
        "tools",
    ),
    (
        {"messages": [user("a"), bot("", tool_calls=[{"arguments": {}}])]},
        "a call of message 2 names no function",
        "tools",
    ),
    ({"tools": "[{", "messages": [user("a"), bot("b")]}, "tools: '[{' is no JSON", "tools"),
    ({"tools": [{"type": "function"}], "messages": [user("a"), bot("b")]}, "tool 1 has no name", "tools"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, bot("b")]},
        "part of type 'image_url', and ragcli trains on text alone",
        "content",
    ),
    ({"messages": [user("<image>"), bot("b")], "images": ["a.png"]}, "it holds 'images'", "content"),
    (
        {"messages": [{"role": "user", "content": 5}, bot("b")]},
        "the content of message 1 must be text, not a number",
        "content",
    ),
    ({"messages": [user("a"), bot("b", weight=0)]}, "every turn of the assistant has weight 0", "no_assistant"),
    ({"messages": [user("a"), bot("b", weight=0.5)]}, "'weight' of message 2 must be 0 or 1, not 0.5", "content"),
    ({"instruction": "", "input": "", "output": "x"}, "its prompt is empty", "empty"),
    ({"instruction": "a", "output": " "}, "'output' is empty: there is nothing to learn", "empty"),
    ({"instruction": "a", "output": "b", "history": ["x"]}, "'history' must be a list of pairs of texts", "form"),
    ({"prompt": "a", "completion": "b", "label": False}, "labelled false (KTO)", "content"),
    ({"prompt": "a", "chosen": "b"}, "it has no 'rejected', or an empty one", "empty"),
    ({"prompt": "a", "chosen": "b", "rejected": "b"}, "chosen and rejected are the same", "same"),
    (
        {"messages": [{"role": "system"}], "rejected_response": "x"},
        "last message of 'chosen' is not the assistant's",
        "turns",
    ),
    ({"chosen": "b", "rejected": "c"}, "there is no prompt that chosen and rejected answer", "form"),
    (
        {"chosen": [user("a"), bot("b"), user("c"), bot("d")], "rejected": [user("a"), bot("e")]},
        "must differ in their last message, and nowhere else",
        "turns",
    ),
    ({"text": "  "}, "the text is empty", "empty"),
    ({"text": ["a"]}, "the text must be a string, not list", "content"),
    ({"query": "", "positive": "p"}, "'query' is empty", "empty"),
    ({"query": "q", "pos": []}, "'pos' is empty", "empty"),
    ({"query": "q", "neg": ["n"]}, "it has no passage that answers its query", "form"),
    ({"query": "q", "pos": ["p", ""]}, "a passage in 'pos' is empty", "empty"),
    ({"query": "q", "pos": ["p", 3]}, "'pos' must hold texts, not a number", "content"),
    ({"query": "q", "pos": ["p"], "neg": ["n", "p"]}, "a passage is both positive and negative", "same"),
    (
        {"query": "q", "passage": "p", "label": 3},
        "'label' must be a number from 0 (does not answer) to 1 (answers), not 3",
        "score",
    ),
    ({"query": "q", "passage": "p", "label": "yes"}, "not 'yes'", "score"),
    ({"query": "q", "passages": ["p"], "labels": [1, 0]}, "it has 1 passages and 2 scores", "score"),
    ({"type": "case", "id": "c", "question": "q"}, "it does not say what the answers are", "form"),
]


@pytest.mark.parametrize(("value", "words", "kind"), BAD, ids=[words for _, words, _ in BAD])
def test_what_is_wrong_is_said_with_its_line_and_the_rest_goes_on(tmp_path, value, words, kind):
    good = {"messages": [user("a"), bot("b")]}
    path = write(tmp_path, jsonl(good) + b"\n" + jsonl(value, good))
    try:
        task = form_of(value).tasks[0] if isinstance(value, dict) else "chat"
    except RowError:
        task = "chat"
    with pytest.raises(RowError) as raised:
        list(read_rows([Source(str(write(tmp_path, b"\n\n" + jsonl(value), "bad.jsonl")))], task))
    assert raised.value.message.startswith(f"{tmp_path / 'bad.jsonl'}:3: ")
    assert words in raised.value.message and raised.value.message.endswith(".")
    assert "\n" not in raised.value.message and raised.value.kind == kind and raised.value.hint
    found: list[RowError] = []
    kept = list(read_rows([Source(str(path))], "chat", on_bad=found.append))
    assert [row.place.line for row in kept] == [1, 4]
    assert len(found) == 1 and found[0].message.startswith(f"{path}:3: ")


def test_rows_for_another_task_say_so(tmp_path):
    path = write(tmp_path, jsonl({"query": "q", "positive": "p"}))
    with pytest.raises(RowError, match=r"the form pair is for the task embedding or reranker, not for chat") as raised:
        rows(path, "chat")
    assert raised.value.hint == "Pass --task embedding for such rows."


def test_the_task_is_seen_and_conflicts_are_named(tmp_path):
    chat = write(tmp_path, jsonl({"messages": [user("a"), bot("b")]}), "chat.jsonl")
    pairs = write(tmp_path, jsonl({"foo": 1}, {"query": "q", "positive": "p"}), "pairs.jsonl")
    cases = write(tmp_path, jsonl(CASE), "cases.jsonl")
    assert detect_task(parse([str(TRAIN), str(chat)])) == "chat"
    assert detect_task(parse([str(pairs), str(cases)])) == "embedding"
    with pytest.raises(UsageError) as raised:
        detect_task(parse([str(chat), str(pairs)]))
    assert "chat.jsonl is for chat (messages, line 1)" in raised.value.message
    assert "pairs.jsonl is for embedding (pair, line 2)" in raised.value.message
    with pytest.raises(UsageError) as raised:
        detect_task(parse([str(chat), str(cases)]))
    assert raised.value.hint == "Pass --task chat, which fits all of them."
    mixed = write(tmp_path, chat.read_bytes() + jsonl({"text": "x"}), "mixed.jsonl")
    with pytest.raises(UsageError, match=r"line 1 is for chat \(messages\), line 2 for text \(text\)"):
        detect_task(parse([str(mixed)]))
    with pytest.raises(InputError, match=r"pairs.jsonl:1: no form"):
        detect_task(parse([str(write(tmp_path, jsonl({"foo": 1}), "pairs.jsonl"))]))
    with pytest.raises(UsageError, match="the task is 'summary'"):
        read_rows(parse([str(chat)]), "summary")


SAME = [message for line in TRAIN.read_bytes().splitlines() for message in [orjson.loads(line)["messages"]]]
FILES = {
    "bom.jsonl": lambda data: b"\xef\xbb\xbf" + data,
    "crlf.jsonl": lambda data: data.replace(b"\n", b"\r\n"),
    "end.jsonl": lambda data: data.rstrip(b"\n"),
    "blank.jsonl": lambda data: b"\n" + data.replace(b"\n", b"\n \n"),
    "utf16.jsonl": lambda data: data.decode().encode("utf-16"),
    "utf16be.jsonl": lambda data: data.decode().encode("utf-16-be"),
    "gb18030.jsonl": lambda data: data.decode().encode("gb18030"),
    "packed.jsonl.gz": gzip.compress,
    "packed-without-a-word.jsonl": gzip.compress,
    "data.json": lambda data: b"[" + b",".join(data.splitlines()) + b"]\n",
    "indented.json": lambda data: json.dumps([json.loads(one) for one in data.splitlines()], indent=2).encode(),
    "chinese.json": lambda data: f"[{','.join(data.decode().splitlines())}]".encode("gb18030"),
    "array.jsonl": lambda data: b" \n[\n" + b",\n".join(data.splitlines()) + b"\n]",
    "lines.json": lambda data: data,
    "values.json": lambda data: b"\n".join(json.dumps(json.loads(one), indent=1).encode() for one in data.splitlines()),
    "train.txt": lambda data: data,
    "no suffix": lambda data: data,
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_every_kind_give_the_same_rows(tmp_path, name):
    found = rows(write(tmp_path, FILES[name](TRAIN.read_bytes()), name))
    assert [list(row.messages) for row in found] == SAME
    places = [(row.place.line, row.place.part) for row in found]
    assert len(set(places)) == len(places) and places == sorted(places)


def test_a_place_in_an_array_is_the_line_that_it_begins_on(tmp_path):
    values = [json.loads(line) for line in TRAIN.read_bytes().splitlines()]
    data = json.dumps(values, indent=2, ensure_ascii=False)
    found = rows(write(tmp_path, data.encode(), "a.json"))
    assert [row.place.line for row in found] == [at for at, line in enumerate(data.split("\n"), 1) if line == "  {"]


def test_arrays_and_texts_longer_than_a_block(tmp_path):
    values = [{"messages": [user(f"{at}：" + "问" * 50_000), bot("答" * 50_000)]} for at in range(9)]
    found = rows(write(tmp_path, json.dumps(values, ensure_ascii=False).encode(), "a.json"))
    assert [list(row.messages) for row in found] == [value["messages"] for value in values]
    assert [row.place.part for row in found] == list(range(9))
    text = "\n\n".join(f"第{at}段：" + "文字。" * 90 for at in range(4_000))
    pieces = rows(write(tmp_path, text.encode(), "book.txt"))
    assert "\n\n".join(row.text for row in pieces) == text
    assert len(pieces) > 3 and all(len(row.text) <= PIECE for row in pieces)
    assert [text.split("\n")[row.place.line - 1] for row in pieces] == [row.text.split("\n")[0] for row in pieces]
    endless = rows(write(tmp_path, ("字" * 600_000).encode(), "endless.txt"))
    assert "".join(row.text for row in endless) == "字" * 600_000


def test_texts_and_folders(tmp_path):
    write(tmp_path, "第一篇。\r\n\r\n第二段。\n".encode("gb18030") * 20, "texts/b.txt")
    write(tmp_path, "# 标题\n".encode(), "texts/deep/a.md")
    write(tmp_path, b"hidden", "texts/.git/x.txt")
    found = rows(tmp_path / "texts")
    assert [Path(row.place.source).name for row in found] == ["b.txt", "a.md"]
    assert found[0].text.startswith("第一篇。\n\n第二段。") and found[1].text == "# 标题"


def test_a_folder_in_beirs_form(tmp_path):
    found = rows(DATA / "cmrc_sample")
    assert len(found) == 567 and all(isinstance(row, PairRow) for row in found)
    texts = {
        value["_id"]: value["text"]
        for line in (DATA / "cmrc_sample/corpus.jsonl").read_bytes().splitlines()
        for value in [json.loads(line)]
    }
    asked = [json.loads(line) for line in (DATA / "cmrc_sample/queries.jsonl").read_bytes().splitlines()]
    for row in found:
        assert asked[row.place.line - 1]["text"] == row.query
        assert row.positive == texts[asked[row.place.line - 1]["_id"].partition("_QUERY")[0]]
        assert list(row.answers) == asked[row.place.line - 1]["answers"]
    for name in ("corpus.jsonl", "queries.jsonl"):
        write(tmp_path, jsonl(*[{"_id": one, "text": f"text {one}"} for one in "abc"]), f"beir/{name}")
    write(
        tmp_path, b"query-id\tcorpus-id\tscore\na\ta\t2\na\tb\t1\na\tc\t0\nb\tz\t1\nx\ta\t1\n", "beir/qrels/train.tsv"
    )
    write(tmp_path, b"c\tc\t1\n", "beir/qrels/test.tsv")
    bad: list[InputError] = []
    first, second = rows(tmp_path / "beir", on_bad=bad.append)
    assert (first.positive, first.known, first.negatives) == ("text a", ("text b",), ("text c",))
    assert (second.positive, second.known) == ("text b", ("text a",))
    assert "'z' of qrels/train.tsv is not in corpus.jsonl" in bad[0].message and "'x' is not in" in bad[1].message
    (test,) = read_rows(parse([str(tmp_path / "beir")], evaluation=True), "embedding")
    assert test.query == "text c"
    (tmp_path / "beir/qrels/train.tsv").unlink()
    with pytest.raises(UsageError, match=r"only qrels/test.tsv, which is for --eval-data"):
        parse([str(tmp_path / "beir")])


WRONG = {
    "empty.jsonl": (b"", "is empty"),
    "blank.jsonl": (b" \n\n", "is empty"),
    "blank.txt": (b" \n\n", "is empty"),
    "empty.json": (b"[]", "is empty"),
    "image.jsonl": ((DATA / "dot.png").read_bytes(), "is binary, not text"),
    "noise": (bytes(range(256)) * 9, "is binary, not text"),
    "table.xlsx": (b"PK", "is a table"),
    "table.parquet": (b"PAR1" * 9, "cannot be read as Parquet behind row 0"),
    "names.csv": (b"text,a\n", "is empty"),
    "none.csv": (b"\n", ":1: the first line should name the columns"),
    "same.csv": (b"text,text\na,b\n", ":1: two columns have the same name"),
    "fields.csv": (b'text,n\n"a\nb",1\nc\n', ":4: there are 1 fields, and 2 columns"),
    "open.csv": (b'text\n"abc\n', ":2: unexpected end of data"),
    "manual.pdf": (b"%PDF", "is a document"),
    "cut.jsonl.gz": (gzip.compress(os.urandom(999).hex().encode())[:-40], "cannot be unpacked to its end"),
    "cut.json": (b'[{"text": "a"},\n {"text": ', ":2: item 2 is no JSON from here on"),
    "comma.json": (b'[{"text": "a"}\n {"text": "b"}]', ":2: behind item 1 a comma or ] is missing"),
    "open.json": (b'[{"text": "a"},\n', ":2: the array does not end"),
    "two.json": (b'[{"text": "a"}]\n[{"text": "b"}]', ":2: something follows the end of the array"),
    "item.json": (b'[{"text": "a"},\n3]', ":2: item 2 is no object, but 3"),
    "deep.json": (b"[" * 100_000, "is nested too deep"),
    "deep.jsonl": (b'{"text":' * 100_000, "expected a JSON object"),
    "bytes.jsonl": (b'{"text": "caf\xe9 cr\xe8me"}\n', "is not UTF-8, and what it is"),
    "late.jsonl": (b'{"text": "abc"}\n' * 9000 + b'{"text": "\xff\xfe"}\n', ":9001: expected a JSON object"),
    "late.txt": (b"abc\n" * 90_000 + b"\xff\xfe\n", ":90001: a byte there is not utf-8"),
    "nan.jsonl": (b'{"text": NaN}', "expected a JSON object"),
    "word.jsonl": (b"hello\n", "expected a JSON object, found 'hello'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_files_that_are_no_data_end_in_a_sentence(tmp_path, name):
    data, words = WRONG[name]
    with pytest.raises(InputError) as raised:
        list(read_rows([Source(str(write(tmp_path, data, name)))], "text"))
    assert words in raised.value.message and raised.value.message.startswith(str(tmp_path))
    assert len(raised.value.message) < 400 + len(str(tmp_path)) and "\n" not in raised.value.message


def test_tables_are_rows_of_their_columns(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    talks = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "对", "weight": 1}]}
        for n in range(600)
    ]
    del talks[3]["messages"][1]["weight"]  # a column that is empty there
    pq.write_table(pa.Table.from_pylist(talks), tmp_path / "talks.parquet")
    (tmp_path / "copy").write_bytes((tmp_path / "talks.parquet").read_bytes())
    for name in ("talks.parquet", "copy"):
        source = Source(str(tmp_path / name))
        assert detect_task([source]) == "chat"
        found = rows(tmp_path / name, task="chat")
        assert len(found) == 600 and found[3].messages[0]["content"] == "3?" and found[599].place.line == 600
    table = 'instruction,input,output\n"翻译, 成\n英文",保修期,"a ""warranty"""\n\n说,,好\n'
    for name, data in {
        "a.csv": table.encode("utf-8-sig"), "b.csv": table.replace("\n", "\r\n").encode("utf-16"),
        "c.csv.gz": gzip.compress(table.encode()),
    }.items():  # fmt: skip
        first, second = rows(write(tmp_path, data, name), task="chat")
        assert (
            first.messages[0]["content"] == "翻译, 成\n英文\n保修期" and first.messages[1]["content"] == 'a "warranty"'
        )
        assert (first.place.line, second.place.line) == (2, 5) and second.messages[0]["content"] == "说"
    (pair,) = rows(write(tmp_path, 'query\tpositive\n保修?\t两年,"整机"\n'.encode(), "d.tsv"), task="embedding")
    assert pair.positive == '两年,"整机"'
    wrong: list[InputError] = []
    short = write(tmp_path, b"prompt,completion\na,b\nc\nd,e\n", "e.csv")
    assert len(rows(short, task="chat", on_bad=wrong.append)) == 2 and str(wrong[0].message).startswith(f"{short}:3:")


def test_what_cannot_be_read_to_its_end_is_an_error_also_where_bad_rows_are_passed_over(tmp_path):
    for name in ("cut.json", "cut.jsonl.gz", "late.txt", "empty.jsonl"):
        with pytest.raises(InputError):
            list(read_rows([Source(str(write(tmp_path, WRONG[name][0], name)))], "text", on_bad=lambda error: None))


def test_sources_as_people_name_them(tmp_path):
    odd = write(tmp_path, jsonl({"text": "x"}), "train.jsonl=2")
    plain = write(tmp_path, jsonl({"text": "y"}), "train.jsonl")
    assert parse([str(odd)]) == [Source(str(odd))]
    assert parse([f"{odd}=0.5", f"{plain}=1e1", "-=2"]) == [
        Source(str(odd), 0.5),
        Source(str(plain), 10.0),
        Source("-", 2.0),
    ]
    for value, words in {
        "": "--data is empty", f"{plain}=0": "the weight '0' is no number above 0", f"{plain}=nan": "the weight 'nan'",
        f"{plain}=-1": "the weight '-1'", f"{plain}=half": "the weight 'half'", f"{plain}=1001": "up to 1000",
        "missing.jsonl": "there is no file or folder missing.jsonl",
        "missing=2": "there is no file or folder missing=2",
        "https://hf.co/x": "is an address", "tatsu-lab/alpaca": "there is no file or folder",
        str(tmp_path): "is a folder with files of data",
        "a\0b": "there is no file or folder",
        "a\ud800b": "there is no file or folder",
    }.items():  # fmt: skip
        with pytest.raises(UsageError) as raised:
            parse([value])
        assert words in raised.value.message, value
    for twice in (["-", "-"], [str(plain), f"{plain}=3"], [str(plain), os.path.relpath(plain)]):
        with pytest.raises(UsageError, match="twice"):
            parse(twice)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UsageError, match="is a folder without data"):
        parse([str(tmp_path / "nothing")])


def test_stdin_and_pipes_are_kept_and_read_again(tmp_path):
    work = tmp_path / "work"
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(TRAIN.read_bytes()))
    writer.start()
    sources = ready(parse(["-=2", str(fifo)]), work, io.BytesIO(VALID.read_bytes()))
    writer.join()
    assert [source.file.parent for source in sources] == [work, work]
    assert detect_task(sources) == "chat"
    found = list(read_rows(sources, "chat"))
    assert [row.place.source for row in found] == ["-"] * 6 + [str(fifo)] * 12
    assert sources[1].sha256 == ready(parse([str(TRAIN)]), work)[0].sha256
    again = ready(parse(["-=2"]), work, None)
    assert again[0].sha256 == sources[0].sha256
    with pytest.raises(UsageError, match="nothing comes in"):
        ready(parse(["-"]), tmp_path / "other", None)
    before = ready(parse([str(DATA / "cmrc_sample")]), work)[0].sha256
    assert len(before) == 64 and before == ready(parse([str(DATA / "cmrc_sample")]), work)[0].sha256
    text = ready(parse(["-"]), tmp_path / "texts", io.BytesIO("一段文字。\n".encode()))
    assert detect_task(text) == "text"


def test_weights_are_the_same_each_time_and_of_each_row_alone(tmp_path):
    values = [{"text": f"row {at}"} for at in range(2_000)]
    path = write(tmp_path, jsonl(*values))

    def chosen(path: Path, weight: float, seed: int) -> list[str]:
        return [row.text for row in read_rows([Source(str(path), weight)], "text", seed=seed)]

    some = chosen(path, 0.3, 1)
    assert some == chosen(path, 0.3, 1) and 520 < len(some) < 680  # 600, give or take four deviations
    assert some != chosen(path, 0.3, 2)
    turned = write(tmp_path, jsonl(*reversed(values)), "turned.jsonl")
    assert chosen(turned, 0.3, 1) == some[::-1]
    assert set(some) < set(chosen(path, 0.6, 1))
    left: list[str] = []
    sources = [Source(str(path), 2.3)]
    twice = list(read_rows(sources, "text", seed=1, on_left_out=lambda place, reason: left.append(reason)))
    assert [row.text for row in twice] == [value["text"] for value in values] * 2 + some and not left
    assert [row.place.repeat for row in twice] == [0] * 2_000 + [1] * 2_000 + [2] * len(some)
    list(read_rows([Source(str(path), 0.3)], "text", seed=1, on_left_out=lambda place, reason: left.append(reason)))
    assert left == ["weight"] * (2_000 - len(some))
    bad: list[InputError] = []
    broken = write(tmp_path, b"{\n" + path.read_bytes(), "broken.jsonl")
    list(read_rows([Source(str(broken), 2.5)], "text", on_bad=bad.append))
    assert len(bad) == 1


WORDS = st.sampled_from(
    ["messages", "role", "user", "assistant", "content", "conversations", "from", "value", "human", "gpt", "tool_calls",
     "function", "name", "arguments", "prompt", "completion", "chosen", "rejected", "query", "pos", "neg", "label",
     "question", "answers", "context", "type", "case", "text", "tools", "history", "instruction", "output", "tool",
     "system", "weight", "positive", "answer", "score", "\ud800", "{}", ""]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=24,
)


TALK = st.lists(
    st.builds(
        lambda role, content, more: {**more, "role": role, "content": content},
        st.sampled_from(["user", "assistant", "tool", "system", "function_call"]),
        VALUES,
        st.dictionaries(st.sampled_from(["tool_calls", "tool_call_id", "name", "weight"]), VALUES, max_size=2),
    ),
    max_size=5,
)
TALK_ROWS = st.one_of(
    st.fixed_dictionaries({"messages": TALK}),
    st.fixed_dictionaries({"messages": TALK, "rejected_response": VALUES}),
    st.fixed_dictionaries({"prompt": TALK, "chosen": TALK, "rejected": TALK}),
    st.fixed_dictionaries({"chosen": TALK, "rejected": TALK | VALUES}),
    st.fixed_dictionaries({"prompt": TALK, "completion": TALK}),
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(WORDS, VALUES, min_size=1, max_size=6) | TALK_ROWS, st.sampled_from(TASKS))
def test_any_object_gives_rows_or_a_sentence(value, task):
    with contextlib.suppress(RowError):
        for row in rows_of(json.loads(json.dumps(value)), task, Place("x", 1)):
            assert row.place.form
            if isinstance(row, ChatRow):
                assert row.messages[-1]["role"] == "assistant"
                json.dumps(row.messages, ensure_ascii=False).encode("utf-8")


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=400)
    | st.lists(VALUES, max_size=4).map(lambda values: "\n".join(map(json.dumps, values)).encode())
    | st.lists(VALUES, max_size=4).map(lambda values: json.dumps(values, indent=1).encode()),
    st.sampled_from([".jsonl", ".json", ".txt", "", ".jsonl.gz"]),
    st.sampled_from(TASKS),
)
def test_any_bytes_give_rows_or_a_sentence(tmp_path_factory, data, suffix, task):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(data)
    sources = [Source(str(path), 1.5)]
    with contextlib.suppress(InputError, UsageError):
        detect_task(sources)
    with contextlib.suppress(InputError):
        for _ in read_rows(sources, task, on_bad=lambda error: None):
            pass


NAMES = {"user": "human", "assistant": "gpt"}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=5), st.integers(0, 3))
def test_conversations_come_back_as_they_were(tmp_path_factory, talk, way):
    talk = [(asked + "?", answered + ".") for asked, answered in talk]
    told = [message for asked, answered in talk for message in (user(asked), bot(answered))]
    *earlier, (asked, answered) = talk
    value = [
        {"messages": told},
        {"conversations": [{"from": NAMES[one["role"]], "value": one["content"]} for one in told]},
        {"instruction": asked, "output": answered, "history": earlier},
        {"prompt": told[:-1], "completion": told[-1:]},
    ][way]  # fmt: skip
    path = tmp_path_factory.getbasetemp() / "talk.json"
    path.write_text(json.dumps([value]))
    (row,) = rows(path)
    assert list(row.messages) == told


def test_reading_loads_nothing_heavy():
    code = (
        "import sys\nfrom ragcli.finetuning.data.reading import read_rows, detect_task\n"
        "from ragcli.finetuning.data.sources import parse\nimport ragcli.finetuning.data.statistics\n"
        f"s = parse([{str(TRAIN)!r}])\nassert len(list(read_rows(s, detect_task(s)))) == 12\n"
        "print(*{'torch', 'numpy', 'lance', 'pyarrow', 'datasets', 'transformers', 'jinja2'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment()
    )
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


def test_a_large_file_is_not_held(tmp_path):
    """300 MB of rows are read in less than 100 MB."""
    line = jsonl({"messages": [user("问" * 2_000), bot("答" * 8_000)]})
    path = tmp_path / "large.jsonl"
    with path.open("wb") as stream:
        for _ in range(300_000_000 // len(line)):
            stream.write(line)
    array = tmp_path / "large.json"
    with array.open("wb") as stream:
        stream.write(b"[" + line)
        for _ in range(60_000_000 // len(line)):
            stream.write(b"," + line.strip())
        stream.write(b"]")
    code = (
        "import re, sys\nfrom ragcli.finetuning.data.reading import read_rows\n"
        "from ragcli.finetuning.data.sources import parse\n"
        "print(sum(1 for _ in read_rows(parse(sys.argv[1:]), 'chat')))\n"
        "print(int(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path, array], capture_output=True, text=True, env=environment(), check=True
    )
    count, megabytes = map(int, done.stdout.split())
    assert count == 300_000_000 // len(line) + 60_000_000 // len(line) + 1 and megabytes < 100


def test_the_rows_of_the_documentation_are_what_it_says():
    said: dict[str, int] = {}
    form, inside = "", False
    for line in (DATA.parent.parent / "docs" / "finetune-data.md").read_text().split("\n"):
        if line.startswith("###"):
            form = line.removeprefix("### ")
        elif line.startswith("```"):
            inside = line == "```json"
        elif inside:
            value = json.loads(line)
            assert form_of(value).name == form, line
            for task in form_of(value).tasks:
                assert rows_of(value, task, Place("docs", 1)), line
            said[form] = said.get(form, 0) + 1
    assert set(said) == {form.name for _, form in FORMS}
