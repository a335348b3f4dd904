"""Whether Chinese sources hold a place or a company: its name, another one, or the one character that stands for it.

One character is a place only where its neighbours say so: 中美, 赴美, 美军, 豫南, but not 犹豫, 英语, 法院.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ragcli.answering.facts_lists import PLACES

_HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff"
# Characters that stand for nothing but a Chinese province or city when a point of the compass or 省 follows.
_PROVINCES = "沪粤闽赣皖冀豫鄂湘桂琼黔滇穗蓉甬渝鲁浙晋蜀陇京津苏川云贵陕甘青藏新蒙吉辽黑宁杭港台汉深厦"
_COUNTRIES = "中美英法德日俄苏韩朝印澳加意欧越泰菲伊巴墨荷波捷匈希"
# What follows a pair (中美) or comes before it.
_AFTER_PAIR = (
    "关系|[两三]国|[两三]地|双方|贸易|战争|联|友好|合作|建交|混血|边[境界]|会谈|协[议定]|条约|之间|外交|首脑|冲突|签|海底|铁路|高铁"
    "|高速|线|地区|一带|[四五]省|航线|对抗|同盟|盟军|合拍|合资|交流|文化"
)
_BEFORE_PAIR = "与和及的在对了从至到赴于为是接"
_GOING = "赴访驻旅援抗留亲"
# What makes a word of a character: 留法律, 赴美好, 德育.
_WORD_AFTER = {
    "法": "律院规定则案官治庭师学人子",
    "美": "好丽术食容化味元德女景",
    "德": "育行性高才",
    "日": "期常前后子元本程志记历益",
    "英": "语文雄才俊",
    "意": "见义思味外识",
    "加": "强入上快大工",
    "中": "心国间央学文部",
}
_WITH = "军方裔籍侨商股"
_WITH_ONLY = frozenset("美英法德日俄韩印越泰")
_NO_PAIRS = ("加法", "中意", "加印")  # words, unless something about both follows


@lru_cache(maxsize=256)
def _alone(one: str) -> re.Pattern[str]:
    """Return what matches one character where it stands for a place."""
    partners = "".join(other for other in (_PROVINCES + _COUNTRIES) if other != one)
    pairs = [f"{one}[{partners}]", f"[{partners}]{one}"]
    bad = "|".join(pair for pair in _NO_PAIRS if one in pair)
    branches = [
        rf"(?:(?<![{_HAN}])|(?<=[{_BEFORE_PAIR}]))(?!{bad or '(?!)'})(?:{'|'.join(pairs)})[{partners}]?"
        rf"(?=[^{_HAN}]|$|{_AFTER_PAIR})",
        rf"[{_GOING}]{one}(?![{_WORD_AFTER.get(one, '') + chr(0)}])",
        rf"(?<![{_HAN}]){one}(?=[、/]|$)",
    ]
    if one in _WITH_ONLY:
        branches.append(rf"{one}[{_WITH}]")
    if one in _PROVINCES:
        alone = _HAN if one in "新云青黑深汉台" else "东西秘粗布桂芙犹"
        branches.append(rf"(?<![{alone}]){one}(?:[东西南北省菜剧籍]|[a-z](?=[a-z0-9]{{4}}))")
    return re.compile("|".join(branches))


def _stands(one: str, text: str) -> bool:
    """Whether one character stands for a place somewhere in a text; it is looked for first, which is quicker."""
    at = text.find(one)
    while at >= 0:
        if _alone(one).search(text, max(0, at - 2), at + 8):
            return True
        at = text.find(one, at + 1)
    return False


_UNIVERSITY = "(?<![东西湖河华淮]){}(?![学街门路道桥厅楼院堂幅量陆区战举型规约])"


def holds_place(folded: Sequence[str], squeezed: str, names: Sequence[str]) -> bool:
    """Return whether sources hold a place or what stands for it.

    Args:
        folded: the sources as they are compared.
        squeezed: the same without white space and punctuation.
        names: what the place is called; 北大 is looked for where it is no part of 东北大学.
    """
    for name in names:
        if len(name) == 1:
            if any(_stands(name, source) for source in folded):
                return True
        elif len(name) == 2 and name[1] == "大":
            if name in squeezed and re.search(_UNIVERSITY.format(name), squeezed):
                return True
        elif name in squeezed:
            return True
    return False


# Companies whose names say nothing else.
_COMPANIES = """华为 huawei,腾讯 tencent,阿里巴巴 阿里 alibaba,百度 baidu,京东 jd,字节跳动 bytedance,拼多多 pdd
网易 netease,美团 meituan,比亚迪 byd,海尔 haier,微软 microsoft,谷歌 google,英特尔 intel,西门子 siemens,索尼 sony
特斯拉 tesla,中国移动 移动,中国联通 联通,中国电信 电信,工商银行 工行,建设银行 建行,农业银行 农行,招商银行 招行"""
PLACE_NAMES = PLACES | {one.split()[0]: tuple(one.split()) for one in re.split("[,\n]", _COMPANIES)}
