"""The answerer that lets a language model call functions, and search the documents again, before it answers.

A loop of our own, since LlamaIndex's (1.6 s to import) asks nobody, keeps no record and ends at a tool's error. Each
step is one completion. What it wants called is checked, asked for, run within its time, and told to the model; what
goes wrong is told likewise, so that nothing that a tool does ends the answer. After the last step it must answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ragcli.answering.defusing import defuse
from ragcli.answering.model import ModelAnswerer, Prepared
from ragcli.answering.prompt import Template, contexts
from ragcli.answering.protocols import Asked, OnText, Reply
from ragcli.answering.terms import language
from ragcli.errors import ModelError
from ragcli.jsonl import dumps
from ragcli.llms.protocols import LLM, Call, Completion, ContextError, Message, Sampling
from ragcli.records import Hit, Json
from ragcli.tools.naming import RESERVED
from ragcli.tools.protocols import Outcome, Tool, ToolError, schema
from ragcli.tools.running import MOST, TIMEOUT, cut, read_arguments, run

STEPS = 8
SEARCH = RESERVED  # no tool of a user has this name
_LEAST_RESULT = 200  # characters of a result that is cut to the window
_TRIES = 4  # conversations, each with shorter results, where an endpoint refuses one as too long
_KEPT = 2000  # characters of a result in the record

Search = Callable[[str], Sequence[Hit]]

_NO_MORE = "You may call no more functions. Answer now, from what you have."
_SEARCH_SCHEMA: Json = {
    "type": "function",
    "function": {
        "name": SEARCH,
        "description": "Search the documents. Returns the passages that fit best, numbered, to be cited by number.",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string", "description": "a question or words, in any language"}},
            "required": ["query"],
        },
    },
}


class Watcher(Protocol):
    """Is told of every call, and says whether it may be made."""

    def allows(self, tool: Tool, arguments: str) -> bool:
        """Return whether a call may be made."""
        ...

    def made(self, name: str, arguments: str, outcome: Outcome) -> None:
        """Take notice of a call and its outcome, searches included."""
        ...


@dataclass(slots=True)
class _State:
    """One question on its way: the conversation, what was found and returned, and the calls."""

    messages: list[Message]
    shown: list[Hit]
    more: list[Hit] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    usage: Json = field(default_factory=dict)  # of all steps
    first: Json = field(default_factory=dict)  # of the first, which is the one that the prompt's tokens are of


class AgentAnswerer(ModelAnswerer):
    """Answers with a language model that may call tools.

    Args:
        llm: the model.
        tools: what it may call; each name is there once.
        watcher: is asked before each call, and told after it.
        search: finds more hits; None where the model may not search.
        template: makes the prompt.
        sampling: how the model writes.
        verified: hits against which every sentence is checked.
        timeout: seconds of a call.
        steps: the most completions with calls.
    """

    def __init__(
        self,
        llm: LLM,
        tools: Sequence[Tool],
        watcher: Watcher,
        *,
        search: Search | None = None,
        template: Template | None = None,
        sampling: Sampling | None = None,
        verified: int = 0,
        timeout: float = TIMEOUT,
        steps: int = STEPS,
    ) -> None:
        names = tuple(tool.name for tool in tools)
        template = replace(template or Template(), tools=names, searches=search is not None)
        super().__init__(llm, template, sampling, verified=verified)
        self._tools = {tool.name: tool for tool in tools}
        self._watcher, self._search, self._timeout, self._steps = watcher, search, timeout, steps
        self._schemas = [*([_SEARCH_SCHEMA] if search is not None else []), *map(schema, tools)]

    def reply(self, asked: Asked, on_text: OnText | None = None) -> Reply:
        """Answer one question, with as many calls as it takes."""
        prepared, state, first = self._begin(asked, on_text)
        for step in range(1, self._steps + 1):
            done = first if step == 1 else self._complete(state, on_text, self._schemas)
            if not done.tool_calls:
                return self._end(prepared, state, done, [])
            state.messages.append({"role": "assistant", "content": done.text, "tool_calls": list(done.tool_calls)})
            for call in done.tool_calls:
                self._call(state, call, step)
            if on_text is not None and done.text:
                on_text("\n")
        state.messages.append({"role": "user", "content": _NO_MORE})
        done = self._complete(state, on_text, ())
        if not done.text:
            raise ModelError(
                f"{self.llm.name} went on calling functions after {self._steps} steps, and wrote no answer.",
                hint="Allow more with --max-steps, or try another model.",
            )
        return self._end(prepared, state, done, [{"kind": "steps", "steps": self._steps, "sentence": ""}])

    @property
    def batches(self) -> bool:
        """No: conversations that call functions take turns of their own."""
        return False

    def _begin(self, asked: Asked, on_text: OnText | None) -> tuple[Prepared, _State, Completion]:
        """Return the first step, with a prompt that fits, where an endpoint only then tells its window."""
        most: int | None = None
        for attempt in range(_TRIES):
            prepared = self.prepare(asked, most, gated=False)
            assert prepared.fitted is not None
            state, known = _State(list(prepared.fitted.messages), list(prepared.fitted.hits)), self.llm.window
            try:
                return prepared, state, self._complete(state, on_text, self._schemas)
            except ContextError as error:
                if attempt == _TRIES - 1:
                    raise
                most = self._shorter(state.messages, error, known)
        raise RuntimeError("unreachable")

    def _complete(self, state: _State, on_text: OnText | None, tools: Sequence[Json]) -> Completion:
        for attempt in range(_TRIES):
            try:
                done = self._written(state.messages, on_text, tools)
                break
            except ContextError:  # an endpoint whose window nobody knew
                if attempt == _TRIES - 1 or not _halve(state.messages):
                    raise
        state.first = state.first or done.usage
        for key, value in done.usage.items():
            if isinstance(value, int):
                state.usage[key] = state.usage.get(key, 0) + value
        return done

    def _call(self, state: _State, call: Call, step: int) -> None:
        """Make one call, and tell the model what came of it."""
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        outcome = state.outcomes.get((name, arguments))
        if outcome is not None:
            outcome = replace(outcome, text=f"(You made this call before; it was not made again.)\n{outcome.text}")
        elif name == SEARCH and self._search is not None:
            outcome = self._found(state, arguments)
        elif name not in self._tools:
            known = ", ".join(one["function"]["name"] for one in self._schemas)
            outcome = Outcome(text=f"Error: there is no function {name!r}. There are: {known}.", ok=False, seconds=0.0)
        else:
            outcome = self._made(self._tools[name], arguments, state)
        state.outcomes.setdefault((name, arguments), outcome)
        self._watcher.made(name, arguments, outcome)
        searched = name == SEARCH and self._search is not None
        if outcome.ok and not searched:
            state.results.append(outcome.text)
        state.calls.append(
            {
                "step": step,
                "name": name,
                "arguments": arguments,
                "ok": outcome.ok,
                "result": cut(outcome.text, _KEPT)[0],
                "seconds": round(outcome.seconds, 3),
                "left_out": outcome.truncated,
            }
        )
        special = self._template.special
        text = outcome.text if searched and outcome.ok else defuse(outcome.text, special)
        state.messages.append({"role": "tool", "tool_call_id": call["id"], "name": name, "content": text})
        self._shorten(state)

    def _made(self, tool: Tool, arguments: str, state: _State) -> Outcome:
        """Make a call that fits and is allowed; what was only read before a call that may write is read anew."""
        try:
            read_arguments(tool, arguments)  # nobody is asked for a call that cannot be made
        except ToolError as error:
            return Outcome(text=f"Error: {error.message}", ok=False, seconds=0.0)
        if not self._watcher.allows(tool, arguments):
            return Outcome(text="Error: the user does not allow this call.", ok=False, seconds=0.0)
        if not tool.read_only:
            state.outcomes = {key: one for key, one in state.outcomes.items() if not self._only_reads(key[0])}
        return run(tool, arguments, timeout=self._timeout, most=MOST)

    def _only_reads(self, name: str) -> bool:
        return name in self._tools and self._tools[name].read_only

    def _found(self, state: _State, arguments: str) -> Outcome:
        """Search; passages that the model has seen are named by their numbers."""
        assert self._search is not None
        search = self._search
        hits: list[Hit] = []

        class _Search:
            name, description, read_only, origin = SEARCH, "", True, "ragcli query"
            parameters = _SEARCH_SCHEMA["function"]["parameters"]

            def call(self, arguments: Json, timeout: float) -> str:
                hits.extend(search(str(arguments["query"])))
                return ""

        outcome = run(_Search(), arguments, timeout=self._timeout)
        if not outcome.ok:
            return outcome
        known = {hit.id: n for n, hit in enumerate((*state.shown, *state.more), 1)}
        new = [hit for hit in hits if hit.id not in known]
        first = len(known) + 1
        state.more += new
        seen = "".join(f"[{known[hit.id]}]" for hit in hits if hit.id in known)
        parts = [f"Found again: {seen}"] if seen else []
        if new:
            parts.append(contexts(new, language(arguments), self._template.special, first))
        return replace(outcome, text="\n\n".join(parts) or "Nothing was found.")

    def _shorten(self, state: _State) -> None:
        """Cut the last result until the conversation leaves room for the answer."""
        room = self._room()
        if room is None:
            return
        last = state.messages[-1]
        while (over := self.llm.count(state.messages, self._schemas) - room) > 0:
            text = last["content"]
            if len(text) <= _LEAST_RESULT:
                return
            last["content"] = cut(text, max(_LEAST_RESULT, min(len(text) - over, len(text) * 3 // 4)))[0]

    def _beside(self) -> int:
        return len(dumps(self._schemas))

    def _count(self, messages: Sequence[Message]) -> int:
        return self.llm.count(messages, self._schemas)

    def _end(self, prepared: Prepared, state: _State, done: Completion, problems: list[Json]) -> Reply:
        reply = self.conclude(prepared, replace(done, usage=state.first), more=state.more, results=state.results)
        extra = {**reply.extra, "calls": state.calls}
        extra["problems"] = [*reply.extra.get("problems", []), *problems]
        return replace(reply, usage=state.usage, extra=extra)


def _halve(messages: Sequence[Message]) -> bool:
    """Cut what functions returned to half; say whether there was anything to cut."""
    long = [one for one in messages if one["role"] == "tool" and len(one["content"]) > _LEAST_RESULT]
    for message in long:
        message["content"] = cut(message["content"], max(_LEAST_RESULT, len(message["content"]) // 2))[0]
    return bool(long)
