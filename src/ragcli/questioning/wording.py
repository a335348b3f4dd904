"""The words that questions are put in, in both languages. Pure functions."""

from __future__ import annotations

import re

from ragcli.answering.terms import Language
from ragcli.evaluation.normalising import find, fold

_MOST_SUBJECT = 80
# Titles and headings that name no subject.
_GENERIC = re.compile(
    r"(?:[\W\d_]|第[一二三四五六七八九十百\d]+[章节条部分篇]|chapter|section|part|appendix|附录|附件)*"
    r"(?:untitled|readme|index|document|overview|introduction|summary|abstract|background|notes?|references?|contents?"
    r"|table of contents|example|examples|see also|external links|about|general|misc(?:ellaneous)?|other|faqs?"
    r"|cover|preface"
    r"|acknowledgements?|conclusions?|changelog|home|text|page \d+|sheet ?\d+|slide ?\d+|usage|options|notice"
    r"|概述|简介|介绍|引言|前言|目录|总则|附则|说明|备注|注释|参考|参考文献|参考资料|外部链接|相关条目|摘要|背景|其他|其它|示例|例子"
    r"|(?:part|section|chapter|rule|table|figure|class|test|step|annex)\s+\w{1,4}|未命名|无标题|文档|封面|结论|总结|小结|正文|附注|脚注|来源|内容|首页)?[\W\d_]*",
    re.IGNORECASE,
)
_DOCUMENT_ZH = re.compile(
    r"(?:法|条例|规定|办法|条款|手册|指南|说明书?|制度|规程|规范|合同|协议|标准|报告|章程|细则|须知|方案|策略|通知|公告|守则|教程|文档|白皮书"
    r"|总结|计划)$"
)
_SITE = re.compile(r"\s*[-–—|_]\s*(?:Wikipedia.*|维基百科.*|百度百科)$")
_BOOK = re.compile("[《》]")
_TAIL = re.compile(r"\s*[（(][^（）()]{1,30}[）)]\s*$")
_FILE = re.compile(r"\.[A-Za-z0-9]{1,5}$|[/\\]|^\S*_\S*$")
_NUMBERED = re.compile(
    r"^(?:第[一二三四五六七八九十百零〇\d]{1,5}[编章节篇部分卷条款][\s、：:.]*|\d{1,3}(?:\.\d{1,3})*[.、)\s]\s*"
    r"|[一二三四五六七八九十]{1,3}、|[（(][一二三四五六七八九十\d]{1,3}[）)]\s*|chapter\s+\w+[.:\s]\s*|[IVX]{1,5}[.)]\s+)",
    re.IGNORECASE,
)


def subject(text: str | None, *, named: bool = True) -> str:
    """Return what a title or heading names, on one line; empty where it names nothing that a question could.

    Args:
        text: the title or heading.
        named: whether the number of a chapter is left out.
    """
    bare = _SITE.sub("", " ".join((text or "").split()).strip(" #*_"))
    if named:
        bare = _NUMBERED.sub("", bare)
    if not 2 <= len(bare) <= _MOST_SUBJECT or _GENERIC.fullmatch(bare) or _FILE.search(bare):
        return ""
    return "" if bare.count("“") != bare.count("”") else bare


def is_within(part: str, text: str) -> bool:
    """Whether a text says a subject, its remark in brackets left out, already."""
    bare = fold(_TAIL.sub("", part))
    return bool(bare) and find(bare, fold(text)) >= 0


def about(name: str, language: Language) -> str:
    """Return the words that put a question into its context; empty without a name."""
    if not name:
        return ""
    if language == "en":
        return f"According to “{name}”, "
    if _DOCUMENT_ZH.search(_TAIL.sub("", name)):
        return f"按照{quoted(name)}，"
    return f"关于{quoted(name)}，"


def quoted(name: str) -> str:
    """Return a Chinese name in the marks that it wants."""
    if _BOOK.search(name):
        return name if name.startswith("《") and name.endswith("》") else f"“{name}”"
    return f"《{name}》" if _DOCUMENT_ZH.search(_TAIL.sub("", name)) else f"“{name}”"


def is_question(text: str) -> bool:
    """Whether a heading is itself a question."""
    return bool(re.search(r"[?？]\s*$", text)) and len(text) >= 4


_SMALL = frozenset(
    {"The", "A", "An", "In", "On", "At", "For", "From", "To", "By", "Of", "Each", "Every", "All", "Any", "During"}
    | {"Under", "Within", "Between", "Over", "About", "As", "Until", "More", "Less"}
)


def lowered(text: str, around: str) -> str:
    """Return an English sentence as it goes on after a comma: its first word small where its document writes it so."""
    first = re.match(r"[A-Z][a-z]*\b", text)
    if first is not None and first.group() in _SMALL:
        return text[:1].lower() + text[1:]
    if first is None or not (len(first.group()) == 1 or re.search(rf"(?<![\w.]){first.group().lower()}\b", around)):
        return text
    return text if first.group() == "I" else text[:1].lower() + text[1:]
