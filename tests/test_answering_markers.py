"""Markers: every form in which models name sources is read, and nothing else is."""

from __future__ import annotations

import json
import time

import pytest

from conftest import DATA
from ragcli.answering.citations import citations
from ragcli.answering.citing import check, verify
from ragcli.answering.markers import marks, normalise, unmarked
from ragcli.answering.statements import sentences
from ragcli.records import Hit

ZH = ("本产品自购买之日起保修24个月，屏幕保修一年。", "退货需在7天内提出。", "运费由公司承担。")
EN = ("The warranty is 24 months.", "Returns within 7 days.", "Shipping is free.")


def hit(text: str) -> Hit:
    return Hit(id="c", document_id="d", source="a.txt", text=text, start=0, end=len(text), rank=1, score=1.0)


def cited(answer: str, *texts: str) -> list[int]:
    """The numbers of the passages that an answer's own markers name."""
    made = check("", answer, [hit(text) for text in texts])
    assert not [one for one in made.problems if one["kind"] not in ("quotation", "name", "date")], made
    return sorted({quote.n or 0 for quote in made.quotes if "attributed" not in quote.extra})


@pytest.mark.parametrize(
    ("form", "numbers"),
    [
        ("[1]", [1]),
        ("[1, 2]", [1, 2]),
        ("[1和2]", [1, 2]),
        ("[1~3]", [1, 2, 3]),
        ("[1～3]", [1, 2, 3]),
        ("[1—3]", [1, 2, 3]),
        ("[1到3]", [1, 2, 3]),
        ("[1]-[3]", [1, 2, 3]),
        ("[1]至[3]", [1, 2, 3]),
        ("[1]、[3]", [1, 3]),
        ("［1］", [1]),
        ("【1】", [1]),
        ("〔1〕", [1]),
        ("【1†source】", [1]),
        ("【1:0†source】", [1]),
        ("[^1]", [1]),
        ("[^1^]", [1]),
        ("^[1]^", [1]),
        ("<sup>1</sup>", [1]),
        ("<sup>[1]</sup>", [1]),
        ("\\[1\\]", [1]),
        ("[\\[1\\]](#1)", [1]),
        ("[1](https://example.com/1)", [1]),
        ("`[1]`", [1]),
        ("[来源：1]", [1]),
        ("[來源：1]", [1]),
        ("（来源：1）", [1]),
        ("（参考：[1]、[2]）", [1, 2]),
        ("[参考资料1]", [1]),
        ("[参见资料1]", [1]),
        ("（资料1）", [1]),
        ("（见资料2）", [2]),
        ("【来源1，来源2】", [1, 2]),
        ("[文档1、文档3]", [1, 3]),
        ("[资料1-3]", [1, 2, 3]),
        ("[citation:1]", [1]),
        ("[citation: 1][citation: 2]", [1, 2]),
        ("[编号：1]", [1]),
        ("[#1]", [1]),
    ],
)
def test_forms_of_markers_in_chinese(form: str, numbers: list[int]) -> None:
    assert cited(f"保修期{form}。", *ZH) == numbers
    assert cited(f"保修期。{form}", *ZH) == numbers


@pytest.mark.parametrize(
    ("form", "numbers"),
    [
        ("[Source 1]", [1]),
        ("[Source: 1]", [1]),
        ("[source1]", [1]),
        ("[Source 1, Source 2]", [1, 2]),
        ("[Source 1; Source 3]", [1, 3]),
        ("[Sources 1 and 2]", [1, 2]),
        ("[sources: 1, 2, and 3]", [1, 2, 3]),
        ("[1, 2 and 3]", [1, 2, 3]),
        ("[1 & 2]", [1, 2]),
        ("[1]–[3]", [1, 2, 3]),
        ("[1] through [3]", [1, 2, 3]),
        ("[Doc. 1; Doc. 2]", [1, 2]),
        ("[Passage 1]", [1]),
        ("[ref. 1]", [1]),
        ("[cite:1,2]", [1, 2]),
        ("(Source 1)", [1]),
        ("(see Source 1)", [1]),
        ("(Sources 1 and 3)", [1, 3]),
        ("(Source: [1])", [1]),
    ],
)
def test_forms_of_markers_in_english(form: str, numbers: list[int]) -> None:
    assert cited(f"The warranty {form}.", *EN) == numbers
    assert cited(f"The warranty. {form}", *EN) == numbers


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("According to Source 1, the warranty is 24 months.", "According to Source [1], the warranty is 24 months."),
        ("As stated in Sources 1 and 2, it is so.", "As stated in Sources [1][2], it is so."),
        ("Source 2 states that returns take 7 days.", "Source [2] states that returns take 7 days."),
        ("根据资料1，保修24个月。", "根据资料[1]，保修24个月。"),
        ("根據資料1，保修24個月。", "根據資料[1]，保修24個月。"),
        ("由资料3可知，运费由公司承担。", "由资料[3]可知，运费由公司承担。"),
        ("保修24个月。\n\nSources: 1", "保修24个月。\n\nSources: [1]"),
    ],
)
def test_sources_named_in_running_text_are_marked_in_their_place(answer: str, text: str) -> None:
    texts = EN if answer.isascii() else ZH
    made = check("", answer, [hit(one) for one in texts])
    assert made.text == text
    assert made.problems == []
    assert normalise(text, [hit(one) for one in texts]) == text


@pytest.mark.parametrize(
    "answer",
    [
        "数组为 `[1, 2, 3]`[1]。",
        "```python\nx = arr[0]\nprint(a[2])\n```\n取第一个元素[1]。",
        "~~~\n[2]\n~~~\n如上[1]。",
        '```json\n{"ids": [1, 2]}\n```\n[1]',
        "访问 `list[2]` 会越界[1]。",
        "列表 x[2] 表示第三个元素[1]。",
        "数组 arr[0] 是第一个[1]。",
        "区间为 $[1, 2]$[1]。",
        "区间为 \\([1, 2]\\)[1]。",
        "区间为 \\[ [1, 2] \\] [1]。",
        "区间[1, 2]是闭的[1]。",
        "The interval is [0, 1] [1].",
        "The array [2, 3] has two items [1].",
        "In Table 2, prices rose [1].",
        "文档2023年更新[1]。",
        "资料3份[1]。",
        "See text 3 times daily [1].",
        "面积为9 m<sup>2</sup>[1]。",
        "费用为 $2 [1]，运费为 $3。",
    ],
)
def test_what_is_no_marker_stays_as_it_is(answer: str) -> None:
    hits = [hit("x"), hit("y"), hit("z")]
    assert normalise(answer, hits) == answer
    assert [mark.n for mark in marks(answer, hits)] == [1]


def test_an_interval_of_the_passage_is_none_within_a_clause_and_a_citation_at_its_end() -> None:
    hits = [hit("Values lie in [1, 2]. It works well [1, 2]."), hit("x")]
    assert normalise("Values of [1, 2] are shown [1].", hits) == "Values of [1, 2] are shown [1]."
    assert normalise("It works [1, 2].", hits) == "It works [1][2]."
    assert normalise("It works【1】.", [hit("It works【1】.")]) == "It works[1]."


@pytest.mark.parametrize(
    "answer", ["24 months[1].", "型号X200[1]。", "产品A[1]。", "the IP68[1] phone", "5G[1]", "by survey data[1]."]
)
def test_a_marker_may_stand_directly_after_a_word(answer: str) -> None:
    assert [mark.n for mark in marks(answer, [hit("x")])] == [1]


def test_a_number_without_a_passage_is_named_whatever_the_form() -> None:
    for form in ("[9]", "【9】", "[来源：9]", "[Source 9]"):
        made = check("", f"保修24个月{form}。", [hit(one) for one in ZH])
        assert [(one["kind"], one.get("n")) for one in made.problems] == [("no_such_source", 9), ("uncited", None)]
    assert [one["kind"] for one in check("", "保修24个月（资料9）。", [hit(ZH[0])]).problems][-1] == "uncited"


def test_no_sentence_of_a_document_is_read_as_naming_a_source() -> None:
    hits = [hit("x")] * 9
    for line in (DATA / "cmrc_sample" / "corpus.jsonl").read_text("utf-8").splitlines():
        text = json.loads(line)["text"]
        assert normalise(text, hits) == text
        assert marks(text) == []


def test_the_list_of_sources_at_the_end_stands_for_what_has_no_marker() -> None:
    hits = [hit("保修24个月，屏幕一年，退货7天"), hit("运费由公司承担")]
    for end in ("来源：[2]", "**参考资料**：[2]", "Sources: [2]", "以上信息来自[2]。", "来源：\n[2] a.txt"):
        made = check("", f"保修24个月。屏幕一年[1]。\n\n{end}", hits)
        (problem,) = made.problems
        assert (problem["kind"], problem["cited"], problem["found_in"]) == ("number", [2], [1])
    made = check("", "保修24个月[1]。\n\n参考资料：\n[1] a.txt\n[2] a.txt", hits)
    assert [quote.n for quote in made.quotes] == [1, 2]
    assert made.problems == []


def test_markers_on_a_line_of_their_own_stand_for_the_sentences_before_it() -> None:
    said = sentences("一[1]。二。三。\n[2]\n四。[3]")
    assert [(one.statement, one.marks) for one in said] == [
        ("一。", (1,)),
        ("二。", (2,)),
        ("三。", (2,)),
        ("四。", (3,)),
    ]


def test_a_line_that_leads_to_what_follows_stands_for_it() -> None:
    hits = [hit("保修24个月，退货7天"), hit("服务36个月")]
    made = check("", "根据资料[1]：\n\n- 保修36个月\n- 退货7天\n\n服务36个月。", hits)
    assert [(one["text"], one["found_in"]) for one in made.problems] == [("36个月", [2])]
    assert check("", "根据[1]：", [hit("x y")]).quotes


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_passage_is_named_and_not_quoted(text: str) -> None:
    hits = [hit("保修24个月"), hit(text)]
    made = check("", "保修24个月[1]，见[2]。", hits)
    assert [(one["kind"], one["n"]) for one in made.problems] == [("empty_source", 2)]
    assert [one.n for one in citations(hits, made.quotes)] == [1]


@pytest.mark.parametrize(
    "answer",
    [
        "以下是保修政策：\n1. 整机24个月[1]\n2. 屏幕一年[1]",
        "Here are the key points:\n- 24 months [1]",
        "### 保修政策\n整机24个月[1]。",
        "**Warranty policy**\nThe warranty is 24 months [1].",
        "The warranty is 24 months [1]. I hope this helps!",
        "保修24个月[1]。希望以上信息对您有帮助！如果您还有其他问题，请随时联系我们。",
        "保修24个月[1]。Let me know if you have any questions.",
    ],
)
def test_what_frames_an_answer_needs_no_support(answer: str) -> None:
    texts = EN if "The warranty" in answer or "key" in answer else ZH
    assert verify(answer, [hit(text) for text in texts]) == []


def test_what_nothing_supports_is_named_behind_a_number_and_a_greeting() -> None:
    (problem,) = verify("您好！\n1. 会员享受免费上门取件服务[1]。", [hit(text) for text in ZH])
    assert "上门取件" in problem["sentence"]


def test_brackets_of_a_source_are_written_so_that_they_are_no_markers() -> None:
    for text in ("on translation [12].", "works [1, 2]", "如【3】所述", "see [Source 1]", "a[^4]b"):
        made = unmarked(text)
        assert len(made) == len(text)
        assert marks(normalise(made, [hit("x")] * 20)) == [] or "Source" in text
    assert unmarked("`x[1]` of [2]") == "`x[1]` of (2)"


@pytest.mark.parametrize(
    "piece", ["[1", "`", "$a ", "[1, 2]", "Source 1 and ", "[资料1，", "\\(", "\\[", "(Source 1,", "[1]-", "```\n"]
)
def test_reading_markers_takes_linear_time(piece: str) -> None:
    hits = [hit("x")] * 5

    def seconds(times: int) -> float:
        began = time.process_time()
        sentences(normalise(piece * times, hits), hits)
        return time.process_time() - began

    assert seconds(8000) < 24 * max(seconds(1000), 0.002)
