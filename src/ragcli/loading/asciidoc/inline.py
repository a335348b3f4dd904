"""The marks inside a line of AsciiDoc, as Markdown, and the attributes of the text and of its blocks."""

from __future__ import annotations

import re

from ragcli.loading.markup import flowed

_REFERENCE = re.compile(r"(\\?)\{([\w][\w-]*)\}")
_MARKS = re.compile(
    r"\\(?P<escaped>[*_`#+^~{<\[])"
    r"|\+\+\+(?P<pass3>.{0,2000}?)\+\+\+"
    r"|\$\$(?P<dollars>.{1,2000}?)\$\$"
    r"|pass:[a-z,]*\[(?P<passed>[^\]]{0,2000})\]"
    r"|(?:stem|latexmath|asciimath):[a-z]*\[(?P<math>(?:[^\]\\]|\\.){1,2000})\]"
    r"|(?:footnote|footnoteref):(?P<noteid>[\w-]*)\[(?P<note>(?:[^\[\]]|\[[^\[\]]*\]){0,2000})\]"
    r"|(?:kbd|btn):\[(?P<key>[^\]]{0,200})\]"
    r"|menu:(?P<menu>[^\s\[][^\[\n]{0,80})\[(?P<menuitem>[^\]]{0,200})\]"
    r"|image:(?!:)(?P<image>[^\s\[:][^\s\[]{0,1000})\[(?P<alt>[^\]]{0,1000})\]"
    r"|(?:link|xref):(?P<link>[^\s\[]{1,1000})\[(?P<linktext>(?:[^\]\\]|\\.){0,400})\]"
    r"|mailto:(?P<mail>[^\s\[]{1,200})\[(?P<mailtext>[^\]]{0,200})\]"
    r"|(?P<url>(?:https?|ftp|irc)://[^\s\[\]<>{}]{1,2000})(?:\[(?P<urltext>(?:[^\]\\]|\\.){0,400})\])?"
    r"|<<(?P<cross>[^<>,]{1,200})(?:,(?P<crosstext>[^<>]{0,500}))?>>"
    r"|\[\[(?P<anchor>[^\[\]]{1,200})\]\]|anchor:(?P<anchor2>[\w.-]{1,200})\[[^\]]{0,200}\]"
    r"|indexterm2?:\[(?P<index>[^\]]{0,200})\]"
    r"|\(\(\((?P<hidden>[^()]{1,200})\)\)\)|\(\((?P<shown>[^()]{1,200})\)\)"
    r"|(?:\[[\w.#%-]*\])?`{1,2}\+(?P<literal>.{1,2000}?)\+`{1,2}"
    r"|``(?P<code2>.{1,2000}?)``"
    r"|(?:\[[\w.#%-]*\])?(?<![\w`])`(?P<code>[^`\s](?:[^`]{0,2000}[^`\s])?)`(?!\w)"
    r"|(?<!\w)\+(?P<plus>[^+\s](?:[^+\n]{0,500}[^+\s])?)\+(?!\w)"
    r"|(?:\[[\w.#%, -]{1,80}\])?(?:\*\*(?P<strong2>[^*]{1,2000})\*\*"
    r"|(?<![\w*])\*(?P<strong>[^*\s](?:[^*]{0,2000}[^*\s])?)\*(?![\w*]))"
    r"|(?:\[[\w.#%, -]{1,80}\])?(?:__(?P<em2>[^_]{1,2000})__"
    r"|(?<![\w_])_(?P<em>[^_\s](?:[^_]{0,2000}[^_\s])?)_(?![\w_]))"
    r"|(?:\[[\w.#%, -]{1,80}\])?(?:##(?P<mark2>[^#]{1,500})##"
    r"|(?<![\w#&])#(?P<mark>[^#\s](?:[^#\n]{0,500}[^#\s])?)#(?![\w#]))"
    r"|(?<=\S)\^(?P<super>[^^\s]{1,80})\^|(?<=\S)~(?P<sub>[^~\s]{1,80})~"
    r"|\s\+\n(?P<hard>)",
    re.S,
)
_MARKED = re.compile(r"[*_`#+^~<\[({\\$]|://")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|\w{2,31});")
_GIVEN = {
    "nbsp": "\u00a0", "sp": " ", "empty": "", "blank": "", "zwsp": "", "wj": "", "apos": "'", "quot": '"', "lsquo": "‘",
    "rsquo": "’", "ldquo": "“", "rdquo": "”", "deg": "°", "plus": "+", "brvbar": "¦", "vbar": "|", "amp": "&",
    "lt": "<", "gt": ">", "startsb": "[", "endsb": "]", "caret": "^", "asterisk": "*", "tilde": "~", "backslash": "\\",
    "backtick": "`", "two-colons": "::", "two-semicolons": ";;", "cpp": "C++", "pp": "++", "lbrace": "{", "rbrace": "}",
    "litdd": "--", "mdash": "—", "ndash": "–", "asciidoctor": "asciidoctor",
}  # fmt: skip
_LONGEST = 10_000  # characters of an attribute's value


class Inline:
    """Writes marked text as Markdown; keeps attributes and footnotes."""

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}
        self.notes: list[str] = []
        self._named: dict[str, int] = {}
        self._depth = 0

    def define(self, name: str, value: str) -> None:
        """Set an attribute; others that its value names are put in at once."""
        self.attributes[name] = self.substituted(value)[:_LONGEST]

    def substituted(self, text: str) -> str:
        """Return the text with the values of its attributes; names without a value stay."""
        if "{" not in text:
            return text
        room = 10 * len(text) + 100_000

        def value(match: re.Match[str]) -> str:
            nonlocal room
            if match[1]:
                return match[0][1:]
            name = match[2].lower()
            found = self.attributes.get(name, _GIVEN.get(name))
            if found is None or room < 0:
                return match[0]
            room -= len(found)
            return found

        return _REFERENCE.sub(value, text)

    def marked(self, text: str) -> str:
        """Return a paragraph with Markdown's marks, on one line."""
        text = self.substituted(text)
        if "&" in text:
            from html import unescape

            text = _ENTITY.sub(lambda match: unescape(match[0]), text)
        return flowed(self._marked(text))

    def image(self, target: str, said: str) -> str:
        """Return a picture as Markdown."""
        alt = re.sub(r"^alt=", "", said.split(",")[0].strip()).strip("\"'")
        title = re.search(r'title="?([^",\]]+)', said)
        alt = alt if "=" not in alt else ""
        alt = alt or (title[1] if title else "")
        return f"![{flowed(alt)}]({self.substituted(target)})"

    def _marked(self, text: str) -> str:
        if not _MARKED.search(text) or self._depth > 8:
            return text
        self._depth += 1
        try:
            return _MARKS.sub(self._mark, text)
        finally:
            self._depth -= 1

    def _mark(self, match: re.Match[str]) -> str:
        found = {key: value for key, value in match.groupdict().items() if value is not None}
        key, value = next(iter(found.items()), ("", ""))
        if key in ("escaped", "pass3", "dollars", "passed", "plus"):
            return re.sub(r"<[^<>]*>", "", value) if key in ("pass3", "passed") else value
        if key == "math":
            return f"${value}$"
        if key in ("literal", "code2", "code"):
            return f"`{value}`" if "`" not in value else f"`` {value} ``"
        if key in ("strong", "strong2"):
            return f"**{self._marked(value)}**"
        if key in ("em", "em2"):
            return f"*{self._marked(value)}*"
        if key in ("mark", "mark2", "shown", "index"):
            return self._marked(value)
        if key == "super":
            return f"^{value}^" if len(value) > 20 else value if value in ("TM", "®") else f"^{value}"
        if key == "sub":
            return value
        if key in ("noteid", "note"):
            return self._note(found.get("noteid", ""), found.get("note", ""))
        if key == "key":
            return value
        if key == "menu":
            return " > ".join(part for part in (value, *re.split(r"\s*>\s*", found.get("menuitem", ""))) if part)
        if key == "image":
            return self.image(value, found.get("alt", ""))
        if key in ("link", "url", "mail"):
            return self._link(value, found.get(f"{key}text"), key)
        if key == "cross":
            shown = found.get("crosstext", "").strip()
            return self._marked(shown) if shown else value.lstrip("#").strip()
        if key == "hard":
            return "\n"
        return ""

    def _link(self, address: str, said: str | None, key: str) -> str:
        if said is None:
            return address
        shown = (
            re.sub(r",\s*(?:\w+=.*|role.*)$", "", said, flags=re.S).strip().strip('"').rstrip("^").replace("\\]", "]")
        )
        shown = "" if re.fullmatch(r"\w+=.*", shown, re.S) else self._marked(shown)
        address = address.removeprefix("++").removesuffix("++")
        if key == "mail":
            return f"[{shown}](mailto:{address})" if shown else address
        if not shown:
            return address
        return f"[{shown}]({address})" if "://" in address else shown

    def _note(self, name: str, text: str) -> str:
        if name and not text and name in self._named:
            return f"[^{self._named[name]}]"
        number = len(self.notes) + 1
        self.notes.append("")
        self.notes[number - 1] = f"[^{number}]: {flowed(self._marked(text))}"
        if name:
            self._named[name] = number
        return f"[^{number}]"


class Style:
    """What the lines before a block say about it."""

    def __init__(self) -> None:
        self.title = ""
        self.names: list[str] = []
        self.options: dict[str, str] = {}

    def read(self, line: str) -> None:
        """Read ``[style,second,key=value]``."""
        for at, part in enumerate(re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+', line[1:-1])):
            key, sign, value = part.strip().partition("=")
            if sign and re.fullmatch(r"[\w-]+", key):
                self.options[key] = value.strip().strip("\"'")
            else:
                name = re.split(r"[.#%]", part.strip().strip("\"'"), maxsplit=1)
                self.names += [name[0]] if at or name[0] else []
                if "%header" in part:
                    self.options["options"] = "header"

    @property
    def name(self) -> str:
        """The first word: what the block is."""
        return self.names[0] if self.names else ""
