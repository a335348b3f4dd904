"""The ask stage: exact citations, both languages, refusals, bounds, hostile text, no heavy imports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.answering import Asked, Extractive, Quote, Reply, answer, open_answerer
from ragcli.answering.citations import cite
from ragcli.answering.passages import units
from ragcli.answering.protocols import OnText
from ragcli.errors import UsageError
from ragcli.jsonl import dumps
from ragcli.records import Answer, Hit, Result
from ragcli.report import Report

ZH = "本产品由甲公司生产，外壳为铝合金。保修期为三年，自购买之日起计算。电池不在保修范围之内。"
EN = "The kettle is made by Acme. Its warranty lasts three years from the day of purchase. The cable is not covered."


def hit(text: str, rank: int = 1, *, document: str = "d", start: int = 0, pages: Sequence[int] = ()) -> Hit:
    return Hit(
        id=f"c{rank}",
        document_id=document,
        source=f"{document}.pdf",
        text=text,
        start=start,
        end=start + len(text),
        pages=list(pages),
        rank=rank,
        score=1 / rank,
    )


def ask(question: str, *hits: Hit, most: int = 200) -> Answer:
    (made,) = answer([Result(id="q", query=question, hits=list(hits))], Extractive(most))
    check(made, list(hits))
    return made


def check(made: Answer, hits: list[Hit]) -> None:
    """What holds of every answer: exact quotes, markers in order, labelled, and a refusal has no source."""
    assert made.model == "extractive"
    assert made.extra["extractive"] is True
    assert made.refused == (not made.citations)
    by_id = {one.id: one for one in hits}
    for n, citation in enumerate(made.citations, 1):
        source = by_id[citation.chunk_id]
        assert citation.n == n
        assert citation.start is not None
        assert citation.end is not None
        assert source.text[citation.start - source.start : citation.end - source.start] == citation.quote != ""
        assert citation.source == source.source
        assert f"{citation.quote}[{n}]" in made.answer


def test_a_chinese_question_is_answered_with_its_source() -> None:
    made = ask("保修期多久？", hit("目录与前言。", 1, document="a"), hit(ZH, 2, document="b", start=100, pages=[7]))
    assert "保修期为三年" in made.citations[0].quote
    assert (made.citations[0].source, made.citations[0].page) == ("b.pdf", 7)
    assert made.answer.endswith("[1]")
    assert made.citations[0].start == 100 + ZH.index(made.citations[0].quote)


def test_an_english_question_is_answered_with_its_source() -> None:
    made = ask("How long does the warranty last?", hit(EN, pages=[2, 3]))
    assert "three years" in made.citations[0].quote
    assert made.citations[0].page == 2
    assert made.citations[0].extra["pages"] == [2, 3]


def test_the_kind_of_answer_decides_between_like_clauses() -> None:
    text = "张三在工厂工作，工厂很大。张三在工厂工作了十五年。张三在工厂工作，同事很多。"
    made = ask("张三在工厂工作了多少年？", hit(text), most=30)
    assert "十五年" in made.answer


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("法国的首都在哪里？", "文档中没有找到这个问题的答案。"),
        ("Who painted it?", "The documents do not answer this question."),
    ],
)
@pytest.mark.parametrize("hits", [[], [hit("")], [hit(" \n\t")], [hit(ZH), hit(EN, 2)]])
def test_what_is_not_there_is_refused_in_the_questions_language(question: str, sentence: str, hits: list[Hit]) -> None:
    made = ask(question, *hits)
    assert made.refused
    assert made.answer == sentence
    assert made.citations == []


@pytest.mark.parametrize("question", ["", "？", "什么", "what is the", "   ", "\x00", "🙂", "\ud800", "的"])
def test_a_question_that_asks_nothing_is_refused(question: str) -> None:
    assert ask(question, hit(ZH), hit(EN, 2)).refused


def test_overlapping_chunks_are_not_quoted_twice() -> None:
    first, second = hit(ZH[:34], 1), hit(ZH[16:], 2, start=16)
    made = ask("保修期为多少年？自何日起计算？", first, second)
    places = sorted((one.start or 0, one.end or 0) for one in made.citations)
    assert places
    assert all(end <= start for (_, end), (start, _) in pairwise(places))


def test_the_same_words_in_two_documents_are_quoted_once() -> None:
    made = ask("保修期为多少年？", hit(ZH, 1, document="a"), hit(ZH, 2, document="b"))
    assert made.answer.count("保修期为三年") == 1


@pytest.mark.parametrize("most", [20, 50, 200, 1000])
def test_the_answer_keeps_to_its_bound(most: int) -> None:
    text = "保修期" * 200 + "。" + "保修期很长，" * 50 + "保修期是三年。"
    made = ask("保修期多久？", hit(text), hit("The warranty " * 300, 2, document="e"), most=most)
    assert not made.refused
    assert len(made.answer) <= most


def test_too_small_a_bound_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="19 characters"):
        Extractive(19)


def test_every_result_gets_one_answer_in_order_and_the_counts_add_up() -> None:
    results = [
        Result(id="1", query="保修期多久？", hits=[hit(ZH)], extra={"answers": ["三年"]}),
        Result(id="2", query="Where?", hits=[]),
        Result(id="3", query="How long is the warranty?", hits=[hit(EN)]),
    ]
    report = Report("ask")
    made = list(answer(results, open_answerer(None), report=report))
    assert [(one.id, one.question, one.refused) for one in made] == [
        ("1", "保修期多久？", False),
        ("2", "Where?", True),
        ("3", "How long is the warranty?", False),
    ]
    assert made[0].extra == {"answers": ["三年"], "extractive": True, "support": made[0].extra["support"]}
    assert made[0].extra["support"] > 0.145 > made[1].extra["support"]
    assert made[1].extra["refused_by"] == "retrieval"
    assert all(one.seconds >= 0 for one in made)
    assert report.counts == {"results_in": 3, "answered": 2, "refused": 1}
    assert Answer.from_dict(made[0].to_dict()) == made[0]


def test_answers_come_before_the_next_result_is_read() -> None:
    read: list[str] = []

    def results() -> Iterator[Result]:
        for name in "ab":
            read.append(name)
            yield Result(id=name, query="保修期？", hits=[hit(ZH)])

    made = answer(results(), open_answerer("extractive"))
    assert read == []
    assert next(made).id == "a"
    assert read == ["a"]


def test_the_stage_checks_its_answerer_at_once() -> None:
    with pytest.raises(TypeError, match="reply"):
        answer([], "extractive")  # type: ignore[arg-type]


def test_a_quote_outside_its_hit_is_a_bug_that_shows() -> None:
    class Wrong(Extractive):
        def reply(self, asked: Asked, on_text: OnText | None = None) -> Reply:
            return Reply(text="x [1]", quotes=[Quote(0, 0, len(asked.hits[0].text) + 1)])

    with pytest.raises(ValueError, match="no slice"):
        next(answer([Result(id="q", query="?", hits=[hit("ab")])], Wrong()))
    with pytest.raises(ValueError, match="no slice"):
        cite(1, hit("ab"), 1, 1)


def test_another_answerer_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="there is no model 'gpt-4o'") as raised:
        open_answerer("gpt-4o")
    assert "openai:NAME" in (raised.value.hint or "")


HOSTILE = [
    "\x00保修期\x00为三年。\x00",
    "保修期\ud800为三年，\udfff完。",
    "\u202e保修期为三年\u202c。",
    "保修期🙂👨‍👩‍👧为三年🇨🇳。",
    "保修期为三年\u2028下一行",
    "e\u0301 ﬁ ½ 保修期为三年",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_odd_characters_are_quoted_as_they_stand(text: str) -> None:
    made = ask("保修期为几年？", hit(text))
    assert "保修期" in made.answer or "三年" in made.answer
    assert dumps(made.to_dict())


def test_a_question_of_20_000_characters_is_answered() -> None:
    made = ask("请看下面的长篇背景。" + "背景" * 9_985 + "保修期为几年，自购买之日起计算？", hit(ZH))
    assert len(made.question) > 20_000 - 100
    ask("x" * 20_000, hit("x" * 20_000), hit(ZH, 2))
    ask("".join(map(chr, range(0x4E00, 0x4E00 + 20_000))), hit(ZH))


@pytest.mark.parametrize(
    "text",
    [
        "填充文字，" * 100_000 + ZH + "没有关系。" * 100_000,
        "保" * 500_000 + ZH + "修" * 500_000,
        "保修期，" * 250_000 + ZH,
        "word " * 200_000 + ZH,
        "," * 500_000 + ":" * 500_000 + ZH,
        " -" * 250_000 + " " * 500_000 + ZH,
        "e\u0301" * 500_000 + ZH,
    ],
)
def test_a_chunk_of_a_million_characters_is_answered(text: str) -> None:
    made = ask("保修期为三年吗？自何日起计算？", hit(text))
    assert not made.refused
    assert len(made.answer) <= 200


@settings(max_examples=150, deadline=None)
@given(
    question=st.text(alphabet="保修期多久年ab 1？。\x00🙂\ud800", max_size=20),
    texts=st.lists(st.text(alphabet="保修期三年是，。：ab12 .\n🙂\u0301\x00\ud800½", max_size=120), max_size=4),
    most=st.integers(20, 250),
)
def test_any_text_gives_exact_quotes_within_the_bound(question: str, texts: list[str], most: int) -> None:
    made = ask(question, *(hit(text, rank, start=rank * 7) for rank, text in enumerate(texts, 1)), most=most)
    assert made.refused or len(made.answer) <= most


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet="保修，。；：ab .\n\t🙂\u200d\u0301", max_size=600))
def test_clauses_are_in_order_bounded_and_lose_no_character(text: str) -> None:
    cut = units(text)
    assert all(0 < one.end - one.start <= 120 for one in cut)
    assert all(one.end <= two.start for one, two in pairwise(cut))
    assert "".join("".join(text[one.start : one.end] for one in cut).split()) == "".join(text.split())


def test_no_heavy_import() -> None:
    code = (
        "import sys; from ragcli.answering import Extractive, answer\n"
        "from ragcli.records import Result\n"
        "list(answer([Result(id='q', query='x')], Extractive()))\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("numpy", "torch", "transformers", "pyarrow", "lance", "lancedb", "onnxruntime", "httpx", "typer"):
        assert f"'{heavy}'" not in done.stdout
