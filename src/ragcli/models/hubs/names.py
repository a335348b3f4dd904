"""What hubs say and what is said of them: clean hashes and commits, near names, waits, why there is no way to one."""

from __future__ import annotations

import difflib
import re
import socket
from collections.abc import Iterable

_MOST = 3
_LIKE = 0.6
_LONGEST = 160


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that are most like one, at most three; case does not count."""
    lowered = {one.lower(): one for one in reversed(list(known))}
    return [lowered[one] for one in difflib.get_close_matches(name.lower(), lowered, n=_MOST, cutoff=_LIKE)]


_COMMIT = re.compile(r"[\w.-]{1,100}\Z")


def clean_hash(value: object, digits: int) -> str | None:
    """Return a hash in lower-case hexadecimal digits, or None where it is none: it becomes the name of a file."""
    text = str(value or "").lower()
    return text if re.fullmatch(f"[0-9a-f]{{{digits}}}", text) else None


def is_plain(commit: str) -> bool:
    """Whether a commit is fit for the name of a folder."""
    return bool(_COMMIT.match(commit)) and commit.strip(".") != ""


def network_reason(error: BaseException) -> str:
    """Return in a few words why a connection failed, from the error underneath those that wrap it."""
    seen: list[BaseException] = []
    open_ = [error]
    while open_:
        one = open_.pop(0)
        if one not in seen:
            seen.append(one)
            more = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
            open_ += [inner for inner in more if isinstance(inner, BaseException)]
    for one in seen:
        if isinstance(one, socket.gaierror) or "NameResolution" in type(one).__name__:
            return "its name is not known"
        if isinstance(one, ConnectionRefusedError):
            return "it refuses the connection"
        if isinstance(one, ConnectionError) and one.strerror:
            return f"the connection broke ({one.strerror.lower()})"
        if isinstance(one, TimeoutError) or "Timeout" in type(one).__name__:
            return "it does not answer in time"
    line = str(seen[-1]).strip().split("\n")[0].rstrip(".") or type(seen[-1]).__name__
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"


def retry_after(value: str | None) -> float | None:
    """Return what a Retry-After header says in seconds, or None; a date counts from now."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    from datetime import datetime, timezone
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, TypeError):
        return None
