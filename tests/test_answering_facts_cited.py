"""Facts of a sentence against the passages that it cites: found elsewhere, in the question, clause by clause."""

from __future__ import annotations

import pytest

from ragcli.answering.citing import check
from ragcli.records import Hit, Json


def hit(text: str, **more: object) -> Hit:
    fields = {"id": "c", "document_id": "d", "source": "a.txt", "text": text, "start": 0, "end": len(text)}
    return Hit(**{**fields, "rank": 1, "score": 1.0, **more})  # type: ignore[arg-type]


def problems(answer: str, *passages: str | Hit, question: str = "") -> list[Json]:
    hits = [one if isinstance(one, Hit) else hit(one) for one in passages]
    return [one for one in check(question, answer, hits).problems if "text" in one]


@pytest.mark.parametrize(
    ("answer", "passages", "found"),
    [
        ("张伟教授讲课[1]。", ["刘洋教授讲课", "今天天气很好"], None),
        ("张伟教授讲课[1]。", ["刘洋教授讲课", "张伟教授讲课"], [2]),
        ("请读《史记》[1]。", ["请读汉书", "今天天气很好"], None),
        ("他说“保修三年免费”[1]。", ["保修期内", "今天天气很好"], None),
        ("It is run by Alice Smith there [1].", ["run by Bob Brown there", "the weather is fine"], None),
        ("保修24个月[2]。", ["保修24个月", "退货7天", "也是24个月"], [1, 3]),
    ],
)
def test_another_passage_has_a_fact_only_where_it_does(answer, passages, found):
    made = problems(answer, *passages)
    assert made
    assert {tuple(one.get("found_in") or ()) for one in made} == {tuple(found or ())}


@pytest.mark.parametrize(
    ("question", "answer", "passage"),
    [
        ("保修期是36个月吗？", "是的，保修期是36个月[1]。", "保修期为24个月"),
        ("Is the warranty 36 months?", "Yes, the warranty is 36 months [1].", "The warranty is 24 months."),
        ("2023年营收是多少？", "2023年营收为12亿元[1]。", "2022年营收为12亿元"),
        ("保修期是36个月吗？", "是的，您的保修期是36个月[1]。", "保修期为24个月"),
    ],
)
def test_a_number_that_only_the_question_has_is_a_problem(question, answer, passage):
    (made,) = problems(answer, passage, question=question)
    assert made["in_question"] is True


@pytest.mark.parametrize(
    ("question", "answer", "passage"),
    [
        ("保修期是36个月吗？", "不是，保修期是24个月，而不是36个月[1]。", "保修期为24个月"),
        ("Is it 36 months?", "No, it is 24 months, not 36 [1].", "The warranty is 24 months."),
        ("我工作12年有几天年假？", "您工作了12年，可享受10天年休假[1]。", "满10年的，年休假10天"),
        ("张伟在哪里工作？", "张伟教授在这里工作[1]。", "他在这里工作"),
    ],
)
def test_what_the_answer_denies_or_takes_as_the_askers_case_is_none(question, answer, passage):
    assert problems(answer, passage, question=question) == []


def test_clauses_are_checked_against_their_own_markers():
    passages = ("退货7天", "保修24个月")
    made = problems("保修24个月[1]，退货7天[2]。", *passages)
    assert [(one["text"], one["cited"], one["found_in"]) for one in made] == [("24个月", [1], [2]), ("7天", [2], [1])]
    assert problems("保修24个月[2]，退货7天[1]。", *passages) == []
    assert problems("保修24个月，退货7天[1][2]。", *passages) == []
    assert problems("资料[2]说明保修24个月，资料[1]说明退货7天。", *passages) == []
    assert problems("根据[2]，保修24个月，退货7天[1]。", *passages) == []
    swapped = problems("The warranty is 24 months [1], and returns take 7 days [2].", "7 days", "24 months")
    assert [one["text"] for one in swapped] == ["24 months", "7 days"]


def test_pages_may_be_named_and_a_path_is_no_source_of_numbers():
    assert problems("根据手册第3页，保修24个月[1]。", hit("保修24个月", pages=[3])) == []
    assert problems("According to page 3, it is so [1].", hit("It is so.", pages=[3])) == []
    assert [one["text"] for one in problems("保修36个月[1]。", hit("保修24个月", source="docs/36/a.txt"))] == ["36个月"]
    assert problems("《产品手册.pdf》规定保修24个月[1]。", hit("保修24个月", source="data/产品手册.pdf")) == []


def test_a_count_of_what_is_listed_after_the_sentence_is_right():
    assert problems("有以下两种情况：\n- 保修24个月[1]\n- 屏幕[1]", "保修24个月，屏幕") == []
    made = problems("有以下三种情况：\n- 保修24个月[1]\n- 屏幕[1]", "保修24个月，屏幕")
    assert [one["text"] for one in made] == ["三种"]


def test_a_sentence_of_many_facts_is_not_told_whole_with_each():
    answer = "The values are " + ", ".join(str(1000 + 7 * n) for n in range(300)) + " [1]."
    cited = check("q", answer, [hit("There are two values.")])
    assert len(cited.problems) == 300
    assert all(len(one["sentence"]) < 320 for one in cited.problems)
