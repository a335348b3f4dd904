"""What a model wrote, read as a question and an answer: JSON, also within other words, or two lines. Pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ragcli.answering.terms import language
from ragcli.jsonl import loads
from ragcli.questioning.drafts import MOST_QUESTION
from ragcli.questioning.wording import is_question

_MOST_READ = 8000  # characters of a reply
_QUESTIONS = ("question", "问题", "q", "题目")
_ANSWERS = ("answer", "答案", "a", "回答")
_LINES = re.compile(
    r"^[\s*#\-\d.)]*(?P<key>question|answer|问题|题目|答案|回答|Q|A|问|答)[\s*]*\d*[\s*]*[:：][\s*]*(?P<value>.*\S)?[\s*]*$",
    re.I | re.M,
)
_ASKED = frozenset(("question", "问题", "题目", "q", "问"))
# What only makes sense beside the text.
_POINTS = re.compile(
    r"本文|文中|上文|下文|上述|该文|此文|这段|该段|这篇|这份(?:资料|文档|文件)|该(?:资料|文档|段落|文本)|(?:根据|依据|按照|据)(?:以上|上面|资料|文档|文本|段落|原文|所给|给出)"
    r"|资料[中里]|文档[中里]提|文本[中里]|段落[中里]|原文"
    r"|\b(?:this|the|that|given|above|provided)\s(?:text|passage|document|excerpt|paragraph|section|article|source|context|snippet)\b"
    r"|\babove\b|\bmentioned\sin\b|\baccording\sto\sthe\s(?:text|passage|document|author)\b",
    re.IGNORECASE,
)
_ASKS_EN = re.compile(
    r"^(?:in|on|at|for|by|to|from|with|under|during|according)?\b.*\b(?:who|what|when|where|why|how|which|whom|whose|is|are|does|do|did|can|name)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a model says: a question, and an answer where one was wanted."""

    question: str
    answer: str


def read(text: str) -> Said | None:
    """Return the question and the answer in a model's reply, or None where it has no form that is known.

    An empty question means that the model found nothing to ask.
    """
    text = text[:_MOST_READ]
    found: dict[str, object] | None = None
    for start in (match.start() for match in re.finditer(r"\{", text)):
        for end in (match.end() for match in re.finditer(r"\}", text[start:])):
            try:
                value = loads(text[start : start + end].encode("utf-8", "replace"))
            except ValueError:
                continue
            if isinstance(value, dict) and any(key.lower() in _QUESTIONS for key in value):
                found = {key.lower(): item for key, item in value.items()}
                break
        if found is not None:
            return Said(_first(found, _QUESTIONS), _first(found, _ANSWERS))
    lines: dict[str, str] = {}
    for match in _LINES.finditer(text):
        lines.setdefault("q" if match["key"].lower() in _ASKED else "a", (match["value"] or "").strip())
    return Said(lines["q"].strip("*` "), lines.get("a", "").strip("*` ")) if "q" in lines else None


def _first(found: dict[str, object], keys: tuple[str, ...]) -> str:
    value = next((found[key] for key in keys if key in found), "")
    if isinstance(value, list) and value:
        value = value[0]
    return str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def wrong_question(question: str, wanted: str) -> tuple[str, str] | None:
    """Return why a question is none that can be used (a word that is counted, and more for a person), or None.

    Args:
        question: one line.
        wanted: the language of its chunk.
    """
    if not 4 <= len(question) <= MOST_QUESTION or "\n" in question:
        return "not_a_question", f"{len(question)} characters"
    if not is_question(question) and not (
        _ASKS_EN.search(question) if wanted == "en" else re.search("什么|多少|几|哪|谁|吗|何|怎", question)
    ):
        return "not_a_question", "it asks nothing"
    if language(question) != wanted:
        return "other_language", f"it is in another language than its text ({wanted})"
    if (points := _POINTS.search(question)) is not None:
        return "points_at_text", f"“{points.group()}” says nothing to who has not seen the text"
    return None
