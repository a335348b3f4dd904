"""``chat --jsonl``: a line in, a line out, at once, whatever goes wrong.

A line is a question, plain or as ``{"question": …, "id": …}``, or ``{"command": "clear"}``, ``{"command": "model",
"value": NAME}``, ``{"command": "k", "value": N}``. What cannot be answered comes out as ``{"type": "error", "id",
"message", "hint"}``, so that a program that pairs lines never loses count.
"""

from __future__ import annotations

from typing import Any

from ragcli.cli.chat_session import Session
from ragcli.cli.streams import Output, output, stdin
from ragcli.errors import OK, PARTIAL, InputError, RagcliError
from ragcli.jsonl import dumps, loads
from ragcli.questions import ID_KEYS, TEXT_KEYS
from ragcli.records import Json


def talk_in_lines(session: Session) -> int:
    """Answer the lines of stdin; return the exit code."""
    failed = False
    with output() as out:
        for number, line in enumerate(stdin("questions"), 1):
            if not line.strip(b" \t\r\n\xef\xbb\xbf"):
                continue
            given: Json = {}
            try:
                given = _read(line, number)
                told = _command(session, given) if "command" in given else _answer(session, given)
            except RagcliError as error:
                failed = True
                told = {
                    "type": "error",
                    "id": given.get("id") or _id_of(line),
                    "message": error.message,
                    "hint": error.hint,
                }
            _write(out, told)
    return PARTIAL if failed else OK


def _write(out: Output, told: Json) -> None:
    out.line(dumps(told))
    out.flush()


def _answer(session: Session, given: Json) -> Json:
    session.conversation.ask(given["question"], id_=given.get("id"), extra=given.get("extra", {}))
    return session.conversation.turns[-1].to_dict()


def _command(session: Session, given: Json) -> Json:
    name, value = str(given["command"]).lstrip("/"), str(given.get("value", ""))
    if name == "clear":
        session.conversation.clear()
        done: Any = None
    elif name == "model":
        done = session.use_model(value)
    elif name == "k":
        done = session.use_k(value)
    elif name == "load":
        done = session.load(value)
    elif name == "save":
        done = str(session.save(value))
    else:
        raise InputError(f"there is no command {name!r}.", hint="There are: clear, model, k, load, save.")
    return {"type": "done", "id": given.get("id"), "command": name, "value": done}


def _read(line: bytes, number: int) -> Json:
    """Return a line's question with its id and other keys, or its command.

    Raises:
        InputError: it is neither.
    """
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"stdin, line {number}: the question is not UTF-8 (byte {error.start + 1}).") from error
    if not text.startswith("{"):
        return {"question": text}
    try:
        value = loads(text.encode())
    except ValueError as error:
        raise InputError(f"stdin, line {number}: this is no JSON: {error}.") from error
    if "command" in value:
        return dict(value)
    key = next((key for key in TEXT_KEYS if isinstance(value.get(key), str)), None)
    if key is None:
        raise InputError(
            f"stdin, line {number}: there is no question (one of: {', '.join(TEXT_KEYS)}).",
            hint='A line is {"question": "…"}, or the question alone.',
        )
    given = next((value[name] for name in ID_KEYS if isinstance(value.get(name), (str, int))), None)
    extra = {name: item for name, item in value.items() if name not in (key, *ID_KEYS, "type")}
    return {"question": value[key], "extra": extra, **({} if given is None else {"id": str(given)})}


def _id_of(line: bytes) -> str | None:
    """Return the id of a line that is no question, for whoever waits for its answer."""
    try:
        value = loads(line.strip(b" \t\r\n\xef\xbb\xbf"))
    except ValueError:
        return None
    found = (
        [value[name] for name in ID_KEYS if isinstance(value.get(name), (str, int))] if isinstance(value, dict) else []
    )
    return str(found[0]) if found else None
