"""Chinese names in an answer: what stands around them says that they are names.

No dictionary decides what a name is, so the rules ask for signs that are rarely wrong: a name that is not seen costs
less than a plain word that is reported as an invented name. Where it is open how far a Chinese name reaches to the
left, only the two characters next to its suffix are looked for in the sources. Latin names and the forms of a *need*
are in `ragcli.answering.facts_latin`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from ragcli.answering.facts_latin import Name
from ragcli.answering.facts_lists import (
    FOREIGN,
    GENERIC,
    NO_NAMES,
    NO_PLACE,
    ORGANISATIONS,
    SURNAMES,
    WORD_AFTER,
)
from ragcli.answering.facts_numerals import CN
from ragcli.answering.facts_places import PLACE_NAMES

_HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff"

_TITLE = re.compile(r"[《〈](?P<title>[^《》〈〉\n]{1,60})[》〉]")
_DOTTED = re.compile(f"[{_HAN}]{{1,8}}(?:[·・•‧∙][{_HAN}]{{1,8}}){{1,4}}")
_DOT = re.compile("[·・•‧∙]")
_PLACE = re.compile("(?!(?<=中)华为)(?:" + "|".join(sorted(PLACE_NAMES, key=len, reverse=True)) + ")")
_SUFFIX = re.compile(
    "公司|集团|大学|学院|医院|银行|法院|研究[所院]|委员会|出版社|基金会|协会|俱乐部|博物馆|图书馆|电视台|中学|小学|[省市县区州镇村路街]"
)
# Where a name does not go on to the left.
_CUT = frozenset(
    "的在于从到由是为和与及或了着过被把将向对以并而且但也都又就则所其该此这那每各某本有无等之个家名位第经至跟同让使给往么哪些段"
    "称叫即含包括入进赴抵离去来回住自任曾当前后原现已未没不可能会要需应须按据因如若起止约近达获得受使用今年属购毗邻"
    "〇零一二两三四五六七八九十百千万亿几多数"
)
_HAN_ONLY = re.compile(f"[{_HAN}]")
_GENERIC_TAIL = re.compile(f"(?:{'|'.join(sorted(GENERIC, key=len, reverse=True))})$")
_DOUBLE = "欧阳|上官|司马|诸葛|东方|皇甫|尉迟|公孙|令狐|慕容|司徒|端木"
_NAME = f"(?P<name>[{SURNAMES}][{_HAN}]{{1,2}}?|(?:{_DOUBLE})[{_HAN}]{{1,2}}?)"
_OFFICE = (
    "董事长|总经理|主任|总裁|院长|校长|书记|主席|总统|总理|部长|市长|省长|局长|经理|教练|队长|创始人|创办人|歌手|演员|作家"
    "|诗人|画家|导演|编剧|作者|作曲家|律师|记者|发言人|首席执行官|名叫|叫做|本名|原名|联系人|负责人|主讲人|主持人|申请人|法人|法定代表人"
    "|主编|译者|店长|厂长|所长|处长|科长|行长|主角|主人公|妻子|丈夫|父亲|母亲|女儿|ceo|cto|cfo"
)
_TITLED = "先生|女士|小姐|教授|同志"
_DOES = (
    f"{_TITLED}|医生|表示|认为|指出|担任|出任|执导|导演|主演|编剧|创办|创立|创建|设计|撰写|饰演|饰|演唱|作曲"
    "|作词|出生|生于|毕业|率领|带领|主持|接任|继任"
)
_MADE_BY = f"{_DOES}|负责|审批|批准|主讲|主编|所著|著|创作|编写|翻译|研发|发明|签发|签署|保管|建立|提出"
_EDGE = r"(?=[、,。;:()\s.]|$)"
_PERSON = (
    re.compile(f"(?:{_OFFICE})(?:[:\\s]\\s?|[是为系])?{_NAME}(?={_DOES}|[、,。;()等]|\\s|$)"),
    re.compile(f"(?:^|(?<=[、,。;:(\\n!?「“]))\\s?{_NAME}(?={_DOES}|负责|审批)"),
    re.compile(f"由{_NAME}(?={_MADE_BY})"),
    re.compile(f"{_NAME}(?={_TITLED})"),
)
# What a word for people ends with, and no name: 程序员, 安保部.
_NO_PERSON = re.compile(".*[部处科室组厅局员者师长人商方司院所们位个某]|.*(?:公司|老师|工程|主管|经理|主任)")


def chinese_names(folded: str) -> Iterator[Name]:
    """Yield the Chinese names of a folded text; offsets are those of the folded text."""
    for match in _TITLE.finditer(folded):
        title = squeeze(match.group("title"))
        if title:
            shorter = re.sub("^中华人民共和国|^中国", "", title)
            yield Name(match.start("title"), match.end("title"), ("any", title, shorter or title), chinese=True)
    # What stands in 《》 is looked for as a whole.
    folded = _TITLE.sub(lambda match: "\0" * len(match.group()), folded)
    for match in _DOTTED.finditer(folded):
        yield from _dotted(match)
    for match in _PLACE.finditer(folded):
        names = PLACE_NAMES[match.group()]
        if folded.startswith("大学", match.end()):
            names = (*names, f"{match.group()[0]}大")
        yield Name(match.start(), match.end(), ("place", *names), chinese=True)
    for match in _SUFFIX.finditer(folded):
        made = _with_suffix(folded, match.start(), match.end())
        if made is not None:
            yield made
    yield from _persons(folded)


def _persons(folded: str) -> Iterator[Name]:
    seen: set[int] = set()
    for pattern in _PERSON:
        for match in pattern.finditer(folded):
            name, end = match.group("name"), match.end("name")
            if end in seen or name[:2] in NO_NAMES or name[1] in _CUT or _NO_PERSON.fullmatch(name):
                continue
            seen.add(end)
            # 于陈明先生: where nothing stands before it, the name may begin with its second character.
            other = (name[1:],) if pattern is _PERSON[-1] and len(name) == 3 and name[1] in SURNAMES else ()
            yield Name(match.start("name"), end, ("any", name[:2], *other), chinese=True)


def _dotted(match: re.Match[str]) -> Iterator[Name]:
    parts = _DOT.split(match.group())
    # The name goes as far as its characters are those that foreign names are written with.
    first, last = parts[0], parts[-1]
    if (first[-1] not in FOREIGN and last[0] not in FOREIGN) or first[-1] in CN or last[0] in CN:
        return
    keep = len(first)
    while keep and first[keep - 1] in FOREIGN:
        keep -= 1
    left = min(keep, len(first) - 1)
    right = 0
    while right < len(last) and last[right] in FOREIGN:
        right += 1
    right = max(right, 1)
    start, end = match.start() + left, match.end() - len(last) + right
    for one, other in pairwise(parts):
        key = one[-1] + other[: min(2, right if other is last else 2)]
        yield Name(start, end, ("any", key), chinese=True)


def _with_suffix(text: str, at: int, end: int) -> Name | None:
    """Return the place or organisation whose suffix is ``text[at:end]``, or None where none is certain."""
    suffix = text[at:end]
    organisation = suffix in ORGANISATIONS
    if text[end : end + 1] and text[end] in WORD_AFTER.get(suffix, ""):
        return None
    least = max(0, at - (10 if organisation else 5))
    start = at
    while start > least and _HAN_ONLY.match(text[start - 1]) and text[start - 1] not in _CUT:
        start -= 1
    core = text[start:at]
    if organisation:
        while (tail := _GENERIC_TAIL.search(core)) is not None:
            core = core[: tail.start()]
        if len(core) < 2:
            return None
    elif not 2 <= len(core) <= 4 or core[-1] in NO_PLACE[suffix]:
        return None
    # 广州, 易县: what stands before the one character may be a verb.
    more = (core[-1] + suffix,) if suffix in "州县" else ()
    whole = text[start:at].removeprefix("中国")
    if suffix == "大学" and (core == whole or len(whole) == 2):
        return Name(start, end, ("place", core[-2:], f"{whole[0]}大"), chinese=True)
    return Name(start, end, ("any", core[-2:], *more), chinese=True)


def squeeze(folded: str) -> str:
    """Return a folded text without white space and punctuation."""
    return "".join(re.findall(r"[^\W_]+", folded))
