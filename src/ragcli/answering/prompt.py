"""What a language model is told: a question with numbered contexts, in the question's language.

The contexts are data from documents that anyone may have written. Each stands, title and headings included, in a fence
that is longer than any run of the fence's character in it, so that no document can close its own fence; above it stand
its number, the source's name on one line, and the pages. What a model would read as a control token is broken up
(`ragcli.answering.defusing`), and the instructions say that sources, names and titles are no instructions.

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

from ragcli.answering.defusing import bounded, defuse, name, passage
from ragcli.answering.refusing import refusal
from ragcli.answering.terms import Language, language
from ragcli.errors import UsageError
from ragcli.llms.protocols import Message
from ragcli.records import Hit

_NONE: dict[Language, str] = {"zh": "（没有资料）", "en": "(no sources)"}
_ANY: dict[Language, str] = {"zh": "问", "en": "?"}
_PAGE: dict[Language, str] = {"zh": "第 {pages} 页", "en": "page {pages}"}
_PAGES: dict[Language, str] = {"zh": "第 {pages} 页", "en": "pages {pages}"}

_KNOWS = (
    "question, system, refusal, language, sources, tools, searches, and contexts"
    " (n, label, fenced, source, title, pages, headings)"
)
_FENCE = "`"
_RUN = re.compile(f"{_FENCE}+")


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
        blocks = render_blocks(str(source), values, _KNOWS)
        out: list[Message] = []
        if blocks.get("system"):
            out.append({"role": "system", "content": blocks["system"]})
        told: list[Message] = [{**said, "content": defuse(said["content"], self.special)} for said in history]
        out += told
        out.append({"role": "user", "content": blocks["user"]})
        return out

    def system_of(self, lang: Language) -> str | None:
        """Return the system message of all questions in a language; None where a user's template makes each anew."""
        if self.path is not None:
            return None
        first, *_ = self.messages(_ANY[lang], [])
        return first["content"]


def label(hit: Hit, lang: Language, special: Sequence[str] = ()) -> str:
    """Return a hit's source and pages on one line, whatever a file's name holds."""
    parts = [name(hit.source, special).replace(_FENCE, "'")]
    if hit.pages:
        first, last = min(hit.pages), max(hit.pages)
        if first == last:
            parts.append(_PAGE[lang].format(pages=first))
        else:
            parts.append(_PAGES[lang].format(pages=f"{first}-{last}"))
    return " · ".join(parts)


def _context(number: int, hit: Hit, lang: Language, special: Sequence[str]) -> dict[str, Any]:
    hit, _ = bounded(hit)
    title = None if hit.title is None else name(hit.title, special)
    headings = [name(heading, special) for heading in hit.headings]
    above = " > ".join(dict.fromkeys(filter(None, (title, *headings))))
    text = "\n".join(filter(None, (above, passage(hit.header, special)))) + "\n" if above or hit.header else ""
    text += passage(hit.text, special)
    longest = max((len(run) for run in _RUN.findall(text)), default=0)
    fence = _FENCE * max(3, longest + 1)
    return {
        "n": number,
        "label": label(hit, lang, special),
        "fenced": f"{fence}\n{text}\n{fence}",
        "source": name(hit.source, special),
        "title": title,
        "pages": hit.pages,
        "headings": headings,
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
        text = Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"the template {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the template {path} is not UTF-8 (byte {error.start + 1}).") from error
    try:
        return ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False).from_string(text)
    except TemplateSyntaxError as error:
        raise UsageError(f"the template {path}, line {error.lineno}: {error.message}.") from error


def render_blocks(path: str, values: dict[str, Any], knows: str) -> dict[str, str]:
    """Return the blocks of a template, rendered; all of it as ``user`` where it has no such block.

    Args:
        path: the template.
        values: its variables.
        knows: their names, for the error.

    Raises:
        UsageError: the template cannot be read, or is broken.
    """
    from jinja2 import TemplateError

    template = _load(path)
    try:
        context = template.new_context(values)
        for _ in template.root_render_func(context):  # macros and variables outside the blocks
            pass
        blocks = {name: "".join(template.blocks[name](context)).strip() for name in template.blocks}
        if "user" not in blocks:
            if "system" in blocks:
                raise UsageError(
                    f"the template {path} has a block 'system' and none called 'user'.",
                    hint="Put the question and the sources into {% block user %} … {% endblock %}.",
                )
            blocks = {"user": template.render(values).strip()}
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"the template {path}: {str(error) or type(error).__name__}.",
            hint=f"It knows: {knows}.",
        ) from error
    return blocks


def render(conversation: Sequence[Message]) -> str:
    """Return a conversation as text for a person: a line with the role, then what is said."""
    return "\n\n".join(f"--- {message['role']} ---\n{message['content']}" for message in conversation)
