"""Prompts that fit, and what else a model's answer goes through: no endpoint, a model that says what it is told to."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from ragcli.answering.calibrating import is_answerable
from ragcli.answering.extractive import Extractive
from ragcli.answering.model import ModelAnswerer
from ragcli.answering.protocols import Asked, Reply
from ragcli.errors import InputError
from ragcli.llms import estimate
from ragcli.llms.protocols import Completion, ContextError, Message, Sampling
from ragcli.records import Hit, Result

GOOD = "保修期为24个月。"


class Scripted:
    """A model whose tokens are characters, and which says always the same."""

    name, parallel, special, batch = "scripted", 1, (), 4

    def __init__(self, text: str = "保修期为24个月[1]。", window: int | None = None, read: int | None = None) -> None:
        self.text, self.window, self.read = text, window, read
        self.seen: list[Sequence[Message]] = []

    def count(self, messages: Sequence[Message], tools: Sequence[Any] = ()) -> int:
        return sum(len(one["content"]) for one in messages)

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Any] = ()
    ) -> Generator[str, None, Completion]:
        self.seen.append(messages)
        yield self.text
        usage = {} if self.read is None else {"prompt_tokens": self.read}
        return Completion(text=self.text, usage=usage)

    def complete_batch(self, prompts: Sequence[Sequence[Message]], sampling: Sampling) -> list[Completion]:
        return [Completion(text=self.text) for _ in prompts]

    def close(self) -> None:
        pass


def hit(text: str = GOOD, rank: int = 1, **more: Any) -> Hit:
    return Hit(
        id=f"c{rank}", document_id="d", source="a.txt", text=text, start=0, end=len(text), rank=rank, score=1.0, **more
    )


def ask(llm: Scripted, *hits: Hit, most: int = 100) -> Reply:
    answerer = ModelAnswerer(llm, sampling=Sampling(max_tokens=most))
    return answerer.reply(Asked(question="保修期多久？", hits=hits, threshold=0.0))


@pytest.mark.parametrize(
    ("first", "characters"),
    [
        (hit(title="标题" * 3000), 5700),
        (hit(headings=["章" * 2000, "节" * 2000]), 3700),
        (hit(header="表头" * 3000), 5000),
    ],
)
def test_long_names_and_headers_are_bounded_and_named(first: Hit, characters: int) -> None:
    llm = Scripted(window=3000)
    made = ask(llm, first, hit(rank=2))
    assert made.extra["prompt"]["contexts"] == 2
    (lost,) = made.extra["prompt"]["left_out"]
    assert lost == {"rank": 1, "chunk_id": "c1", "source": "a.txt", "characters": characters}
    assert "…" in llm.seen[0][-1]["content"]


def test_a_first_passage_that_does_not_fit_is_passed_over() -> None:
    llm = Scripted(window=800)
    made = ask(llm, hit("长" * 79, header="表头" * 300), hit(rank=2), hit(rank=3))
    prompt = made.extra["prompt"]
    assert prompt["contexts"] == 2
    assert [(one["rank"], one["characters"]) for one in prompt["left_out"]] == [(1, 79)]
    assert [quote.hit for quote in made.quotes] == [0]
    assert made.hits is not None
    assert made.hits[0].id == "c2"
    with pytest.raises(ContextError, match="not one passage"):
        ask(Scripted(window=800), hit("长" * 79, header="表头" * 300))


def test_backticks_leave_room_for_the_text() -> None:
    made = ask(Scripted(window=8000), hit("`" * 5000 + GOOD), hit(rank=2))
    assert made.extra["prompt"]["contexts"] == 2
    assert "left_out" not in made.extra["prompt"]


def test_answers_of_a_batch_have_no_thinking() -> None:
    asked = [Asked(question="保修期多久？", hits=[hit()], threshold=0.0)]
    (made,) = ModelAnswerer(Scripted("<think>99 个月？</think>\n保修期为24个月[1]。")).replies(asked)
    assert isinstance(made, Reply)
    assert made.text == "保修期为24个月[1]。"
    (error,) = ModelAnswerer(Scripted("<think>99 个月？")).replies(asked)
    assert "wrote nothing" in str(error)


@pytest.mark.parametrize(
    ("text", "tokens"),  # tokens of SmolLM2, whose tokenizer has 49,152
    [
        (("Name" + " " * 60 + "Value" + " " * 60 + "12\n") * 30, 360),
        (("|" + "-" * 80 + "|" + "-" * 60 + "|\n") * 20, 190),
        ("=" * 3000, 79),
        (("| Name" + " " * 40 + "| Value" + " " * 40 + "|\n|" + "-" * 45 + "|" + "-" * 46 + "|\n") * 20, 350),
        ("internationalization responsibilities characteristics " * 30, 151),
        ("The warranty lasts for twenty-four months after the date of purchase. " * 20, 311),
    ],
)
def test_a_prompt_that_was_read_is_not_called_cut(text: str, tokens: int) -> None:
    least = estimate.least([{"role": "user", "content": text}])
    assert least <= tokens


def test_a_prompt_of_which_half_was_read_is_called_cut() -> None:
    text = "The warranty lasts for twenty-four months after the date of purchase. " * 20
    made = ask(Scripted("It is 24 months [1].", read=150), hit(text))
    assert [one["kind"] for one in made.extra["problems"]] == ["prompt_cut"]
    made = ask(Scripted("保修期为24个月[1]。", read=300), hit("保修期为24个月，自购买之日起计算。" * 60))
    assert [one["kind"] for one in made.extra["problems"]] == ["prompt_cut"]


def test_brackets_of_the_source_are_no_markers_of_an_extractive_answer() -> None:
    text = "Transformers reach a BLEU score of 28.4 on translation [12]."
    asked = Asked(question="What BLEU score do transformers reach on translation?", hits=[hit(text)])
    made = Extractive().reply(asked)
    assert made.text == "Transformers reach a BLEU score of 28.4 on translation (12).[1]"
    (quote,) = made.quotes
    assert text[quote.start : quote.end] == text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"answers": {"text": [], "answer_start": []}}, False),
        ({"answers": {"text": ["two years"], "answer_start": [3]}}, True),
        ({"answers": [""]}, False),
        ({"answers": [{"text": "", "answer_start": -1}]}, False),
        ({"answers": [{"text": "两年", "answer_start": 1}]}, True),
        ({"answers": ["x"], "answerable": "false"}, False),
        ({"answers": ["x"], "answerable": 0}, False),
        ({"answers": [], "answerable": "True"}, True),
        ({"answers": ["x"], "is_impossible": True}, False),
        ({"answers": [], "is_impossible": False}, True),
        ({"answers": None}, False),
        ({"answer": 0}, True),
        ({"unanswerable": 1}, False),
    ],
)
def test_what_a_line_says_of_its_answer(said: dict[str, Any], expected: bool) -> None:
    assert is_answerable(Result(id="1", query="q", extra=said)) == expected


def test_a_line_that_says_nothing_of_its_answer_is_an_error() -> None:
    with pytest.raises(InputError, match="does not say"):
        is_answerable(Result(id="1", query="q", extra={"answerable": "perhaps"}))
