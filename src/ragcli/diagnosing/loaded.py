"""Steps 1 and 2: is the answer in the loaded text, and whole in one chunk; if not, where was it lost?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ragcli.diagnosing.commands import index_command
from ragcli.diagnosing.documents import Stored
from ragcli.diagnosing.integrity_garbled import garbled
from ragcli.diagnosing.library import Library
from ragcli.diagnosing.sources import Reread, Sources
from ragcli.diagnosing.steps import OK, Advice, Finding, StepName
from ragcli.diagnosing.texts import Near, Place, Text, encodings_of
from ragcli.errors import RagcliError
from ragcli.evaluation.normalising import fold
from ragcli.loading.encodings import canonical
from ragcli.records import Case, Json

_PICTURES = frozenset({"png", "jpeg", "jpg", "tiff", "webp", "bmp", "gif", "image"})
_FIELDS = frozenset({"csv", "tsv", "json", "jsonl"})
_NEVER_THERE = ("not_in_source", "not_found", "other_wording")
_MOST_DOCUMENTS = 20  # of one source, that are looked at one by one
_SHOWN = 3
_MOST_PIECES = 200_000  # chunks whose documents are put together where a case names no source


@dataclass(slots=True)
class Traced:
    """What the first steps found out about a case.

    Args:
        findings: of each step that was looked at.
        gold: ids of the chunks that hold an answer.
        advice: what may mend it.
        cut: where the answer stands in documents of which no chunk holds it.
    """

    findings: dict[StepName, Finding]
    gold: list[str]
    advice: list[Advice]
    cut: list[tuple[Stored, Place]]

    @classmethod
    def lost(cls, step: StepName, finding: Finding, advice: Sequence[Advice] = ()) -> Traced:
        """Return a case that a step lost."""
        before: dict[StepName, Finding] = {"loaded": OK, "split": OK} if step == "embedded" else {}
        return cls({**before, step: finding}, [], list(advice), [])


class Tracer:
    """Looks for the answers of cases in what was loaded.

    Args:
        library: what the table holds.
        sources: the files it came from.
    """

    def __init__(self, library: Library, sources: Sources) -> None:
        self._library, self._sources = library, sources

    def trace(self, case: Case) -> Traced:
        """Follow the answer of a case from its file to a chunk."""
        library = self._library
        if not any(map(fold, case.answers)):
            says = "the expected answer has no letter, digit or symbol by which it could be found"
            return Traced.lost("gold", Finding("lost", "no_words", says))
        places = library.of_source(case.source)
        if case.source is not None and not places:
            return self._not_in_table(case, case.source)
        if gold := library.gold(case):
            return Traced({"loaded": OK, "split": OK}, gold, [], [])
        if case.source is None and len(places) > _MOST_PIECES:
            says = "no chunk holds the answer; name the sources of cases to look into documents as a whole"
            return Traced.lost("loaded", Finding("lost", "not_found", says))
        documents = library.documents(places)
        if cut := library.where(case.answers, documents):
            return self._cut(cut)
        if case.source is None:
            return self._nowhere(case, documents)
        return self._not_in_sources(case, documents)

    # The text holds it, and no chunk does.

    def _cut(self, cut: list[tuple[Stored, Place]]) -> Traced:
        document, place = min(cut, key=lambda one: one[1].end - one[1].start)
        edges = document.cuts(place)
        shown = document.text.around(place.start, place.end, edges[0] if edges else None)
        evidence: Json = {"document": document.source, "start": place.start, "end": place.end, "cuts": edges}
        says = f"the answer stands in {document.source} and is cut between two chunks: {shown}"
        return Traced({"loaded": OK, "split": Finding("lost", "cut", says, {**evidence, "text": shown})}, [], [], cut)

    # The table has nothing of the source.

    def _not_in_table(self, case: Case, source: str) -> Traced:
        library = self._library
        again = self._sources.reread(source)
        mend = Advice("index the file", self._index(again))
        if again.why:
            like = library.names_like(source)
            meant = f"; names like it: {', '.join(like)}" if like else ""
            says = f"the table has nothing of {source}, and {again.why}{meant}"
            if others := library.elsewhere(case):
                says += f"; the answer stands in {_listed(others)}"
            evidence: Json = {"names_like": like, "elsewhere": others[:_SHOWN]}
            bring = mend if "://" in source else Advice("bring the file here, and index it", mend.command)
            return Traced.lost("loaded", Finding("lost", "missing", says, evidence), [bring])
        if again.failed is not None:
            return Traced.lost("loaded", _failed(source, again))
        held = again.holding(case.answers)
        if held:
            says = f"the table has nothing of {source}; the file is there, and holds the answer"
            tried = {"helps": True, "after": "the file was read: it holds the answer"}
            return Traced.lost("loaded", Finding("lost", "not_indexed", says), [Advice(mend.what, mend.command, tried)])
        found = self._in_file(case, source, again)
        if found is not None:
            return found
        near = _nearest(case.answers, [text for _, text in again.documents])
        if near is not None:
            return self._nearly(case, source, near, again)
        says = f"the table has nothing of {source}, and the file was read again and does not hold the answer either"
        return Traced.lost("gold", Finding("lost", "not_in_source", says, self._elsewhere(case)))

    # The table has the source, and the answer is not in it.

    def _not_in_sources(self, case: Case, documents: Sequence[Stored]) -> Traced:
        """Look at each document that the source may be; what was lost is told before what was never there."""
        by_name: dict[str, list[Stored]] = {}
        for document in documents:
            by_name.setdefault(document.source, []).append(document)
        made: list[Traced] = []
        for name in islice(by_name, _MOST_DOCUMENTS):
            made.append(self._not_in_source(case, name, by_name[name]))
            if not any(finding.cause in _NEVER_THERE for finding in made[-1].findings.values()):
                return made[-1]
        return made[0]

    def _not_in_source(self, case: Case, source: str, documents: Sequence[Stored]) -> Traced:
        again = self._sources.reread(source)
        gaps = [(document, gap) for document in documents for gap in document.gaps]
        near = _nearest(case.answers, [document.text for document in documents])
        if near is not None and near[1].kind == "mojibake":
            return self._nearly(case, source, near, again)
        if again.failed is not None:  # it was read once: with a password, or by another reader
            again.why = f"it cannot be read again: {_reason(again)}"
        if not again.why:
            if held := again.holding(case.answers):
                return self._in_file_only(case, source, documents, again, held)
            if (found := self._in_file(case, source, again)) is not None:
                return found
        elif gaps:
            return Traced.lost("embedded", self._gap(gaps), [self._again(again)])
        if near is not None:
            return self._nearly(case, source, near, again)
        elsewhere = self._elsewhere(case)
        if again.why and any(_is_garbled(document.text.text) for document in documents):
            says = f"the text of {source} in the table is garbled, and {again.why}"
            bring = Advice("bring the file here, and index it again", self._index(again))
            return Traced.lost("loaded", Finding("lost", "mojibake", says), [bring])
        if again.why:
            says = f"nothing like the answer is in {source} as the table has it, and {again.why}"
            if elsewhere:
                says += f"; it stands in {_listed(elsewhere['elsewhere'])}"
            return Traced.lost("gold" if elsewhere else "loaded", Finding("lost", "not_found", says, elsewhere))
        says = f"{source} was read again, whole, and does not hold the expected answer"
        if elsewhere:
            says += f"; it stands in {_listed(elsewhere['elsewhere'])}"
        return Traced.lost("gold", Finding("lost", "not_in_source", says, elsewhere))

    def _in_file_only(
        self,
        case: Case,
        source: str,
        documents: Sequence[Stored],
        again: Reread,
        held: Sequence[tuple[object, Text]],
    ) -> Traced:
        """The file holds what the table does not: rows are missing, a page was not read, or the file has changed."""
        plain = self._sources.reread(source, ocr="never")
        if not plain.why and not plain.holding(case.answers):
            says = f"the answer is in a picture of {source}, which was not read when the table was made"
            tried = {"helps": True, "after": "read with OCR, the file holds the answer"}
            mend = Advice("read pages that are pictures", self._index(again), tried)
            evidence: Json = {"pages": plain.pages[:20]}
            return Traced.lost("loaded", Finding("lost", "page_without_text", says, evidence), [mend])
        texts = [text.text for _, text in again.documents]
        gaps = [(document, gap) for document in documents for gap in document.gaps]
        same = any(_is_part(document, text) for document in documents for text in texts)
        if same:
            finding = self._gap(gaps) if gaps else Finding("lost", "missing_rows", _END.format(source=source))
            return Traced.lost("embedded", finding, [self._again(again)])
        if any(_is_garbled(document.text.text) for document in documents):
            says = f"the text of {source} in the table is garbled, and the file holds the answer"
            tried = {"helps": True, "after": "read again, the file holds the answer"}
            mend = Advice("index the file again", self._index(again), tried)
            return Traced.lost("loaded", Finding("lost", "mojibake", says), [mend])
        says = f"{source} holds the answer, and the table has an older state of it"
        if any(document.format in _FIELDS for document, _ in again.documents):
            says += " (or load was given other fields, as with --text-field)"
        tried = {"helps": True, "after": "read again, the file holds the answer"}
        mend = Advice("index the file again", self._index(again), tried)
        return Traced.lost("loaded", Finding("lost", "stale", says), [mend])

    def _gap(self, gaps: Sequence[tuple[Stored, tuple[int, int]]]) -> Finding:
        document, (start, end) = max(gaps, key=lambda one: one[1][1] - one[1][0])
        says = f"characters {start} to {end} of {document.source} are in no row of the table"
        return Finding("lost", "missing_rows", says, {"document": document.source, "start": start, "end": end})

    def _again(self, again: Reread) -> Advice:
        return Advice("index the file again", self._index(again))

    def _index(self, again: Reread, load: str = "") -> str:
        """Return the command that brings a file into the table."""
        return index_command(self._library.table, again.file, root=self._sources.root, load=load)

    # The file does not hold it as text: as bytes of another encoding, as a picture, or nearly.

    def _in_file(self, case: Case, source: str, again: Reread) -> Traced | None:
        for encoding in encodings_of(self._sources.data(source), case.answers):
            if canonical(encoding) is None:
                continue
            try:
                read = self._sources.reread(source, encoding=encoding)
            except RagcliError:
                continue
            if read.holding(case.answers):
                return self._mojibake(again, encoding, helps=True)
            if encoding == "utf-8" and not again.is_part:
                says = f"{source} holds the answer where load leaves text out (scripts, comments, navigation, fields)"
                return Traced.lost("loaded", Finding("lost", "left_out", says))
        if again.pages or any(document.format in _PICTURES for document, _ in again.documents):
            read = self._sources.reread(source, ocr="always")
            helps = bool(read.holding(case.answers))
            pages = again.pages[:20]
            if not helps and not pages:
                return None
            says = f"no text came out of {_pages(pages)} of {source}, and the rest does not hold the answer"
            tried: Json = {
                "helps": helps,
                "after": f"with OCR, the file {'holds' if helps else 'does not hold'} the answer",
            }
            command = self._index(again, load="--ocr always")
            advice = Advice("read pages that are pictures (pip install 'ragcli[ocr]')", command, tried)
            return Traced.lost("loaded", Finding("lost", "page_without_text", says, {"pages": pages}), [advice])
        return None

    def _mojibake(self, again: Reread, encoding: str, *, helps: bool) -> Traced:
        says = f"{again.name} holds the answer in the encoding {encoding}, and was read in another"
        tried = {
            "helps": helps,
            "after": f"read as {encoding}, the file {'holds' if helps else 'does not hold'} the answer",
        }
        command = self._index(again, load=f"--encoding {encoding}")
        advice = Advice("name the encoding", command, tried)
        return Traced.lost("loaded", Finding("lost", "mojibake", says, {"encoding": encoding}), [advice])

    def _nearly(self, case: Case, source: str, near: tuple[Text, Near], again: Reread) -> Traced:
        text, found = near
        shown = text.around(found.start, found.end)
        evidence: Json = {"near": text.text[found.start : found.end], "text": shown, "alike": found.score}
        if found.kind == "mojibake":
            encoding = next(iter(encodings_of(self._sources.data(source), case.answers)), None)
            if encoding is not None:
                made = self._mojibake(again, encoding, helps=self._read_as(source, encoding, case.answers))
                made.findings["loaded"].evidence.update(evidence)
                return made
            says = f"the answer is garbled in {source}: {shown}"
            return Traced.lost("loaded", Finding("lost", "mojibake", says, evidence), [self._again(again)])
        if found.kind == "broken":
            says = f"the words of the answer are broken up in {source}: {shown}"
            return Traced.lost("loaded", Finding("lost", "broken", says, evidence))
        read = "; ".join(str(loss["reason"]) for loss in again.losses[:_SHOWN])
        if any(document.format in _PICTURES for document, _ in again.documents):
            says = f"OCR may have misread the answer in {source}: {shown}"
            return Traced.lost("loaded", Finding("lost", "misread", says, evidence))
        says = f"{source} says nearly what the case expects ({found.answer}): {shown}"
        return Traced.lost("gold", Finding("lost", "other_wording", f"{says}{f' ({read})' if read else ''}", evidence))

    def _read_as(self, source: str, encoding: str, answers: Sequence[str]) -> bool:
        try:
            return bool(self._sources.reread(source, encoding=encoding).holding(answers))
        except RagcliError:
            return False

    # No source is named, and no document holds it.

    def _nowhere(self, case: Case, documents: Sequence[Stored]) -> Traced:
        library = self._library
        outside = self._sources.outside({document.source for document in library.documents(library.of_source(None))})
        for one in outside:
            if one.holding(case.answers):
                says = f"{one.name} holds the answer, and the table has nothing of it"
                tried = {"helps": True, "after": "the file was read: it holds the answer"}
                mend = Advice("index the file", index_command(library.table, one.file), tried)
                return Traced.lost("loaded", Finding("lost", "not_indexed", says, {"file": one.name}), [mend])
        near = _nearest(case.answers, [document.text for document in documents])
        if near is not None:
            source = next(document.source for document in documents if document.text is near[0])
            if near[1].kind == "similar":
                shown = near[0].around(near[1].start, near[1].end)
                evidence: Json = {"near": near[0].text[near[1].start : near[1].end], "alike": near[1].score}
                says = f"no document holds the answer as the case has it; nearest is, in {source}: {shown}"
                return Traced.lost("gold", Finding("lost", "other_wording", says, evidence))
            return self._nearly(case, source, near, self._sources.reread(source))
        failed = [one.name for one in outside if one.failed is not None]
        says = "no document of the table holds the answer"
        if failed:
            says += f"; it may be in a file that cannot be loaded: {_listed(failed)}"
            return Traced.lost("loaded", Finding("lost", "failed", says, {"files": failed[:20]}))
        return Traced.lost("loaded", Finding("lost", "not_found", says))

    def _elsewhere(self, case: Case) -> Json:
        found = self._library.elsewhere(case)
        return {"elsewhere": found[:20]} if found else {}


_END = "the end of {source} is in no row of the table"


def _failed(source: str, again: Reread) -> Finding:
    reason = _reason(again)
    return Finding("lost", "failed", f"{source} cannot be loaded: {reason}", {"reason": reason})


def _reason(again: Reread) -> str:
    assert again.failed is not None
    return str(again.failed["reason"]).rstrip(".")


def _nearest(answers: Sequence[str], texts: Sequence[Text]) -> tuple[Text, Near] | None:
    found = [(text, near) for text in texts if (near := text.near(answers)) is not None]
    order = {"broken": 2, "mojibake": 1, "similar": 0}
    return max(found, key=lambda one: (order[one[1].kind], one[1].score), default=None)


def _is_part(document: Stored, text: str) -> bool:
    """Whether a document is a text of which rows are missing: what it holds stands there, in its place."""
    own = document.text.text
    if own == text or not own.strip():
        return False
    return all(text[row["start"] : row["end"]] == row["text"] for row in document.rows)


def _is_garbled(text: str) -> bool:
    """Whether a text is what becomes of bytes that were read in a wrong encoding."""
    return garbled(text) not in (None, "blank")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _pages(pages: Sequence[object]) -> str:
    if not pages:
        return "the picture"
    return f"page{'s' if len(pages) > 1 else ''} {', '.join(map(str, pages[:8]))}{' …' if len(pages) > 8 else ''}"
