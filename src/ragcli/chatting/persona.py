"""Who the assistant is: a system prompt as a file, with a greeting and a caution that is shown under each answer.

A file may begin with lines between ``---``: ``greeting: …`` and ``caution: …``. The built-in personas have a file for
each language in ``personas/``; a user's own has one, for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ragcli.answering.terms import Language
from ragcli.errors import UsageError

NAMES = ("service", "medical", "legal")
_FENCE = "---"
_KEYS = ("greeting", "caution")


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """A system prompt in one language.

    Args:
        text: the system prompt.
        greeting: what a greeting is answered with, or empty.
        caution: what stands under every answer, or empty.
    """

    text: str = ""
    greeting: str = ""
    caution: str = ""


Personas = dict[Language, Persona]


def read_persona(name: str | None) -> Personas:
    """Return a persona in both languages; an empty one for None.

    Raises:
        UsageError: there is none of that name, or the file cannot be read or understood.
    """
    if name is None:
        return {"zh": Persona(), "en": Persona()}
    if name in NAMES:
        folder = files(__package__) / "personas"
        return {
            "zh": _parse(f"{name}.zh.md", (folder / f"{name}.zh.md").read_text("utf-8")),
            "en": _parse(f"{name}.en.md", (folder / f"{name}.en.md").read_text("utf-8")),
        }
    path = Path(name).expanduser()
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no persona {name!r}, and no such file.", hint=f"There are: {', '.join(NAMES)}; or name a file."
        ) from error
    except OSError as error:
        raise UsageError(f"the persona {name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the persona {name} is not UTF-8 (byte {error.start + 1}).") from error
    own = _parse(name, text)
    return {"zh": own, "en": own}


def _parse(name: str, text: str) -> Persona:
    lines = text.split("\n")
    values: dict[str, str] = {}
    if lines[0].strip() == _FENCE:
        end = next((at for at, line in enumerate(lines[1:], 1) if line.strip() == _FENCE), None)
        if end is None:
            raise UsageError(f"the persona {name}: the first --- has no second one.")
        for at, line in enumerate(lines[1:end], 2):
            key, colon, value = line.partition(":")
            if not line.strip():
                continue
            if not colon or key.strip() not in _KEYS:
                raise UsageError(
                    f"the persona {name}, line {at}: {line.strip()[:60]!r} is neither 'greeting: …' nor 'caution: …'."
                )
            values[key.strip()] = value.strip()
        lines = lines[end + 1 :]
    return Persona(text="\n".join(lines).strip(), **values)
