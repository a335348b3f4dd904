"""What form a row has is seen from its keys, never registered; each form becomes the rows of a task.

====================  =====================================================  ===========================================
form                  keys                                                   tasks, the first is what it is for
====================  =====================================================  ===========================================
preference            chosen, rejected; prompt, messages or instruction      preference, chat (chosen)
messages              messages; tools                                        chat
sharegpt              conversations; system, tools                           chat
case                  question, answers; context (``ragcli questions``)      embedding, reranker, chat; without: chat
pair                  query, positive …; negatives …                         embedding, reranker
scored                query, passage, label or score                         reranker
alpaca                instruction, output; input, system, history            chat
question-answer       question, answer                                       chat, embedding, reranker
prompt-completion     prompt, completion                                     chat
text                  text; records of ``ragcli load`` and ``split``         text
====================  =====================================================  ===========================================

A text is no conversation and a conversation no text: nothing turns one into the other in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ragcli.errors import InputError
from ragcli.finetuning.data import pairs, talks
from ragcli.finetuning.data.cases import Contexts, case_rows, is_case
from ragcli.finetuning.data.rows import Place, Row, RowError, TextRow
from ragcli.jsonl import clean
from ragcli.records import Json

TEXT_KEYS = ("text", "content", "contents")
MEND = "Mend the line, or pass --skip-bad to go on without it (exit code 3)."
_RECORDS = {
    "result": "A result does not say what is right; 'ragcli ask --save-sft FILE' writes rows to train on.",
    "answer": "'ragcli ask --save-sft FILE' writes answers as rows to train on.",
    "evaluation": None, "diagnosis": None, "diagnoses": None, "comparison": None, "recommendation": None,
    "check": None, "model": None, "report": None, "citation": None, "hit": None,
}  # fmt: skip
_TEXTS = ("document", "chunk", "vector")
_SHOWN = 8

Rows = Callable[[Json, str, Place, Contexts], Iterable[Row]]


@dataclass(frozen=True, slots=True)
class Form:
    """A form that rows have.

    Args:
        name: as it is counted.
        tasks: those that its rows can be used for; the first is what they are for.
        rows: makes the rows of a task.
    """

    name: str
    tasks: tuple[str, ...]
    rows: Rows


def form_of(value: Json) -> Form:
    """Return the form of an object.

    Raises:
        RowError: it has none that is known.
    """
    given = value.get("type")
    if isinstance(given, str) and given in _RECORDS:
        raise RowError(f"a record of type {given!r} is no training data", "form", hint=_RECORDS[given] or MEND)
    if isinstance(given, str) and given in _TEXTS:
        return _TEXT
    for matches, form in FORMS:
        if matches(value):
            is_asked = (
                form is _CASE and not _has(value, "context") and any(value.get(key) for key in ("answers", "answer"))
            )
            return _ASKED if is_asked else form
    keys = ", ".join(list(value)[:_SHOWN]) or "none"
    raise RowError(
        f"no form of training data is known with these keys: {clean(keys)}", "form",
        hint='A row is {"messages": […]}, {"prompt", "completion"}, {"text"}, {"query", "positive", "negatives"} …;'
        " docs/finetune-data.md shows them all.",
    )  # fmt: skip


def rows_of(value: Json, task: str, place: Place, contexts: Contexts | None = None) -> list[Row]:
    """Return the rows of a task that an object gives; none where it has nothing for it (`Contexts.left_out` says why).

    Args:
        value: the object.
        task: one of ``TASKS``.
        place: where it stands.
        contexts: what earlier objects of the source showed.

    Raises:
        RowError: it has no known form, another task's, or something is wrong in it; the message begins with the place.
    """
    try:
        form = form_of(value)
        if task not in form.tasks:
            said = " or ".join(form.tasks)
            raise RowError(
                f"a row in the form {form.name} is for the task {said}, not for {task}", "task",
                hint=f"Pass --task {form.tasks[0]} for such rows.",
            )  # fmt: skip
        rows = form.rows(value, task, place, contexts or Contexts())
        return [replace(row, place=replace(place, part=place.part + at, form=form.name)) for at, row in enumerate(rows)]
    except InputError as error:
        raise placed(error, place) from error


def placed(error: InputError, place: Place) -> RowError:
    """Return the error of a row with its place before it."""
    message = error.message.removeprefix(f"{place}: ").removesuffix(".")
    kind = error.kind if isinstance(error, RowError) else "form"
    return RowError(f"{place}: {message}.", kind, hint=error.hint or MEND)


def _text_rows(value: Json, task: str, place: Place, contexts: Contexts) -> list[Row]:
    del task, contexts
    said = next((value[key] for key in TEXT_KEYS if value.get(key) is not None), None)
    if not isinstance(said, str):
        raise RowError(f"the text must be a string, not {type(said).__name__}", "content")
    if not said.strip():
        raise RowError("the text is empty", "empty")
    return [TextRow(text=clean(said), place=place)]


def _has(value: Json, *keys: str) -> bool:
    return any(value.get(key) is not None for key in keys)


_CASE = Form("case", ("embedding", "reranker", "chat"), case_rows)
_ASKED = Form("case", ("chat",), case_rows)
_TEXT = Form("text", ("text",), _text_rows)
# What tells a form, and the form; the first that fits is taken.
FORMS: tuple[tuple[Callable[[Json], bool], Form], ...] = (
    (is_case, _CASE),
    (
        lambda row: _has(row, "chosen", "rejected", "rejected_response"),
        Form("preference", ("preference", "chat"), talks.preference),
    ),
    (lambda row: _has(row, "messages"), Form("messages", ("chat",), talks.messages)),
    (lambda row: _has(row, "conversations", "conversation"), Form("sharegpt", ("chat",), talks.messages)),
    (pairs.is_pair, Form("pair", ("embedding", "reranker"), pairs.pair_rows)),
    (pairs.is_scored, Form("scored", ("reranker",), pairs.scored_rows)),
    (lambda row: _has(row, "instruction") and _has(row, *talks.ANSWERS), Form("alpaca", ("chat",), talks.alpaca)),
    (
        lambda row: _has(row, "question") and _has(row, "answer"),
        Form("question-answer", ("chat", "embedding", "reranker"), pairs.question_rows),
    ),
    (
        lambda row: _has(row, *talks.PROMPTS) and _has(row, *talks.ANSWERS),
        Form("prompt-completion", ("chat",), talks.prompt_completion),
    ),
    (lambda row: _has(row, *TEXT_KEYS), _TEXT),
)  # fmt: skip
