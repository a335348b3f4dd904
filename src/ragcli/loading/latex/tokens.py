"""LaTeX cut into tokens, with the braces and environments that belong together."""

from __future__ import annotations

import bisect
import re

from ragcli.loading.latex.source import CLOSE, OPEN

_TOKEN = re.compile(
    rf"\\begin\s*\{{[^{{}}\n]{{1,60}}\}}|\\end\s*\{{[^{{}}\n]{{1,60}}\}}|\\[a-zA-Z@]+\*?|\\.|\$\$?|[{{}}&~\[\]]"
    rf"|\n[ \t]*\n\s*|{OPEN}\d+{CLOSE}|[^\\${{}}&~\[\]\n{OPEN}]+|\n|{OPEN}",
    re.S,
)
ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{([^{}]*)\}")
_FAR = 300  # tokens that an argument in brackets may have


class Tokens:
    """The tokens of a text; each place is the number of a token."""

    def load(self, text: str) -> None:
        """Cut a text into tokens, and find which brace and which environment closes which."""
        self._text = text
        self.tokens: list[str] = []
        self._starts: list[int] = []
        self.pair: dict[int, int] = {}
        self._close: dict[str, list[int]] = {"$": [], "$$": [], "\\)": [], "\\]": []}
        self._pars: list[int] = []
        braces: list[int] = []
        environments: list[tuple[str, int]] = []
        for at, found in enumerate(_TOKEN.finditer(text)):
            token = found[0]
            self.tokens.append(token)
            self._starts.append(found.start())
            if token == "{":
                braces.append(at)
            elif token == "}":
                if braces:
                    self.pair[braces.pop()] = at
            elif token in self._close:
                self._close[token].append(at)
            elif token[0] == "\n" and token.count("\n") > 1:
                self._pars.append(at)
            elif token[0] == "\\" and (pair := ENVIRONMENT.match(token)):
                if pair[1] == "begin":
                    environments.append((pair[2].strip(), at))
                else:
                    for back in range(len(environments) - 1, max(-1, len(environments) - 30), -1):
                        if environments[back][0] == pair[2].strip():
                            self.pair[environments[back][1]] = at
                            del environments[back:]
                            break
        self._starts.append(len(text))

    def source_of(self, low: int, high: int) -> str:
        """Return the text of some tokens."""
        return self._text[self._starts[low] : self._starts[high]]

    def skip_space(self, at: int, high: int) -> int:
        """Return the next place that is neither space nor the end of a paragraph."""
        while at < high and not self.tokens[at].strip() and self.tokens[at].count("\n") < 2:
            at += 1
        return at

    def group(self, at: int, high: int) -> tuple[int, int, int] | None:
        """The tokens of an argument, from and to, and the token after it."""
        at = self.skip_space(at, high)
        if at >= high:
            return None
        if self.tokens[at] == "{":
            end = self.pair.get(at)
            if end is not None and end < high:
                return at + 1, end, end + 1
            stop = at + 1  # never closed: to the end of the line
            while stop < high and "\n" not in self.tokens[stop]:
                stop += 1
            return at + 1, stop, stop
        return None

    def option(self, at: int, high: int) -> tuple[int, int, int] | None:
        """The tokens of an argument in brackets."""
        at = self.skip_space(at, high)
        if at >= high or self.tokens[at] != "[":
            return None
        stop, limit = at + 1, min(high, at + _FAR)
        while stop < limit:
            token = self.tokens[stop]
            if token == "]":
                return at + 1, stop, stop + 1
            if token == "{":
                stop = self.pair.get(stop, stop)
            elif token.count("\n") > 1:
                return None
            stop += 1
        return None

    def skip_options(self, at: int, high: int) -> int:
        """Return the place after arguments in brackets."""
        while option := self.option(at, high):
            at = option[2]
        return at

    def skip_arguments(self, at: int, high: int, number: int) -> int:
        """Return the place after arguments in braces and brackets."""
        at = self.skip_options(at, high)
        for _ in range(number):
            group = self.group(at, high)
            if group is None:
                break
            at = self.skip_options(group[2], high)
        return at

    def parts(self, low: int, high: int, marks: tuple[str, ...]) -> list[tuple[str, int, int]]:
        """Cut tokens at marks that lie in no group and no environment: (mark before, from, to)."""
        parts: list[tuple[str, int, int]] = []
        mark, start, at = "", low, low
        while at < high:
            token = self.tokens[at]
            if token in marks:
                parts.append((mark, start, at))
                mark, start = token, at + 1
            elif (token == "{" or token.startswith("\\begin")) and self.pair.get(at, high) < high:
                at = self.pair[at]
            at += 1
        parts.append((mark, start, high))
        return parts

    def closing(self, mark: str, at: int, high: int) -> int | None:
        """The token that closes a formula, in its paragraph."""
        places = self._close[mark]
        found = bisect.bisect_right(places, at)
        if found >= len(places) or places[found] >= high:
            return None
        par = bisect.bisect_right(self._pars, at)
        if par < len(self._pars) and self._pars[par] < places[found] and mark == "$":
            return None
        return places[found]
