"""When a model's answer is a refusal, and when words and passages can be compared at all."""

from __future__ import annotations

import json
import time

import pytest

from conftest import DATA
from ragcli.answering.refusing import REFUSALS, is_comparable, is_refusal
from ragcli.records import Hit
from ragcli.splitting.sentences import sentence_spans

# Written for this project, in part before the rules: what models say, in three scripts.
WORDINGS = [json.loads(line) for line in (DATA / "refusals.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        *REFUSALS.values(),
        "抱歉，资料中没有提到保修期。",
        "根据提供的资料，无法确定保修期。",
        "没有相关信息",
        "资料未提及该公司的成立时间。[1]",
        "从所给材料无法得知他的生日。",
        "I'm sorry, but the sources do not mention the warranty.",
        "The sources don't provide information about this. You may want to contact support.",
        "There is no information in the sources about X.",
        "I cannot find the answer in the provided context.",
        "The documents do not answer this question. [1][2]",
        "Based on the given sources, I cannot answer this question.",
        "1. The sources do not provide a detailed answer.\n2. The sources do not provide a detailed answer.",
    ],
)
def test_an_answer_that_says_nothing_is_a_refusal(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "保修期为24个月[1]。资料没有提及延保费用。",
        "手机保修24个月[1]。",
        "该产品没有提供充电器[1]。",
        "员工不能确定休假日期时应提前告知主管[2]。",
        "文中没有说明具体年份，但提到是在战后[2]。",
        "不能。",
        "The warranty does not cover water damage [1].",
        "The text does not specify when, but says it is due in May [1].",
        "The contract does not mention penalties [2].",
        "No.",
        "",
    ],
)
def test_an_answer_that_says_something_is_none(text: str) -> None:
    assert not is_refusal(text)


@pytest.mark.parametrize(
    ("question", "text", "comparable"),
    [
        ("手机保修多久？", "The warranty of phones is 24 months.", False),
        ("How long is the warranty?", "手机的保修期为二十四个月。", False),
        ("手机保修多久？", "手机的保修期为二十四个月。", True),
        ("Python 的 GIL 是什么？", "GIL 是全局解释器锁 global interpreter lock，用于 CPython 的内存管理。", True),
        ("How long?", "24 months", True),
        ("How long?", "12345", True),
    ],
)
def test_languages_are_told_apart(question: str, text: str, comparable: bool) -> None:
    hit = Hit(id="c", document_id="d", source="a", text=text, start=0, end=len(text), rank=1, score=1.0)
    assert is_comparable(question, [hit]) == comparable


@pytest.mark.parametrize("wording", WORDINGS, ids=lambda wording: wording["text"][:40])
def test_wordings_of_models(wording: dict) -> None:
    assert is_refusal(wording["text"]) == wording["refusal"]
    assert is_refusal(f"**{wording['text']}**") == wording["refusal"]


def test_no_sentence_of_a_document_is_a_refusal() -> None:
    texts = [
        json.loads(line).get("text", "")
        for name in ("cmrc_sample/corpus.jsonl", "english_qa.jsonl")
        for line in (DATA / name).read_text("utf-8").splitlines()
    ]
    said = [text[start:end] for text in texts for start, end in sentence_spans(text)]
    assert len(said) > 1000
    assert [one for one in said if is_refusal(one) or is_refusal(one + "[1]")] == []


@pytest.mark.parametrize(
    "piece", ["no ", "资料没有", "[资料", "“", "the sources and ", "根据", ", but", "- ", "提供的", "资料[1]"]
)
def test_reading_takes_linear_time(piece: str) -> None:
    def seconds(times: int) -> float:
        began = time.process_time()
        is_refusal(piece * times)
        return time.process_time() - began

    assert seconds(8000) < 24 * max(seconds(1000), 0.002)
