"""How well each clause of the hits answers a question: shared terms, their rarity, nearness, kind of answer.

Pure functions, no model. A question's terms weigh by how rare they are among the clauses of its own hits. A clause
counts the terms it holds in full, those of the clauses beside it in part (the answer often follows the words that
the question repeats), and those of the title and headings a little. A question that asks for a number, a time, a
person, a place or a reason prefers clauses that hold one that the question itself does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragcli.answering.passages import Unit, fold_aligned, occurrences, units
from ragcli.answering.terms import MAX_TERMS, bounded, fold, grammar, terms
from ragcli.records import Hit

SAME_SENTENCE = 0.8
BESIDE = 0.6
NEAR = 0.4
CONTEXT = 0.7
WEAK = 0.5
KIND = 0.3
RANK = 0.07
LEAST_CLAUSES = 50  # rarity among fewer clauses says little

_KINDS: tuple[tuple[str, re.Pattern[str], re.Pattern[str]], ...] = (
    (
        "time",
        re.compile(
            r"何时|什么时候|什么时间|哪[一]?[年天日月]|几[年月日号]|年份|日期|哪个?(?:年代|世纪|朝代|时期|月)|"
            r"\bwhen\b|\bwhat (?:year|date|day|"
            r"month)\b|\bwhich (?:year|date|day|month)\b"
        ),
        re.compile(
            r"(?<!\d)\d+\s*(?:年|月|日|世纪|时|點|点)|[一二三四五六七八九十]+(?:年|月|日|世纪)|年代|时期|朝|"
            r"\b1\d{3}\b|\b20\d\d\b|\b(?:january|"
            r"february|march|april|may|june|july|august|september|october|november|december|century|"
            r"spring|summer|autumn|winter|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b"
        ),
    ),
    (
        "number",
        re.compile(
            r"多少|几|多[长高大远久重深宽快厚]|比例|面积|人口|\bhow (?:many|much|long|far|old|tall|high|large|"
            r"big|fast|wide|deep|"
            r"heavy|often)\b"
        ),
        re.compile(
            r"\d|"
            r"[一二三四五六七八九十百千万亿两]+[个名位种条座部次届岁年月天日章人家张间层所支只枚项件元米公里吨倍%％]|"
            r"\b(?:two|three|four|five|six|seven|"
            r"eight|nine|ten|eleven|twelve|dozen|twenty|thirty|forty|fifty|hundred|thousand|million|half|twice|"
            r"once)\b"
        ),
    ),
    (
        "reason",
        re.compile(r"为什么|为何|原因|因何|因什么|\bwhy\b|\breason\b"),
        re.compile(
            r"因|由于|所以|为了|導致|导致|使得|\b(?:because|since|due|owing|so|therefore|order|reason|avoid|"
            r"cause[ds]?)\b"
        ),
    ),
    (
        "place",
        re.compile(
            r"哪里|哪儿|何地|何处|什么地方|哪[一个]?[个]?(?:省|市|县|区|国家|国|城市|州|地方|地区|城)|"
            r"\bwhere\b|\b(?:which|what) (?:country|"
            r"city|place|town|continent|state|region)\b"
        ),
        re.compile(r"[省市县區区国州镇村岛路街港山]|位于|\b(?:in|at|near|on|from)\b"),
    ),
    (
        "name",
        re.compile(r"又叫|叫什么|别名|又称|称为|名字|名称|叫做|全称|简称|俗称|本名|原名|\b(?:called|named|name)\b"),
        re.compile(r"[称名叫即]|又作|\b(?:called|named|known|name)\b"),
    ),
)


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it is looked for: its terms by number, how much each means, and what kind of answer it wants."""

    text: str
    pairs: dict[str, int]
    words: dict[str, int]
    meaning: list[float]
    kinds: tuple[re.Pattern[str], ...]
    folded: str


@dataclass(frozen=True, slots=True)
class Scored:
    """A hit's clauses with their scores; ``values`` is as long as ``clauses``."""

    hit: int
    clauses: list[Unit]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the hits hold for a question: the scored clauses and how much of the question is found at all.

    ``found`` is the weight of the terms that the best hit holds, as a part (0-1) of the weight of all.
    """

    hits: list[Scored]
    found: float


def read_question(question: str) -> Query:
    """Return the terms and the kind of a question."""
    text = bounded(question)
    asked = terms(text, question=True)
    pairs: dict[str, int] = {}
    words: dict[str, int] = {}
    meaning: list[float] = []
    for term in sorted(asked.strong, key=lambda term: (-grammar(term), term))[:MAX_TERMS]:
        weight = grammar(term)
        if weight:
            (words if _is_word(term) else pairs)[term] = len(meaning)
            meaning.append(weight)
    for term in sorted(asked.weak)[:MAX_TERMS]:
        pairs[term] = len(meaning)
        meaning.append(WEAK)
    folded = fold(text)
    kinds = tuple(sign for _, ask, sign in _KINDS if ask.search(folded))
    return Query(text, pairs, words, meaning, kinds, folded)


def _is_word(term: str) -> bool:
    return not (
        "\u3005" <= term[0] <= "\u9fff"
        or "\uac00" <= term[0] <= "\ud7af"
        or "\uf900" <= term[0] <= "\ufaff"
        or term[0] >= "\U00020000"
    )


def gather(question: Query, hits: Sequence[Hit]) -> Evidence:
    """Score every clause of every hit."""
    cut = [units(hit.text) for hit in hits]
    held = [
        occurrences(hit.text, [unit.start for unit in clauses], question.pairs, question.words)
        for hit, clauses in zip(hits, cut, strict=True)
    ]
    around = [_context(question, hit) for hit in hits]
    total = max(LEAST_CLAUSES, sum(map(len, cut)))
    count = [0] * len(question.meaning)
    for units_of_hit in held:
        for numbers in units_of_hit.values():
            for number in numbers:
                count[number] += 1
    weights = [
        meaning * math.log(1 + (total - n + 0.5) / (n + 0.5))
        for meaning, n in zip(question.meaning, count, strict=True)
    ]
    whole = sum(weights) or 1.0
    scored: list[Scored] = []
    best = 0.0
    for index, (clauses, found, context) in enumerate(zip(cut, held, around, strict=True)):
        values = _values(question, hits[index].text, clauses, found, context, weights, whole)
        prior = 1 - RANK * min(index, 5)
        scored.append(Scored(index, clauses, [value * prior for value in values]))
        present = set(context).union(*found.values()) if found else set(context)
        best = max(best, sum(weights[number] for number in present) / whole)
    return Evidence(scored, best)


def _context(question: Query, hit: Hit) -> set[int]:
    around = "\n".join(part for part in (hit.title or "", *hit.headings, hit.header) if part)
    if not around:
        return set()
    held = occurrences(around, [0], question.pairs, question.words)
    return held.get(0, set())


def _values(
    question: Query,
    text: str,
    clauses: list[Unit],
    found: dict[int, set[int]],
    context: set[int],
    weights: list[float],
    whole: float,
) -> list[float]:
    values = [0.0] * len(clauses)
    touched = {near for at in found for near in range(at - 3, at + 4) if 0 <= near < len(clauses)}
    nothing: set[int] = set()
    by_sentence: dict[int, set[int]] = {}
    for at, numbers in found.items():
        by_sentence.setdefault(clauses[at].sentence, set()).update(numbers)
    for at in touched:
        unit = clauses[at]
        own = found.get(at, nothing)
        best: dict[int, float] = dict.fromkeys(context, CONTEXT)
        for numbers, part in (
            (nothing if unit.row else by_sentence.get(unit.sentence - 1, nothing), NEAR),
            (by_sentence.get(unit.sentence, nothing), SAME_SENTENCE),
            (nothing if unit.row else found.get(at - 1, nothing), BESIDE),
            (own, 1.0),
        ):
            for number in numbers:
                if best.get(number, 0.0) < part:
                    best[number] = part
        value = sum(weights[number] * part for number, part in best.items()) / whole
        if question.kinds:
            piece, _ = fold_aligned(text[unit.start : unit.end])
            for sign in question.kinds:
                if any(match.group() not in question.folded for match in sign.finditer(piece)):
                    value *= 1 + KIND
                    break
        values[at] = value
    return values
