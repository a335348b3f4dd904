"""Questions that sound like the table's own and that it does not answer, made from questions that it does. No model.

Near ones keep topic and wording:

- ``swapped``: another document's title stands where the question's own stood; that document does not speak of it;
- ``changed``: a number, year or code of the question is another, which stands nowhere near;
- ``attribute``: something is asked of a title that its document says nothing of.

Far ones (``invented``) ask about a thing that no document names. Every one is looked for before it is used: `answers`
says whether a chunk that the search finds, or one of the documents it names, speaks of all of it. That is no threshold
of support: a question that shares most of its words with a chunk is kept, for those are the ones a refusal is for.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from ragcli.answering.passages import occurrences
from ragcli.answering.terms import Language, grammar, terms
from ragcli.evaluation.normalising import find, fold
from ragcli.questioning.asked_en import GAP
from ragcli.questioning.drafts import Draft, chunk_of, text_language
from ragcli.questioning.wording import is_within, quoted, subject
from ragcli.records import Chunk, Hit

NEAR, FAR = "near", "far"
_COVERED = 0.6  # of a question's terms in three sentences in a row of a text that names its subject: an answer, maybe
_SAID = 0.34  # likewise where what is asked was asked of another document: other words may say the same
_LEAST_TERMS = 2
_YEAR = re.compile(r"(?<!\d)(?:1\d|20)\d\d(?=年|球季|赛季|年度)|(?<=[Ii]n )(?:1\d|20)\d\d(?![\d–-])")
_CODE = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-Za-z0-9-]*\d)(?=[A-Za-z0-9-]*[A-Z])[A-Z][A-Za-z0-9]*-?[A-Za-z0-9-]*\d[A-Za-z0-9]*(?![A-Za-z0-9])"
)
_ZH_NUMERAL = re.compile(r"(?<=第)[二三四五六七八九]?十?[一二三四五六七八九](?=[条章届次期])")

# What may be asked of anything or anyone; each with the words of which one in the document means that it may be said.
_ATTRIBUTES: dict[Language, tuple[tuple[str, str], ...]] = {
    "zh": (
        ("{}的官方网站地址是什么？", "网站|网址|官网|http|www|网页"),
        ("{}的投诉电话是多少？", "电话|热线|拨打|致电"),
        ("{}的纪念邮票发行于哪一年？", "邮票|集邮"),
        ("研究{}的博物馆位于哪个城市？", "博物馆|展馆|馆藏"),
        ("关于{}的纪录片由谁执导？", "纪录片|纪实|影片|执导"),
        ("{}的专题展览在哪里举行？", "展览|展出|会展"),
        ("每年用于{}的研究经费是多少？", "经费|资助|资金|拨款"),
        ("与{}有关的专利由谁申请？", "专利"),
        ("反对{}的请愿书有多少人签名？", "请愿|签名|联署"),
        ("{}的吉祥物叫什么？", "吉祥物"),
    ),
    "en": (
        ("What is the address of the official website of {}?", r"website|web site|http|www\."),
        ("What is the complaints telephone number for {}?", "phone|hotline|complain"),
        ("In which year was the commemorative stamp for {} issued?", r"\bstamps?\b|postage"),
        ("In which city is the museum of {}?", "museum"),
        ("Who directed the documentary about {}?", "documentar|film|directed"),
        ("Where was the exhibition about {} held?", "exhibit"),
        ("How much research money is spent on {} each year?", r"\bfund|\bgrants?\b|\bspend"),
        ("Who applied for the patent concerning {}?", "patent"),
        ("How many people signed the petition against {}?", "petition|signatur"),
        ("What is the name of the mascot of {}?", "mascot"),
    ),
}
# What asks in a Chinese question, and all words that may say the same of another document.
_SAID_AS = (
    ("[位坐设].{0,2}[于在落]|地处|葬|在哪里", "位[于在]|坐落|地处|设[在于]|[省市县区州郡镇村]|境内"),
    ("称|名|叫", "称|名|叫|谓"),
    ("毕业|就读", "毕业|就读|大学|学院|中学|肄业|[学硕博]士"),
    ("执导|导演", "导|拍摄"),
    ("编剧|主演|创作|作[曲词]|填词|演唱|撰写|编|绘", "编|演|创作|作[曲词者]|填词|演?唱|写|著|绘"),
    ("制造|生产|制作|建造|兴建|承建|设计|研发|开发", "制|产|造|建|设计|研发|开发|厂"),
    ("[管经]理|运营|营运|经营|拥有|负责|主办|承办", "管理|[运经]营|营运|公司|拥有|负责|办"),
    ("出生|生于", "生|籍|人"),
    ("[注流]入|发源|源", "[注流汇]入|源|河口|海|湖"),
    ("长|高|深|海拔|宽|重", "[公英]?[里尺米寸分斤吨克磅]"),
    ("面积|占地", "面积|平方|公顷|亩"),
    ("人口|多少人", "人口|居民|人"),
    ("出版|发行|播|上映|发售|票房|成立|建|创|原产|产|改编", "出版|发行|播|映|售|票房|成立|建|创|产|改编|年"),
)
_THINGS: dict[Language, tuple[str, ...]] = {
    "zh": (
        "型号 {} 的额定功率是多少？",
        "{} 号合同的签订日期是哪一天？",
        "编号 {} 的标本存放在哪里？",
        "{} 系统由哪个部门负责维护？",
        "项目 {} 的验收标准是什么？",
    ),
    "en": (
        "What is the rated power of the model {}?",
        "On which day was contract {} signed?",
        "Where is the specimen {} kept?",
        "Which department maintains the {} system?",
        "What are the acceptance criteria of project {}?",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A question that the table should not answer.

    Args:
        question: its words.
        language: in which it asks.
        how: ``swapped``, ``changed``, ``attribute``, ``invented`` or ``model``.
        near: whether it is on a topic of the table's.
        chunk: what it was made from; None for a far one.
        names: what a chunk must name to answer it: the new title, number, code.
        document: another document that it names, with its chunk.
        silent: words of which the document that it names may have none.
    """

    question: str
    language: Language
    how: str
    near: bool = True
    chunk: Chunk | None = None
    names: str = ""
    other: Chunk | None = None
    silent: str = ""


def variants(draft: Draft, hits: Sequence[Hit], chance: random.Random) -> list[Unanswered]:
    """Return what a question that is answered can be turned into, best first.

    Args:
        draft: the question.
        hits: what it found: documents on the same topic, whose titles it may be asked of.
        chance: seeded.
    """
    swapped, changed, attributes = _swapped(draft, hits), _changed(draft, chance), _attributes(draft, chance)
    return [one for row in zip_longest(swapped, changed, attributes) for one in row if one is not None]


def _swapped(draft: Draft, hits: Sequence[Hit]) -> Iterator[Unanswered]:
    if not draft.elsewhere:
        return
    for hit in hits:
        other = subject(hit.title)
        if hit.document_id == draft.chunk.document_id or text_language(other or "a") != draft.language or not other:
            continue
        own = draft.subject or subject(draft.chunk.title)
        if is_within(other, own) or is_within(own, other) or is_within(other, draft.chunk.text):
            continue
        name = quoted(other) if draft.language == "zh" else f"“{other}”"
        question = draft.elsewhere.format(name)
        asks = draft.elsewhere if draft.made_by == "cloze" else ""
        silent = "|".join(said for form, said in _SAID_AS if asks and re.search(form, asks))
        yield Unanswered(
            question=question,
            language=draft.language,
            how="swapped",
            chunk=draft.chunk,
            names=other,
            other=chunk_of(hit),
            silent=silent,
        )


def _changed(draft: Draft, chance: random.Random) -> Iterator[Unanswered]:
    if GAP in draft.question:
        return
    bare = draft.question.replace(draft.subject, "\0" * len(draft.subject)) if draft.subject else draft.question
    for match in (*_CODE.finditer(bare), *_YEAR.finditer(bare), *_ZH_NUMERAL.finditer(bare)):
        old = match.group()
        new = _another(old, chance)
        if find(fold(new), fold(draft.chunk.text)) >= 0:
            continue
        question = draft.question[: match.start()] + new + draft.question[match.end() :]
        yield Unanswered(question=question, language=draft.language, how="changed", chunk=draft.chunk, names=new)


def _another(old: str, chance: random.Random) -> str:
    """Return a number, year or code like another."""
    if re.fullmatch(r"\d{4}", old):
        return str(int(old) + chance.choice((-9, -7, -6, 6, 7, 9)))
    if old.isdigit():
        return str(int(old) + chance.choice((11, 13, 17)))
    if not old.isascii():
        return "四十" + old[-1]
    digits = [at for at, char in enumerate(old) if char.isdigit()]
    at = chance.choice(digits)
    return old[:at] + str((int(old[at]) + chance.choice((3, 4, 6))) % 10) + old[at + 1 :]


def _attributes(draft: Draft, chance: random.Random) -> Iterator[Unanswered]:
    title = subject(draft.chunk.title)
    if not title:
        return
    forms = list(_ATTRIBUTES[draft.language])
    chance.shuffle(forms)
    for form, silent in forms[:3]:
        name = quoted(title) if draft.language == "zh" else f"“{title}”"
        yield Unanswered(
            question=form.format(name),
            language=draft.language,
            how="attribute",
            chunk=draft.chunk,
            names=title,
            silent=silent,
        )


def invented(language: Language, chance: random.Random) -> Unanswered:
    """Return a question about a thing that is made up; whether the table names it must be looked for."""
    letters = "".join(chance.choice("BDFGHJKLMNPQRTVWXZ") for _ in range(3))
    name = f"{letters}-{chance.randrange(1000, 9999)}"
    question = chance.choice(_THINGS[language]).format(name)
    return Unanswered(question=question, language=language, how="invented", near=False, names=name)


def answers(asked: Unanswered, texts: Sequence[Hit | Chunk]) -> bool:
    """Whether one of some chunks may answer a question: one that names what it is about and speaks of what it asks.

    Args:
        asked: the question.
        texts: what it finds, and the chunks of the documents that it names.
    """
    name = fold(asked.names)
    rest = asked.question.replace(asked.names, " ") if asked.names else asked.question
    wanted = terms(rest, question=True)
    weights = {term: grammar(term) for term in wanted.strong if grammar(term)}
    whole = sum(weights.values())
    if asked.how == "swapped" and len(weights) < _LEAST_TERMS and not asked.silent:
        return True  # too little to tell
    most = _SAID if asked.how == "swapped" else _COVERED
    other = asked.other.document_id if asked.other is not None else ""
    own = {chunk.document_id for chunk in (asked.chunk, asked.other) if chunk is not None}
    for text in texts:
        above = "\n".join(filter(None, (text.title, *text.headings)))
        said = fold("\n".join((above, text.header, text.text)))
        is_own = text.document_id in own
        if asked.how == "invented" and find(name, said) >= 0:
            return True
        speaks_of_it = text.document_id == other if asked.how == "swapped" else is_own
        if asked.silent and speaks_of_it and re.search(asked.silent, text.text, re.IGNORECASE):
            return True
        if find(name, said) < 0:
            continue
        if asked.how == "changed" and is_own:
            return True  # the other number stands in the document, whatever it is there
        if whole and _covered(weights, text) >= most * whole:
            return True
    return False


def _covered(weights: dict[str, float], text: Hit | Chunk) -> float:
    """Return the weight of the terms that the best three sentences in a row hold."""
    from ragcli.splitting.sentences import sentence_spans

    spans = sentence_spans(text.text)
    starts = [start for start, _ in spans]
    numbers = {term: number for number, term in enumerate(weights)}
    pairs = {term: number for term, number in numbers.items() if not term.isascii()}
    words = {term: number for term, number in numbers.items() if term.isascii()}
    values = list(weights.values())
    held = occurrences(text.text, starts, pairs, words)
    best = 0.0
    for at in range(len(spans)):
        near = set().union(*(held.get(one, set()) for one in (at - 1, at, at + 1)))
        best = max(best, sum(values[number] for number in near))
    return best
