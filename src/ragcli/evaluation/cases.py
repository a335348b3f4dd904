"""Cases from lines of JSON: a question, the answers that are right, and where they stand.

The forms of others are read as they are: ``answers`` as SQuAD and CMRC write them (``{"text": [...]}``), one answer
alone, ``is_impossible`` and ``"answerable": false`` for questions that the documents do not answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ragcli.errors import InputError
from ragcli.jsonl import OnBad, objects
from ragcli.questions import ID_KEYS, TEXT_KEYS
from ragcli.questions import question as as_question
from ragcli.records import Case, Json

_ANSWER_KEYS = ("answers", "answer")
_SOURCE_KEYS = ("source", "document", "file")
_HINT = 'A line is {"question": "…", "answers": ["…"], "source": "docs/a.md"}; source may be left out.'


def cases(stream: Iterable[bytes], *, name: str = "stdin", on_bad: OnBad | None = None) -> Iterator[Case]:
    """Yield the cases of a binary stream.

    Raises:
        InputError: a line is no case, or has the id of another; ``on_bad`` takes it instead.
    """
    seen: set[str] = set()
    for number, value in objects(stream, name=name, on_bad=on_bad):
        where = f"{name}, line {number}"
        try:
            case = case_of(value, where)
            if case.id in seen:
                raise InputError(f"{where}: the id {case.id!r} is that of a case before it.")
        except InputError as error:
            if on_bad is None:
                raise
            on_bad(error)
            continue
        seen.add(case.id)
        yield case


def case_of(value: Json, where: str) -> Case:
    """Return the case that a JSON object is.

    Raises:
        InputError: it has no question, or does not say what the answers are.
    """
    kind = value.get("type", "case")
    if kind not in ("case", "question"):
        raise InputError(f"{where}: expected a case, found a {kind} record.", hint=_HINT)
    key = next((key for key in TEXT_KEYS if isinstance(value.get(key), str) and value[key].strip()), None)
    if key is None:
        raise InputError(f"{where}: there is no question (one of: {', '.join(TEXT_KEYS)}).", hint=_HINT)
    made = as_question(value[key])
    given = next((value[name] for name in ID_KEYS if isinstance(value.get(name), (str, int))), None)
    answer_key = next((name for name in _ANSWER_KEYS if name in value), None)
    is_answerable = _is_answerable(value)
    answers = _answers(value[answer_key], where) if answer_key is not None else []
    if answer_key is None and is_answerable is not False:
        raise InputError(f"{where}: it does not say what the answers are.", hint=_HINT)
    source_key = next((name for name in _SOURCE_KEYS if isinstance(value.get(name), str) and value[name]), None)
    used = {key, answer_key, source_key, *ID_KEYS, "type"}
    return Case(
        id=made.id if given is None else str(given),
        question=made.text,
        answers=[] if is_answerable is False else answers,
        source=value[source_key] if source_key is not None else None,
        extra={name: item for name, item in value.items() if name not in used},
    )


def _is_answerable(value: Json) -> bool | None:
    for key, means in (("answerable", True), ("unanswerable", False), ("is_impossible", False)):
        if isinstance(value.get(key), bool):
            return bool(value[key]) is means
    return None


def _answers(value: Any, where: str) -> list[str]:
    if isinstance(value, dict):
        value = value.get("text")
    if isinstance(value, str):
        value = [value]
    if value is None:
        value = []
    if not isinstance(value, list) or not all(isinstance(one, (str, int, float)) for one in value):
        raise InputError(f"{where}: the answers must be a list of texts.", hint=_HINT)
    return [text for one in value if (text := str(one).strip())]
