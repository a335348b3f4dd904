"""The marks inside a paragraph of reStructuredText, as Markdown, and the names that they refer to."""

from __future__ import annotations

import re

from ragcli.loading.markup import flowed

_MARKS = re.compile(
    r"\\(?P<escaped>.)"
    r"|``(?P<literal>(?=\S).{0,2000}?\S)``(?!`)"
    r"|:(?P<role>\w[\w:.+-]{0,80}):`(?P<text>(?:[^`\\]|\\.)+)`"
    r"|_`(?P<target>[^`]+)`"
    r"|`(?P<back>[^`\s](?:[^`\\]|\\.)*)`(?::(?P<after>\w[\w:.+-]{0,80}):|(?P<mark>__?)(?!\w))?"
    r"|\|(?P<name>[^|\s](?:[^|\n]{0,100}[^|\s])?)\|(?P<linked>__?(?!\w))?"
    r"|\[(?P<note>[^\]\[\s]{1,80})\]_(?!\w)"
    r"|(?<![\w.+`-])(?P<word>\w(?:[\w.+-]{0,80}?\w)?)(?P<ends>__?)(?![\w`])",
    re.S,
)
_MARKED = re.compile(r"[`|_\\]")
_TARGET = re.compile(r"^[ ]*\.\. _(?:`([^`\n]+)`|((?:\\:|[^:`\n])+?)):(?=[ \n]|$)[ ]*(.*(?:\n[ ]{3,}[^\s:].*)*)", re.M)
_ANONYMOUS = re.compile(r"^[ ]*(?:\.\. __:|__)[ ]+(\S.*)", re.M)
_SUBSTITUTION = re.compile(
    r"^[ ]*\.\. \|([^|\n]+)\| (replace|image|unicode|date|figure)::[ ]*(.*(?:\n[ ]{2,}\S.*)*)", re.M
)
_LABELLED = re.compile(
    r"^\.\. _`?([^`:\n]+)`?:[ ]*\n(?:\.\. .*\n){0,4}\n{1,3}"
    r"(?:([^\w\s])\2{3,}[ ]*\n)?[ ]?(\S.*)\n([^\w\s])\4{2,}",
    re.M,
)
_NUMBERED = re.compile(r"^[ ]*\.\. \[(\d+)\] ", re.M)
_CODE = {"code", "file", "command", "option", "envvar", "program", "samp", "kbd", "literal", "func", "class", "meth",
         "mod", "attr", "obj", "data", "exc", "const", "keyword", "token", "makevar", "mimetype", "regexp", "type",
         "macro", "member", "struct", "var", "any", "confval", "setting", "dir", "rst:dir", "role", "directive",
         "function", "method", "attribute", "module", "exception", "decorator", "property", "enum", "expr"}  # fmt: skip
_PLAIN_PREFIX = {"pep": "PEP ", "pep-reference": "PEP ", "rfc": "RFC ", "rfc-reference": "RFC ", "issue": "#",
                 "gh": "#", "pr": "#", "cve": "", "bpo": "bpo-"}  # fmt: skip
_ADDRESS = re.compile(r"(?:https?|ftp|mailto|file|irc):|^[/#.]|^[\w.+-]+@[\w.-]+$|/", re.I)
_UNICODE = re.compile(r"(?:0x|\\?x|\\?u|U\+|&#x)([0-9a-fA-F]{1,6});?", re.I)


class Names:
    """What is named in a text, and its marks written as Markdown.

    Args:
        text: the whole file.
    """

    def __init__(self, text: str) -> None:
        self.default_role = ""
        self.targets: dict[str, str] = {}
        self.used: set[str] = set()
        for quoted, plain, address in _TARGET.findall(text):
            name = _normal((quoted or plain).replace("\\:", ":"))
            self.targets.setdefault(name, "".join(address.split()) if "`" not in address else address.strip())
        self.labels = {_normal(label): flowed(title) for label, _, title, _ in _LABELLED.findall(text)}
        self._anonymous = [address.strip() for address in _ANONYMOUS.findall(text)]
        self._at = 0
        self._substitutions = {
            _normal(name): _replacement(kind, said) for name, kind, said in _SUBSTITUTION.findall(text)
        }
        self._open: set[str] = set()
        self._room = 10 * len(text) + 100_000  # characters that substitutions may come to
        self._taken = {int(number) for number in _NUMBERED.findall(text) if len(number) < 6}
        self._notes: dict[str, str] = {}
        self._next = {"defined": 0, "named": 0}

    def marked(self, text: str) -> str:
        """Return a paragraph with Markdown's marks, on one line."""
        text = flowed(text)
        return _MARKS.sub(self._mark, text) if _MARKED.search(text) else text

    def note(self, label: str, *, defined: bool = False) -> str:
        """The label of a footnote in Markdown; those that number themselves are counted."""
        if label.isdecimal():
            return label
        if label not in ("#", "*"):
            if label.startswith("#"):
                if label not in self._notes:
                    self._notes[label] = self._number("defined")
                return self._notes[label]
            return label
        return self._number("defined" if defined else "named")

    def unused(self) -> list[str]:
        """The addresses that are given and not referred to."""
        return [
            f"[{name}]: {address}"
            for name, address in self.targets.items()
            if name not in self.used and re.match(r"(?:https?|ftp|mailto):", address)
        ]

    def _number(self, kind: str) -> str:
        self._next[kind] += 1
        while self._next[kind] in self._taken:
            self._next[kind] += 1
        return str(self._next[kind])

    def _mark(self, match: re.Match[str]) -> str:
        kind = match.lastgroup
        if match["escaped"] is not None:
            return "" if match["escaped"].isspace() else match["escaped"]
        if match["literal"] is not None:
            return _code(match["literal"])
        if match["role"] is not None:
            return self._role(match["role"], match["text"])
        if match["target"] is not None:
            return match["target"]
        if match["back"] is not None:
            if match["after"]:
                return self._role(match["after"], match["back"])
            if match["mark"]:
                return self._link(match["back"], anonymous=match["mark"] == "__", whole=match[0])
            return self._role(self.default_role, match["back"]) if self.default_role else _code(match["back"])
        if match["name"] is not None:
            return self._substituted(match)
        if match["note"] is not None:
            label = match["note"]
            is_note = label.isdecimal() or label[0] in "#*"
            return f"[^{self.note(label)}]" if is_note else f"[{label}]"
        if kind is not None and match["word"] is not None:
            anonymous = match["ends"] == "__"
            if (anonymous and self._at < len(self._anonymous)) or _normal(match["word"]) in self.targets:
                return self._link(match["word"], anonymous=anonymous, whole=match[0])
        return match[0]

    def _role(self, role: str, text: str) -> str:
        name = role.rpartition(":")[2].lower()
        text = re.sub(r"\\(.)", r"\1", text)
        if name == "math":
            return f"${text}$"
        found = _text_target(text)
        if name in _CODE or (":" in role and name not in ("ref", "doc", "term")):
            if found and found[0] and name not in ("code", "samp", "literal", "kbd"):
                return found[0]
            shown = text.lstrip("!")
            return _code(shown[1:].rpartition(".")[2] if shown.startswith("~") else shown)
        if found and found[0]:
            if _ADDRESS.match(found[1]) and name in ("download", "link", "target"):
                return f"[{found[0]}]({found[1]})"
            return found[0]
        if name in ("ref", "numref", "doc"):
            return self.labels.get(_normal(text), text.lstrip("!"))
        if name == "menuselection":
            return text.replace("-->", ">").replace("&", "")
        if name == "guilabel":
            return text.replace("&", "")
        if name == "index":
            return (found[0] if found else text).rpartition(";")[2]
        return _PLAIN_PREFIX.get(name, "") + text.lstrip("!~")

    def _link(self, text: str, *, anonymous: bool, whole: str) -> str:
        text = re.sub(r"\\(.)", r"\1", text)
        found = _text_target(text)
        shown, address = found or (text, "")
        if found:
            if address.endswith("_") and _normal(address[:-1]) in self.targets:
                self.used.add(_normal(address[:-1]))
                address = self._resolved(address[:-1])
            else:
                address = address.replace("\\_", "_")
                self.targets.setdefault(_normal(shown), address)
                self.used.add(_normal(shown))
            shown = shown or address
        elif anonymous:
            address = self._anonymous[self._at] if self._at < len(self._anonymous) else ""
            self._at += 1
        else:
            self.used.add(_normal(text))
            address = self._resolved(text)
        address = "".join(address.split())
        if not address or address.startswith("`"):
            return shown
        return f"[{shown}]({address})" if _ADDRESS.search(address) else shown

    def _resolved(self, name: str) -> str:
        """The address of a name; a name may stand for another."""
        seen: set[str] = set()
        at = _normal(name)
        while at not in seen and len(seen) < 8:
            seen.add(at)
            address = self.targets.get(at, "")
            if not address.endswith("_") or _ADDRESS.match(address):
                return address
            at = _normal(address[:-1].strip("`"))
            self.used.add(at)
        return ""

    def _substituted(self, match: re.Match[str]) -> str:
        name = _normal(match["name"])
        if name not in self._substitutions or name in self._open or len(self._open) > 8 or self._room < 0:
            return match[0]
        self._open.add(name)
        text = self.marked(self._substitutions[name])
        self._open.discard(name)
        self._room -= len(text)
        if match["linked"] and name in self.targets:
            self.used.add(name)
            return f"[{text}]({self._resolved(name)})"
        return text


def _normal(name: str) -> str:
    return " ".join(name.split()).lower()


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def _replacement(kind: str, said: str) -> str:
    lines = said.split("\n")
    options = [line.strip() for line in lines[1:] if line.strip().startswith(":")]
    if kind in ("image", "figure"):
        alt = next((line[5:].strip() for line in options if line.startswith(":alt:")), "")
        return re.sub(r"([\\_`|])", r"\\\1", f"![{alt}]({lines[0].strip()})")
    text = "\n".join([lines[0], *(line.strip() for line in lines[1:] if line.strip() not in options)])
    if kind == "unicode":
        text = text.partition(" .. ")[0]
        words = (_UNICODE.sub(_character, word) for word in text.split())
        return "".join(words)
    return "" if kind == "date" else text


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else match[0]


def _text_target(text: str) -> tuple[str, str] | None:
    """The words and the target of ``words <target>``; None where there is no target."""
    words, _, target = text.rstrip("\n").rpartition("<")
    if len(target) < 2 or target[-1] != ">" or ">" in target[:-1]:
        return None
    return words.rstrip(), target[:-1]
