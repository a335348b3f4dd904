"""Whether a model's answer says nothing but that the sources are silent: a refusal in its own words.

An answer that is taken for a refusal is lost, which is worse than a refusal that is shown as an answer. So it is read
clause by clause, and each clause is one of:

    silent     the sources do not say, or nobody can tell from them
    neutral    a greeting, "根据资料，", a label, what the sources are about, an excuse, advice where else to look
    content    everything else

Content before the first silent clause makes it an answer; after it, content does that cites a source, or holds a
number or a name, or begins with *but*. Under *if*, *when* or *that*, and within quotation marks, nothing is silent.
The words are in `silence_zh` and `silence_en`. Pure functions; the time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ragcli.answering import silence_en as en
from ragcli.answering import silence_zh as zh
from ragcli.answering.refusing import REFUSALS
from ragcli.language import simplified

_NOTHING = re.compile(r"[\W_\x01\x02]+")
_KNOWN = frozenset(_NOTHING.sub("", sentence).casefold() for sentence in REFUSALS.values())
_LONGEST = 400  # characters of a clause that are read

_EMPHASIS = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)|</?(?:b|i|em|strong|p|br|sup|answer)\s*/?>")
_WRAPPED = re.compile(r"\s*[“\"「『'](?P<inner>[^“”\"「」『』]{1,400})[”\"」』']\s*")
_QUOTED = re.compile(
    r"“[^”\n]{0,300}”|「[^」\n]{0,300}」|『[^』\n]{0,300}』|《[^》\n]{0,100}》|(?<!\w)\"[^\"\n]{0,300}\"(?!\w)"
)
_MARKER = re.compile(
    r"[\[［【]\s*\^?(?:[^\W\d]{1,12}\.?\s?[:：#]?\s?)?\d{1,3}(?:[^\]］】\n\[［【]{0,40})\^?[\]］】]|<sup>\d{1,3}</sup>"
)
# The number of a source that is spoken of is no citation: 资料[1]介绍的是…, "Source 2 is about …".
_NUMBERED = re.compile(
    rf"(?P<noun>{zh.SOURCES}|\b(?:sources?|passages?|documents?|contexts?|excerpts?|texts?)\b)"
    r"\s?(?:\x01|(?:#\s?)?\d{1,2}(?![\d.,%\w]))(?:\s?(?:[,，、和与及&-]|and)\s?(?:\x01"
    r"|(?:#\s?)?\d{1,2}(?![\d.,%\w])))*",
    re.IGNORECASE,
)
_ITEM = re.compile(r"^\s*(?:[-*+•·●>#|]+\s*|[(（]?(?:\d{1,2}|[a-z]|[一二三四五六七八九十])[.)、）．](?!\d)\s*)+")
_ENDS = re.compile(r"[。！？!?；;，,：:\n|…—]|\.(?=[\s\x01\x02)\]”\"']|$)|(?<=\s)[-–](?=\s)")
_OF_SENTENCE = "。！？!?\n.|"
_ASIDE = re.compile(r",\s*(?:however|unfortunately|though|therefore|regrettably|alas)\s*,", re.IGNORECASE)
_FACT = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|hundred|thousand|million|half"
    r"|january|february"
    r"|march|april|june|july|august|september|october|november|december|monday|tuesday|wednesday|thursday|friday"
    r"|saturday"
    r"|sunday|twice)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=\S\s)(?!I\b|I'|AI\b)[A-Z][\w-]+")
_LEAST_WORDS = 4  # of an English clause after a comma: a shorter one goes on with a list
_THEY = re.compile(r"^(?:they|it|these)\b(?= )", re.IGNORECASE)


@dataclass(slots=True)
class _State:
    """What is known before a clause: of the answer, and of its sentence."""

    silent: bool = False
    known: bool = False  # the sentence that the model was told to say
    about: bool = False  # the sources are the subject
    self: bool = False  # the model speaks of itself
    sourced: bool = False
    marked: bool = False
    but: bool = False
    begun: bool = False  # the sentence has a clause already

    def end_sentence(self) -> None:
        self.sourced = self.marked = self.but = self.begun = self.self = False


def says_nothing(text: str) -> bool:
    """Whether a model's answer says nothing but that the sources do not answer.

    An answer that says something, and then or before what the sources leave open, is an answer.
    """
    text = simplified(text).replace("’", "'").replace("\x01", " ").replace("\x02", " ")
    text = _MARKER.sub("\x01", text)
    text = _EMPHASIS.sub("", text)
    if wrapped := _WRAPPED.fullmatch(text):
        text = wrapped["inner"]
    text = _NUMBERED.sub(lambda match: match["noun"], _QUOTED.sub("\x02", text))
    if en.WHOLE.match(text.strip()):
        return True
    state = _State()
    for clause, mark in _clauses(en.SAME_SUBJECT.sub(", ", _ASIDE.sub(" ", text))):
        if _reads_as_content(clause[:_LONGEST], mark, state):
            return False
        if mark in _OF_SENTENCE:
            state.end_sentence()
        elif _NOTHING.sub("", clause):
            state.begun = True
    return state.silent


def is_courtesy(sentence: str) -> bool:
    """Whether a sentence is a greeting, an offer or advice where else to look, and says nothing of the matter."""
    read = simplified(_EMPHASIS.sub("", sentence)).replace("’", "'").strip()
    if not read or _FACT.search(read):
        return False
    for words in (zh, en):
        if words.FILLER.match(read.rstrip("。.!！~")) or words.EXCUSE.match(read):
            return True
        read = words.GREETING.sub("", read)
    return not _NOTHING.sub("", read)


def _clauses(text: str) -> Iterator[tuple[str, str]]:
    """Yield each clause with the mark that ends it; commas and colons within numbers end none."""
    at = 0
    for match in _ENDS.finditer(text):
        end = match.start()
        if match.group() in ",:：，" and text[end - 1 : end].isdigit() and text[end + 1 : end + 2].isdigit():
            continue
        yield text[at:end], match.group()
        at = match.end()
    yield text[at:], "\n"


def _reads_as_content(clause: str, mark: str, state: _State) -> bool:
    """Whether a clause makes it an answer; else the state is brought up to date."""
    clause = _ITEM.sub("", clause.strip()).strip()
    plain = _NOTHING.sub("", clause).casefold()
    if not plain or plain.isdecimal():
        return False
    if plain in _KNOWN:
        state.silent = state.known = state.about = True
        return False
    for words in (zh, en):
        clause = words.GREETING.sub("", clause).strip(" \t,，")
    state.but = state.but or bool(zh.BUT.search(clause) or en.BUT.search(clause))
    for words in (zh, en):
        clause = words.JOINING.sub("", clause).strip(" \t,，")
    if not _NOTHING.sub("", clause):
        return False
    cites = "\x01" in clause or state.marked
    if _is_silent(clause, mark, cites, state):
        state.silent = state.about = True
        return False
    if _is_neutral(clause, mark, state):
        return False
    return _is_content(clause, mark, cites, state)


def _is_silent(clause: str, mark: str, cites: bool, state: _State) -> bool:
    if zh.CONDITION.search(clause) or en.CONDITION.search(clause) or (mark in "，," and zh.OF_WHOM.search(clause)):
        return False
    read = _THEY.sub("the sources", clause) if state.about else clause
    if state.self and en.ELIDED.match(read):
        read = f"I {read}"
    elif state.about and en.ELIDED.match(read):
        read = f"the sources {read}"
    elif (state.about or state.self) and zh.ELIDED.match(read):
        read = f"资料{read}"
    tagged = en.MENTION.sub(en.TAG, read)
    for words, said in ((zh, read), (en, tagged)):
        patterns = [words.SURE]
        if not cites:
            patterns += [words.WEAK, *([words.SOURCED] if state.sourced else [])]
        for pattern in patterns:
            match = pattern.search(said)
            if match and not en.RELATIVE.search(said, 0, match.start()):
                return True
    return False


def _is_neutral(clause: str, mark: str, state: _State) -> bool:
    """Whether a clause says nothing of its own; it may say what the next one rests on."""
    if zh.FILLER.match(clause) or en.FILLER.match(clause):
        state.self = True
        return True
    if mark in ",，:：" and (zh.PREAMBLE.match(clause) or zh.SAID_BY.match(clause) or en.PREAMBLE.match(clause)):
        state.sourced = bool(zh.NAMED.search(clause) or en.NAMED.search(en.MENTION.sub(en.TAG, clause)))
        state.marked = "\x01" in clause
        return True
    if "\x01" in clause:
        return False
    if mark in ":：" and not _FACT.search(clause):
        return True  # a label
    if not _FACT.search(clause) and (zh.ABOUT.search(clause) or en.ABOUT.search(en.MENTION.sub(en.TAG, clause))):
        state.about = True
        return True
    if zh.CONDITION.search(clause) and not zh.EXCUSE.search(clause):
        return False
    return state.silent and bool(zh.EXCUSE.search(clause) or en.EXCUSE.search(clause))


def _is_content(clause: str, mark: str, cites: bool, state: _State) -> bool:
    if not state.silent:
        # "The sources discuss the warranty, returns and shipping, but do not mention the price."
        return cites or not (state.about and state.begun and not _FACT.search(clause))
    if cites:
        return True
    fact = bool(_FACT.search(clause) or zh.NUMERAL.search(clause) or _NAME.search(clause))
    if state.known:
        return fact and state.but
    if state.but:
        return True
    is_item = state.begun and clause.isascii() and len(clause.split()) < _LEAST_WORDS
    return fact and not is_item
