"""Questions: from a stream of lines, plain or JSON, to records with an id.

A stream whose first line is a JSON object is JSON Lines (``queries.jsonl`` of a BEIR data set as it is); any
other is a question a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from ragcli.errors import InputError
from ragcli.jsonl import OnBad, clean, objects
from ragcli.records import Json, content_id

TEXT_KEYS = ("text", "query", "question")
ID_KEYS = ("_id", "id", "query_id", "qid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question; ``extra`` holds the other keys of its line and goes on into the result."""

    id: str
    text: str
    extra: Json = field(default_factory=dict)


def question(text: str) -> Question:
    """Return a question whose id is made of its text."""
    text = clean(text.strip())
    return Question(id=content_id("question", text), text=text)


def read_questions(stream: Iterable[bytes], *, name: str = "stdin", on_bad: OnBad | None = None) -> Iterator[Question]:
    """Yield the questions of a binary stream; blank lines are no questions.

    Raises:
        InputError: a line is not what the first one promised, or has no text; ``on_bad`` takes it instead.
    """
    lines = iter(stream)
    blank: list[bytes] = []
    for first in lines:
        if first.strip(b" \t\r\n\xef\xbb\xbf"):
            break
        blank.append(b"\n")
    else:
        return
    rest = chain(blank, [first], lines)
    start = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{"):
        for number, value in objects(rest, name=name, on_bad=on_bad):
            try:
                yield _from_object(value, f"{name}, line {number}")
            except InputError as error:
                if on_bad is None:
                    raise
                on_bad(error)
        return
    for number, line in enumerate(rest, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            bad = InputError(
                f"{name}, line {number}: the question is not UTF-8 (byte {error.start + 1}).",
                hint="Convert it, as in: iconv -f GB18030 -t UTF-8 questions.txt | ragcli query …",
            )
            if on_bad is None:
                raise bad from error
            on_bad(bad)
            continue
        if text.strip():
            yield question(text)


_OTHERS = ("document", "chunk", "vector", "result", "answer")


def _from_object(value: Mapping[str, Any], where: str) -> Question:
    if value.get("type") in _OTHERS:
        raise InputError(
            f"{where}: expected a question, found a {value['type']} record.",
            hint="Questions come one a line, or as JSON Lines with id and text.",
        )
    key = next((key for key in TEXT_KEYS if isinstance(value.get(key), str)), None)
    if key is None:
        raise InputError(
            f"{where}: the question has no text (one of: {', '.join(TEXT_KEYS)}).",
            hint='A line is {"id": "q1", "text": "…"}, or the question alone.',
        )
    text = value[key].strip()
    if not text:
        raise InputError(f"{where}: the question is empty.", hint="Mend the line, or pass --skip-bad.")
    given = next((value[name] for name in ID_KEYS if isinstance(value.get(name), (str, int))), None)
    extra = {name: item for name, item in value.items() if name not in (key, *ID_KEYS, "type")}
    made = question(text)
    return Question(id=made.id if given is None else str(given), text=made.text, extra=extra)
