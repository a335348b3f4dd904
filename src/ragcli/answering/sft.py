"""Answers as chat messages for fine-tuning: the prompt that a model was told, and what it should say to that.

RAG and fine-tuning together: a model trained on these learns to answer from sources, to cite them and to refuse.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from ragcli.answering.citations import marker, quoted
from ragcli.answering.run import Made
from ragcli.errors import UsageError
from ragcli.jsonl import dumps
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

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.saved = self.left_out = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("ab")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}.") from error

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
        self._stream.write(dumps(example(made, prompt)) + b"\n")
        self._stream.flush()
        self.saved += 1
