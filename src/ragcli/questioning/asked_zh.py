"""Chinese questions from sentences: the fact gives way to the word that asks for it, where it stands. Pure functions.

Chinese asks in place: 雅芳河长137公里 becomes 雅芳河长多少公里？
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragcli.answering.facts import Fact, facts
from ragcli.questioning.sentences import goes_on, plain, within_brackets

_NUMERAL = r"[\d,.，．]*\d|[一二两三四五六七八九十百千万亿零〇半]+"
_UNITS = (
    "平方公里|平方千米|平方公尺|平方米|平方英里|立方米|公里|千米|公尺|厘米|公分|毫米|米|英里|英尺|英寸|海里|公顷|亩|公斤|千克|公克|克|吨|磅"
    "|升|毫升|伏|安|瓦|千瓦|兆瓦|赫兹|度|摄氏度|℃|小时|分钟|秒|个月|个工作日|工作日|个星期|星期|周年|周|天|日|年|岁|世纪|年级"
    "|万人|亿人|人|名|位|户|家|所|座|条|种|类|项|部|集|期|首|张|件|次|届|届次|本|册|页|卷|章|篇|幅|套|台|辆|艘|架|枚|颗|块|片|间|层|栋|幢|支|只"
    "|头|匹|棵|株|朵|门|科|属|目|队|场|局|轮|分|票|席|级|路|站|个站|个|元|万元|亿元|美元|万美元|亿美元|英镑|欧元|日元|港元|港币|人民币|元人民币"
    "|倍|成|字|句|行|列|字节|比特|像素|马力|节|胎|碗|杯|瓶|箱|袋"
)
_RARE = frozenset("条队分科目属门行列字句局场轮队路站级册卷片区席头级部本只成期度分")
_QUANTITY = re.compile(rf"(?P<number>{_NUMERAL})(?P<more>多|余|几)?(?P<scale>[万亿千百]*)\s*(?P<unit>{_UNITS})")
_PERCENT = re.compile(rf"百分之(?:{_NUMERAL})|\d[\d.]*\s?[%％]")
_ORDINAL = re.compile(rf"第(?P<number>\d+|[二三四五六七八九十百千]+[一二三四五六七八九十百千]*)(?P<unit>{_UNITS})?")
_BARE = re.compile(r"\d[\d,.]*")
_YEAR = re.compile(r"(?:公元前?|西元前?|民国)?[\d一二三四五六七八九〇零]{2,4}年")
_MONTH = re.compile(r"[\d一二三四五六七八九〇零]{4}年[\d一二三四五六七八九十]{1,3}月")
_DAY = re.compile(r"[\d一二三四五六七八九〇零]{4}年[\d一二三四五六七八九十]{1,3}月[\d一二三四五六七八九十]{1,3}[日号]")
_MONTH_DAY = re.compile(r"[\d一二三四五六七八九十]{1,3}月[\d一二三四五六七八九十]{1,3}[日号]")
_CENTURY = re.compile(r"(?:公元前?)?[\d一二三四五六七八九十]{1,3}世纪")
_RANGE_BEFORE = re.compile(
    r"[\d一二三四五六七八九十百千万年月日%％]\s*[至到~～\-—–－、/×x]\s*$|[第约]?\s*[\d.,]$|[A-Za-z][-]?$|[:：]$|每$|之$"
)
_RANGE_AFTER = re.compile(
    r"^\s*[至到~～\-—–－/×x、]\s*(?:约)?[\d一二三四五六七八九十百]|^[\d.,]\d|^[A-Za-z]|^之(?![内后前间外])|^分之|^多|^余|^几"
)
_ENDS_ZH = {
    "大学": "哪所大学",
    "学院": "哪所学院",
    "中学": "哪所中学",
    "公司": "哪家公司",
    "集团": "哪家集团",
    "银行": "哪家银行",
    "医院": "哪家医院",
    "委员会": "哪个委员会",
    "出版社": "哪家出版社",
}
_EDGE_BEFORE = re.compile(r"(?:[，、；：“「《（(于在由被为是和与及从向至到的入进任了给对获经将让]|属于|毕业于)$")
_EDGE_AFTER = re.compile(
    r"[，。；、）)的]|$|毕业|任教|就读|学习|攻读|教授|取得|获得|担任|工作|出版|发行|制作|开发|成立"
)
_NAMING = re.compile(
    r"(?P<verb>又称为|又称作|又称|又名|又叫做|又叫|别名为?|俗称|俗名为|俗名|简称为?|全称为?|原名为?|本名为?|学名为?|英文名称?为?|旧称|古称|旧名"
    r"|被称为|被称作|称为|称作|命名为|改名为|改称|更名为)[：:]?(?P<open>[“「《]?)(?P<name>[^，。；、：（）()“”「」《》或及和与\s]{2,16})(?P<close>[”」》]?)"
    r"(?=[，。；]|$)"
)
_PLACED = re.compile(
    r"(?P<verb>位于|位在|坐落于|坐落在|地处|出生于|生于|出生在|葬于|发源于|源于|起源于|流入|注入|产于|原产于|设于|设在|建于|毕业于|就读于|隶属于|改编自|来自)"
    r"(?P<name>[^，。；、：（）()“”「」《》\d]{2,16})(?=[，。；]|$)"
)
_NO_PLACE = re.compile(
    "^[于自到此该其本]|[的了]$|^[了过]|一[个座条家]|[但时后并而且]|设置|保存|仍然|迄今|开始|进行|举行|运[作营]"
)
_PLACED_WORDS = {
    "毕业于": "哪所学校",
    "就读于": "哪所学校",
    "隶属于": "哪里",
    "改编自": "什么",
    "源于": "什么",
    "起源于": "哪里",
    "流入": "哪里",
    "注入": "哪里",
}
_BY = re.compile(
    r"由(?P<name>[^，。；、：（）()“”「」《》\d]{2,14}?)(?P<verb>执导|导演|编剧|主演|创作|作曲|作词|填词|演唱|撰写|编写|编著|设计|建造|兴建|承建|开发"
    r"|研发|制作|出版|发行|创办|创立|成立|主持|主编|负责|管理|经营|营运|运营|拥有|发明|发现|提出|命名|改编|绘制|制造|生产|赞助|主办|承办|修订|解释)"
    "(?![区员者人层局处部机商师院所权])"
)
_TIME = re.compile(r"[\d一二三四五六七八九〇零十]+(?:年|月|日|世纪)")
_CLAUSE = re.compile("[，；：]|,(?=[\u4e00-\u9fff])")
_LASTS = re.compile(
    r"(?:约|达|共|了|近|历时|长达|有|为期|需|超过|至少|最长|最多|满|仅|为|是|保存|延长|工作|服务|任职)$"
)
_ENOUGH = 8  # characters that a question keeps beside what it asks for
_HANGING = re.compile("(?:[中时后]|期间|以来)$")  # what follows, which is left out, would say something
_NOUN_LEFT = re.compile("的[^的，。；：是在有为了]{1,6}$")
_OWN = 2  # of them in the clause of the fact, or the next one: 10月17日起 alone asks for nothing
_LONG = 48
_MOST_LISTED = 4


def asked(text: str) -> Iterator[tuple[int, int, str, str, str, str]]:
    """Yield (start, end, word that asks, before, after, kind) for what a sentence can be asked for, best first.

    ``before`` and ``after`` are what the question keeps of the sentence; ``kind`` sorts the questions: ``pattern``,
    ``quantity``, ``date``, ``name`` or ``blank``.
    """
    found: list[tuple[int, int, int, str, str]] = []
    for start, end, word in _patterns(text):
        found.append((0, start, end, word, "pattern"))
    for fact in facts(text):
        made = _of_fact(text, fact)
        if made is not None:
            order, start, end, word, kind = made
            found.append((order, start, end, word, kind))
    for match in (*_QUANTITY.finditer(text), *_PERCENT.finditer(text)):
        made = _quantity(text, *match.span())
        if made is not None:
            found.append(made)
    seen: set[tuple[int, int]] = set()
    for _, start, end, word, kind in sorted(found):
        if (start, end) in seen or text.count(text[start:end]) != 1 or within_brackets(text, start):
            continue
        seen.add((start, end))
        if "之一" in text[end:]:
            continue
        before, after = _kept(text, start, end)
        if "：" in after or goes_on(before + word) or _HANGING.search(after):
            continue
        if (before + after).count("、") > _MOST_LISTED or (before.endswith("的") and not re.search("[是为有]", before)):
            continue
        if len(re.sub(r"\W", "", plain(before) + plain(after))) >= _ENOUGH:
            yield start, end, word, before, after, kind


def _kept(text: str, start: int, end: int) -> tuple[str, str]:
    """Return what a question keeps before and after its fact: whole clauses, the nearest ones of a long sentence."""
    before, after = text[:start], text[end:]
    own = re.sub(r"\W", "", _CLAUSE.split(before)[-1])
    for cut in _CLAUSE.finditer(after):
        if _NOUN_LEFT.search(after[: cut.start()]):
            continue  # what follows says something of it
        kept = re.sub(r"\W", "", after[: cut.start()])
        if len(own + kept) >= _OWN and len(re.sub(r"\W", "", plain(before)) + kept) >= _ENOUGH:
            after = after[: cut.start()]
            break
    while len(plain(before)) + len(plain(after)) > _LONG:
        first = _CLAUSE.search(before)
        if first is None or len(before) - first.end() + len(after) < _ENOUGH * 2:
            break
        before = before[first.end() :]
    return before, after


def _patterns(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _NAMING.finditer(text):
        if bool(match["open"]) == bool(match["close"]):
            yield *match.span("name"), "什么"
    for match in _PLACED.finditer(text):
        if not _NO_PLACE.search(match["name"]) and not re.search("是一[个家座条所种间]?[^，]*$", text[: match.start()]):
            yield *match.span("name"), _PLACED_WORDS.get(match["verb"], "哪里")
    for match in _BY.finditer(text):
        if not re.search(r"[的了]|^[于此其]|[为因被]|自行|共同|联合|专人|一[个位名家]", match["name"]):
            yield *match.span("name"), "谁"


def _of_fact(text: str, fact: Fact) -> tuple[int, int, int, str, str] | None:
    start, end = fact.start, fact.end
    if fact.kind == "date":
        return _date(text, start, end)
    if fact.kind == "number":
        return _quantity(text, start, end)
    before, after = text[:start], text[end:]
    if fact.kind == "name" and _EDGE_BEFORE.search(before):
        word = next((word for ending, word in _ENDS_ZH.items() if fact.text.endswith(ending)), None)
        if word is not None and _EDGE_AFTER.match(after):
            return 2, start, end, word, "name"
    if before.endswith("《") and after.startswith("》") and len(fact.text) >= 2:
        return 3, start, end, "____", "blank"
    return None


def _date(text: str, start: int, end: int) -> tuple[int, int, int, str, str] | None:
    """Return the question for a date; what other numbers lie beside is left alone."""
    while start and (prefix := re.search(r"(?:公元前?|西元前?|民国)$", text[:start])):
        start = prefix.start()
    date = text[start:end]
    if (
        _RANGE_BEFORE.search(text[:start])
        or text[:start].endswith(("年", "月"))
        or re.match(r"\s*[至到~～\-—–－/、]|代|度|[月日]|[\d一二三四五六七八九十]", text[end:])
    ):
        return None
    for form, word in (
        (_DAY, "哪一天"),
        (_MONTH, "哪年哪月"),
        (_YEAR, "哪一年"),
        (_MONTH_DAY, "几月几日"),
        (_CENTURY, "哪个世纪"),
    ):
        if form.fullmatch(date):
            return 1, start, end, word, "date"
    return None


def _quantity(text: str, start: int, end: int) -> tuple[int, int, int, str, str] | None:
    """Return the question for a number with what it counts, as much of it as stands there."""
    if start and text[start - 1] == "第":
        start -= 1
    before = text[:start]
    if _RANGE_BEFORE.search(before) or re.search("(?<![达增升降减缩延提])[至到]$", before):
        return None
    percent = _PERCENT.match(text, start)
    if percent and percent.end() >= end:
        return (
            None if _RANGE_AFTER.match(text[percent.end() :]) else (1, start, percent.end(), "百分之多少", "quantity")
        )
    ordinal = _ORDINAL.match(text, start)
    if ordinal and ordinal.end() >= end:
        unit = ordinal["unit"]
        if not unit or _RANGE_AFTER.match(text[ordinal.end() :]):
            return None
        return (2, start, ordinal.end(), f"第几{unit}", "quantity") if start else None
    match = _QUANTITY.match(text, start)
    if match is None or match.end() < end or _RANGE_AFTER.match(text[match.end() :]):
        return None
    number, unit = match["number"], match["unit"]
    if number in ("1", "一", "半", "两", "十", "百", "千", "万", "亿") and unit not in (
        "年",
        "个月",
        "岁",
        "公里",
        "米",
    ):
        return None  # 一个, 两种: hardly a fact
    if unit in ("年", "月", "日", "世纪", "号") or (
        unit in ("分", "等", "号", "级", "度", "成", "部", "本", "只") and not number.isdigit()
    ):
        if unit == "世纪" or (_TIME.match(text, start) and unit != "年"):
            return None
        if unit == "年" and (len(number) >= 4 or not _LASTS.search(before)):
            return None  # 康熙9年: a year, which is a date's
    if unit == "人" and text[match.end() :].startswith("队"):
        return None
    if before[-1:] and before[-1] in "第之每数几若干其多":
        return None
    if not number[0].isdigit() and unit in _RARE:
        return None  # 兵二科给事中
    return 1, start, match.end(), f"多少{unit}", "quantity"
