"""What a language model is told: a question with numbered contexts, in the question's language.

The contexts are data from documents that anyone may have written. Each stands in a fence that is longer than any
run of the fence's character in it, so that no document can close its own fence; what a model would read as a control
token is broken up; and the instructions say that nothing inside a fence is an instruction.

The words are in Jinja templates, which run in a sandbox: the two in ``templates/``, or a user's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ragcli.answering.refusing import refusal
from ragcli.answering.terms import Language, language
from ragcli.errors import UsageError
from ragcli.llms.protocols import Message
from ragcli.records import Hit

_NONE: dict[Language, str] = {"zh": "（没有资料）", "en": "(no sources)"}
_PAGE: dict[Language, str] = {"zh": "第 {pages} 页", "en": "page {pages}"}
_PAGES: dict[Language, str] = {"zh": "第 {pages} 页", "en": "pages {pages}"}

_FENCE = "`"
_RUN = re.compile(f"{_FENCE}+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

# Control tokens of the models in use: ChatML and Llama 3 (<|…|>), DeepSeek (<｜…｜>), Llama 2 and Mistral, Gemma, the
# tags of thinking and of tools.
_CONTROL = re.compile(
    r"<(?=[|｜][^<>\n]{1,60}[|｜]>|/?s>|/?(?:start|end)_of_turn>|/?(?:think|tool_call|tool_response|tools)>|<\s?/?SYS)"
    r"|\[(?=/?(?:INST|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS|SYSTEM_PROMPT)\])"
)


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt's template; the built-in ones by the question's language where ``path`` is None.

    Args:
        path: a Jinja file with the blocks ``system`` and ``user``; one without blocks is the user's message.
        system: what stands before the rules, as ``--system`` and personas have it; in both languages, or for each.
        special: control tokens of the model that is asked, beyond those that are always broken up.
        tools: names of the functions that the model may call.
        searches: whether it may search for more.
    """

    path: Path | None = None
    system: str | Mapping[Language, str] = ""
    special: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    searches: bool = False

    def messages(self, question: str, hits: Sequence[Hit], history: Sequence[Message] = ()) -> list[Message]:
        """Return the conversation that asks a language model to answer from the hits.

        Args:
            question: in any language.
            hits: what it may answer from, in order.
            history: what was said before, without contexts.

        Raises:
            UsageError: the template is missing or broken.
        """
        lang = language(question)
        shown = [_context(number, hit, lang, self.special) for number, hit in enumerate(hits, 1)]
        values = {
            "question": defuse(question.strip(), self.special),
            "system": (self.system if isinstance(self.system, str) else self.system[lang]).strip(),
            "refusal": refusal(question),
            "language": lang,
            "sources": _joined(shown, lang),
            "contexts": shown,
            "tools": list(self.tools),
            "searches": self.searches,
        }
        source = self.path if self.path is not None else files(__package__) / "templates" / f"{lang}.jinja"
        blocks = _render(str(source), values)
        out: list[Message] = []
        if blocks.get("system"):
            out.append({"role": "system", "content": blocks["system"]})
        told: list[Message] = [{**said, "content": defuse(said["content"], self.special)} for said in history]
        out += told
        out.append({"role": "user", "content": blocks["user"]})
        return out


def defuse(text: str, special: Sequence[str] = ()) -> str:
    """Break up what a model would read as control tokens: a space after the first character.

    Text without such tokens is returned as it is.
    """
    text = _CONTROL.sub(lambda match: match.group() + " ", text)
    for token in special:
        if len(token) > 1 and token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def label(hit: Hit, lang: Language) -> str:
    """Return a hit's source, pages and headings on one line, whatever a file's name or a heading holds."""
    parts = [hit.source]
    if hit.pages:
        first, last = min(hit.pages), max(hit.pages)
        if first == last:
            parts.append(_PAGE[lang].format(pages=first))
        else:
            parts.append(_PAGES[lang].format(pages=f"{first}-{last}"))
    names = [name for name in (hit.title, *hit.headings) if name]
    if names:
        parts.append(" > ".join(dict.fromkeys(names)))
    return " · ".join(_UNPRINTABLE.sub(" ", part).replace(_FENCE, "'") for part in parts)


def _context(number: int, hit: Hit, lang: Language, special: Sequence[str]) -> dict[str, Any]:
    text = defuse(f"{hit.header}\n{hit.text}" if hit.header else hit.text, special)
    longest = max((len(run) for run in _RUN.findall(text)), default=0)
    fence = _FENCE * max(3, longest + 1)
    return {
        "n": number,
        "label": defuse(label(hit, lang), special),
        "fenced": f"{fence}\n{text}\n{fence}",
        "source": hit.source,
        "title": hit.title,
        "pages": hit.pages,
        "headings": hit.headings,
    }


def contexts(hits: Sequence[Hit], lang: Language, special: Sequence[str] = (), first: int = 1) -> str:
    """Return the hits as numbered, labelled and fenced blocks, in their order."""
    return _joined([_context(number, hit, lang, special) for number, hit in enumerate(hits, first)], lang)


def _joined(shown: Sequence[dict[str, Any]], lang: Language) -> str:
    return "\n\n".join(f"[{one['n']}] {one['label']}\n{one['fenced']}" for one in shown) or _NONE[lang]


@lru_cache(maxsize=8)
def _load(path: str) -> Any:
    """Return a compiled template; it runs in a sandbox, and a name that it misspells is an error."""
    from jinja2 import StrictUndefined, TemplateSyntaxError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise UsageError(f"the template {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the template {path} is not UTF-8 (byte {error.start + 1}).") from error
    try:
        return ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False).from_string(text)
    except TemplateSyntaxError as error:
        raise UsageError(f"the template {path}, line {error.lineno}: {error.message}.") from error


def _render(path: str, values: dict[str, Any]) -> dict[str, str]:
    """Return the blocks of a template, rendered; all of it as ``user`` where it has no such block."""
    from jinja2 import TemplateError

    template = _load(path)
    try:
        context = template.new_context(values)
        blocks = {name: "".join(template.blocks[name](context)).strip() for name in template.blocks}
        if "user" not in blocks:
            if "system" in blocks:
                raise UsageError(
                    f"the template {path} has a block 'system' and none called 'user'.",
                    hint="Put the question and the sources into {% block user %} … {% endblock %}.",
                )
            blocks = {"user": template.render(values).strip()}
    except (TemplateError, TypeError, ValueError, ArithmeticError, OverflowError) as error:
        raise UsageError(
            f"the template {path}: {error}.",
            hint="It knows: question, system, refusal, language, sources, tools, searches, and contexts"
            " (n, label, fenced, source, title, pages, headings).",
        ) from error
    return blocks


def render(conversation: Sequence[Message]) -> str:
    """Return a conversation as text for a person: a line with the role, then what is said."""
    return "\n\n".join(f"--- {message['role']} ---\n{message['content']}" for message in conversation)
