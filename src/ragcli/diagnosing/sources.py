"""The files that documents came from, read again: what is in them, and what of it did not come out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ragcli.diagnosing.texts import Text
from ragcli.loading import load
from ragcli.records import Document, Json
from ragcli.report import Report

_MOST_BYTES = 64 << 20  # of a file that is read again
_MOST_FILES = 10_000


@dataclass(slots=True)
class Reread:
    """A file that was read again.

    Args:
        name: the source.
        path: the file; None where it is not on disk, or is no file.
        documents: what came out of it, each with its text.
        losses: what did not, as `ragcli load --report` writes them.
        why: why it was not read, where it was not.
    """

    name: str
    path: Path | None
    documents: list[tuple[Document, Text]] = field(default_factory=list)
    losses: list[Json] = field(default_factory=list)
    why: str = ""

    @property
    def failed(self) -> Json | None:
        """The loss that says that nothing came out."""
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


class Sources:
    """The files of a table's documents, and others that should have been in it.

    Args:
        root: the folder that sources are relative to.
        inputs: files and folders that the table should hold (``--docs``).
    """

    def __init__(self, root: Path | None = None, inputs: Sequence[Path] = ()) -> None:
        self._root = root or Path()
        self._inputs = list(inputs)
        self._reread: dict[tuple[str, str, str | None], Reread] = {}
        self._outside: list[Reread] | None = None

    def path(self, source: str) -> Path | None:
        """Return the file of a source, if it is on disk."""
        for name in (source, source.rpartition("#")[0]):
            if not name or "://" in name or "\0" in name:
                continue
            path = self._root / name
            try:
                if path.is_file():
                    return path
            except OSError:  # a name that no file can have
                continue
        return None

    def reread(
        self, source: str, *, ocr: Literal["auto", "always", "never"] = "auto", encoding: str | None = None
    ) -> Reread:
        """Read the file of a source again."""
        path = self.path(source)
        if path is None:
            return Reread(source, None, why="it is not on this disk")
        key = (str(path), ocr, encoding)
        if key not in self._reread:
            self._reread[key] = _read(source, path, ocr, encoding)
        return self._reread[key]

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
                self._outside = _others(self._inputs, {name.rpartition("#")[0] or name for name in known} | set(known))
        return self._outside


def _read(source: str, path: Path, ocr: Literal["auto", "always", "never"], encoding: str | None) -> Reread:
    made = Reread(source, path)
    if path.stat().st_size > _MOST_BYTES:
        made.why = f"it has more than {_MOST_BYTES >> 20} MiB"
        return made
    report = Report("load")
    part = "" if path.name == Path(source).name else "#" + source.rpartition("#")[2]  # a row of it, or all
    for document in load([path], ocr=ocr, encoding=encoding, hidden=True, report=report):
        if document.source.endswith(part):
            made.documents.append((document, Text(document.text)))
    made.losses = report.losses
    return made


def _others(inputs: Sequence[Path], known: set[str]) -> list[Reread]:
    """Read the files of inputs that are not known, all in one run."""
    from ragcli.loading.discovery import Discovery

    out: dict[str, Reread] = {}
    search = Discovery(include=(), exclude=(), gitignore=True, hidden=False, report=Report("load"))
    for given in inputs:
        for one in search.find(given):
            if one.lost:
                loss = {"kind": one.lost[0], "source": one.name, "reason": one.lost[1]}
                out[one.name] = Reread(one.name, None, losses=[loss])
            elif one.name not in known and len(out) < _MOST_FILES:
                out[one.name] = Reread(one.name, Path(one.path))
    report = Report("load")
    for document in load([one.path for one in out.values() if one.path is not None], hidden=True, report=report):
        made = out.get(document.source) or out.get(document.source.rpartition("#")[0])
        if made is not None:
            made.documents.append((document, Text(document.text)))
    for loss in report.losses:
        name = str(loss["source"])
        made = out.get(name) or out.get(name.rpartition("#")[0])
        if made is not None:
            made.losses.append(loss)
    return list(out.values())
