"""Questions without a model: from a document's own headings and fields, and from its sentences (cloze)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

from ragcli.answering.facts import facts
from ragcli.answering.terms import Language
from ragcli.errors import UsageError
from ragcli.questioning import asked_en, asked_zh
from ragcli.questioning.drafts import Draft, Made, first_fitting, text_language
from ragcli.questioning.headings import context, says_what
from ragcli.questioning.headings import drafts as of_headings
from ragcli.questioning.sampling import fingerprint
from ragcli.questioning.sentences import Sentence, askable, is_balanced, plain
from ragcli.questioning.wording import lowered
from ragcli.records import Chunk

KINDS = ("heading", "cloze")
# A clause that has no subject of its own, and what names another thing.
_PREDICATE = re.compile(
    "由|在|于|位|坐落|毕业|就读|又|俗|简称|全长|全线|总|共|占地|面积|海拔|人口|最|体长|身高|身长|曾|被|原|建|成立|创|募集|获|中途|出生|生于|历时|票房"
    "|播|发行|售|水深|高|长|重|隶属|改编|发源|注入|流|产|葬|每|平均|设|拥有|属"
)
_NAMES = re.compile(r"[A-Za-z0-9·“”「」《》]")
_MOST_DRAFTS = 4  # of a chunk; where one does not lead back, the next is tried
_ORDER = {"pattern": 0, "quantity": 1, "date": 1, "name": 2, "blank": 3}


class RuleMaker:
    """Makes questions by rules.

    Args:
        kinds: ``heading``, ``cloze`` or both, of which either comes first in turn.

    Raises:
        UsageError: a kind is not known.
    """

    def __init__(self, kinds: Sequence[str] = KINDS) -> None:
        for kind in kinds:
            if kind not in KINDS:
                raise UsageError(f"there is no kind {kind!r} of questions.", hint=f"Choose from {', '.join(KINDS)}.")
        self._kinds = tuple(dict.fromkeys(kinds)) or KINDS

    @property
    def is_free(self) -> bool:
        """Rules make the same again at no cost."""
        return True

    def make(self, chunks: Sequence[Chunk]) -> Iterator[Made]:
        """Yield what each chunk gives, in order."""
        for chunk in chunks:
            lists = [list(_MAKERS[kind](chunk)) for kind in self._kinds]
            if fingerprint(chunk.text) % 2:
                lists.reverse()
            mixed = [draft for row in zip_longest(*lists) for draft in row if draft is not None]
            yield Made(chunk=chunk, drafts=first_fitting(mixed)[:_MOST_DRAFTS])


def cloze(chunk: Chunk) -> Iterator[Draft]:
    """Yield the questions that a chunk's sentences give when a fact of theirs is asked for, best first."""
    language = text_language(chunk.text)
    asked = asked_zh.asked if language == "zh" else asked_en.asked
    ranked: list[tuple[int, int, Draft]] = []
    for sentence in askable(chunk.text, language):
        said = says_what(sentence.text, chunk.text) if language == "en" else None
        if said is not None:
            first, last, defined = said
            question, subject = context(chunk, defined, language)
            if subject and subject in question:
                draft = _draft(chunk, sentence, first, last, question, language, subject, "")
                ranked.append((_ORDER["pattern"], len(ranked), replace(draft, frame=None)))
        for start, end, word, before, after, kind in asked(sentence.text):
            words = _question(language, word, before, after, chunk.text)
            if words is None or not is_balanced(words):
                continue
            question, subject = context(chunk, words, language)
            if not subject and language == "zh" and len(re.sub(r"\W", "", words)) < 14:
                continue
            if kind == "blank":
                question = _gap(words, subject, language)
            question = question[:1].upper() + question[1:]
            other = _elsewhere(words, word, chunk.title) if kind != "blank" and language == "zh" else ""
            ranked.append(
                (_ORDER[kind], len(ranked), _draft(chunk, sentence, start, end, question, language, subject, other))
            )
    # The best of each kind of sentence first; among equals, which is first is the text's own choice.
    ranked.sort(key=lambda one: (one[0], fingerprint(one[2].question)))
    yield from (draft for _, _, draft in ranked)


def _question(language: Language, word: str, before: str, after: str, around: str) -> str | None:
    """Return a sentence as a question."""
    before, after = plain(before).strip(), plain(after).strip()
    if language == "zh":
        before = re.sub(r"^[，、；：\s]+", "", before)
        if word == "什么":
            before, after = before.rstrip("“「《"), after.lstrip("”」》")
        return f"{before}{word}{after}".rstrip("，；、：。 ") + "？"
    words = f"{before} {word}{'' if after[:1] in ',.;:' else ' '}{after}" if before else f"{word} {after}"
    words = re.sub(r"([“(])\s|\s(?=[”)™])", r"\1", words)
    words = re.sub(r",?\s(?:however|though|too|also)$", "", " ".join(words.split()).rstrip(".;:, "))
    return lowered(words, around) + "?"


def _gap(words: str, subject: str, language: Language) -> str:
    """Return a question with a gap, which says that it wants the gap filled."""
    sentence = words.rstrip("?？")
    if language == "zh":
        lead = f"关于“{subject}”，" if subject and subject not in words else ""
        return f"{lead}下面这句话的空格处应该填什么？{sentence}。"
    lead = f"In “{subject}”, which" if subject else "Which"
    return f"{lead} words fill the gap? {sentence[:1].upper()}{sentence[1:]}."


def _elsewhere(words: str, word: str, title: str | None) -> str:
    """Return what a Chinese question asks, as it could be asked of another title: a clause that names no subject."""
    clause = next((clause for clause in re.split("[，；：]", words.rstrip("？")) if word in clause), "")
    bare = clause.replace(word, "")
    if not 3 <= len(bare) <= 20 or not _PREDICATE.match(clause) or _NAMES.search(bare) or facts(bare):
        return ""
    own = "".join((title or "").split())
    if any(own[at : at + 2] in bare for at in range(len(own) - 1)):
        return ""
    return f"关于{{}}，{clause}？"


def _draft(
    chunk: Chunk, sentence: Sentence, start: int, end: int, question: str, language: Language, subject: str, other: str
) -> Draft:
    return Draft(
        question=question,
        answer=" ".join(sentence.text[start:end].split()),
        chunk=chunk,
        made_by="cloze",
        language=language,
        evidence=sentence.text,
        frame=(sentence.text[:start], sentence.text[end:]),
        subject=subject,
        elsewhere=other,
    )


_MAKERS = {"heading": of_headings, "cloze": cloze}
