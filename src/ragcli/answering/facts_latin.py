"""Latin names in an answer, by their capitals and digits, and whether sources hold them.

A name that is not seen costs less than a plain word that is reported as an invented name, so the rules ask for signs
that are rarely wrong. What a name needs to be found is a *need*, a tuple:

    ("words", word, …)    each of these words, by stem
    ("pairs", piece, …)   these pieces one after the other: PPR-9087 is ppr, 9087
    ("any", text, …)      one of these texts, without white space and punctuation
    ("place", text, …)    the same; one character only where it stands for a place, as in 中美, 赴美
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ragcli.answering.facts_countries import COUNTRIES, PEOPLE_ENDINGS, PLACE_ENDINGS
from ragcli.answering.facts_lists import COMMON_WORDS, EXTENSIONS, LONE, TITLES
from ragcli.answering.facts_numerals import fold_source
from ragcli.answering.facts_units import UNITS
from ragcli.answering.terms import stem
from ragcli.language import STOP_WORDS

Need = tuple[str, ...]

_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"


@dataclass(frozen=True, slots=True)
class Name:
    """A name from ``start`` to ``end``; ``exact`` where digits or signs make it one (code, address, file).

    ``chinese`` says that it is written in Chinese characters.
    """

    start: int
    end: int
    need: Need
    exact: bool = False
    chinese: bool = False


_URL = re.compile(r"(?:https?://|ftp://|www\.)[A-Za-z0-9\-._~:/?#@!$&'*+,;=%]+", re.IGNORECASE)
_CHUNK = re.compile(f"[{_LATIN}0-9](?:[{_LATIN}0-9]+|[-_@./+#&'’]{{1,3}}(?=[{_LATIN}0-9]))*")
_FILE = re.compile(rf".*\w\.(?:{'|'.join(EXTENSIONS)})", re.IGNORECASE)
_VERSION = re.compile(r"\d+(?:\.\d+){2,}")
_DATED = re.compile(r"[12]\d{3}([-/.])\d{1,2}\1\d{1,2}")
_ONE_NUMBER = r"\d[\d.,:/+]*(?:st|nd|rd|th|s|'s|’s|x|k|w|bn?|mn?|am|pm|a\.m|p\.m|e\d+)?"
_PLAIN_NUMBER = re.compile(
    rf"{_ONE_NUMBER}(?:-{_ONE_NUMBER})*(?:-[a-z-]+)*"
    r"|(?:mid|pre|post|late|early|top|non|under|over|sub|no|vol|pp?)[-.]\d+\w{0,2}"
    r"|(?:fy|cy)\d{2,4}|q[1-4]|\d+(?:\+\d+)+[gt]b?|[12]\d{3}-\d\d-\d\dt\d\d|\d\dz",
    re.IGNORECASE,
)
_VERSION_CODE = re.compile(r"(?:version|ver|v)\.?(\d.*)", re.IGNORECASE)
_SCHEME = re.compile("^(?:[a-z]+://)?(?:www\\.)?")
_STANDARD = re.compile(r"(?<![^\W_])(?:GB(?:/[TZ])?|ISO(?:/IEC)?|IEC|IEEE|RFC|DIN|ASTM|JIS|ANSI|HJ|YY(?:/T)?|QB/T|CVE)")
_ROMAN = re.compile(r"[IVX]{1,5}")
_ABBREVIATED = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|No|Jr|Sr|Gen|Rep|Sen|Gov|[A-Z]))\.\s*$")
_SHORTENED = re.compile("Mr|Mrs|Ms|Dr|Prof|St|Mt|Ft|Jr|Sr|Gen|Sen|Gov|[A-Z]")
_SKIPPED = " \t*_\"'“‘「『(（[【<《>-–—•·#|`~="
_ENDS = ".!?。！？:：\n…;；\r"
_PIECE = re.compile("[a-z]+|[0-9]+|[\u00df-\u024f\u0370-\u04ff]+")
_TOKEN = re.compile(
    "[a-z\u00df-\u024f\u0370-\u04ff]+|[0-9]+|[^a-z\u00df-\u024f\u0370-\u04ff0-9\\s./_+\u2013\u2014:#&'’@?=%~$*-]+"
)
_NEVER = STOP_WORDS | LONE
_STRIPPED = re.compile("['’]s$|['’]$")


def latin(text: str, *, chinese_text: bool) -> Iterator[Name]:
    """Yield the Latin names of a text as it stands.

    Args:
        text: the text, not folded: capitals count.
        chinese_text: whether it is Chinese, in which every Latin word is a name.
    """
    addresses: list[tuple[int, int]] = []
    for match in _URL.finditer(text):
        end = match.start() + len(match.group().rstrip(".,;:!?'*"))
        addresses.append((match.start(), end))
        address = _SCHEME.sub("", fold_source(text[match.start() : end]))
        yield Name(match.start(), end, ("pairs", *_PIECE.findall(address)), exact=True)
    if addresses:
        text = _URL.sub(lambda match: "\0" * len(match.group()), text)
    run: list[tuple[int, int, list[str]]] = []  # capitalised words that stand together
    lower = None if chinese_text else frozenset(re.findall(r"\b[a-z]{3,}\b", text))
    before = -1  # where the last chunk ended
    line_from = 0  # where a line end is looked for
    heading = False
    for match in _CHUNK.finditer(text):
        start, end = match.span()
        if (
            run
            and text[before:start] != " "
            and not (text[before:start] == ". " and _SHORTENED.fullmatch(text[run[-1][0] : before].split(" ")[-1]))
        ):
            yield from _made(text, run)
            run = []
        before = end
        chunk = match.group()
        line = text.rfind("\n", line_from, start)
        if line >= 0 or line_from == 0:
            heading = not chinese_text and _is_heading(text, line + 1)
        line_from = max(end, 1)
        if any(one.isdigit() for one in chunk):
            yield from _made(text, run)
            run = []
            found = _code(text, start, end, chunk)
            if found is not None:
                yield found
            continue
        if "@" in chunk or _FILE.fullmatch(chunk):
            yield Name(start, end, ("pairs", *_PIECE.findall(fold_source(chunk))), exact=True)
            continue
        words = _name_words(text, start, chunk, lower, bool(run), heading)
        if words is None:
            yield from _made(text, run)
            run = []
        elif words:
            run.append((start, end, words))
        elif run:
            run.append((start, end, []))
    yield from _made(text, run)


# Words that stay small in a heading in which the others have capitals.
_SMALL = frozenset(
    ("a", "an", "the", "of", "and", "or", "for", "in", "to", "on", "at", "by", "with", "from", "as", "is", "vs")
)


def _is_heading(text: str, start: int) -> bool:
    end = text.find("\n", start)
    line = text[start : end if end >= 0 else len(text)][:200].strip()
    if line.startswith("#"):
        return True
    words = [word for word in re.findall("[A-Za-z]{2,}", line) if word not in _SMALL]
    return 1 < len(words) < 12 and line[-1:] not in ".!?;," and all(word[0].isupper() for word in words)


def _code(text: str, start: int, end: int, chunk: str) -> Name | None:
    """Return a code with digits, or None where the chunk is a number with a unit, a date, a score."""
    letters = any(one.isalpha() for one in chunk)
    if not letters:
        head = text[max(0, start - 8) : start]
        standard = re.search(rf"{_STANDARD.pattern}\s$", head)
        if standard:
            begin = max(0, start - 8) + standard.start()
            return Name(begin, end, ("pairs", *_PIECE.findall(fold_source(text[begin:end]))), exact=True)
        if _VERSION.fullmatch(chunk) and not _DATED.fullmatch(chunk):
            return Name(start, end, ("pairs", *_PIECE.findall(chunk)), exact=True)
        return None
    if _PLAIN_NUMBER.fullmatch(chunk) or (
        _is_unit(chunk.lower()) and re.search(r"\d\s$", text[max(0, start - 2) : start])
    ):
        return None
    number = re.match(r"\d[\d.,]*", chunk)
    if number is not None and UNITS.at(chunk.lower(), number.end()) is not None:
        return None
    version = _VERSION_CODE.fullmatch(chunk)
    pieces = _PIECE.findall(fold_source(version[1] if version is not None else chunk))
    # "9.Then": a sentence begins where the white space is missing.
    if number is not None and re.fullmatch(r"\d+\.[A-Za-z]+", chunk):
        return None
    return Name(start, end, ("pairs", *pieces), exact=True) if len(pieces) > 1 else None


def _name_words(
    text: str, start: int, chunk: str, lower: frozenset[str] | None, in_run: bool, heading: bool
) -> list[str] | None:
    """Return the words of a chunk that a source must hold: [] for one that goes with a name, None for no name."""
    bare = _STRIPPED.sub("", chunk)
    folded = fold_source(bare)
    if lower is None:
        if len(bare) < 2 or folded in STOP_WORDS or folded in LONE or _is_unit(folded):
            return [] if in_run else None
        return None if folded in COMMON_WORDS and bare.islower() else [folded]
    if not any(one.isupper() for one in bare):
        return None
    if len(bare) == 1 or _ROMAN.fullmatch(bare) or folded in TITLES:
        return [] if in_run or folded in TITLES else None
    if folded in _NEVER or re.split("['’]", folded)[0] in _NEVER:
        return None
    if heading and not (len(bare) > 1 and bare[1:] != bare[1:].lower() and bare != bare.upper()):
        return None
    if bare.isupper() or not bare[0].isupper() or bare[1:] != bare[1:].lower():
        return None if folded in COMMON_WORDS or folded in lower else [folded]
    if not in_run and _starts_sentence(text, start) and _is_common(folded, lower):
        return None
    return [folded]


def _is_unit(word: str) -> bool:
    found = UNITS.at(word, 0)
    return found is not None and found.end == len(word)


def _starts_sentence(text: str, start: int) -> bool:
    at = start
    least = max(0, start - 16)
    while at > least and text[at - 1] in _SKIPPED:
        at -= 1
    if at == 0 or text[at - 1] in _ENDS:
        return not _ABBREVIATED.search(text, max(0, at - 6), at) or at == 0
    return at < start and text[start - 1] in '"“‘「『(（*_`[【'


# Endings of plain words; some names have them too, and are seen only where they do not begin a sentence.
_ENDING = re.compile(
    r"\w{2,}(?:ly|ings?|tions?|sions?|ments?|ness|ity|able|ible|ful|ous|ive|ance|ence|isms?|[eo]rs|ies|ed"
    r"|[ioun][cn]al|ular|[bdgklmnprt]s|nes|les|ves)$"
)


def _is_common(word: str, lower: frozenset[str]) -> bool:
    common = word in COMMON_WORDS or word.removesuffix("s") in COMMON_WORDS or stem(word) in COMMON_WORDS
    return common or word in lower or bool(_ENDING.match(word))


def _made(text: str, run: Sequence[tuple[int, int, list[str]]]) -> Iterator[Name]:
    run = list(run)
    while run and not run[-1][2]:
        run.pop()
    while run and not run[0][2]:
        run.pop(0)
    if not run:
        return
    # "- Battery Life: five hours" names what the line is about.
    end = run[-1][1]
    if re.match(r"[*_]{0,3}\s?[:：]", text[end : end + 5]):
        line = text.rfind("\n", 0, run[0][0]) + 1
        if _LABEL.fullmatch(text[line : run[0][0]][:80]):
            return
    words = [word for _, _, some in run for word in some]
    yield Name(run[0][0], end, ("words", *words))


_LABEL = re.compile(r"[\s*_>•\d.)-]*(?:[A-Z]\w*\s)*")
_INITIALS = re.compile(r"[A-Z][a-z]+(?:[ -](?:(?:of|the|and|for|in|de|on) ){0,2}[A-Z][a-z]+)+")
_ACRONYM = re.compile(r"(?<![A-Za-z])(?:[A-Z]{2,6}|(?:[A-Z]\.){2,6})(?![a-z])")


class Words:
    """The Latin words of the sources, to be asked whether they hold a name."""

    def __init__(self, sources: Sequence[str], folded: str) -> None:
        tokens = _TOKEN.findall(folded)
        self._words = set(tokens)
        self._pairs = set(pairwise(tokens))
        self._stems = {stem(word) for word in self._words}
        initials = [
            "".join(word[0] for word in re.findall("[A-Z]", match.group()))
            for source in sources
            for match in _INITIALS.finditer(source)
        ]
        self._initials = "|".join(initials).lower()
        self._acronyms = {
            match.group().replace(".", "").lower() for source in sources for match in _ACRONYM.finditer(source)
        }
        # The tokens without what is between them, and where each begins: WiFi is Wi-Fi.
        parts = [token if token[0].isalnum() and token[0] < "\u2e80" else "\0" for token in tokens]
        self._row_text = "".join(parts)
        self._edges = {0, *accumulate(map(len, parts))}
        self._places = {base for word in self._words for base in _bases(word)}

    def hold(self, need: Need) -> bool:
        """Return whether the words or pieces occur."""
        words = need[1:]
        if need[0] == "pairs":
            return self._row(words)
        if all(map(self._one, words)):
            return True
        if "".join(words) in self._words or any(map(self._said, COUNTRIES.get(" ".join(words), ()))):
            return True
        if len(words) > 1 and "".join(word[0] for word in words) in self._acronyms:
            return True
        pairs = ["".join(pair) in self._words for pair in pairwise(words)]
        at_side = [a or b for a, b in zip([False, *pairs], [*pairs, False], strict=True)]
        return all(beside or self._one(word) for beside, word in zip(at_side, words, strict=True))

    def _row(self, pieces: Sequence[str]) -> bool:
        if len(pieces) == 1:
            return pieces[0] in self._words
        if all(pair in self._pairs for pair in pairwise(pieces)) or "".join(pieces) in self._words:
            return True
        return any(piece.isalpha() for piece in pieces) and self._written("".join(pieces))

    def _written(self, word: str) -> bool:
        """Whether whole tokens that follow each other make the word."""
        at = self._row_text.find(word)
        while at >= 0:
            if at in self._edges and at + len(word) in self._edges:
                return True
            at = self._row_text.find(word, at + 1)
        return False

    def _said(self, name: str) -> bool:
        words = name.split()
        return words[0] in self._words if len(words) == 1 else all(pair in self._pairs for pair in pairwise(words))

    def _one(self, word: str) -> bool:
        if word in self._words or stem(word) in self._stems:
            return True
        pieces = _PIECE.findall(word)
        if len(pieces) > 1:
            return all(self._one(piece) for piece in pieces) or "".join(pieces) in self._words
        if len(word) < 7 and ((word in self._initials) or (len(word) < 5 and self._row(list(word)))):
            return True
        if any(map(self._said, COUNTRIES.get(word, ()))) or (len(word) > 3 and self._written(word)):
            return True
        # Californian and California have their stem in common.
        return any(base + end in self._words for base in _bases(word) for end in PLACE_ENDINGS) or any(
            word.endswith(end) and word[: len(word) - len(end)] in self._places for end in PLACE_ENDINGS if end
        )


def _bases(word: str) -> list[str]:
    return [word[: -len(end)] for end in PEOPLE_ENDINGS if len(word) > len(end) + 3 and word.endswith(end)]
