"""Formulas of Office (OMML) as LaTeX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ragcli.loading.office.ooxml import M

_VALUE = f"{M}val"
_SIGNS = {"∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∬": r"\iint", "∮": r"\oint", "⋃": r"\bigcup", "⋂": r"\bigcap"}
_ACCENTS = {"̂": r"\hat", "̃": r"\tilde", "̄": r"\bar", "̅": r"\overline", "⃗": r"\vec", "̇": r"\dot", "̈": r"\ddot",
            "̌": r"\check"}  # fmt: skip
_BRACES = {"{": r"\{", "}": r"\}", "": "."}


def formula(element: Any) -> str:
    """Return a formula in dollar signs: two at each side where it stands in lines of its own."""
    if element.tag == f"{M}oMathPara":
        lines = [said for one in element.iterchildren(f"{M}oMath") if (said := _row(one).strip())]
        return "\n".join(f"$${line}$$" for line in lines)
    said = _row(element).strip()
    return f"${said}$" if said else ""


def _row(element: Any) -> str:
    return "".join(_one(child) for child in element.iterchildren()) if element is not None else ""


def _one(element: Any) -> str:
    tag = element.tag
    if not isinstance(tag, str) or tag.endswith("Pr"):
        return ""
    if tag.endswith("}t"):
        return element.text or ""
    if tag.endswith("}br"):
        return " "
    if tag.endswith(("}del", "}moveFrom")):
        return ""
    write = _WRITERS.get(tag.removeprefix(M))
    return write(element) if write is not None else _row(element)


def _in(element: Any, name: str) -> str:
    return _row(element.find(f"{M}{name}")).strip()


def _group(text: str) -> str:
    return text if len(text) == 1 else f"{{{text}}}"


def _said(element: Any, name: str, default: str) -> str:
    """A property of an element; an empty one is meant, a missing one is the default."""
    found = element.find(f"{M}{element.tag.removeprefix(M)}Pr/{M}{name}")
    return default if found is None else found.get(_VALUE, "")


def _limits(element: Any) -> str:
    below, above = _in(element, "sub"), _in(element, "sup")
    return (f"_{_group(below)}" if below else "") + (f"^{_group(above)}" if above else "")


def _fraction(element: Any) -> str:
    over = rf"\frac{{{_in(element, 'num')}}}{{{_in(element, 'den')}}}"
    return over.replace(r"\frac", r"\binom", 1) if _said(element, "type", "bar") == "noBar" else over


def _root(element: Any) -> str:
    degree = _in(element, "deg")
    return rf"\sqrt{f'[{degree}]' if degree else ''}{{{_in(element, 'e')}}}"


def _large(element: Any) -> str:
    sign = _said(element, "chr", "∫")
    return f"{_SIGNS.get(sign, sign)}{_limits(element)} {_in(element, 'e')}"


def _fenced(element: Any) -> str:
    left, right = _said(element, "begChr", "("), _said(element, "endChr", ")")
    inner = _said(element, "sepChr", "|").join(_row(one).strip() for one in element.iterchildren(f"{M}e"))
    if left in ("(", "[", "|") and right in (")", "]", "|"):
        return f"{left}{inner}{right}"
    return rf"\left{_BRACES.get(left, left)} {inner} \right{_BRACES.get(right, right)}"


def _matrix(element: Any) -> str:
    rows = (
        " & ".join(_row(one).strip() for one in row.iterchildren(f"{M}e")) for row in element.iterchildren(f"{M}mr")
    )
    return r"\begin{matrix} " + r" \\ ".join(rows) + r" \end{matrix}"


def _lines(element: Any) -> str:
    rows = (_row(one).strip() for one in element.iterchildren(f"{M}e"))
    return r"\begin{aligned} " + r" \\ ".join(rows) + r" \end{aligned}"


def _function(element: Any) -> str:
    name = _in(element, "fName")
    head = rf"\{name}" if name in ("sin", "cos", "tan", "log", "ln", "exp", "max", "min", "lim", "det") else name
    return f"{head} {_in(element, 'e')}"


def _accent(element: Any) -> str:
    return f"{_ACCENTS.get(_said(element, 'chr', '̂'), '')}{{{_in(element, 'e')}}}"


_WRITERS: dict[str, Callable[[Any], str]] = {
    "f": _fraction,
    "rad": _root,
    "nary": _large,
    "d": _fenced,
    "m": _matrix,
    "eqArr": _lines,
    "func": _function,
    "acc": _accent,
    "bar": lambda element: rf"\overline{{{_in(element, 'e')}}}",
    "sSup": lambda element: f"{_group(_in(element, 'e'))}{_limits(element)}",
    "sSub": lambda element: f"{_group(_in(element, 'e'))}{_limits(element)}",
    "sSubSup": lambda element: f"{_group(_in(element, 'e'))}{_limits(element)}",
    "sPre": lambda element: f"{{}}{_limits(element)}{_in(element, 'e')}",
    "limLow": lambda element: f"{_group(_in(element, 'e'))}_{_group(_in(element, 'lim'))}",
    "limUpp": lambda element: f"{_group(_in(element, 'e'))}^{_group(_in(element, 'lim'))}",
}
