"""English questions from sentences: a number gives way to how many, a date to which year, or a gap. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragcli.answering.facts import Fact, facts
from ragcli.questioning.sentences import within_brackets

_NUMBER_WORDS = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|eighteen|twenty"
    "|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion"
)
_COUNT = re.compile(
    rf"(?P<number>\d[\d,]*(?:\.\d+)?(?:\s(?:hundred|thousand|million|billion))?|(?:{_NUMBER_WORDS})(?:[\s-](?:{_NUMBER_WORDS}))*)"
    r"\s(?P<noun>(?:[a-z]{3,12}(?:-[a-z]+)?\s){0,1}[a-z]{3,14}s|feet|people|men|women|percent|per cent|children"
    r"|staff)\b",
    re.IGNORECASE,
)
_NO_NOUN = re.compile(
    r".*\b(?:cases|times|ways|things|is|was|has|as|its|this|does|less|plus|minus|times|others|his|hers|yours|ours|versus|across|and|or|of|to|in|on|by"
    r"|is|are|that|than|which|with|for|from|until|if|because)$|^(?:and|or|of|to|in|on|by|is|are|was|were|that|than|which|with|for"
    r"|from|after|before|has|have|may|can|if|will|consecutive|or)\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<=[Ii]n )(?:1\d|20)\d\d\b(?![-–/]|\s*(?:to|and)\s*\d)")
_PERCENT = re.compile(r"\d[\d.]*\s?(?:%|per ?cent)")
_NAME = re.compile(r"[A-Z][\w’'.-]*(?:\s(?:of\s|the\s|de\s|von\s)*[A-Z][\w’'.-]*)*")
_FRONT = re.compile(r"[\w-]\s?$")
_BEFORE_RANGE = re.compile(
    r"(?:\b(?:between|from|to|or|and|than|No\.?|Rule|Chapter|page|Fig(?:ure)?\.?|Table|Section|version|of)\s|[-–/.,$€£]\s?|\d\s)$",
    re.I,
)
_AFTER_RANGE = re.compile(r"^(?:\s(?:to|or|and|-|–)\s(?:\d|one|two|three|four|five|six|ten|twelve)|[-–/]|\.\d)", re.I)
_LEAST_WORDS = 6
_OWN_WORDS = 4  # of them in the clause of the fact
_WORD = re.compile(r"[A-Za-z]{2,}")
_CAPITAL = re.compile(r"\b[A-Z][a-z]+")
_LISTED = re.compile(r"\bpp?\.|\bISBN|\bvol\.|\beds?\.|\bcf\.|;.*;|\bdoi\b|\bRetrieved\b|\bArchived\b", re.I)
_DETERMINED = re.compile(
    r"\b(?:the|these|those|its|their|his|her|our|my|your|all|any|both|each|every|other|last|first|next|same|another|no|such"
    r"|previous|past|top|half)\s$",
    re.IGNORECASE,
)
_CALLED = re.compile(
    r"\b(?:called|known as|known simply as|termed|named|means|nicknamed|titled|entitled)\s(?:the\s)?[“\"‘']$"
)
_GOES_WITH = re.compile(
    r"\s(?:is|are|was|were|and|or|in|at|on|to|of|for|by|with|from|has|have|had|can|may|must|will|shall|which|who|where|that|as|until"
    r"|after|before|during|lies|stands|runs|made|won|wrote|became|began|under|over|into|through|between|near|when|while|than)\b"
)
# What follows these words is asked for by one: called a pecten, located in Davos, made of oak.
_FOLLOWS: tuple[tuple[str, str], ...] = (
    (
        r"(?:is|are|was|were|be|been|or|and|also|often|commonly|usually|sometimes)?\s?(?:called|known as|termed"
        r"|nicknamed)",
        "what",
    ),
    (
        r"(?:located|situated|based|headquartered|born|buried|kept|stored|held|published|printed|grown"
        r"|found only) (?:in|at|on)",
        "where",
    ),
    (
        r"(?:written|directed|designed|built|founded|discovered|invented|composed|published|developed|led|owned|appointed|signed"
        r"|approved|painted|created|produced|commissioned|introduced|caused|governed|followed|replaced"
        r"|surrounded|issued) by",
        "whom or what",
    ),
    (
        r"(?:descended|derived|inherited|made|formed|built|composed|extracted|obtained|borrowed"
        r"|translated) (?:from|of|out of)",
        "what",
    ),
    (
        r"(?:named after|based on|depends? on|consists? of|known for|famous for|responsible for|similar to"
        r"|covered (?:with|by|in)"
        r"|lined with|filled with|feeds? on|rel(?:y|ies) on|equipped with|marked (?:with|by)|divided into"
        r"|limited to|equal to"
        r"|reserved for|used (?:for|as)|intended for|suitable for|compensated with|agreed with|charged to"
        r"|sent to|paid by|reported to)",
        "what",
    ),
)
_FOLLOWED = tuple(
    (
        re.compile(
            rf"\b(?:{verb})\s(?P<answer>(?:[^\W\d_][\w’'-]*\s?){{1,8}})(?=[,;:]|$|\s(?:which|who|that|where"
            rf"|when|and is|and are|but)\b)"
        ),
        word,
    )
    for verb, word in _FOLLOWS
)
_WEAK = re.compile(
    r"(?:it|them|him|her|one|which|that|this|what|whom|others?|all|each|time|course|the (?:same|other|latter"
    r"|former|following))\b",
    re.I,
)
_GOES_ON = re.compile(r"[;:]\s|,\s(?:but|though|although|while|whereas|so that|since|because)\s")
_TAIL = re.compile(r"\s(?:and|or|of|to|in|on|at|for|by|with|from|the|a|an|as|is|are|was|were)$")
GAP = "____"


def asked(text: str) -> Iterator[tuple[int, int, str, str, str, str]]:
    """Yield (start, end, word that asks, before, after, kind) for what a sentence can be asked for, best first."""
    found: list[tuple[int, int, int, str, str]] = []
    for match in _COUNT.finditer(text):
        noun = match["noun"]
        number = match["number"]
        if (
            _NO_NOUN.match(noun)
            or _BEFORE_RANGE.search(text[: match.start()])
            or _AFTER_RANGE.match(text[match.end() :])
        ):
            continue
        if _DETERMINED.search(text[: match.start()]):
            continue
        if match.start() and _FRONT.search(text[: match.start()][-1:]) and text[match.start() - 1] != " ":
            continue
        if not re.fullmatch(r"\d{4}", number):
            found.append((1, *match.span(), f"how many {' '.join(noun.split())}", "quantity"))
    for form, word in _FOLLOWED:
        for match in form.finditer(text):
            answer = match["answer"].rstrip()
            if not _TAIL.search(answer) and not _WEAK.match(answer):
                found.append((0, match.start("answer"), match.start("answer") + len(answer), word, "pattern"))
    found += [
        (1, *match.span(), "what percentage", "quantity")
        for match in _PERCENT.finditer(text)
        if not _BEFORE_RANGE.search(text[: match.start()]) and not _AFTER_RANGE.match(text[match.end() :])
    ]
    found += [(1, *match.span(), "which year", "date") for match in _YEAR.finditer(text)]
    for fact in facts(text):
        span = _name(text, fact)
        if span is not None:
            found.append((2, *span, GAP, "blank"))
    seen: set[tuple[int, int]] = set()
    if _LISTED.search(text) or len(_CAPITAL.findall(text)) * 2 > len(_WORD.findall(text)):
        return
    for _, start, end, word, kind in sorted(found):
        if (start, end) in seen or text.count(text[start:end]) != 1 or within_brackets(text, start):
            continue
        if "“" in text[:start] and text.rfind("“", 0, start) > text.rfind("”", 0, start) and kind != "blank":
            continue
        seen.add((start, end))
        before, after = _kept(text, start, end)
        if len(_WORD.findall(before)) + len(_WORD.findall(after)) >= _LEAST_WORDS:
            yield start, end, word, before, after, kind


def _kept(text: str, start: int, end: int) -> tuple[str, str]:
    """Return what a question keeps before and after its fact: what only goes on from it is left out."""
    before, after = text[:start], text[end:]
    own = re.split(r"[,;:]\s", before)[-1]
    for cut in _GOES_ON.finditer(after):
        if len(_WORD.findall(own + after[: cut.start()])) < _OWN_WORDS:
            continue
        if len(_WORD.findall(before)) + len(_WORD.findall(after[: cut.start()])) >= _LEAST_WORDS:
            return re.sub(r"\bsome\s$", "", before), after[: cut.start()]
    return re.sub(r"\bsome\s$", "", before), after


def _name(text: str, fact: Fact) -> tuple[int, int] | None:
    """Return where the whole name that a fact is part of stands, where it is one that a gap can ask for."""
    if fact.kind == "quotation":
        end = fact.start + len(fact.text.rstrip(".,;:"))
        is_named = len(fact.text.split()) <= 4 and _CALLED.search(text[: fact.start])
        return (fact.start, end) if is_named else None
    if fact.kind != "name":
        return None
    for match in _NAME.finditer(text):
        if match.start() <= fact.start and fact.end <= match.end():
            start, end = match.start(), match.end()
            if text[end - 1] in ".’'-":
                return None
            if start == 0 or text[start - 1] not in ' “"(' or len(text[start:end]) < 3:
                return None
            if " " not in text[start:end] and re.match(r"\s", text[end:]) and not _GOES_WITH.match(text[end:]):
                return None  # as much an adjective: English skating
            if (
                text[start - 1] == "("
                or re.match(r"[-’'/\w]", text[end:])
                or re.match(r",\s[A-Z]|\s(?:and|or)\s[A-Z]", text[end:])
            ):
                return None  # a remark, a part of a longer name, or one of several
            if re.search(r"[A-Z]\w*(?:,| and| or)\s$", text[:start]):
                return None
            return start, end
    return None
