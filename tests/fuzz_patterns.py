"""Regular expressions under text that repeats: those whose time grows faster than the text.

Every compiled pattern of ragcli is searched for in characters and short tokens, repeated. What is printed takes more
than twice the time that a text of four times the length should; whether that can happen depends on what the pattern is
used on.

    python tests/fuzz_patterns.py
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import re
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import ragcli

SIZE = 3000
SLOW = 0.002  # seconds that are looked at again, with a longer text
LONGER = 4
MOST = 1.5
CHARACTERS = " \t\na1.,-=*_`~|[](){}<>&;:#%$\\/\"'!?@^+中"
TOKENS = [
    *("<!---->", "<!-- a -->\n", "<a>", '<a b="c">', "<a ", "&amp;", "\\begin{a}", "\\item ", "{a}", "{a", "[a]", "[a"),
    *("(a)", "[a](b)", "![a](b", "**a**", "*a", "``a``", "a::", "a b ", "1. ", "1.1", "| a ", "|a", "\r\n", "- a\n"),
    *(
        "== ",
        "a\n",
        "/*",
        "*/",
        "a: b\n",
        "a:b;",
        '"a"',
        "'a",
        "a.b.",
        "...",
        "a1_",
        "中 ",
        "。",
        "\\\\",
        "%d ",
        "{{a}}",
    ),
    *("a\n\n", " a", "\t\n ", "a-\n", "<br>", "[[a]]", "|-\n", "a, b, ", "http://a.b/", "&P ", "[0]", "#,##0"),
    *(
        "年1月",
        "A1:B2",
        "= a =\n",
        "a\n===\n",
        "+--",
        "    a\n",
        "> a\n",
        "1 0 obj\n",
        "%PDF-",
        "From a\n",
        "A: b\r\n b\r\n",
    ),
]
ENDS = ["", "\x01", "\n!", "x"]


class _LateError(Exception):
    pass


def _late(*_: Any) -> None:
    raise _LateError


def patterns() -> dict[tuple[Any, int], tuple[str, re.Pattern[Any]]]:
    """Return the compiled patterns of all modules, with their names."""
    found: dict[tuple[Any, int], tuple[str, re.Pattern[Any]]] = {}

    def take(name: str, value: Any, depth: int = 0) -> None:
        if isinstance(value, re.Pattern):
            found.setdefault((value.pattern, value.flags), (name, value))
        elif depth < 2 and isinstance(value, dict):
            for one in value.values():
                take(name, one, depth + 1)
        elif depth < 2 and isinstance(value, list | tuple | set | frozenset):
            for one in value:
                take(name, one, depth + 1)

    for module in pkgutil.walk_packages(ragcli.__path__, "ragcli."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            take(f"{module.name}.{name}", value)
    return found


def texts() -> Iterator[tuple[str, str, str]]:
    """Yield (what is repeated, the text, a longer one)."""
    for some in (*CHARACTERS, *map("".join, itertools.permutations(CHARACTERS, 2))):
        yield some, some * (SIZE // len(some)), some * (LONGER * SIZE // len(some))
    for some, end in itertools.product(TOKENS, ENDS):
        yield some + end, some * (SIZE // len(some)) + end, some * (LONGER * SIZE // len(some)) + end


def took(pattern: re.Pattern[Any], text: str, *, searched: bool) -> float:
    """Return the seconds of one text, at most `MOST`."""
    given: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
    signal.setitimer(signal.ITIMER_REAL, MOST)
    start = time.perf_counter()
    try:
        if searched:
            for _ in pattern.finditer(given):
                pass
        else:
            pattern.match(given)
            pattern.fullmatch(given)
    except _LateError:
        pass
    signal.setitimer(signal.ITIMER_REAL, 0)
    return time.perf_counter() - start


def slowest(pattern: re.Pattern[Any], *, searched: bool) -> tuple[float, str]:
    """Return the longest time of a text whose time grows faster than it, and which it was."""
    worst = (0.0, "")
    for some, text, longer in texts():
        seconds = took(pattern, text, searched=searched)
        if seconds < SLOW:
            continue
        more = took(pattern, longer, searched=searched)
        if more > 2 * LONGER * seconds or more >= MOST:
            worst = max(worst, (more, some))
        if worst[0] >= MOST:
            break
    return worst


def main() -> None:
    signal.signal(signal.SIGALRM, _late)
    for name, pattern in patterns().values():
        for searched in (False, True):
            seconds, some = slowest(pattern, searched=searched)
            if seconds:
                how = "searched" if searched else "matched"
                sys.stdout.write(f"{seconds * 1000:6.0f} ms {how} {some!r} {name} {str(pattern.pattern)[:150]!r}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
