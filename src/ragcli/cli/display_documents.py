"""What people see of a loaded document: what was read, and in colour what is doubtful, to check it at a glance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rich.text import Text

from ragcli.cli.display import View
from ragcli.cli.streams import visible
from ragcli.records import Document, Json
from ragcli.report import Report

_WHOLE = 3  # documents that are shown with their outline; of the others, a line each
_OUTLINE = 40  # lines of an outline
_START = 400  # characters of the text
_SURE = 0.8  # confidence of OCR below which a page is doubtful
_DOUBT = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f]+|(?:[ÃÂâ][\x80-\xbf€-™]){2,}|(?:[锟斤拷]{3,})|(?:烫烫+)")
_HEADING = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_RULE = re.compile(r"\|(?: ?:?-+:? ?\|)+")
_PLACES = ("page", "slide", "sheet", "chapter", "cell")


def show_documents(documents: Iterable[Document], report: Report, preview: int | None = None) -> int:
    """Show documents as they come; return how many there were.

    Args:
        documents: what was loaded; the first few are shown with their outline, the others as a line each.
        report: its losses are shown with the document they belong to.
        preview: show the first so many characters of each document, in place of the outline.
    """
    console = View()
    count = 0
    told = 0
    for document in documents:
        count += 1
        console.print(_head(document))
        for loss in report.losses[told:]:
            if loss["source"].partition("#")[0] == document.source.partition("#")[0]:
                console.print(_loss(loss))
        told = len(report.losses)
        if preview is not None:
            console.print(_marked(document.text[:preview]))
            if len(document.text) > preview:
                console.print(Text(f"… {len(document.text) - preview:,} more characters", style="dim"))
            console.print(Text(""))
        elif count <= _WHOLE:
            for line in _outline(document):
                console.print(line)
            console.print(Text(""))
    return count


def _head(document: Document) -> Text:
    parts = [document.format, f"{len(document.text):,} characters"]
    for name in _PLACES:
        numbers = [span[name] for span in document.spans if name in span]
        if numbers:
            parts.append(f"{len(numbers)} {name}{'s' * (len(numbers) != 1)}")
    tables = sum(1 for line in document.text.split("\n") if _RULE.fullmatch(line.strip()))
    if tables:
        parts.append(f"{tables} table{'s' * (tables != 1)}")
    head = Text.assemble((visible(document.source), "bold"), "  ", (", ".join(parts), "dim"))
    doubts = len(_DOUBT.findall(document.text))
    if doubts:
        head.append(f"  {doubts} doubtful place{'s' * (doubts != 1)}", style="red")
    return head


def _loss(loss: Json) -> Text:
    colour = "yellow" if loss["kind"] == "skipped" else "red"
    return Text.assemble(("  not read  ", "dim"), (visible(loss["reason"]), colour))


def _outline(document: Document) -> Iterator[Text]:
    """Yield title, facts, the headings and tables with their pages, and where the text begins."""
    if document.title:
        yield Text.assemble(("  title     ", "dim"), visible(document.title))
    for key in ("author", "date", "language", "from"):
        if isinstance(document.metadata.get(key), str):
            yield Text.assemble((f"  {key:<10}", "dim"), visible(document.metadata[key]))
    weak = [span for span in document.spans if isinstance(span.get("ocr"), (int, float))]
    if weak:
        mean = sum(span["ocr"] for span in weak) / len(weak)
        style = "red" if mean < _SURE else "green"
        said = f"{len(weak)} page{'s' * (len(weak) != 1)} read by OCR, confidence {mean:.2f}"
        yield Text.assemble(("  ocr       ", "dim"), (said, style))
        for span in weak:
            if span["ocr"] < _SURE:
                yield Text(f"            page {span.get('page', '?')}: confidence {span['ocr']:.2f}", style="red")
    lines = list(_structure(document))
    yield from lines[:_OUTLINE]
    if len(lines) > _OUTLINE:
        yield Text(f"            … {len(lines) - _OUTLINE} more headings and tables", style="dim")
    start = re.sub(r"\s*\n\s*", " ⏎ ", document.text[:_START].strip())
    more = "…" if len(document.text) > _START else ""
    yield Text.assemble(("  text      ", "dim"), _marked(start), more)
    for found in list(_DOUBT.finditer(document.text, _START))[:5]:
        around = document.text[max(0, found.start() - 30) : found.end() + 30].replace("\n", " ")
        yield Text.assemble((f"  doubtful  {_place(document.spans, found.start())}", "red"), "…", _marked(around), "…")


def _structure(document: Document) -> Iterator[Text]:
    at, fence, before = 0, "", ""
    for line in document.text.split("\n"):
        mark = _FENCE.match(line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        heading = None if fence or document.format in ("code", "csv") else _HEADING.fullmatch(line)
        if heading:
            indent = "  " * (len(heading[1]) - 1)
            place = _place(document.spans, at)
            yield Text.assemble((f"  {place:<10}", "dim"), indent, (visible(heading[2][:100]), "cyan"))
        elif not fence and _RULE.fullmatch(line.strip()):
            columns = [cell.strip() for cell in before.strip().strip("|").split(" | ")]
            said = f"table of {len(columns)} columns: {visible(', '.join(columns)[:80])}"
            yield Text.assemble((f"  {_place(document.spans, at):<10}", "dim"), "  ", (said, "blue"))
        before = line
        at += len(line) + 1


def _place(spans: list[Json], at: int) -> str:
    """Return where in the file a character stands."""
    low, high = 0, len(spans)
    while low < high:
        middle = (low + high) // 2
        if spans[middle]["end"] <= at:
            low = middle + 1
        else:
            high = middle
    if low < len(spans):
        for name in ("page", "slide"):
            if name in spans[low]:
                return f"{name} {spans[low][name]} "
    return ""


def _marked(text: str) -> Text:
    """Return a text with what is doubtful in red; control characters are shown, not obeyed."""
    marked = Text()
    at = 0
    for found in _DOUBT.finditer(text):
        marked.append(_safe(text[at : found.start()]))
        marked.append(_safe(found[0]) or found[0], style="bold red reverse")
        at = found.end()
    marked.append(_safe(text[at:]))
    return marked


def _safe(text: str) -> str:
    return "".join(
        char if char.isprintable() or char in "\n\u3000" else " " if char == "\t" else repr(char)[1:-1] for char in text
    )
