"""Documents to chunks as a node parser cuts them, with true offsets; what it leaves out or makes up is named."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from ragcli.errors import RagcliError
from ragcli.jsonl import clean
from ragcli.records import Chunk, Document, Json
from ragcli.report import Report
from ragcli.splitting.blocks import skip_space
from ragcli.splitting.parser import NodeParser
from ragcli.splitting.places import Headings, Maker, Places
from ragcli.splitting.placing import Span, place, uncovered
from ragcli.splitting.stage import lose_empty

_SHOWN = 40


def split_with(documents: Iterable[Document], parser: NodeParser, report: Report) -> Iterator[Chunk]:
    """Cut documents as a parser does; chunks come in the order of their starts, the longer of two first.

    A node that a text does not hold is a loss, a text that no chunk holds a warning, and a document that the parser
    fails on, or gives nothing of, is lost whole.

    Args:
        documents: read one at a time.
        parser: a node parser.
        report: see `ragcli.splitting.split`.
    """
    for document in documents:
        text = document.text
        report.count("documents_in")
        report.count("characters_in", len(text))
        if skip_space(text, 0, len(text)) == len(text):
            lose_empty(document, report)
            continue
        try:
            nodes = parser.nodes(document)
            found = _placed(document, nodes, parser, report)
        except RagcliError as error:
            report.count("documents_failed")
            report.count("characters_lost", _dense(text))
            hint = {"hint": error.hint} if error.hint else {}
            report.lose("failed", document.source, error.message, **hint)
            continue
        spans = list(found)
        _count_uncovered(document, spans, report)
        places = Places(document.spans)
        headings = Headings(places.blocks(document))
        made = Maker(document, parser.name)
        starts = [start for start, _ in spans]
        for number, (start, end) in enumerate(spans):
            following = bisect_left(starts, end, number + 1)
            after = text[end : starts[following]] if following < len(starts) else ""
            report.count("chunks_out")
            yield made.chunk(
                start,
                end,
                pages=places.pages(start, end),
                headings=headings.of(start, end),
                after="" if after.strip() else after,
                last=number == len(spans) - 1,
                metadata=found[start, end],
            )


def _placed(
    document: Document, nodes: Sequence[tuple[str, Json]], parser: NodeParser, report: Report
) -> dict[Span, Json]:
    """Return the places of nodes in order, each with the metadata of its node.

    Raises:
        RagcliError: no node has a place.
    """
    found: dict[Span, Json] = {}
    lost: list[str] = []
    blank = repeated = 0
    spans = place(clean(document.text), [text for text, _ in nodes])
    for (text, metadata), span in zip(nodes, spans, strict=True):
        if span is None:
            shown = " ".join(text.split())
            blank += not shown
            lost += [shown] if shown else []
        elif span in found:
            repeated += 1
        else:
            found[span] = metadata
    counts = {"in": len(nodes), "blank": blank, "repeated": repeated, "lost": len(lost)}
    for name, count in counts.items():
        if count:
            report.count(f"nodes_{name}", count)
    if not found and not lost:
        raise RagcliError(f"{parser.place} gave no text of it.")
    if lost:
        first = lost[0][:_SHOWN] + ("…" if len(lost[0]) > _SHOWN else "")
        reason = (
            f"{len(lost)} of {len(nodes)} nodes of {parser.place} {'is' if len(lost) == 1 else 'are'} not text of the"
            f" document, and left out; the first begins “{first}”"
        )
        if not found:
            raise RagcliError(reason)
        report.lose("partial", document.source, reason, nodes=len(lost))
    return dict(sorted(found.items(), key=lambda one: (one[0][0], -one[0][1])))


def _count_uncovered(document: Document, spans: Sequence[Span], report: Report) -> None:
    gaps = uncovered(document.text, spans)
    lost = sum(_dense(document.text[start:end]) for start, end in gaps)
    if not lost:
        return
    report.count("characters_lost", lost)
    share = lost / _dense(document.text)
    start, end = gaps[0]
    first = " ".join(document.text[start : min(end, start + _SHOWN)].split())
    reason = (
        f"{lost} characters ({share:.1%}) are in no chunk, the first at {start}:"
        f" “{first}{'…' if end - start > _SHOWN else ''}”"
    )
    report.lose("warning", document.source, reason, characters=lost)


def _dense(text: str) -> int:
    """Return how many characters of a text are no white space."""
    return sum(map(len, text.split()))
