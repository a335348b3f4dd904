"""Whether `ragcli.answering.facts` names invented numbers, dates, names and quotations, and no true ones.

On CMRC 2018 (Chinese) and the English passages of the tests, sentence by sentence, without chance:

  own        facts of a sentence that are missing in its own passage: none should be
  foreign    part of the facts that are missing in another passage, by kind
  changed    part of the changes that are found in the sentence's own passage: a number, a year, a day or month, a
             name of another passage, a word of a quotation
  rewritten  parts of a sentence said in another form (24个月 as 二十四个月, 1999年3月5日 as 1999-03-05): how many,
             and how many of them are missing in its own passage: none should be
  questions  the facts of people's questions, and how many of them are missing in the passage that answers: what a
             careful reader says in words of their own, so nearly all should be there
  seconds    for an answer of 20,000 characters and 20 sources of 5,000

Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ragcli.answering.facts import Fact, facts, missing
from ragcli.splitting.sentences import sentence_spans

Passage = tuple[str, str]  # title, text


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def sentences(passages: list[Passage]) -> Iterator[tuple[int, str]]:
    """Yield each sentence and the number of its passage."""
    for number, (_, text) in enumerate(passages):
        for start, end in sentence_spans(text):
            yield number, text[start:end]


# ---------------------------------------------------------------------------------------------------------- changes

_NUMBER = re.compile(r"(?<![\d.,A-Za-z一-龥/·\[-])\d{2,4}(?![\d.,年月日号:A-Za-z/·-])")
_YEAR = re.compile(r"(?<!\d)(?:1[5-9]\d\d|20[01]\d)(?=年)")
_MONTH = re.compile(r"(?<=年)\d{1,2}(?=月)")
_EN_NUMBER = re.compile(r"(?<![\w.,/\[-])\d{2,4}(?![\w.,/%-])")


def other(text: str, digits: str, low: int, high: int) -> str:
    """Return a number near this one that the text does not hold."""
    value = int(digits)
    for step in (7, 3, -4, 11, -9, 1, -1, 2, -2, 4, 5, 6, 13, 17, 19):
        new = str(value + step)
        if low <= value + step <= high and new not in text and len(new) == len(digits):
            return new
    return ""


def changes(sentence: str, passage: str, names: dict[str, list[str]]) -> Iterator[tuple[str, str, str]]:
    """Yield kind, the changed sentence and what was put in."""
    for kind, pattern, low, high in (
        ("number", _EN_NUMBER if sentence.isascii() else _NUMBER, 10, 9999),
        ("year", _YEAR, 1500, 2030),
        ("month", _MONTH, 1, 12),
    ):
        match = pattern.search(sentence)
        if match is not None and (new := other(passage, match.group(), low, high)):
            yield kind, sentence[: match.start()] + new + sentence[match.end() :], new
    for kind, mine in names.items():
        match = _SWAP[kind].search(sentence)
        if match is not None:
            for name in mine:
                if name not in passage and match.group() != name:
                    yield kind, sentence[: match.start()] + name + sentence[match.end() :], name
                    break


_SWAP = {
    "title": re.compile("(?<=《)[^《》]{2,20}(?=》)"),
    "place": re.compile("(?:日本|美国|英国|法国|德国|香港|北京|上海|台湾|广东|江苏|俄罗斯|意大利|澳大利亚|加拿大)"),
    "organisation": re.compile(
        "(?<=[，。、的在入于])(?![^，。]{0,6}(?:[有一家曾任多另各该些与商母分子大份]|国立))[^，。、的在入于了和与是为被及由（）\\d]{2,4}(?:大学|集团|银行|医院|出版社)"
    ),
    "foreign": re.compile("(?<=[，。、])[一-龥]{2,5}·[一-龥]{2,5}(?=[，。、（])"),
    "person": re.compile(
        "(?<=[由，。、])[王李张刘陈杨赵黄周吴徐孙胡朱林何郭罗梁宋郑谢韩唐冯邓][一-龥]{1,2}(?=执导|导演|主演|担任|出任|创办|编剧|认为|表示|指出|出生|毕业)"
    ),
    "latin": re.compile("(?<![A-Za-z .-])[A-Z][a-z]{3,12}(?: [A-Z][a-z]{2,12})?(?![A-Za-z .-])"),
    "quotation": re.compile("(?<=[「“])[^「」“”]{3,20}(?=[」”])"),
}


# --------------------------------------------------------------------------------------------------------- rewriting

_ZH = "〇一二三四五六七八九"


def in_chinese(value: int) -> str:
    """Return 0-9999 in Chinese numerals."""
    if value < 10:
        return "零一二三四五六七八九"[value]
    digits, out = str(value), ""
    for at, one in enumerate(digits):
        power = len(digits) - at - 1
        if one != "0":
            out += _ZH[int(one)] + ("", "十", "百", "千")[power]
        elif out and not out.endswith("零") and digits[at:].strip("0"):
            out += "零"
    return out.removeprefix("一") if 10 <= value < 20 else out


_DATE = re.compile(r"(?<!\d)(\d{4})年(\d{1,2})月(\d{1,2})日")
_UNITED = re.compile(
    r"(?<![\d.,第A-Za-z/~－—–:-])(\d{1,4})(?=个月|小时|分钟|公里|公斤|岁|天|人|座|名|部|次|公分|公尺|米)"
)
_THOUSANDS = re.compile(r"(?<![\d.,A-Za-z])(\d{1,3}),(\d{3})(?![\d,.])")
_WAN = re.compile(r"(?<![\d.,亿])(\d{1,4})万(?![\d亿])")
_PERCENT = re.compile(r"(?<![\d.])(\d{1,2})%(?!-)")
_QUOTED = re.compile(r"《[^《》]*》|「[^「」]*」|“[^“”]*”|\"[^\"]*\"|[「“《].*")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def rewritings(sentence: str) -> Iterator[tuple[str, str, str]]:
    """Yield kind, the sentence in which one thing is said otherwise, and how; quotations are to stay as they are."""
    sentence = _QUOTED.sub("", sentence)
    for match in _DATE.finditer(sentence):
        y, m, d = map(int, match.groups())
        if re.match("[0-9A-Za-z]", sentence[match.end() :]):
            continue
        chinese = "".join(_ZH[int(one)] for one in str(y)) + f"年{in_chinese(m)}月{in_chinese(d)}日"
        for new in (
            f"{y}-{m:02}-{d:02}",
            f"{y}/{m}/{d}",
            f"{_MONTHS[m - 1]} {d}, {y}",
            f"{d} {_MONTHS[m - 1][:3]} {y}",
            chinese,
            f"{y}年{m}月",
            f"{y}年",
        ):
            yield "date", sentence[: match.start()] + new + sentence[match.end() :], new
    for match in _YEAR.finditer(sentence):
        new = "".join(_ZH[int(one)] for one in match.group())
        yield "year", sentence[: match.start()] + new + sentence[match.end() :], new
    for match in _UNITED.finditer(sentence):
        new = in_chinese(int(match.group(1)))
        yield "numeral", sentence[: match.start()] + new + sentence[match.end() :], new
    for match in _THOUSANDS.finditer(sentence):
        new = "".join(match.groups())
        yield "thousands", sentence[: match.start()] + new + sentence[match.end() :], new
    for match in _WAN.finditer(sentence):
        for new in (match.group(1) + "0000", in_chinese(int(match.group(1))) + "万", match.group(1) + ".0万"):
            yield "万", sentence[: match.start()] + new + sentence[match.end() :], new
    for match in _PERCENT.finditer(sentence):
        for new in ("百分之" + in_chinese(int(match.group(1))), match.group(1) + " percent"):
            yield "percent", sentence[: match.start()] + new + sentence[match.end() :], new


# ----------------------------------------------------------------------------------------------------------- figures


def measure(passages: list[Passage], show: str = "") -> dict[str, Any]:
    """Return the figures of a collection of passages."""
    found: Counter[str] = Counter()
    own: Counter[str] = Counter()
    foreign: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    rewritten: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    count = 0
    texts = [f"{title}\n{text}" for title, text in passages]
    whole = [text for _, text in passages]
    names: list[dict[str, list[str]]] = [
        {kind: pattern.findall(text) for kind, pattern in _SWAP.items()} for text in whole
    ]

    def say(what: str, sentence: str, facts_: list[Fact], more: str = "") -> None:
        if what == show:
            print(what, [(fact.kind, fact.text) for fact in facts_], more, "|", sentence[:150])

    for number, sentence in sentences(passages):
        count += 1
        mine = list(passages[number])
        held = facts(sentence)
        found.update(fact.kind for fact in held)
        gone = missing(sentence, mine)
        own.update(fact.kind for fact in gone)
        if gone:
            say("own", sentence, gone)
        # A fixed stride pairs each passage with a far one, without chance.
        far = (number + len(passages) // 2) % len(passages)
        gone = missing(sentence, list(passages[far]))
        foreign.update(fact.kind for fact in gone)
        if gone:
            say("foreign", sentence, gone)
        pool: dict[str, list[str]] = {kind: [] for kind in _SWAP}
        for step in range(1, 40):
            for kind, some in names[(number + step) % len(names)].items():
                pool[kind] += some
        for kind, new, what in changes(sentence, texts[number], pool):
            seen[kind] += 1
            gone = missing(new, mine)
            hit = any(what in fact.text or fact.text in what for fact in gone)
            changed[kind] += hit
            if not hit:
                say("changed", new, gone, f"{kind} {what}")
        for kind, new, what in rewritings(sentence):
            rewritten[kind] += 1
            gone = missing(new, mine)
            lost[kind] += bool(gone)
            if gone:
                say("rewritten", new, gone, what)
    return {
        "sentences": count,
        "facts": dict(found),
        "own": dict(own),
        "foreign": {kind: round(foreign[kind] / found[kind], 3) for kind in found},
        "changed": {kind: [round(changed[kind] / seen[kind], 3), seen[kind]] for kind in seen},
        "rewritten": {kind: [lost[kind], rewritten[kind]] for kind in rewritten},
    }


def asked(questions: list[tuple[str, Passage]], show: str = "") -> dict[str, list[int]]:
    """Return the facts of questions by kind: how many are missing in the passage that answers, of how many."""
    out: dict[str, list[int]] = {}
    for question, passage in questions:
        gone = missing(question, list(passage))
        for fact in facts(question):
            counts = out.setdefault(fact.kind, [0, 0])
            counts[0] += fact in gone
            counts[1] += 1
        if gone and show == "questions":
            print("questions", [(fact.kind, fact.text) for fact in gone], "|", question, "|", passage[1][:100])
    return out


def seconds(passages: list[Passage]) -> float:
    """Return the seconds for an answer of 20,000 characters and 20 sources of 5,000, the best of fifteen."""
    text = "\n".join(text for _, text in passages)
    while len(text) < 120_000:
        text += "\n" + text
    answer, sources = text[:20_000], [text[at : at + 5_000] for at in range(20_000, 120_000, 5_000)]
    best = 1e9
    for _ in range(15):
        began = time.perf_counter()
        missing(answer, sources)
        best = min(best, time.perf_counter() - began)
    return round(best, 4)


def main() -> None:
    """Read the options and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[1]
    default = root.parent / "shared" / "data" / "cmrc2018"
    parser.add_argument("--data", type=Path, default=default, help="folder with corpus.jsonl")
    parser.add_argument("--show", default="", help="print sentences: own, foreign, changed or rewritten")
    given = parser.parse_args()
    chinese = [(row["title"], row["text"]) for row in lines(given.data / "corpus.jsonl")]
    rows = [row for row in lines(root / "tests" / "data" / "english_qa.jsonl") if "text" in row]
    english = [(row.get("title") or "", row["text"]) for row in rows]
    gold = dict(line.split("\t")[:2] for line in (given.data / "qrels.tsv").read_text("utf-8").split("\n")[1:] if line)
    of = {row["_id"]: (row["title"], row["text"]) for row in lines(given.data / "corpus.jsonl")}
    asked_zh = [(row["text"], of[gold[row["_id"]]]) for row in lines(given.data / "queries.jsonl")]
    asked_en = [(one["question"], (row["title"], row["text"])) for row in rows for one in row["questions"]]
    out: dict[str, Any] = {"benchmark": "facts"}
    for name, passages, questions in (("chinese", chinese, asked_zh), ("english", english, asked_en)):
        out[name] = {**measure(passages, given.show), "questions": asked(questions, given.show)}
        out[name]["seconds"] = seconds(passages)
    print(json.dumps(out, ensure_ascii=False))


if __name__ == "__main__":
    main()
