"""Who has had which chunk: one keeper for all workers, so that none is embedded twice and what the table has never.

It decides as `ragcli.indexing.Writer` does, with one difference: answers are kept by task, so that a task which a lost
worker leaves half done, and another does again, gets the same answers. Where an id comes with different contents, that
of the later task stays, whichever comes first.

40 bytes a chunk of the input, 25 a row of the table.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ragcli.contract import check_contract
from ragcli.engines.parcels import CHANGED, LATER, NEW, REPEATED, UNCHANGED, Ends
from ragcli.errors import ContractError
from ragcli.indexing.arrivals import Arrived, Known
from ragcli.indexing.states import States
from ragcli.indexing.writer import CUT, remove_stale
from ragcli.report import Report
from ragcli.store import Table

_RECENT = 65_536


class Claims:
    """64-bit keys with a number each, in sorted arrays whose sizes double: 16 bytes a key, for inputs of any length."""

    def __init__(self) -> None:
        self._recent: dict[int, int] = {}
        self._levels: list[tuple[Any, Any]] = []

    def get(self, keys: list[int]) -> list[int]:
        """Return the number of each key; -1 where it has none."""
        found = [self._recent.get(key, -1) for key in keys]
        if self._levels:
            wanted = np.array(keys, np.int64)
            best = np.array(found, np.int64)
            for names, values in reversed(self._levels):  # the older, the smaller its say
                places = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
                hit = (names[places] == wanted) & (best < 0)
                best[hit] = values[places[hit]]
            found = best.tolist()
        return found

    def set(self, key: int, value: int) -> None:
        """Give a key a number, instead of the one before."""
        self._recent[key] = value
        if len(self._recent) >= _RECENT:
            names = np.fromiter(self._recent, np.int64, len(self._recent))
            values = np.fromiter(self._recent.values(), np.int64, len(self._recent))
            order = np.argsort(names)
            self._levels.append((names[order], values[order]))
            self._recent = {}
            while len(self._levels) > 1 and len(self._levels[-2][0]) < 2 * len(self._levels[-1][0]):
                (new, newer), (old, older) = self._levels.pop(), self._levels.pop()
                names, values = np.concatenate([new, old]), np.concatenate([newer, older])
                names, first = np.unique(names, return_index=True)  # of equal ones the first: the newer
                self._levels.append((names, values[first]))


class Keeper:
    """Answers the workers; makes the table when the first chunk comes.

    Args:
        db: the database; a path on disk must be absolute.
        name: the table.
        contract: the model and ``headings`` of a table that is to be made; an existing one must agree.
        again: embed what the table has, too.
        folder: the driver's working folder, which paths in the table are relative to.
    """

    def __init__(self, db: str, name: str, contract: Mapping[str, Any], *, again: bool, folder: str) -> None:
        os.chdir(folder)
        self._db, self._name = db, name
        self._contract = dict(contract)
        self._again = again
        self._table: Table | None = None
        self._known: Known | None = None
        self._arrived = Arrived()
        self._claims = Claims()  # of (id, digest): the task and the answer
        self._given = Claims()  # of ids: the last task that gave one
        self._splitters: set[str] = set()
        self._states = States()
        self._open: dict[int, tuple[str, str]] = {}  # task -> the document that it ended in
        self._heads: dict[int, tuple[str, str]] = {}  # task -> the document that it began with
        if Table.exists(db, name):
            self._opened(Table.open(db, name))

    def _opened(self, table: Table) -> None:
        check_contract(table, self._contract)
        table.ensure_text_index()
        table.refresh()
        self._version = table.dataset.version
        self._fragments = [fragment.fragment_id for fragment in table.dataset.get_fragments()]
        self._known = Known(table)
        self._table = table

    def state(self) -> tuple[int, list[int]] | None:
        """Return version and fragments of the table whose rows are known here; None while there is no table."""
        return None if self._table is None else (self._version, self._fragments)

    def meet(
        self, task: int, keys: list[tuple[str, str]], ends: Ends, states: States, splitters: set[str], over: bool
    ) -> bytes:
        """Answer for chunks that a task gives, in their order: NEW, CHANGED, LATER, UNCHANGED or REPEATED each.

        Args:
            task: its number.
            keys: id and digest of each chunk; a task sends none twice.
            ends: documents that ended among them, and whether they came in to their end.
            states: of the files that ended among them.
            splitters: how the chunks were made.
            over: whether nothing more comes from the task.

        Raises:
            ContractError: a chunk was cut in another way than the table's.
            TableError: the table cannot be made or read.
        """
        if keys and self._known is None:
            first = next(iter(sorted(splitters)))
            made = Table.create(
                self._db, self._name, {"model": self._contract["model"], "metric": "cosine",
                                       "splitter": first or None, "headings": self._contract["headings"]},
            )  # fmt: skip
            self._opened(made)
        self._check(splitters - self._splitters)
        self._note(task, ends, over)
        self._states.ends.update(states.ends)
        return self._answers(task, keys) if keys else b""

    def _check(self, splitters: set[str]) -> None:
        have = self._table.contract.get("splitter") if self._table is not None else None
        for splitter in splitters:
            if have and splitter and splitter != have:
                raise ContractError(
                    f"the table {self._name!r} holds chunks made with the splitter {have!r},"
                    f" and a chunk comes from {splitter!r}.",
                    hint="Split with the table's settings, or embed into another table (-t).",
                )
        self._splitters |= splitters

    def _note(self, task: int, ends: Ends, over: bool) -> None:
        """Note documents; one that a task ends in may go on in the next, as a file of records is cut anywhere."""
        if ends:
            self._heads.setdefault(task, ends[0][:2])
        for at, (source, document, ended) in enumerate(ends):
            if not ended and over and at == len(ends) - 1:
                self._open[task] = (source, document)
            else:
                self._arrived.note(source, document, ended)

    def _answers(self, task: int, keys: list[tuple[str, str]]) -> bytes:
        assert self._known is not None
        both = [hash(key) for key in keys]
        had = self._claims.get(both)
        givers = self._given.get([hash(name) for name, _ in keys])
        now: dict[int, int] = {}  # what this very call gave, which `get` did not see
        out = bytearray()
        for place, (name, made) in enumerate(keys):
            key, by_id = both[place], hash(name)
            known = self._known.meets(name, made)
            giver = now.get(by_id, givers[place])
            if had[place] >= 0:
                code = had[place] % 8 if had[place] // 8 == task else REPEATED
            elif giver >= 0:
                code = LATER if task >= giver else REPEATED
            elif known and not self._again:
                code = UNCHANGED
            else:
                code = CHANGED if known or self._known.has(name) else NEW
            if had[place] < 0:
                self._claims.set(key, task * 8 + code)
                if code != REPEATED:
                    self._given.set(by_id, task)
                    now[by_id] = task
            out.append(code)
        return bytes(out)

    def finish(self, report: Report, lost: list[str] | None = None) -> None:
        """Remove what was replaced, and count it; call it when all rows are in the table.

        Args:
            report: where it is counted.
            lost: files that did not come in whole: nothing of them is removed, and the next run reads them again.
        """
        for task, (source, document) in self._open.items():
            if self._heads.get(task + 1) != (source, document):
                self._arrived.note(source, document, False)
        for source in self._arrived.cut:
            report.lose("warning", source, CUT)
        if self._table is not None and self._known is not None:
            self._table.refresh()
            for name in lost or ():
                self._states.forget(name)
            if removed := remove_stale(self._table, self._known, self._arrived, lost or ()):
                report.count("chunks_replaced", removed)
            if len(self._known) or lost:
                self._states.renew(self._table)

    def prune(self, roots: list[str], report: Report) -> list[str]:
        """Remove the rows of files that are gone, and count them; see `ragcli.indexing.prune`."""
        from ragcli.indexing import maintain, prune

        table = Table.open(self._db, self._name)
        before = len(table)
        gone = prune(table, roots, self._arrived)
        report.count("chunks_pruned", before - len(table))
        maintain(table)
        return gone
