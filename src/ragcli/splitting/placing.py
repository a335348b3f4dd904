"""Where pieces of a text stand in it, for splitters that say it wrongly or not at all.

A piece that occurs several times could stand at any of its places. The order of the pieces bounds them: none begins
before the place that the earlier ones leave for it, none after that which the later ones need. Within these bounds each
is put as far on as it leaves no text between itself and what the earlier ones hold, so that of a text cut without gaps,
with overlap or without, no character is left over, however often it repeats itself.

Where a piece does not stand in the text, or text is left over, all are looked for without white space as well: it may
have been changed.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from ragcli.splitting.blocks import skip_space

Span = tuple[int, int]


def place(text: str, pieces: Sequence[str]) -> list[Span | None]:
    """Return where each piece stands, without white space at its ends; None where it does not, or is blank.

    Args:
        text: the whole.
        pieces: in their order; one that cannot stand after those before it begins again from the start.
    """
    trimmed = [piece.strip() for piece in pieces]
    exact = [
        (start, start + len(piece)) if start >= 0 else None
        for start, piece in zip(_starts(text, trimmed), trimmed, strict=True)
    ]
    gaps = _missing(text, exact)
    if not gaps and all(span is not None or not piece for span, piece in zip(exact, trimmed, strict=True)):
        return exact
    bare = "".join(text.split())
    at = array("q", (place for place, char in enumerate(text) if not char.isspace()))
    trimmed = ["".join(piece.split()) for piece in trimmed]
    loose = [
        (at[start], at[start + len(piece) - 1] + 1) if start >= 0 else None
        for start, piece in zip(_starts(bare, trimmed), trimmed, strict=True)
    ]
    return exact if exact.count(None) == loose.count(None) and gaps <= _missing(text, loose) else loose


def _missing(text: str, spans: Sequence[Span | None]) -> int:
    """Return how many characters lie between spans."""
    return sum(end - start for start, end in uncovered(text, sorted(span for span in spans if span is not None)))


def uncovered(text: str, spans: Sequence[Span]) -> list[Span]:
    """Return the parts of a text between spans in the order of their starts that hold more than white space."""
    out = []
    reach = 0
    for start, end in [*spans, (len(text), len(text))]:
        low = skip_space(text, reach, len(text))
        if low < start:
            out.append((low, start))
        reach = max(reach, end)
    return out


def _starts(text: str, pieces: Sequence[str]) -> list[int]:
    """Return where each piece begins, or -1."""
    first = [-1] * len(pieces)  # the first place that the pieces before leave
    runs: list[list[int]] = [[]]
    at = 0
    for number, piece in enumerate(pieces):
        if not piece:
            continue
        found = text.find(piece, at)
        if found < 0 and at:
            found = text.find(piece, 0, at + len(piece))
            if found >= 0:
                runs.append([])
        if found >= 0:
            first[number] = at = found
            runs[-1].append(number)
    starts = [-1] * len(pieces)
    for run in runs:
        _place_run(text, pieces, run, first, starts)
    return starts


def _place_run(text: str, pieces: Sequence[str], run: Sequence[int], first: Sequence[int], starts: list[int]) -> None:
    latest: dict[int, int] = {}  # the last place that the pieces after leave
    bound = len(text)
    for number in reversed(run):
        piece = pieces[number]
        latest[number] = bound = text.rfind(piece, first[number], bound + len(piece))
    reach, before = 0, -1
    for number in run:
        piece, low = pieces[number], first[number]
        high = min(latest[number], skip_space(text, reach, len(text))) + len(piece)
        found = text.rfind(piece, max(low, before + 1), high)
        if found < 0:
            found = text.rfind(piece, low, high)
        if found < 0:  # there is text that no piece holds
            found = text.find(piece, max(low, before))
        starts[number] = before = found
        reach = max(reach, found + len(piece))
