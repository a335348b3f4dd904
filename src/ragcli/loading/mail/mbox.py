"""MBOX: each message of a mailbox as documents of its own, one message in memory at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragcli.errors import LoadError
from ragcli.loading.parts import lose_part, part
from ragcli.loading.source import Source
from ragcli.records import Document

_LARGEST = 1 << 28  # bytes of a message
_LINE = 1 << 20
_QUOTED = re.compile(rb">+From ")
# What separates messages: an address and a time, or at least a blank line before it and a header behind it.
_DATED = re.compile(rb"From .*\d\d:\d\d")
_HEADER = re.compile(rb"[!-9;-~]+:")


def read(source: Source) -> Iterator[Document]:
    """Yield the messages in their order, each with its attachments.

    Raises:
        LoadError: it holds no message.
    """
    number = 0
    for number, message in enumerate(_messages(source), 1):
        name = str(number)
        if message is None:
            lose_part(source, name, f"the message has more than {_LARGEST >> 20} MiB")
        else:
            yield from part(source, name, message, media_type="message/rfc822")
    if not number:
        raise LoadError("not readable as a mailbox: it holds no message.")


def _messages(source: Source) -> Iterator[bytes | None]:
    """The messages without the line that separates them; None for one that is too large."""
    lines: list[bytes] | None = None
    size = 0
    blank = True
    with source.open() as stream:
        while line := stream.readline(_LINE):
            if blank and line.startswith(b"From ") and (_DATED.match(line) or lines is None):
                if lines is not None:
                    yield b"".join(lines) if size <= _LARGEST else None
                lines, size = [], 0
            elif lines is None:
                if not line.strip():
                    continue
                if _HEADER.match(line) is None:
                    return
                lines, size = [line], len(line)  # the first separator is missing
            elif (size := size + len(line)) <= _LARGEST:
                lines.append(line[1:] if _QUOTED.match(line) else line)
            blank = line in (b"\n", b"\r\n")
    if lines:
        yield b"".join(lines) if size <= _LARGEST else None
