"""LaTeX before it is read: comments and verbatim text put aside, macros of the file's own put in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_ASIDE = re.compile(
    r"\\(?P<escaped>[%\\{}])"
    r"|(?P<comment>(?<![ \t])[ \t]*%[^\n]*(?:\n[ \t]*(?=\S)|\n)?)"
    r"|(?P<address>\\(?:url|href|path|nolinkurl)\s*\{[^{}\n]*\})"
    r"|\\(?P<inline>verb|lstinline|mintinline)\*?(?:\[[^\]\n]{0,200}\])?(?P<language>\{\w{1,30}\})?"
    r"(?:\{(?P<braced>[^{}\n]{0,500})\}|(?P<bar>[^\sa-zA-Z*{\[])(?P<code>(?:(?!(?P=bar))[^\n]){0,500})(?P=bar))"
    r"|\\begin[ ]?\{(?P<block>verbatim|Verbatim|BVerbatim|LVerbatim|lstlisting|minted|alltt|comment|filecontents|"
    r"sourcecode|pycode|shellcode|ccode|cppcode|javacode|bashcode|listing|codeblock|spverbatim|Code|code|tcblisting|"
    r"LTXexample|console|terminal|bash|python|latexcode|texcode)(?P<star>\*?)\}"
    r"|(?P<false>\\iffalse(?![a-zA-Z]))"
    r"|(?P<end>\\end\{document\}|\\endinput(?![a-zA-Z]))",
)
_BEGIN = re.compile(r"\\begin\s*\{document\}")
_FIRST = re.compile(
    r"^[^%\n]*?\\(?:(document(?:class|style)|begin\s*\{document\})|(?:part|chapter|(?:sub){0,2}section)\*?\s*[\[{])",
    re.M,
)
_ARGUMENTS = re.compile(
    r"[ \t]*(?:\[(?P<options>(?:[^\[\]]|\[[^\[\]]{0,200}\]){0,2000})\])?"
    r"(?P<argument>(?:\{[^{}\n]{0,200}\}){0,2})[ \t]*\n?"
)
_LANGUAGE = re.compile(r"language\s*=\s*\{?(?:\[[^\]]*\])?\s*([\w+#-]+)", re.I)
_CAPTION = re.compile(r"caption\s*=\s*(?:\{([^{}]*)\}|([^,\]]*))")
_CONDITION = re.compile(r"\\(if[a-zA-Z@]*|fi)(?![a-zA-Z@])")
_DEFINITION = re.compile(
    r"\\(?:(?P<new>(?:re)?newcommand|providecommand|DeclareRobustCommand|DeclareMathOperator)(?P<star>\*?)"
    r"|(?P<document>(?:New|Renew|Provide|Declare)DocumentCommand)|(?P<def>[gex]?def)"
    r"|(?P<environment>(?:re)?newenvironment\*?|(?:New|Renew)DocumentEnvironment|newtcolorbox|NewTColorBox)"
    r"|(?P<theorem>newtheorem\*?|declaretheorem|newmdtheoremenv|spnewtheorem\*?))(?![a-zA-Z])\s*"
)
_STYLE = re.compile(r"\\tikzstyle\s*\{[^{}]{0,100}\}\s*\+?=\s*\[[^\]]{0,2000}\]")
_NAME = re.compile(r"\{?\s*\\([a-zA-Z@]+)\s*\}?\s*")
_OPTION = re.compile(r"\[([^\[\]]{0,500})\]\s*")
_PARAMETERS = re.compile(r"((?:#\d)*)\s*")
_BRACES = re.compile(r"\\.|[{}]", re.S)
_COMMAND = re.compile(r"\\([a-zA-Z@]+)")
_MOST_DEEP = 12
OPEN, CLOSE = "\x02", "\x03"  # around the number of what was put aside
PLACE = re.compile(f"{OPEN}(\\d+){CLOSE}")


@dataclass(slots=True)
class Prepared:
    """What is to be read; ``aside`` holds verbatim text as (Markdown, is a block), ``theorems`` their titles."""

    preamble: str
    body: str
    aside: list[tuple[str, bool]]
    theorems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Macro:
    arguments: int
    default: str | None
    body: str


def prepared(text: str, kept: frozenset[str]) -> Prepared:
    """Return a text without comments, its own macros put in, verbatim text put aside.

    Args:
        text: the whole file.
        kept: the names of macros that keep their meaning, whatever the file says.
    """
    text = text.replace(OPEN, "").replace(CLOSE, "")
    first = _FIRST.search(text)
    whole = first is not None and first[1] is not None  # else a chapter, which may show what a document looks like
    text, aside = _set_aside(text, whole)
    text = _STYLE.sub("", text)
    text, macros, theorems = _definitions(text, kept)
    start = _BEGIN.search(text) if whole else None
    preamble, body = (text[: start.start()], text[start.end() :]) if start else ("", text)
    room = [4 * len(text) + 1_000_000]
    return Prepared(_expanded(preamble, macros, room, 0), _expanded(body, macros, room, 0), aside, theorems)


def _set_aside(text: str, whole: bool) -> tuple[str, list[tuple[str, bool]]]:
    out: list[str] = []
    aside: list[tuple[str, bool]] = []
    at = 0
    unclosed: set[str] = set()
    while found := _ASIDE.search(text, at):
        out.append(text[at : found.start()])
        at = found.end()
        if found["escaped"] is not None or found["address"] is not None:
            out.append(found[0])
        elif found["comment"] is not None:
            if found[0].lstrip(" \t")[:1] == "%" and found.start() and text[found.start() - 1] == "\n":
                continue  # a line of comment leaves nothing, not even its end
            blank = found[0].endswith("\n") and text[at : at + 1] in ("\n", "")
            out.append("\n" if blank else "")
        elif found["inline"] is not None:
            code = found["braced"] if found["braced"] is not None else found["code"]
            if found["inline"] == "mintinline" and found["language"] is None and found["braced"] is not None:
                out.append(found[0])
                continue
            out.append(f"{OPEN}{len(aside)}{CLOSE}")
            aside.append((f"`{code}`" if "`" not in code else f"`` {code} ``", False))
        elif found["block"] is not None:
            name = found["block"] + found["star"]
            end = text.find(f"\\end{{{name}}}", at) if name not in unclosed else -1
            if end < 0:
                unclosed.add(name)
                out.append(found[0] if found["block"] != "comment" else "")
                continue
            if found["block"] not in ("comment", "listing"):
                out.append(f"\n\n{OPEN}{len(aside)}{CLOSE}\n\n")
                aside.append((_fenced(text, found["block"], at, end), True))
            elif found["block"] == "listing":  # a float around code
                out.append(found[0])
                continue
            at = end + len(name) + 6
        elif found["false"] is not None:
            at = _after_condition(text, at) if "\\iffalse" not in unclosed else at
            if at == found.end():
                unclosed.add("\\iffalse")
        elif whole:
            return "".join(out), aside
    out.append(text[at:])
    return "".join(out), aside


def _after_condition(text: str, at: int) -> int:
    """Where the branch that ``\\iffalse`` leaves out ends; ``at`` where it does not end."""
    depth = 1
    for found in _CONDITION.finditer(text, at):
        depth += -1 if found[1] == "fi" else 1
        if not depth:
            return found.end()
    return at


def _fenced(text: str, name: str, at: int, end: int) -> str:
    from ragcli.loading.markup import fenced

    arguments = _ARGUMENTS.match(text, at, end)
    language = caption = ""
    code = text[at:end]
    if arguments:
        named = _LANGUAGE.search(arguments["options"] or "")
        said = _CAPTION.search(arguments["options"] or "")
        language = named[1] if named else ""
        caption = (said[1] or said[2] or "").strip() if said else ""
        inner = arguments["argument"].strip("{}").partition("}{")[0]
        if name in ("minted", "pycode", "filecontents"):
            language = inner if name == "minted" else language
            caption = inner if name == "filecontents" else caption
            code = text[arguments.end() : end]
        elif arguments["options"] is not None:
            code = text[arguments.end("options") + 1 : end]
    code = code.strip("\n").rstrip()
    block = fenced(code, language.lower())
    return f"{caption}\n\n{block}" if caption else block


def _braces(text: str) -> dict[int, int]:
    """The place of each ``{`` that is closed, and of its ``}``."""
    pairs: dict[int, int] = {}
    stack: list[int] = []
    for found in _BRACES.finditer(text):
        if found[0] == "{":
            stack.append(found.start())
        elif found[0] == "}" and stack:
            pairs[stack.pop()] = found.start()
    return pairs


def _group(text: str, at: int, pairs: dict[int, int]) -> tuple[str, int] | None:
    """The content of the group at a place, white space before it left out, and where it ends."""
    while at < len(text) and text[at].isspace():
        at += 1
    end = pairs.get(at)
    return (text[at + 1 : end], end + 1) if end is not None else None


def _definitions(text: str, kept: frozenset[str]) -> tuple[str, dict[str, _Macro], dict[str, str]]:
    """Take the definitions out of a text."""
    pairs = _braces(text)
    macros: dict[str, _Macro] = {}
    theorems: dict[str, str] = {}
    out: list[str] = []
    at = 0
    while found := _DEFINITION.search(text, at):
        out.append(text[at : found.start()])
        at = found.end()
        if found["environment"] or found["theorem"]:
            name = _group(text, at, pairs)
            if name is None:
                continue
            at = name[1]
            parts: list[str] = []
            while (option := _OPTION.match(text, at)) or (group := _group(text, at, pairs)):
                if option:
                    at = option.end()
                else:
                    assert group is not None
                    if found["theorem"] and parts:
                        break
                    parts.append(group[0])
                    at = group[1]
                    if len(parts) == (1 if found["theorem"] else 3 if "Document" in found["environment"] else 2):
                        break
            if found["theorem"] and parts and (option := _OPTION.match(text, at)):
                at = option.end()
            if found["theorem"]:
                theorems[name[0].strip()] = parts[0] if parts else name[0].strip().capitalize()
            continue
        name_found = _NAME.match(text, at)
        if name_found is None:
            continue
        at = name_found.end()
        number, default = 0, None
        if found["new"] and not found["new"].startswith("DeclareMath"):
            if option := _OPTION.match(text, at):
                number, at = int(option[1]) if option[1].strip().isdecimal() and len(option[1]) < 3 else 0, option.end()
                if option := _OPTION.match(text, at):
                    default, at = option[1], option.end()
        elif found["document"]:
            if (spec := _group(text, at, pairs)) is not None:
                number, at = spec[0].count("m") + spec[0].count("o") + spec[0].count("O"), spec[1]
                default = "" if spec[0][:1] in ("o", "O") else None
        elif found["def"] and (parameters := _PARAMETERS.match(text, at)):
            number, at = len(parameters[1]) // 2, parameters.end()
        body = _group(text, at, pairs)
        if body is None:
            continue
        at = body[1]
        name_said = name_found[1]
        if name_said in kept or name_said.startswith("the") or "@" in name_said or len(body[0]) > 5000:
            continue
        said = f"\\operatorname{{{body[0]}}}" if found["new"] == "DeclareMathOperator" else body[0]
        macros[name_said] = _Macro(min(number, 9), default, said)
    out.append(text[at:])
    return "".join(out), macros, theorems


def _expanded(text: str, macros: dict[str, _Macro], room: list[int], depth: int) -> str:
    """Return a text with macros put in, as long as there is room for it."""
    if not macros or depth > _MOST_DEEP or "\\" not in text:
        return text
    pairs: dict[int, int] | None = None
    out: list[str] = []
    at = 0
    while found := _COMMAND.search(text, at):
        macro = macros.get(found[1])
        if macro is None or room[0] < 0:
            out.append(text[at : found.end()])
            at = found.end()
            continue
        out.append(text[at : found.start()])
        if pairs is None and macro.arguments:
            pairs = _braces(text)
        read = _arguments(text, found.end(), macro, pairs or {})
        if read is None:
            out.append(found[0])
            at = found.end()
            continue
        arguments, at = read
        body = macro.body
        if macro.arguments:
            given = {str(number): said for number, said in enumerate(arguments, 1)}
            body = re.sub(r"#(\d)", lambda match, given=given: given.get(match[1], ""), body)  # type: ignore[misc]
        room[0] -= len(body)
        if body[-1:].isalpha() and text[at : at + 1].isalpha() and re.search(r"\\[a-zA-Z]+$", body):
            body += " "
        out.append(_expanded(body, macros, room, depth + 1))
    out.append(text[at:])
    return "".join(out)


def _arguments(text: str, at: int, macro: _Macro, pairs: dict[int, int]) -> tuple[list[str], int] | None:
    """Read the arguments of a macro; None where they are not there."""
    if not macro.arguments:
        return [], at + 1 if text[at : at + 1] == " " else at
    arguments: list[str] = []
    if macro.default is not None:
        option = _OPTION.match(text, at)
        arguments.append(option[1] if option else macro.default)
        at = option.end() if option else at
    while len(arguments) < macro.arguments:
        group = _group(text, at, pairs)
        if group is None:
            rest = re.compile(r"\s*(\\[a-zA-Z]+|[^\s{}\\])").match(text, at)
            if rest is None:
                return None
            group = (rest[1], rest.end())
        arguments.append(group[0])
        at = group[1]
    return arguments, at
