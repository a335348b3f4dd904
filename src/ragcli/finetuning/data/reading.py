"""Rows from sources, one after another, the same ones in the same order each time; and the task they are for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import orjson

from ragcli.errors import InputError, UsageError
from ragcli.finetuning.data.cases import Contexts
from ragcli.finetuning.data.files import items, named
from ragcli.finetuning.data.forms import Form, form_of, placed, rows_of
from ragcli.finetuning.data.rows import TASKS, Place, Row, RowError
from ragcli.finetuning.data.sources import Source
from ragcli.jsonl import OnBad
from ragcli.records import Json

WEIGHT = "weight"
OnLeftOut = Callable[[Place, str], None]
_LOOKED_AT = 50  # lines of a source that say which task it is for
_WHOLE = 1 << 64


def detect_task(sources: Sequence[Source]) -> str:
    """Return the task that the first good rows of all sources are for.

    Raises:
        UsageError: they are for different tasks; it names the sources, and a task that fits all where there is one.
        InputError: a source cannot be read, or has no good row among its first lines.
    """
    found = [(source, *_detected(source)) for source in sources]
    wanted = list(dict.fromkeys(task for _, task, _, _ in found))
    if len(wanted) == 1:
        return wanted[0]
    shared = [task for task in TASKS if all(task in form.tasks for _, _, form, _ in found)]
    said = ", ".join(f"{named(source)} is for {task} ({form.name}, line {line})" for source, task, form, line in found)
    raise UsageError(
        f"the data are for different tasks: {said}.",
        hint=f"Pass --task {shared[0]}, which fits all of them." if shared else "Train on them one after another.",
    )


def read_rows(
    sources: Sequence[Source],
    task: str,
    *,
    seed: int = 0,
    on_bad: OnBad | None = None,
    on_left_out: OnLeftOut | None = None,
) -> Iterator[Row]:
    """Yield the rows of an epoch: source by source, each in its own order; nothing holds them all.

    A source with a weight of 2.5 is read twice, then half of it; the later ones have `Place.repeat`. Which rows are the
    half is decided by a digest of each and of the seed, so that no row's part depends on any other.

    Args:
        sources: from `ragcli.finetuning.data.sources.ready`.
        task: one of ``TASKS``.
        seed: of the samples.
        on_bad: takes the error of each bad row, which then does not end the reading; each is told once.
        on_left_out: is told of each row that is good and not used, and why: ``weight`` or ``unanswerable``.

    Raises:
        UsageError: there is no such task.
        InputError: a row is bad and there is no ``on_bad``, or a source cannot be read to its end.
    """
    if task not in TASKS:
        raise UsageError(f"the task is {task!r}.", hint=f"Choose one of: {', '.join(TASKS)}.")
    return _rows(sources, task, seed, on_bad, on_left_out)


def _rows(
    sources: Sequence[Source], task: str, seed: int, on_bad: OnBad | None, on_left_out: OnLeftOut | None
) -> Iterator[Row]:
    for source in sources:
        whole = int(source.weight)
        part = source.weight - whole
        for repeat in range(whole):
            yield from _pass(source, task, repeat, None, on_bad, on_left_out)
        if part > 0:
            yield from _pass(source, task, whole, _Sample(part, seed), on_bad, on_left_out)


class _Sample:
    """Says of each object whether it is in a sample."""

    def __init__(self, part: float, seed: int) -> None:
        self._below, self._seed = int(part * _WHOLE), seed

    def holds(self, value: Json) -> bool:
        """Whether an object is in the sample."""
        try:
            content = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a number of more than 64 bits
            content = repr(value).encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(content, digest_size=8, salt=self._seed.to_bytes(16, "big", signed=True))
        return int.from_bytes(digest.digest(), "big") < self._below


def _pass(
    source: Source, task: str, repeat: int, sample: _Sample | None, on_bad: OnBad | None, on_left_out: OnLeftOut | None
) -> Iterator[Row]:
    """Yield the rows of a source once."""
    contexts = Contexts()
    for place, value in items(source):
        try:
            if isinstance(value, RowError):
                raise value
            rows = rows_of(value, task, replace(place, repeat=repeat), contexts)
        except RowError as error:
            if on_bad is None:
                raise
            if repeat == 0:
                on_bad(error)
            continue
        reason = contexts.left_out if not rows else WEIGHT if sample and not sample.holds(value) else ""
        if not reason:
            yield from rows
        elif repeat == 0 and on_left_out is not None:
            for at in range(max(1, len(rows))):
                on_left_out(replace(place, part=place.part + at), reason)


def _detected(source: Source) -> tuple[str, Form, int]:
    """Return the task of a source, its form, and the line that says so.

    Raises:
        UsageError: its own lines are for different tasks.
        InputError: no line is good; it is that of the first bad one.
    """
    contexts = Contexts()
    first: tuple[str, Form, int] | None = None
    silent: tuple[str, Form, int] | None = None  # a question that the documents do not answer
    bad: InputError | None = None
    for place, value in islice(items(source), _LOOKED_AT):
        try:
            if isinstance(value, RowError):
                raise value
            form = form_of(value)
            task = first[0] if first is not None and first[0] in form.tasks else form.tasks[0]
            rows = rows_of(value, task, place, contexts)
        except RowError as error:
            bad = bad or placed(error, place)
            continue
        if not rows:
            silent = silent or (task, form, place.line)
            continue
        if first is None:
            first = (form.tasks[0], form, place.line)
        elif first[0] not in form.tasks:
            raise UsageError(
                f"{named(source)} mixes rows for different tasks: line {first[2]} is for {first[0]} ({first[1].name}),"
                f" line {place.line} for {form.tasks[0]} ({form.name}).",
                hint="Put them into files of their own, or pass --task and --skip-bad.",
            )
    found = first or silent
    if found is None:
        raise bad or InputError(f"{named(source)} is empty: no row of training data is in it.")
    return found
