"""What of an answer is layout and no fact: markers, enumerators, HTML, LaTeX commands, labels, the numbers of rows.

`blank` puts NUL characters or white space in its place, so that offsets stay true.
"""

from __future__ import annotations

import re

# The markers of cited sources: [1], [2][3], [1, 2], [1-3].
MARKER = re.compile(r"[\[【［]\s*\d{1,3}(?:\s*[,，、;；–-]\s*\d{1,3})*\s*[\]】］]")
_CN = "一二三四五六七八九十"
_ONE = r"one|two|three|four|five|six|seven|eight|nine|ten"
# What a line's first words may be that only number a part: 要点2：, Option 2:, Step two:.
_LABEL_EN = (
    "step|option|part|point|case|reason|method|example|scenario|phase|note|tip|item|question|answer|stage|task|problem"
    "|solution|topic|section|chapter|type|source|document"
)
_LABEL = rf"(?:[\u3400-\u9fff]{{2,4}}\s?(?:\d{{1,2}}|[{_CN}]{{1,2}})|(?i:{_LABEL_EN})\s?(?:\d{{1,2}}|(?i:{_ONE})))"
# What counts the parts of an answer: "1. ", 第一，, 步骤 2, "Step 2:".
_ENUMERATOR = re.compile(
    rf"(?:^|(?<=\n))[ \t>*+•·#_-]*(?:\d{{1,3}}[.、)）．:：](?!\d)(?=[ \t]*\S)|[{_CN}]{{1,3}}[.、)）．:：]"
    rf"|(?:第\s?(?:\d{{1,2}}|[{_CN}]{{1,3}})\s?[步点个]?|步骤\s?[\d{_CN}]{{1,2}})"
    r"[*_]{0,2}(?=[，、,：:．. ]))"
    r"|(?:^|(?<=\n))[ \t>*+•·#-]*\d{1,2}(?:\.\d{1,2}){1,2}[*_]{0,2}[ \t]+(?=[*_]{0,2}[^\W\d][^:：\n]{1,12}[:：])"
    r"|(?:^|(?<=\n))[ \t]*[*#]+[ \t]*\d{1,3}[.、)）．](?=[ \t*]*(?:\n|$))"
    rf"|(?:^|(?<=\n)|(?<=[。；;.!?！？]\s)|(?<=[。；;！？]))[ \t>*+•·#_-]*{_LABEL}[*_]{{0,2}}"
    r"(?=\s?[：:](?!\d)|\.\*\*|\s[–—-]\s)"
    rf"|(?:(?<=[。；;，,：:！？!?\n])|^)\s?(?:第[{_CN}]{{1,2}}(?=[，,：:、])|其[{_CN}](?=[，,：:、是为]))"
    r"|(?:(?<=[。；;：:！？!?\n])|^)\s?\d{1,2}[)）、](?!\d)"
    r"|(?:(?<=[.;:!?]\s)|^)(?:First|Second|Third|Fourth|Fifth)(?:ly)?(?=,)"
    r"|(?i:(?<![a-z])(?:sources?|documents?|passages?|excerpts?)) \d{1,2}(?![\d.,]*\d)"
    r"|(?:资料|来源|片段)\s?\d{1,2}(?!\d)"
    rf"|第(?:\d|[{_CN}]{{1,2}})[个种类点条]?(?=原因|方面|因素|步骤|好处|优点|缺点|理由)"
    r"|(?i:(?<![a-z])(?:first|second|third|fourth|fifth) (?=reason|step|point|option|part|benefit|thing|is ))"
)
_BRACKETED = re.compile(rf"[(（](?:(1?\d|20)|([{_CN}]{{1,3}}))[)）]")
_BEGINS = re.compile(r"(?:^|[\n。；;：:！？!?，,])[ \t>*+•·#_-]*$")
_INDEX_CELL = re.compile(r"(?:^|(?<=\n))[ \t]*\|[ \t*]*\d{1,2}[ \t*]*(?=\|)")
_KEYCAP = re.compile("[0-9#*]\ufe0f?\u20e3")
_TAGS = (
    "br|p|b|i|u|s|em|strong|sup|sub|td|tr|th|table|thead|tbody|tfoot|caption|ul|ol|li|dl|dt|dd|div|span|h[1-6]|a|img|code"
    "|pre|hr|font|center|small|mark|details|summary|blockquote|section"
)
_HTML = re.compile(
    rf"</?(?:{_TAGS})(?:\s[^<>\n]{{0,200}})?/?>|&(?:nbsp|ensp|emsp|lt|gt|amp|quot|#\d{{1,6}});", re.IGNORECASE
)
_MATH = re.compile(r"\$\$?(?=[^$\n]{0,200}?[\\^_=])([^$\n]{1,200}?)\$\$?")
_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf|operatorname)\{([^{}\n]{0,80})\}")
_COMMAND = re.compile(r"\\(?:(times|cdot|ast)(?![A-Za-z])|[A-Za-z]{1,20}|[\[\](){}%,;!$ ])")
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_EXPONENT = re.compile(r"(?<=[A-Za-z)\]])\^(?:\{([\d+-]{1,3})\}|(\d{1,2}))")
_INDEX = re.compile(r"(?<=[A-Za-z])_(?:\{\w{1,6}\}|\d)")


def blank(text: str) -> str:
    """Return the text, of the same length, in which layout is blank."""
    if "<" in text or "&" in text:
        text = _HTML.sub(_spaces, text)
    if "\\" in text or "^" in text:
        text = _latex(text)
    text = _KEYCAP.sub(_nul, text)
    text = MARKER.sub(_nul, text)
    text = _INDEX_CELL.sub(_nul, text)
    text = _brackets(text)
    return _ENUMERATOR.sub(_nul, text)


def _nul(match: re.Match[str]) -> str:
    return "\0" * len(match.group())


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _latex(text: str) -> str:
    """Return the text without LaTeX commands; an exponent becomes a raised digit."""
    # $3\times10^8$: the dollars are no money.
    text = _MATH.sub(lambda match: _around(match, match.start(1) - match.start()), text)
    text = _TEXT.sub(lambda match: match[1].rjust(len(match.group())), text)
    text = _COMMAND.sub(lambda match: ("×" if match[1] else " ").ljust(len(match.group())), text)
    text = _INDEX.sub(_spaces, text)
    return _EXPONENT.sub(lambda match: (match[1] or match[2]).translate(_RAISED).ljust(len(match.group()), "\0"), text)


def _around(match: re.Match[str], width: int) -> str:
    return " " * width + match[1] + " " * (len(match.group()) - width - len(match[1]))


def _brackets(text: str) -> str:
    """Return the text without （1）, (2) where they count: at the head of a line or clause, or one after the other."""
    found = list(_BRACKETED.finditer(text))
    if not found:
        return text
    values = [int(match[1]) if match[1] else -_place(match[2]) for match in found]
    kept: list[str] = []
    at = 0
    for number, match in enumerate(found):
        value = values[number]
        step = 1 if value > 0 else -1
        series = (number and values[number - 1] == value - step) or (
            abs(value) == 1 and number + 1 < len(found) and values[number + 1] == value + step
        )
        after = text[match.end() : match.end() + 1]
        begins = _BEGINS.search(text, max(0, match.start() - 8), match.start())
        if (
            (series or begins)
            and (after not in "项款条" or not after)
            and text[match.start() - 1 : match.start()] != "第"
        ):
            kept += (text[at : match.start()], "\0" * len(match.group()))
            at = match.end()
    return "".join((*kept, text[at:]))


def _place(run: str) -> int:
    """Return the value of 一 to 九十九."""
    if "十" not in run:
        return _CN.index(run[-1]) + 1
    tens, _, ones = run.partition("十")
    return (_CN.index(tens[-1]) + 1 if tens else 1) * 10 + (_CN.index(ones[0]) + 1 if ones else 0)
