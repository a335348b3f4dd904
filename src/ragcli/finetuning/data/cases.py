"""Rows of cases, as ``ragcli questions`` writes them: a question, its answer, and the chunk that holds it.

For a conversation the model is asked as ``ragcli ask`` asks it, with the chunk as the only source, and says the answer
with its marker. A question that the documents do not answer is asked with a chunk of the same file that does not hold
the answer (the one it was turned from, where that came before), and refused in the words of ``ask``; without such a
chunk it is left out, for a refusal without a source teaches nothing. Embeddings and rerankers leave it out, too.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ragcli.evaluation.cases import case_of
from ragcli.finetuning.data.rows import ChatRow, Place, Row, RowError
from ragcli.jsonl import clean
from ragcli.records import Case, Hit, Json

if TYPE_CHECKING:
    from ragcli.llms.protocols import Message

UNANSWERABLE = "unanswerable"
_MOST = 20_000  # chunks of a file that are remembered
_OTHERS = ("chosen", "instruction", "positive_ctxs", "positive_passages", "pos", "positive")
_FLAGS = ("answerable", "unanswerable", "is_impossible")


class Contexts:
    """The chunks that the cases of a source showed so far, and why the last object gave no row."""

    def __init__(self) -> None:
        self._cases: dict[str, Case] = {}
        self._ids: list[str] = []
        self.left_out = ""

    def see(self, case: Case) -> None:
        """Remember the chunk of a case."""
        name = str(case.extra.get("chunk_id") or case.id)
        if len(self._cases) < _MOST and name not in self._cases:
            self._cases[name] = case
            self._ids.append(name)

    def beside(self, case: Case) -> Case | None:
        """Return a case whose chunk does not answer another case's question: the one it was turned from, else any."""
        origin = case.extra.get("derived_from")
        if isinstance(origin, str):
            return self._cases.get(origin)
        if not self._ids:
            return None
        digest = hashlib.sha256(case.question.encode("utf-8", "replace")).digest()
        return self._cases[self._ids[int.from_bytes(digest[:8], "big") % len(self._ids)]]


def is_case(row: Json) -> bool:
    """Whether an object is a case: a question with answers, with a context or a word on whether there are any."""
    if row.get("type") == Case.type:
        return True
    if not isinstance(row.get("question"), str) or any(row.get(key) is not None for key in _OTHERS):
        return False
    if isinstance(row.get("answers"), (list, dict)) or any(isinstance(row.get(key), bool) for key in _FLAGS):
        return True
    return row.get("answer") is not None and row.get("context") is not None


def case_rows(row: Json, task: str, place: Place, contexts: Contexts) -> list[Row]:
    """Return the rows of a case."""
    from ragcli.finetuning.data.pairs import paired

    case = case_of(row, str(place))
    context = case.extra.get("context")
    if context is not None and not isinstance(context, str):
        raise RowError("'context' must be the text of the chunk that answers", "content")
    has_context = isinstance(context, str) and bool(context.strip())
    if case.answers and has_context:
        contexts.see(case)
    if not case.answers:
        shown = contexts.beside(case) if task == "chat" else None
        if shown is None:
            contexts.left_out = UNANSWERABLE
            return []
        return [_chat(case, shown, place)]
    if task == "chat":
        return [_chat(case, case if has_context else None, place)]
    if not has_context:
        raise RowError("the case has no 'context' (the text that answers); 'ragcli questions' writes it", "form")
    return paired(case.question, [clean(str(context))], [], task, place, tuple(map(clean, case.answers)))


def _chat(case: Case, shown: Case | None, place: Place) -> ChatRow:
    from ragcli.answering.citations import marker, quoted
    from ragcli.answering.prompt import Template
    from ragcli.answering.refusing import refusal

    told: list[Message] = [{"role": "user", "content": case.question}]
    answer = clean(case.answers[0]) if case.answers else refusal(case.question)
    if shown is not None:
        told = Template().messages(case.question, [_hit(shown)])
        answer = quoted(answer) + marker(1) if case.answers else answer
    return ChatRow(messages=(*told, {"role": "assistant", "content": answer}), place=place)


def _hit(case: Case) -> Hit:
    """Return the chunk of a case as if the search had found it."""
    text = clean(str(case.extra["context"]))
    sources = case.extra.get("sources")
    source = case.source or (str(sources[0]) if isinstance(sources, list) and sources else "context")
    pages = case.extra.get("pages")
    return Hit(
        id=str(case.extra.get("chunk_id") or case.id), document_id="", source=source, text=text, start=0, end=len(text),
        pages=[page for page in pages if isinstance(page, int)] if isinstance(pages, list) else [], rank=1, score=1.0,
    )  # fmt: skip
