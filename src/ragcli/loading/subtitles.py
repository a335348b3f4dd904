"""Subtitles, SRT and WebVTT: what is said, a line a cue, with the time of each in the spans."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.source import Source
from ragcli.records import Document

_TIMES = re.compile(r"^[ \t]*((?:\d+:)?\d{1,2}:\d{2})[.,]\d{1,3}\s*-->\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}", re.M)
_VOICE = re.compile(r"<v(?:\.[^<>\s]*)?\s+([^<>]+)>")
_TAGS = re.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")


def read(source: Source) -> Iterator[Document]:
    """Yield the subtitles as one document.

    Raises:
        LoadError: there is not one cue in it.
    """
    found = source.text().text
    text, spans = "", []
    before = ""
    cues = 0
    for block in re.split(r"\n[ \t]*\n", found):
        times = _TIMES.search(block)
        if times is None:
            continue
        cues += 1
        lines = block[times.end() :].partition("\n")[2]
        said = html.unescape(_TAGS.sub("", _VOICE.sub(r"\1: ", lines)))
        said = " ".join(said.split())
        if said and said != before:  # captions that roll say a line again
            text += "\n" if text else ""
            span: dict[str, Any] = {"start": len(text), "end": len(text) + len(said), "time": times[1]}
            spans.append(span)
            text += said
            before = said
    if not cues:
        raise LoadError("not readable as subtitles: there is no line of times (00:01:02,000 --> …) in it.")
    if text:
        yield source.document(text, format="subtitles", spans=spans)
