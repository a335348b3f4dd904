"""Questions from what a document says about itself: titles, headings, questions and answers, fields of a record.

Nothing is guessed: a heading that is a question is asked as it stands, a field is asked for by its name, a title is
asked about where the text defines it. Answers are what stands there, word for word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragcli.answering.terms import Language, terms
from ragcli.questioning.drafts import Draft, text_language
from ragcli.questioning.wording import about, is_question, is_within, lowered, quoted, subject
from ragcli.records import Chunk
from ragcli.splitting.sentences import sentence_spans

_LEAST_ANSWER: dict[Language, int] = {"zh": 8, "en": 25}
_MOST_ANSWER = 200
_LINE = re.compile(r"^[ \t]*(?P<marks>#{1,6}[ \t]+)?(?P<text>\S.*?)[ \t]*#*$", re.M)
_ASKED = re.compile(
    r"^[ \t*#>-]*(?:Q|Question|问题?|提问|question)[ \t\d*]*[:：.][ \t*]*(?P<question>\S.{3,200}?)[ \t*]*\n+"
    r"[ \t*#>-]*(?:A|Answer|答案?|回答|answer)[ \t*]*[:：.][ \t*]*(?P<answer>\S.*)",
    re.M,
)
_FIELD = re.compile(r"^(?P<name>[^\W\d][^:：\n|#*`<>{}]{1,30}?)\s?[:：][ \t]*(?P<value>\S[^\n]{0,80})$", re.M)
_RECORDS = frozenset(("csv", "tsv", "xlsx", "xls", "ods", "json", "jsonl"))
_NO_FIELD = re.compile(
    r"(?:id|name|title|url|link|note|source|名称|标题|序号|编号|链接|备注|姓名|text|question|answer|问题|答案|.*column.*\d|unnamed.*|列\d*|字段\d*)$",
    re.I,
)
_LEAST_TERMS = 3
_LONG_NAME, _NO_NAME = 40, re.compile(r"[?？:：\[\]<>{}！!。]")  # what is a sentence or an error, and names no thing
_MARK_UP = re.compile(r"[|`<>{}=]|\w\([\"']|\w\.\w+\(|https?:|^\W*$|^[-*+•]\s|^\d+[.)、]\s")
_PERSON = re.compile(
    r"(?:[运动球演成党议官委职]员|[^国一多两几]家|人物|[诗商军词艺主持]人|男人|女人|学者|歌手|选手|棋手|骑手|导演|教授|讲师|律师|医师|工程师|摄影师|设计师"
    r"|演员|童星|偶像|模特儿?|声优|教练|主席|总统|总理|首相|皇帝|国王|皇后|王后|公主|王子|亲王|妃子?|将军|将领|武将|上将|中将|少将|院士|博士|武士"
    r"|部长|校长|市长|州长|省长|记者|牧师|主教|僧人|大臣|宰相|大名|藩主|领袖|君主|统治者|创始人|发言人|之子|之女|之妻|妻子|儿子|女儿)$"
)
_UNFINISHED = re.compile(r"^[在由于从以]|[在于自由从](?!.*的[^的而并因被受将会]{1,12}$)")
_DEFINED_ZH = (
    r"(?:[（(][^（）()]{0,80}[）)])*\s*[，,]?\s*(?:[^，。；是为]{2,14}[，,])?(?P<verb>是指|是|为|指的?是|指)"
    r"(?P<answer>[^，。；！？\n]{6,80})(?=[，。；])"
)
_DEFINED_EN = (
    r"(?:\s\([^()]{0,80}\))?,?\s(?:is|are|was|were)\s"
    r"(?P<answer>(?:an?|the|one of)\s[^.;:?!\n]{15,160}?)(?=[.;]\s|[.;]$|,\s(?:which|who|and|but|where)\b)"
)


def drafts(chunk: Chunk) -> Iterator[Draft]:
    """Yield the questions of a chunk's titles, headings and fields, best first."""
    language = text_language(chunk.text)
    yield from _pairs(chunk)
    yield from _sections(chunk, language)
    yield from _fields(chunk)
    yield from _definition(chunk, language)


def _draft(
    chunk: Chunk,
    language: Language,
    question: str,
    start: int,
    end: int,
    name: str,
    evidence: str = "",
    other: str = "",
) -> Draft:
    answer = chunk.text[start:end]
    return Draft(
        question=question,
        answer=answer,
        chunk=chunk,
        made_by="heading",
        language=language,
        evidence=evidence or answer,
        subject=name,
        elsewhere=other,
    )


def _pairs(chunk: Chunk) -> Iterator[Draft]:
    """A question and its answer that the document writes below one another."""
    for match in _ASKED.finditer(chunk.text):
        span = _first_sentence(chunk.text, match.start("answer"), len(chunk.text), text_language(match["answer"]))
        if span is not None:
            question = match["question"].strip(" *")
            yield _draft(chunk, text_language(question), question, *span, "")


def _sections(chunk: Chunk, language: Language) -> Iterator[Draft]:
    """A heading and the first sentence below it."""
    names = {" ".join(name.split()) for name in chunk.headings}
    title = subject(chunk.title)
    found = [
        match for match in _LINE.finditer(chunk.text) if match["marks"] or " ".join(match["text"].split()) in names
    ]
    for at, match in enumerate(found):
        end = found[at + 1].start() if at + 1 < len(found) else len(chunk.text)
        span = _first_sentence(chunk.text, match.end(), end, language)
        heading = " ".join(match["text"].split()).strip("*_ ")
        if span is None or is_within(heading, chunk.title or "") or text_language(heading) != language:
            continue
        if is_question(heading):
            if len(terms(heading, question=True).strong) < _LEAST_TERMS:
                continue  # “How good is it?” asks about nothing by itself
            yield _draft(chunk, language, subject(heading) or heading, *span, "")
            continue
        name = subject(heading)
        if not terms(heading).strong & terms(chunk.text[slice(*span)]).strong:
            continue  # what stands below speaks of something else first
        if not name or len(name) > _LONG_NAME or re.search(r"[:：,，;；.。]$", name):
            continue
        within = title if title and not is_within(title, name) else ""
        if language == "zh":
            question = f"{quoted(within)}里关于“{name}”是怎么说的？" if within else f"文档里关于“{name}”是怎么说的？"
        else:
            question = (
                f"What does “{within}” say about “{name}”?" if within else f"What do the documents say about “{name}”?"
            )
        other = (
            (f"{{}}里关于“{name}”是怎么说的？" if language == "zh" else f"What does {{}} say about “{name}”?")
            if within
            else ""
        )
        yield _draft(chunk, language, question, *span, within or name, other=other)


def _first_sentence(text: str, start: int, end: int, language: Language) -> tuple[int, int] | None:
    """Return where the first sentence of a section stands, where it says something; None where it begins otherwise."""
    piece = text[start:end]
    for first, after in sentence_spans(piece)[:1]:
        sentence = piece[first:after]
        if _MARK_UP.search(sentence) or not re.search(r"[。.！!）)”」]$", sentence):
            return None
        if not _LEAST_ANSWER[language] <= len(sentence) <= _MOST_ANSWER:
            return None
        return start + first, start + after
    return None


def _fields(chunk: Chunk) -> Iterator[Draft]:
    """A field of a record: its title and its name ask for its value."""
    title = subject(chunk.title)
    if not title or chunk.format not in _RECORDS or len(title) > _LONG_NAME or _NO_NAME.search(title):
        return
    for match in _FIELD.finditer(chunk.text):
        name, value = match["name"].strip(), match["value"].strip()
        if _NO_FIELD.search(name) or is_within(value, title) or text_language(value + name) not in ("zh", "en"):
            continue
        language = text_language(name)
        question = f"“{title}”的{name}是什么？" if language == "zh" else f"What is the {name} of “{title}”?"
        start = match.start("value")
        other = f"{{}}的{name}是什么？" if language == "zh" else f"What is the {name} of {{}}?"
        yield _draft(chunk, language, question, start, start + len(value), title, match.group().strip(), other)


def _definition(chunk: Chunk, language: Language) -> Iterator[Draft]:
    """What the title names, where the text says what that is."""
    title = subject(chunk.title)
    bare = re.sub(r"\s*[（(][^（）()]*[）)]\s*$", "", title)
    if len(bare) < 2:
        return
    form = _DEFINED_ZH if language == "zh" else _DEFINED_EN
    start = r"(?:^|[。\n])\s*[《“「]?" if language == "zh" else r"(?:^|[.\n]\s*)(?:The |An? )?"
    match = re.search(start + re.escape(bare) + ("[》”」]?" if language == "zh" else "s?") + form, chunk.text)
    if match is None:
        return
    answer = match["answer"]
    if language == "zh":
        if match["verb"] == "为" and not re.match("[一由在]", answer):
            return
        if (
            re.match(r"[在由于从以前约\d]|公元", answer)
            or re.search("[中里上时后]$|以来$", answer)
            or (
                chunk.text[match.end("answer")] == "，"
                and not re.search("的[^的而并因被受将会]{1,12}$", answer)
                and _UNFINISHED.search(answer)
            )
        ):
            return  # 一家总部设在伦敦，…: what it is comes later
        asks = "谁" if _PERSON.search(answer) and not re.search(r"之一$|称号|总称|统称", answer) else "什么"
        yield _draft(
            chunk, language, f"{quoted(title)}是{asks}？", *match.span("answer"), title, match.group().strip("。\n ")
        )
    else:
        yield _draft(chunk, language, f"What is “{title}”?", *match.span("answer"), title, match.group().strip(". \n"))


_SAYS_WHAT = re.compile(
    r"(?:(?P<article>The|A|An)\s)?(?P<name>[A-Za-z][\w’'-]*(?:\s(?!is\b|are\b|of\b)[\w’'-]+){0,3})\s(?P<verb>is|are)\s"
    r"(?P<answer>(?:an?|the)\s(?!same\b|first\b|only\b|case\b|more\b|most\b|other\b|reason\b|result\b|way\b)[^.;:,?!()\n“”\"]{15,140})"
)


def says_what(sentence: str, words: str) -> tuple[int, int, str] | None:
    """Return (start, end, question) where an English sentence says what something is: The skips are the captains.

    Args:
        sentence: one that stands by itself.
        words: the text around it, which says whether the thing's name is written small.
    """
    match = _SAYS_WHAT.fullmatch(sentence) or _SAYS_WHAT.match(sentence)
    if match is None or sentence[match.end() :][:1] not in ("", ",", ";") or _NO_THING.search(match["name"]):
        return None
    name = match["name"] if match["article"] else lowered(match["name"], words)
    article = match["article"].lower() + " " if match["article"] else ""
    return *match.span("answer"), f"what {match['verb']} {article}{name}?"


_NO_THING = re.compile(
    r"\b(?:one|two|most|all|many|some|each|every|part|kind|number|what|who|which|result|reason|way|point|thing|rest|other|others"
    r"|question|answer|problem|object|aim|purpose|effect|idea|fact|time|day|following|first|second|last|next|only|main|again|elsewhere|foregoing|further|different|nearest|opposite|beyond|here|there"
    r"|in|on|at|by|to|from|for|with|behind|above|below|near|as|like|than|of|it|such|same)\b",
    re.IGNORECASE,
)


def context(chunk: Chunk, question: str, language: Language) -> tuple[str, str]:
    """Return a question with the title or heading before it that says what it is about, and that title or heading.

    Nothing is put before it where the question says it already, or where there is none.
    """
    for name in (subject(chunk.title), *(subject(heading) for heading in reversed(chunk.headings))):
        if name and text_language(name) == language:
            return (question, name) if is_within(name, question) else (about(name, language) + question, name)
    return question, ""
