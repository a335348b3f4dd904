"""What people see on a terminal: rich, one function a record. Imported only where a terminal is."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ragcli.cli.streams import PipeClosedError, visible
from ragcli.records import Chunk, Result

_SHOWN = 240


class View(Console):
    """A console that tells the command where nobody reads any more; rich would end the process with 1."""

    def __init__(self) -> None:
        super().__init__(highlight=False, soft_wrap=False)

    def on_broken_pipe(self) -> None:
        """Say so.

        Raises:
            PipeClosedError: always.
        """
        raise PipeClosedError


def short(text: str, size: int = _SHOWN) -> Text:
    """Return a text on one line, its beginning where it is long."""
    joined = " ".join(visible(text.replace("\n", " ")).split())
    return Text(joined if len(joined) <= size else joined[:size] + "…")


def _passages(result: Result) -> list[str]:
    """Return of each hit the text from where it speaks of the question: from its start, where that shows it."""
    from ragcli.answering.evidence import gather, read_question

    starts = [0] * len(result.hits)
    for scored in gather(read_question(result.query), result.hits).hits:
        value, at = max(((value, -at) for at, value in enumerate(scored.values)), default=(0.0, 0))
        if value > 0 and scored.clauses[-at].end > _SHOWN:
            sentence = scored.clauses[-at].sentence
            starts[scored.hit] = next(unit.start for unit in scored.clauses if unit.sentence == sentence)
    return ["…" * (start > 0) + hit.text[start:] for start, hit in zip(starts, result.hits, strict=True)]


def _place(source: str, pages: list[int], headings: list[str]) -> str:
    parts = [visible(source)]
    if pages:
        parts.append(f"page {pages[0]}" if len(pages) == 1 else f"pages {pages[0]}-{pages[-1]}")
    if headings:
        parts.append(visible(" > ".join(headings)))
    return ", ".join(parts)


def show_chunks(chunks: Iterable[Chunk]) -> None:
    """Show each chunk with its place."""
    console = View()
    for chunk in chunks:
        place = _place(chunk.source, chunk.pages, chunk.headings)
        console.print(f"[bold]{escape(place)}[/]  [dim]{chunk.start}-{chunk.end}[/]")
        console.print(short(chunk.text))


def show_results(results: Iterable[Result]) -> None:
    """Show each question with its hits, and with ``--explain`` where each score comes from."""
    console = View()
    for result in results:
        console.print(Text(result.query if len(result.query) < 500 else result.query[:500] + "…", style="bold"))
        if "tokens" in result.extra:
            console.print(Text("tokens: " + " | ".join(result.extra["tokens"]), style="dim"))
        if not result.hits:
            console.print(Text("  nothing was found", style="yellow"))
        for hit, passage in zip(result.hits, _passages(result), strict=True):
            place = _place(hit.source, hit.pages, hit.headings)
            scores = "  ".join(f"{name} {value:.3f}" for name, value in hit.scores.items())
            console.print(f"[green]{hit.rank:>2}[/] [bold]{escape(place)}[/]  [dim]{hit.score:.3f}  ({scores})[/]")
            if "explain" in hit.extra:
                table = Table("stage", "rank", "score", "contribution", box=None, padding=(0, 2, 0, 4))
                for name, stage in hit.extra["explain"].items():
                    row = (name, str(stage["rank"]), f"{stage['score']:.4f}", f"{stage['contribution']:+.4f}")
                    table.add_row(*row)
                console.print(table)
            console.print(Text.assemble("   ", short(passage)))
