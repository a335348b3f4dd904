"""What people see of answers on a terminal: the text as it comes, what is wrong with it, and its passages."""

from __future__ import annotations

from rich.text import Text

from ragcli.answering.run import Made
from ragcli.cli.display import View
from ragcli.cli.streams import visible
from ragcli.records import Citation, Hit, Json, Result

_QUESTION = 500  # characters
_AROUND = 60  # characters of a passage before and after what is quoted

_SAID = {
    "no_such_source": "there is no source [{n}]",
    "empty_source": "source [{n}] has no text",
    "number": "the number {text} is not in {cited}",
    "date": "the date {text} is not in {cited}",
    "name": "the name {text} is not in {cited}",
    "quotation": "“{text}” does not stand so in {cited}",
    "uncited": "the answer names no source",
    "unsupported": "no passage supports: {sentence}",
    "cut_off": "the answer was cut off after {tokens} tokens (--max-tokens)",
    "prompt_cut": "the endpoint read only {tokens} tokens of a prompt of {at_least} or more; raise its window",
    "tool_failed": "the call of {name} failed: {text}",
    "steps": "the model wanted to go on after {steps} steps (--max-steps)",
}


def problem(one: Json) -> str:
    """Return a problem of an answer as a sentence."""
    form = _SAID.get(one.get("kind", ""))
    if form is None:
        return str(one)
    cited = "".join(f"[{n}]" for n in one.get("cited", ())) or "any source"
    said = form.format_map({**one, "cited": cited})
    others = "".join(f"[{n}]" for n in one.get("found_in", ()))
    return said + (f", but in {others}" if others else "")


class AnswerView:
    """Shows answers one after another.

    Args:
        streams: whether the text comes in pieces, from a model.
    """

    def __init__(self, *, streams: bool) -> None:
        self._console = View()
        self._streams = streams
        self._fresh = True

    def begin(self, result: Result) -> None:
        """Show the question."""
        self._console.print(Text(visible(result.query[:_QUESTION]), style="bold"))
        self._fresh = True

    def stopped(self) -> None:
        """Say that an answer was stopped."""
        self._console.print(Text(("" if self._fresh else "\n") + "(stopped)", style="yellow"))
        self._fresh = True

    def text(self, piece: str | None) -> None:
        """Show a piece of the answer; None: it begins anew."""
        if not self._streams:
            return
        if piece is None:
            self._console.print(Text("\n(the text above is no part of the answer, which begins anew)", style="yellow"))
            self._fresh = True
            return
        self._console.print(Text(_shown(piece)), end="", soft_wrap=True)
        self._console.file.flush()
        self._fresh = False

    def call(self, line: str) -> None:
        """Show a call of a function, on a line of its own."""
        if not self._fresh:
            self._console.print()
            self._fresh = True
        self._console.print(Text(line, style="cyan"), soft_wrap=True)

    def end(self, made: Made) -> None:
        """Show what the answer rests on, and what is wrong with it."""
        answer, console = made.answer, self._console
        if not self._fresh:
            console.print()
        if answer.refused or not self._streams or self._fresh:
            console.print(Text(_shown(answer.answer), style="yellow" if answer.refused else ""), soft_wrap=True)
        for one in answer.extra.get("problems", ()):
            console.print(Text(f"  ! {visible(problem(one))}", style="red"), soft_wrap=True)
        left_out = answer.extra.get("prompt", {}).get("left_out", ())
        if left_out:
            console.print(
                Text(f"  ! {len(left_out)} passages did not fit into the model's window", style="yellow"),
                soft_wrap=True,
            )
        hits = {hit.id: hit for hit in made.asked.hits}
        if any(citation.extra.get("attributed") for citation in answer.citations):
            console.print(Text("  found by ragcli, not named by the model:", style="dim"))
        for citation in answer.citations:
            console.print(_source(citation, hits.get(citation.chunk_id)), soft_wrap=True)
        if not answer.extra.get("small_talk"):
            console.print(Text(f"  {_by(made)}", style="dim"), soft_wrap=True)


def _shown(text: str) -> str:
    """Return text fit for a terminal: what would move the cursor or change colours is escaped."""
    return "\n".join(visible(line.expandtabs(4)) for line in text.split("\n"))


def _source(citation: Citation, hit: Hit | None) -> Text:
    place = visible(citation.source) + (f":{citation.page}" if citation.page is not None else "")
    line = Text.assemble("  ", (f"[{citation.n}]", "green"), " ", (place, "bold"))
    before = after = ""
    if hit is not None and citation.start is not None and citation.end is not None:
        start, end = citation.start - hit.start, citation.end - hit.start
        before, after = hit.text[max(0, start - _AROUND) : start], hit.text[end : end + _AROUND]
        before = before.rpartition("\n")[2] if "\n" in before else "…" * (start > _AROUND) + before
        after = after.partition("\n")[0] if "\n" in after else after + "…" * (end + _AROUND < len(hit.text))
    quote = " ".join(citation.quote.split())
    line.append("\n      ")
    line.append_text(Text.assemble((visible(before.lstrip()), "dim"), visible(quote), (visible(after.rstrip()), "dim")))
    return line


def _by(made: Made) -> str:
    answer = made.answer
    if answer.extra.get("extractive"):
        return f"{answer.model}: quoted from the documents, not written by a model"
    tokens = answer.usage.get("completion_tokens")
    rate = f", {tokens} tokens in {answer.seconds:.1f} s" if isinstance(tokens, int) and tokens else ""
    return (
        f"{visible(answer.model)}: written by a language model from the passages{rate}"
        if not answer.refused
        else (f"{visible(answer.model)}{rate}")
    )
