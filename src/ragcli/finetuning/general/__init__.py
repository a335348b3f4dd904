"""General texts in Chinese and English that ship with the tool: what a tuned model must not have forgotten.

They are of many topics and kinds, so that each beginning of the list is a fair sample. They are there to be measured,
not to be trained on: a model that has learned them by heart looks as if it had forgotten nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ragcli.errors import UsageError
from ragcli.jsonl import objects

LANGUAGES = ("zh", "en")


@dataclass(frozen=True, slots=True, kw_only=True)
class General:
    """A general text.

    Args:
        id: its name, with its language before it.
        language: zh or en.
        topic: what it is about, or what kind of text it is, in its own language.
        question: what the text answers, and no other does.
        text: 80 to 200 English words, or 150 to 350 characters of Chinese.
    """

    id: str
    language: str
    topic: str
    question: str
    text: str


def general(language: str | None = None) -> tuple[General, ...]:
    """Return the general texts.

    Args:
        language: zh or en; None for both, Chinese first.

    Raises:
        UsageError: there are none in this language.
    """
    if language is None:
        return tuple(text for one in LANGUAGES for text in _read(one))
    if language not in LANGUAGES:
        raise UsageError(f"there are no general texts in {language!r}.", hint=f"Languages: {', '.join(LANGUAGES)}.")
    return _read(language)


@cache
def _read(language: str) -> tuple[General, ...]:
    name = f"{language}.jsonl"
    with files(__name__).joinpath(name).open("rb") as stream:
        return tuple(General(**value) for _, value in objects(stream, name=name))
