"""The files that documents came from, read again: what is in them, and what of it did not come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ragcli.diagnosing.commands import file_of
from ragcli.diagnosing.texts import Text
from ragcli.loading import load
from ragcli.records import Document, Json
from ragcli.report import Report

_MOST_BYTES = 64 << 20  # of a file that is read again
_MOST_FILES = 10_000
_KEPT = 16_000_000  # characters of files that were read, in memory


@dataclass(slots=True)
class Reread:
    """A source that was read again.

    Args:
        name: the source.
        file: the name of its file: without the row, member or attachment.
        documents: what came out of it, each with its text.
        losses: what did not, as `ragcli load --report` writes them.
        why: why it was not read, where it was not.
    """

    name: str
    file: str
    documents: list[tuple[Document, Text]] = field(default_factory=list)
    losses: list[Json] = field(default_factory=list)
    why: str = ""

    @property
    def is_part(self) -> bool:
        """Whether it is a row, a member or an attachment of a file."""
        return self.name != self.file

    @property
    def failed(self) -> Json | None:
        """The loss that says that nothing came out."""
        if self.documents:
            return None
        return next((loss for loss in self.losses if loss["kind"] == "failed"), None)

    @property
    def pages(self) -> list[Any]:
        """The pages of which no text came out, or none that can be read."""
        found: list[Any] = []
        for loss in self.losses:
            pages = loss.get("pages", loss.get("page"))
            found += pages if isinstance(pages, list) else [] if pages is None else [pages]
        return found

    def holding(self, answers: Sequence[str]) -> list[tuple[Document, Text]]:
        """Return the documents whose text holds one of the answers."""
        return [(document, text) for document, text in self.documents if text.places(answers)]


@dataclass(frozen=True, slots=True)
class _Read:
    """All that came out of a file."""

    documents: list[tuple[Document, Text]]
    losses: list[Json]


class Sources:
    """The files of a table's documents, and others that should have been in it.

    Args:
        root: the folder that sources are relative to.
        inputs: files and folders that the table should hold (``--docs``).
    """

    def __init__(self, root: Path | None = None, inputs: Sequence[Path] = ()) -> None:
        self.root = root
        self._inputs = list(inputs)
        self._read: dict[tuple[str, str, str | None], _Read] = {}  # the latest last
        self._outside: list[Reread] | None = None

    def path(self, source: str) -> Path | None:
        """Return the file of a source, if it is on disk."""
        name = self.file(source)
        return None if name is None else (self.root or Path()) / name

    def file(self, source: str) -> str | None:
        """Return the name of the file that a source is, or a row, a member or an attachment of; None if there is none.

        The longest name that a file has is taken: a # may be part of it.
        """
        name = "" if "://" in source or "\0" in source else source
        while name:
            try:
                if ((self.root or Path()) / name).is_file():
                    return name
            except OSError:  # a name that no file can have
                pass
            name = name.rpartition("#")[0]
        return None

    def reread(
        self, source: str, *, ocr: Literal["auto", "always", "never"] = "auto", encoding: str | None = None
    ) -> Reread:
        """Read the file of a source again, and return what is of the source."""
        name = self.file(source)
        if name is None:
            why = "an address is not read again" if "://" in source else "it is not on this disk"
            return Reread(source, file_of(source), why=why)
        path = (self.root or Path()) / name
        if path.stat().st_size > _MOST_BYTES:
            return Reread(source, name, why=f"it has more than {_MOST_BYTES >> 20} MiB and is not read again")
        key = (str(path), ocr, encoding)
        read = self._read.pop(key, None) or _load(path, ocr, encoding)
        self._read[key] = read
        self._forget()
        part = source[len(name) :]
        documents = [one for one in read.documents if one[0].source == f"{path}{part}"]
        if not part:  # rows of a file; but a mail is not its attachments
            documents = documents or read.documents
        losses = [loss for loss in read.losses if not part or str(loss["source"]).endswith((part, name))]
        if part and not documents and not losses:
            why = f"reading {name} again gives no {part[1:]} (the file has changed, or load was given other options)"
            return Reread(source, name, why=why)
        return Reread(source, name, documents, losses)

    def _forget(self) -> None:
        """Keep what was read last, as far as there is room."""
        held = 0
        for key in reversed(list(self._read)):
            held += sum(len(text.text) for _, text in self._read[key].documents)
            if held > _KEPT and key != next(reversed(self._read)):
                del self._read[key]

    def data(self, source: str) -> bytes:
        """Return the bytes of a source's file; none where it is not there, or large."""
        path = self.path(source)
        try:
            return path.read_bytes() if path is not None and path.stat().st_size <= _MOST_BYTES else b""
        except OSError:
            return b""

    def outside(self, known: Iterable[str]) -> list[Reread]:
        """Return the files of ``--docs`` of which the table has nothing, read.

        Args:
            known: the sources of the table.
        """
        if self._outside is None:
            self._outside = []
            if self._inputs:
                names = {name.rpartition("#")[0] or name for name in known} | set(known)
                self._outside = _others(self._inputs, names)
        return self._outside


def _load(path: Path, ocr: Literal["auto", "always", "never"], encoding: str | None) -> _Read:
    report = Report("load", lambda _: None, keep=True)
    found = load([path], ocr=ocr, encoding=encoding, hidden=True, report=report)
    return _Read([(document, Text(document.text)) for document in found], report.losses)


def _others(inputs: Sequence[Path], known: set[str]) -> list[Reread]:
    """Read the files of inputs that are not known, all in one run."""
    from ragcli.loading.discovery import Discovery

    out: dict[str, Reread] = {}
    paths = []
    search = Discovery(include=(), exclude=(), gitignore=True, hidden=False, report=Report("load"))
    for given in inputs:
        for one in search.find(given):
            if one.lost:
                loss = {"kind": one.lost[0], "source": one.name, "reason": one.lost[1]}
                out[one.name] = Reread(one.name, one.name, losses=[loss])
            elif one.name not in known and len(out) < _MOST_FILES:
                out[one.name] = Reread(one.name, one.name)
                paths.append(one.path)
    report = Report("load")
    for document in load(paths, hidden=True, report=report):
        made = _of(document.source, out)
        if made is not None:
            made.documents.append((document, Text(document.text)))
    for loss in report.losses:
        made = _of(str(loss["source"]), out)
        if made is not None:
            made.losses.append(loss)
    return list(out.values())


def _of(source: str, files: Mapping[str, Reread]) -> Reread | None:
    """Return the file that a source is, or a part of a part of."""
    while source and source not in files:
        source = source.rpartition("#")[0]
    return files.get(source)
