"""One task, from its files or records to chunks, by the same functions that one process runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ragcli.pipeline.plan import Loading, Splitting
from ragcli.records import Chunk, Document, Json, Record
from ragcli.report import Report

if TYPE_CHECKING:
    from ragcli.loading.discovery import Found

STAGES = ("load", "split", "embed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the stages are told; it travels to the workers.

    Args:
        loading: how files are read; which files, the driver has found out.
        mark: mark the last document of each file with the file's state, as ``load --new-to`` does.
        splitting: how documents are cut, without a node parser, which does not travel:
        splitter: its name and options.
        model: the embedding model.
        device: where the model runs.
        headings: embed title and headings before the text.
        skip_bad: go on past bad lines of records.
        until: the last stage to run: load, split or embed.
    """

    loading: Loading = field(default_factory=Loading)
    mark: bool = False
    splitting: Splitting = field(default_factory=Splitting)
    splitter: tuple[str, Json] | None = None
    model: str | None = None
    device: str = "auto"
    headings: bool = False
    skip_bad: bool = False
    until: str = "embed"

    def cutting(self, splitting: Splitting) -> Settings:
        """Return settings that cut so."""
        parser = splitting.parser
        given = None if parser is None else (parser.place, parser.options)
        return replace(self, splitting=replace(splitting, parser=None), splitter=given)


class Files(NamedTuple):
    """A task: files that one machine reads; addresses are strings."""

    number: int
    files: tuple[Found | str, ...]


class Lines(NamedTuple):
    """A task: lines of records that the driver read; ``first`` is the number of the first line."""

    number: int
    name: str
    first: int
    data: bytes


class Part(NamedTuple):
    """A task: a part of a file of records; bytes of JSON Lines, or row groups of Parquet.

    ``start`` and ``end`` count bytes (lines that begin in them belong to the part) or row groups.
    """

    number: int
    uri: str
    form: str
    start: int
    end: int


Task = Files | Lines | Part


class Events(Report):
    """A report that is emptied now and then and sent away."""

    def take(self) -> tuple[str, dict[str, int], list[Json]] | None:
        """Return stage, counts and losses since the last time, if any; begin anew."""
        if not self.counts and not self.losses:
            return None
        out = (self.stage, dict(self.counts), self.losses)
        self.counts, self.losses = Counter(), []
        return out


def new_events() -> dict[str, Events]:
    """Return an empty report for each stage."""
    return {stage: Events(stage, keep=True) for stage in STAGES}


def records_of(task: Task, settings: Settings, reports: dict[str, Events]) -> Iterator[Record]:
    """Yield what a task gives: documents where loading is all, else chunks (and vectors that came in).

    Raises:
        RagcliError: a bad record, or a stage that cannot run. A file that cannot be read ends in the report.
    """
    found: Iterable[Record]
    if isinstance(task, Files):
        found = _loaded(task, settings, reports)
    else:
        from ragcli.engines.record_parts import read

        found = read(task, reports[settings.until] if settings.skip_bad else None, documents=settings.until == "split")
    if settings.until == "load":
        yield from found
        return
    cut = _Splitter(settings, reports["split"])
    for is_document, group in groupby(found, key=lambda record: isinstance(record, Document)):
        if is_document:
            yield from cut(cast("Iterable[Document]", group))
        else:
            yield from group


def _loaded(task: Files, settings: Settings, reports: dict[str, Events]) -> Iterator[Document]:
    from ragcli.loading import Limits

    # The task is one process among many, and each of its files is read in one of its own.
    limits = replace(settings.loading.limits or Limits(), jobs=1)
    how = replace(settings.loading, limits=limits, include=(), exclude=())  # the driver has asked them
    # The driver has asked the table, too.
    return how.documents(task.files, new_to=_never if settings.mark else None, report=reports["load"])


def _never(*_: object) -> bool:
    return False


class _Splitter:
    """`split` with the task's settings; a node parser is made once."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self._report = report
        self._options: dict[str, Any] = settings.splitting.arguments()
        if settings.splitter is not None:
            from ragcli.splitting.parser import NodeParser

            self._options = {"parser": NodeParser(*settings.splitter)}

    def __call__(self, documents: Iterable[Document]) -> Iterator[Chunk]:
        from ragcli.splitting import split

        return split(documents, report=self._report, **self._options)
