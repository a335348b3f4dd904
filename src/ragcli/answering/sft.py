"""Answers as chat messages for fine-tuning: the prompt that a model was told, and what it should say to that.

RAG and fine-tuning together: a model trained on these learns to answer from sources, to cite them and to refuse.
"""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from types import TracebackType

from ragcli.answering.citations import marker, quoted
from ragcli.answering.run import Made
from ragcli.errors import UsageError
from ragcli.jsonl import dumps, loads, objects
from ragcli.llms.protocols import Message
from ragcli.records import Json


def example(made: Made, prompt: list[Message]) -> Json:
    """Return an answer as an example: ``{"messages": [system, user, assistant], "id", "model", "refused"}``.

    The markers are the numbers of the contexts in the prompt, whoever answered.
    """
    text = made.reply.text
    if made.reply.quotes and all(quote.n is None for quote in made.reply.quotes):
        hits = made.asked.hits
        text = " ".join(quoted(hits[q.hit].text[q.start : q.end]) + marker(q.hit + 1) for q in made.reply.quotes)
    return {
        "messages": [*prompt, {"role": "assistant", "content": text}],
        "id": made.answer.id,
        "source": "ragcli ask",
        "model": made.answer.model,
        "refused": made.answer.refused,
    }


class SftFile:
    """Appends examples to a file; answers with problems are left out and counted, for nobody should learn from them.

    What the file has of the same question and model is not added again, so that a run that goes on after a kill
    doubles nothing; the half line that a kill left is cut off.

    Raises:
        UsageError: the file cannot be read or written, or ends with what is no example.
        InputError: a line is no example.
    """

    def __init__(self, path: Path) -> None:
        self.saved = self.left_out = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("a+b")
            self._stream.seek(0)
            data = self._stream.read()
            end = _whole(data, path)
            self._stream.truncate(end)
            self._stream.seek(0, 2)
            if end and not data[:end].endswith(b"\n"):
                self._stream.write(b"\n")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
        rows = objects(io.BytesIO(data[:end]), name=str(path))
        self._known = Counter((str(row.get("id")), str(row.get("model"))) for _, row in rows)

    def __enter__(self) -> SftFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def add(self, made: Made, prompt: list[Message]) -> None:
        """Append one example, unless the answer has problems."""
        if made.reply.extra.get("problems"):
            self.left_out += 1
            return
        key = (made.answer.id, made.answer.model)
        if self._known[key] > 0:
            self._known[key] -= 1
            return
        self._stream.write(dumps(example(made, prompt)) + b"\n")
        self._stream.flush()
        self.saved += 1


def _whole(data: bytes, path: Path) -> int:
    """Return how many bytes of the file are whole lines; behind them is what a killed run left."""
    end = data.rfind(b"\n") + 1
    tail = data[end:]
    try:
        loads(tail or b"{}")
    except ValueError:
        start = b'{"messages":'
        if not (tail.startswith(start) or start.startswith(tail)):
            raise UsageError(f"{path} ends with what is no example; it was left as it is.") from None
        return end
    return len(data)
