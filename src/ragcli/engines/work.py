"""One task, from its files or records to chunks, by the same functions that one process runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from ragcli.records import Chunk, Document, Json, Record
from ragcli.report import Report

if TYPE_CHECKING:
    from ragcli.loading.discovery import Found

STAGES = ("load", "split", "embed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the stages are told; it travels to the workers.

    Args:
        load: keyword arguments of `ragcli.loading.load` that say how a file is read (not which files).
        mark: mark the last document of each file with the file's state, as ``load --new-to`` does.
        split: size, overlap and unit of `ragcli.splitting.split`.
        splitter: a node parser's name and options, in place of ragcli's own splitter.
        model: the embedding model; with ``unit="tokens"`` also what counts.
        device: where the model runs.
        headings: embed title and headings before the text.
        skip_bad: go on past bad lines of records.
        until: the last stage to run: load, split or embed.
    """

    load: Json = field(default_factory=dict)
    mark: bool = False
    split: Json = field(default_factory=dict)
    splitter: tuple[str, Json] | None = None
    model: str | None = None
    device: str = "auto"
    headings: bool = False
    skip_bad: bool = False
    until: str = "embed"


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

        found = read(task, reports["embed"] if settings.skip_bad else None)
    if settings.until == "load":
        yield from found
        return
    cut = _Splitter(settings, reports["split"])
    for is_document, group in groupby(found, key=lambda record: isinstance(record, Document)):
        yield from cut(group) if is_document else group  # type: ignore[arg-type]


def _loaded(task: Files, settings: Settings, reports: dict[str, Events]) -> Iterator[Document]:
    from ragcli.loading import Limits, load

    options = dict(settings.load)
    limits = Limits(jobs=1, **options.pop("limits", {}))  # the task is one process among many, and the file in its own
    return load(
        task.files,
        limits=limits,
        new_to=_never if settings.mark else None,  # the driver has asked the table already
        report=reports["load"],
        **options,
    )


def _never(*_: object) -> bool:
    return False


class _Splitter:
    """`split` with the task's settings; a node parser is made once."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self._report = report
        self._options: dict[str, Any] = dict(settings.split)
        if settings.splitter is not None:
            from ragcli.splitting.parser import NodeParser

            self._options = {"parser": NodeParser(*settings.splitter)}
        elif self._options.get("unit") == "tokens":
            from ragcli.embedding import token_counter

            self._options["count"] = token_counter(settings.model)

    def __call__(self, documents: Iterable[Document]) -> Iterator[Chunk]:
        from ragcli.splitting import split

        return split(documents, report=self._report, **self._options)
