"""Documents as a table holds them, put together again from their chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ragcli.diagnosing.texts import Place, Text
from ragcli.records import Document, Json

_BLANK = 8  # characters before the first chunk that are taken for white space
_MISSING = "\ufffc"  # stands for each character that no chunk holds: no answer goes across it


@dataclass(slots=True)
class Stored:
    """A document of a table.

    Args:
        id: the document's.
        source: where it came from.
        rows: its chunks, in order.
        text: what they hold, in its places; what none holds is marked.
        gaps: slices of the text that no chunk holds.
        ends: whether the last chunk is there.
    """

    id: str
    source: str
    rows: list[Json]
    text: Text
    gaps: list[tuple[int, int]] = field(default_factory=list)

    @property
    def title(self) -> str | None:
        """The document's title."""
        return self.rows[0]["title"] if self.rows else None

    def holding(self, place: Place) -> list[Json]:
        """Return the chunks that hold a slice of the text from its first to its last character."""
        return [row for row in self.rows if row["start"] <= place.start and place.end <= row["end"]]

    def cuts(self, place: Place) -> list[int]:
        """Return where chunks end or begin within a slice."""
        edges = {row["end"] for row in self.rows} | {row["start"] for row in self.rows}
        return sorted(edge for edge in edges if place.start < edge < place.end)

    def document(self) -> Document:
        """Return the document as `split` takes it, without what only its file knows."""
        row = self.rows[0]
        return Document(
            id=self.id,
            text=self.text.text,
            source=self.source,
            format=row["format"],
            title=row["title"],
            metadata=row["metadata"],
        )


def stored(rows: Sequence[Json]) -> Stored:
    """Put a document together from the rows of its chunks, in order of their places."""
    parts: list[str] = []
    gaps: list[tuple[int, int]] = []
    at = 0
    before: Json | None = None
    for row in rows:
        between = row["start"] - at
        if between > 0:
            after = before["after"] if before is not None else ""
            if len(after) == between:
                parts.append(after)
            elif before is None and between <= _BLANK:  # blank lines at the beginning, which no chunk holds
                parts.append("\n" * between)
            else:
                parts.append(_MISSING * between)
                gaps.append((at, row["start"]))
            at = row["start"]
        if row["end"] > at:
            parts.append(row["text"][at - row["start"] :])
            at = row["end"]
            before = row
    return Stored(rows[0]["document_id"], rows[0]["source"], list(rows), Text("".join(parts)), gaps)
