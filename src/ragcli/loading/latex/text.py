"""Tokens of LaTeX to blocks of Markdown. Each token is read once; what is not known keeps the text in it."""

from __future__ import annotations

import re
import unicodedata

from ragcli.loading.latex import environments
from ragcli.loading.latex import names as names
from ragcli.loading.latex.sink import DEEPEST, DIMENSION, Sink
from ragcli.loading.latex.source import OPEN, PLACE, Prepared
from ragcli.loading.latex.tokens import ENVIRONMENT, Tokens
from ragcli.loading.markup import flowed
from ragcli.loading.source import Source

_LABEL = re.compile(r"\\(?:label|tag)\s*\{[^{}]*\}|\\(?:nonumber|notag)(?![a-zA-Z])")
_TITLE = re.compile(r"\\title\s*[\[{]")
_NOTE = re.compile(r"\[\^\d+\]")
_BIBITEM = re.compile(r"\\bibitem\s*(?:\[[^\]]{0,300}\])?\s*\{([^{}]*)\}")
_QUOTES = (("``", "“"), ("''", "”"), ("---", "—"), ("--", "–"), ("?`", "¿"), ("!`", "¡"))
_CJK = re.compile(r"[\u3400-\u9fff]")
_HANDLED = frozenset({
    "title", "author", "date", "subtitle", "institute", "maketitle", "item", "bibitem", "footnote", "footnotetext",
    "thanks", "href", "url", "caption", "captionof", "includegraphics", "keywords", "frametitle", "framesubtitle",
    "frame", "par", "and", "footnotemark", "endnote", "marginpar", "sidenote", "todo", "tableofcontents", "appendix",
})  # fmt: skip
KEPT = frozenset(
    {*_HANDLED, *names.SECTIONS, *names.NO_TEXT, *names.BOLD, *names.ITALIC, *names.CODE, *names.OTHER_FILES,
     *names.REFERENCES, *names.CITATIONS, *(name for name in names.ACCENTS if name.isalpha()), "LaTeX", "TeX"}
)  # fmt: skip


class Writer(Tokens):
    """Writes a prepared text as Markdown.

    Args:
        source: where other files that it names are reported.
        ready: the text.
        levels: of the sectioning macros.
    """

    def __init__(self, source: Source, ready: Prepared, levels: dict[str, int]) -> None:
        self._source = source
        self._aside = ready.aside
        self.levels = levels
        self.theorems = {**names.THEOREMS, **ready.theorems}
        self.chinese = len(_CJK.findall(ready.body[:20_000])) > 50
        self._notes: list[str] = []
        self._base = 0
        self.title = self.author = self.date = ""
        self.first = ""
        self._subtitle = ""
        self._ready = ready
        self._keys = {key: number for number, key in enumerate(_BIBITEM.findall(ready.body), 1)}
        self.bibitems = 0

    def written(self) -> str:
        """The whole text."""
        head = Sink()
        if self._ready.preamble:
            self.load(self._ready.preamble)
            for at, token in enumerate(self.tokens):
                if token in ("\\title", "\\author", "\\date", "\\subtitle", "\\institute"):
                    self._macro(at, len(self.tokens), head, 0)
        has_title = bool(self.title) or _TITLE.search(self._ready.body) is not None
        self._base = 1 if has_title else 0
        self.load(self._ready.body)
        sink = Sink()
        self.walk(0, len(self.tokens), sink, 0)
        sink.flush()
        top = [f"# {self.title}"] if self.title else []
        said = (self._subtitle, self.author, self.date)
        self.title, self.author = _NOTE.sub("", self.title), _NOTE.sub("", self.author)
        top += [part for part in said if part]
        notes = [f"[^{number}]: {note}" for number, note in enumerate(self._notes, 1)]
        return "\n\n".join([*top, *sink.blocks, *notes])

    def inline(self, low: int, high: int, depth: int) -> str:
        """Return some tokens as text on one line."""
        sink = Sink()
        self.walk(low, high, sink, depth + 1)
        return sink.flat()

    def argument(self, at: int, high: int, depth: int) -> tuple[str, int]:
        """The next argument as text, and the token after it."""
        group = self.group(at, high)
        if group is None:
            return "", at
        return self.inline(group[0], group[1], depth), group[2]

    # Walking

    def walk(self, low: int, high: int, sink: Sink, depth: int) -> None:
        """Write some tokens."""
        at = low
        tokens = self.tokens
        while at < high:
            token = tokens[at]
            first = token[:1]
            if first == "\\":
                if token.startswith(("\\begin", "\\end")) and ENVIRONMENT.match(token):
                    at = environments.written(self, at, high, sink, depth)
                else:
                    at = self._macro(at, high, sink, depth)
                continue
            if first == "$":
                at = self._dollars(at, high, sink)
                continue
            if first == OPEN:
                self._verbatim(token, sink)
            elif first == "\n" and token.count("\n") > 1:
                sink.flush()
            elif first == "~":
                sink.line.append(" ")
            elif first and first not in "{}":
                sink.line.append(_ligatures(token))
            elif first == "}" and at + 1 < high and tokens[at + 1] == "{":
                sink.line.append(" ")  # two arguments of a macro that is not known
            at += 1

    def _verbatim(self, token: str, sink: Sink) -> None:
        found = PLACE.match(token)
        if found is None or int(found[1]) >= len(self._aside):
            return
        text, is_block = self._aside[int(found[1])]
        if is_block:
            sink.flush()
            sink.blocks.append(text)
        else:
            sink.line.append(text)

    def _dollars(self, at: int, high: int, sink: Sink) -> int:
        mark = self.tokens[at]
        end = self.closing(mark, at, high)
        if end is None:
            sink.line.append("" if mark == "$$" else "$")
            return at + 1
        self.formula(self.source_of(at + 1, end), sink, shown=mark == "$$")
        return end + 1

    def formula(self, source: str, sink: Sink, *, shown: bool) -> None:
        """Write a formula as it stands, without its label."""
        source = PLACE.sub(lambda match: self._aside[int(match[1])][0] if int(match[1]) < len(self._aside) else "",
                           _LABEL.sub("", source))  # fmt: skip
        source = "\n".join(line for line in (line.strip() for line in source.split("\n")) if line)
        if not source:
            return
        if shown:
            sink.flush()
            sink.blocks.append(f"$$\n{source}\n$$")
        else:
            sink.line.append(f"${flowed(source)}$")

    # Macros

    def heading(self, text: str, name: str, sink: Sink) -> None:
        """Write a heading on the level of a macro."""
        self.put_heading(text, self.levels.get(name, 1), sink)

    def put_heading(self, text: str, level: int, sink: Sink) -> None:
        """Write a heading."""
        sink.flush()
        if text:
            self.first = self.first or text
            sink.blocks.append(f"{'#' * min(level + self._base, 6)} {text}")

    def _macro(self, at: int, high: int, sink: Sink, depth: int) -> int:
        token = self.tokens[at]
        name = token[1:].rstrip("*") or "*"
        at += 1
        if depth > DEEPEST:
            return at
        if token == "\\\\":
            option = self.option(at, high)
            sink.line.append("\n")
            return option[2] if option and DIMENSION.match(self.source_of(option[0], option[1])) else at
        if token in ("\\(", "\\["):
            end = self.closing("\\)" if token == "\\(" else "\\]", at - 1, high)
            if end is None:
                return at
            self.formula(self.source_of(at, end), sink, shown=token == "\\[")
            return end + 1
        if name in names.SECTIONS or name in ("frametitle", "framesubtitle"):
            text, at = self.argument(self.skip_options(at, high), high, depth)
            if name == "framesubtitle":
                sink.flush()
                sink.blocks += [f"**{text}**"] if text else []
            else:
                self.heading(text, name, sink)
            return at
        if name in names.OTHER_FILES:
            return self._other_file(at, high)
        if name in names.BOLD or name in names.ITALIC or name in names.CODE:
            return self._emphasis(name, at, high, sink, depth)
        if name in _HANDLED:
            return self._handled(name, at, high, sink, depth)
        if name in names.REFERENCES or name in names.CITATIONS:
            return self._reference(name, at, high, sink)
        if name in names.ACCENTS and (name not in "cvHukrdbt" or len(name) == 1):
            return self._accent(name, at, high, sink, depth)
        if name in names.NO_TEXT:
            return self.skip_arguments(at, high, names.NO_TEXT[name])
        return self._other(name, at, high, sink)

    def _other(self, name: str, at: int, high: int, sink: Sink) -> int:
        """A character, or a macro that is not known: its arguments stay where they hold text."""
        if name in names.CHARACTERS:
            sink.line.append(names.CHARACTERS[name])
            return at
        if name in names.SYMBOLS:
            sink.line.append(names.SYMBOLS[name])
            if at < high and self.tokens[at][:1].isspace() and "\n" not in self.tokens[at]:
                self.tokens[at] = self.tokens[at].lstrip()
                return at + (not self.tokens[at])
            return at
        if at < high and self.tokens[at] == "[" and (option := self.option(at, high)):
            said = self.source_of(option[0], option[1])
            if "=" in said or DIMENSION.match(said) or not said.strip():
                return option[2]
        return at

    def _other_file(self, at: int, high: int) -> int:
        at = self.skip_options(at, high)
        said: list[str] = []
        while (group := self.group(at, min(high, at + 40))) and len(said) < 2:
            said.append(self.source_of(group[0], group[1]).strip())
            at = group[2]
        if not said and at < high and self.tokens[at].strip():  # \input name
            word = self.tokens[at].split()[0]
            said = [word]
            self.tokens[at] = self.tokens[at].partition(word)[2]
        if said:
            reason = f"it includes {flowed('/'.join(said))}, which is another file and was not read"
            self._source.lose(reason, kind="warning")
        return at

    def _emphasis(self, name: str, at: int, high: int, sink: Sink, depth: int) -> int:
        group = self.group(at, high)
        if group is None:
            return at
        inner = Sink()
        self.walk(group[0], group[1], inner, depth + 1)
        if inner.blocks:
            inner.flush()
            sink.flush()
            sink.blocks += inner.blocks
            return group[2]
        text = flowed("".join(inner.line))
        mark = "`" if name in names.CODE else "**" if name in names.BOLD else "*"
        if text and mark not in text:
            before = " " if inner.line and inner.line[0][:1] == " " else ""
            after = " " if inner.line[-1][-1:] == " " else ""
            text = f"{before}{mark}{text}{mark}{after}"
        sink.line.append(text)
        return group[2]

    def _handled(self, name: str, at: int, high: int, sink: Sink, depth: int) -> int:
        if name == "par":
            sink.flush()
            return at
        if name in ("item", "bibitem", "question"):
            sink.flush()
            sink.line.append("- ")
            return at
        if name in ("and", "maketitle", "tableofcontents", "appendix", "frame", "footnotemark"):
            sink.line.append(", " if name == "and" else "")
            return self.skip_options(at, high)
        if name == "url":
            group = self.group(at, high)
            if group:
                sink.line.append(self.source_of(group[0], group[1]).strip().replace("\\", ""))
                return group[2]
            return at
        if name == "href":
            group = self.group(self.skip_options(at, high), high)
            if group is None:
                return at
            address = self.source_of(group[0], group[1]).strip().replace("\\", "")
            text, after = self.argument(group[2], high, depth)
            sink.line.append(f"[{text}]({address})" if text and text != address else address)
            return after
        if name == "includegraphics":
            at = self.skip_options(at, high)
            group = self.group(at, high)
            if group is None:
                return at
            sink.line.append(f"![]({self.source_of(group[0], group[1]).strip()})")
            return group[2]
        at = self.skip_options(at, high)
        if name == "captionof":
            group = self.group(at, high)
            at = group[2] if group else at
        number = 0
        if name in ("footnote", "footnotetext", "thanks", "endnote", "marginpar", "sidenote"):
            self._notes.append("")  # keeps its place before those inside it
            number = len(self._notes)
        text, at = self.argument(at, high, depth)
        if number:
            self._notes[number - 1] = text
            sink.line.append(f"[^{number}]")
        elif name in ("caption", "captionof"):
            sink.flush()
            sink.blocks += [text] if text else []
        elif name == "keywords":
            sink.flush()
            sink.blocks += [f"{'关键词：' if self.chinese else 'Keywords: '}{text}"] if text else []
        elif name == "title":
            self.title = self.title or text
        elif name == "subtitle":
            self._subtitle = text
        elif name == "author":
            text = re.sub(r"(?<!\s)\s*,[\s,]*", ", ", text).strip(" ,")
            self.author = ", ".join(part for part in (self.author, text) if part)
        elif name == "date":
            self.date = text
        elif name == "institute":
            self._subtitle = ", ".join(part for part in (self._subtitle, text) if part)
        else:
            sink.line.append(text)
        return at

    def _reference(self, name: str, at: int, high: int, sink: Sink) -> int:
        said = []
        while option := self.option(at, high):
            said.append(flowed(self.source_of(option[0], option[1])))
            at = option[2]
        group = self.group(at, high)
        if group is None:
            return at
        keys = [key.strip() for key in self.source_of(group[0], group[1]).split(",") if key.strip()]
        if name in names.REFERENCES:
            text = ", ".join(keys)
            sink.line.append(f"({text})" if name == "eqref" else text)
        else:
            shown = [str(self._keys.get(key, key)) for key in keys] + [one for one in said if one]
            sink.line.append(f"[{', '.join(shown)}]")
        return group[2]

    def _accent(self, name: str, at: int, high: int, sink: Sink, depth: int) -> int:
        mark = names.ACCENTS[name]
        group = self.group(at, high)
        if group is not None:
            text, at = self.inline(group[0], group[1], depth), group[2]
        else:
            at = self.skip_space(at, high)
            if at >= high:
                return at
            token = self.tokens[at]
            if token[:1] == "\\":
                text, at = names.SYMBOLS.get(token[1:], ""), at + (token[1:] in names.SYMBOLS)
            elif token[:1] in "{}$&\n\x02":
                return at
            else:
                token = token.lstrip()
                text = token[:1]
                self.tokens[at] = token[1:]
                at += len(token) < 2
        if not text.strip() and name in "^~'`":  # an accent over nothing is the character itself
            sink.line.append(name)
            return at
        text = text.replace("ı", "i").replace("ȷ", "j")
        sink.line.append(unicodedata.normalize("NFC", text[:1] + mark + text[1:]) if text else "")
        return at


def _ligatures(text: str) -> str:
    if "'" in text or "`" in text or "--" in text:
        for mark, shown in _QUOTES:
            text = text.replace(mark, shown)
        text = text.replace("`", "‘")
    return text
