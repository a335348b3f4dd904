"""Greetings and thanks, which no document answers."""

from __future__ import annotations

import re
import unicodedata

from ragcli.answering.terms import language

_HELLO = re.compile(
    r"(?:你好|您好|嗨|哈喽|早上好|下午好|晚上好|在吗|hi|hello|hey|good (?:morning|afternoon|evening))(?: there| all)?"
    r"[呀啊]*",
    re.IGNORECASE,
)
_THANK = (
    r"(?:非常|多|太)?(?:谢谢|感谢|多谢)(?:你|您|了|啦)*(?:的(?:帮助|帮忙|回答|解答))?"
    r"|(?:many )?thanks?(?: you)?(?: so much| very much| a lot| again)?"
)
_YES = r"好(?:的|吧|了)?|嗯+|哦+|行|明白了?|知道了|了解了?|再见|拜拜|ok(?:ay)?|great|perfect|got it|i see|good ?bye|bye"
_THANKS = re.compile(rf"(?:(?:{_YES}|{_THANK})\s*)+", re.IGNORECASE)
_MARKS = re.compile(r"[\s!！。.,，~～、…]+")
_GREETING = {"zh": "您好，请问您想从文档里了解什么？", "en": "Hello. What would you like to know from the documents?"}
_WELCOME = {"zh": "不客气，有问题请随时提出。", "en": "You are welcome. Ask whenever there is something else."}


def answer_to(said: str, greeting: str) -> str | None:
    """Return what answers a greeting or thanks; None for anything else.

    Args:
        said: what a person says.
        greeting: the persona's own, or empty.
    """
    words = _MARKS.sub(" ", "".join(char for char in said if unicodedata.category(char) not in ("So", "Sk", "Cf")))
    words = words.strip("\ufe0f ")
    if _HELLO.fullmatch(words):
        return greeting or _GREETING[language(said)]
    if _THANKS.fullmatch(words) or (not words and any(unicodedata.category(char) == "So" for char in said)):
        return _WELCOME[language(said)]
    return None
