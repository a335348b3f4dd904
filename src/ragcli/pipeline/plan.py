"""What the offline stages do, each as the values of its settings: the same for a pipe's commands and for any engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ragcli.errors import ContractError
from ragcli.report import Report

if TYPE_CHECKING:
    from ragcli.indexing import Embedding, Filled
    from ragcli.loading import Limits
    from ragcli.loading.discovery import Found
    from ragcli.loading.reader import Reader
    from ragcli.loading.source import Options
    from ragcli.records import Document
    from ragcli.splitting import TokenCounter
    from ragcli.splitting.parser import NodeParser


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How files are read: see `ragcli.loading.load`, whose arguments these are."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    gitignore: bool = True
    hidden: bool = False
    follow_links: bool = False
    encoding: str | None = None
    text_field: str | None = None
    id_field: str | None = None
    title_field: str | None = None
    password: str | None = None
    ocr: Literal["auto", "always", "never"] = "auto"
    keep_headers: bool = False
    reader: Reader | None = None
    limits: Limits | None = None

    def documents(
        self,
        inputs: Iterable[str | Path | Found],
        *,
        new_to: Callable[[Found, Options], bool] | None = None,
        outputs: Sequence[Path] = (),
        unwanted: threading.Event | None = None,
        report: Report | None = None,
    ) -> Iterator[Document]:
        """Return what `ragcli.loading.load` does; the errors are its."""
        from ragcli.loading import load

        return load(
            inputs,
            include=self.include,
            exclude=self.exclude,
            gitignore=self.gitignore,
            hidden=self.hidden,
            follow_links=self.follow_links,
            encoding=self.encoding,
            text_field=self.text_field,
            id_field=self.id_field,
            title_field=self.title_field,
            password=self.password,
            ocr=self.ocr,
            keep_headers=self.keep_headers,
            reader=self.reader,
            new_to=new_to,
            limits=self.limits,
            outputs=outputs,
            unwanted=unwanted,
            report=report,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Splitting:
    """How documents are cut: see `ragcli.splitting.split`.

    Args:
        size: None for the unit's default.
        overlap: None for the default.
        unit: None for characters.
        model: whose tokens are counted, where the unit is tokens.
        parser: a node parser, beside which the others do not count.
    """

    size: int | None = None
    overlap: int | None = None
    unit: Literal["chars", "tokens"] | None = None
    model: str | None = None
    parser: NodeParser | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `ragcli.splitting.split`; the model's tokenizer is opened where it is needed.

        Raises:
            ModelError: there is no such model.
        """
        if self.parser is not None:
            return {"parser": self.parser}
        count = None
        if self.unit == "tokens":
            count = _counter(self.model)
        return {"size": self.size, "overlap": self.overlap, "unit": self.unit or "chars", "count": count}


@lru_cache(maxsize=1)
def _counter(model: str | None) -> TokenCounter:
    from ragcli.embedding import token_counter

    return token_counter(model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done: files to a table.

    Args:
        inputs: see `ragcli.loading.load`.
        table: the table's name.
        db: the database.
        loading: how files are read; those that the table holds as they are, are not.
        splitting: how documents are cut; None, and what is None in it, as the table was made.
        embedding: how chunks are embedded.
        prune: folders; what the table has of files under them that are gone is removed at the end.
        outputs: files that the caller writes meanwhile; in a folder, they are left out.
    """

    inputs: Iterable[str]
    table: str
    db: str = ".ragcli"
    loading: Loading = field(default_factory=Loading)
    splitting: Splitting = field(default_factory=Splitting)
    embedding: Embedding | None = None
    prune: Sequence[str] = ()
    outputs: Sequence[Path] = ()


class Reports:
    """The reports of the three stages, whose counts meet: documents that are loaded are split, and chunks embedded.

    Args:
        make: makes a stage's report from its name.
    """

    def __init__(self, make: Callable[[str], Report] = Report) -> None:
        self.load, self.split, self.embed = make("load"), make("split"), make("embed")

    @property
    def failed(self) -> bool:
        """Whether anything is missing from the table that should be there."""
        return self.load.failed or self.split.failed or self.embed.failed

    def to_dict(self) -> dict[str, Any]:
        """Return the reports as one JSON object."""
        stages = (self.load, self.split, self.embed)
        return {"type": "report", "stage": "index", "stages": [stage.to_dict() for stage in stages]}


class Watch(Protocol):
    """Is told how a run gets on, maybe by several threads."""

    def seen(self) -> None:
        """Note a chunk that is to be embedded."""

    def advance(self, n: int = 1) -> None:
        """Note chunks that are embedded."""

    def waiting(self) -> None:
        """Note that nothing is there to be embedded yet."""


class Unwatched:
    """A `Watch` that shows nothing."""

    def seen(self) -> None:
        """See `Watch`."""

    def advance(self, n: int = 1) -> None:
        """See `Watch`."""

    def waiting(self) -> None:
        """See `Watch`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a run came to: how many documents were read, and what became of the table."""

    documents: int
    filled: Filled


def settled(plan: Plan) -> Plan:
    """Return a plan in which what the table says stands where the plan says nothing.

    Raises:
        ContractError: the table's chunks were cut in another way; said before anything is read.
        TableError: the table cannot be read.
        UsageError: the table's name or the settings of the splitter make no sense.
    """
    from ragcli.indexing import Embedding
    from ragcli.splitting import settings_of, splitter_name
    from ragcli.store import Table, table_uri

    table_uri(plan.db, plan.table)
    embedding, splitting = plan.embedding or Embedding(), plan.splitting
    contract = Table.open(plan.db, plan.table).contract if Table.exists(plan.db, plan.table) else {}
    model = embedding.model or contract.get("model", {}).get("id")
    have = contract.get("splitter")
    if splitting.parser is None:
        made = settings_of(have) if have else None
        if made is not None:
            size, overlap, unit = made
            splitting = replace(
                splitting,
                size=size if splitting.size is None else splitting.size,
                overlap=overlap if splitting.overlap is None else splitting.overlap,
                unit=splitting.unit or unit,
            )
        splitting = replace(splitting, model=model)
    if have:
        name = splitter_name(**splitting.arguments())
        if name != have:
            raise ContractError(
                f"the table {plan.table!r} holds chunks made with the splitter {have!r}, and this run cuts with"
                f" {name!r}.",
                hint="Leave out the splitter's options to cut as the table's chunks are, or index into another table"
                " (-t).",
            )
    return replace(plan, splitting=splitting, embedding=embedding)
