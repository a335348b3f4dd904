"""The run behind ``ragcli finetune``: sources and devices are opened, records are shown, the exit code is found."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.cli.streams import note, output, show_log, stdin
from ragcli.errors import GATE, INTERRUPTED, OK, PARTIAL, InputError, MissingExtraError, UsageError
from ragcli.finetuning.settings import Settings
from ragcli.jsonl import OnBad, dumps
from ragcli.records import Json

if TYPE_CHECKING:
    from ragcli.finetuning.data.rows import PairRow
    from ragcli.finetuning.data.sources import Source
    from ragcli.finetuning.nodes import NodeSettings
    from ragcli.finetuning.preparing import Mine, Prepared, Request

_SHOWN_BAD = 20
_LOOKED_AT = 20  # rows for an example, the first of which may have nothing to learn


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The options of a run beside its settings."""

    wish: Settings
    data: list[str]
    evaluation: list[str]
    gpus: str | None
    mine_from: str | None
    negatives: int
    probe: str | None
    db: str
    strict: bool
    guard: bool
    overwrite: bool
    skip_bad: bool
    quiet: bool
    as_table: bool

    def run(self, *, dry_run: bool, show_example: bool) -> int:
        """Do it; return the exit code."""
        from ragcli.finetuning.data.sources import STDIN, parse

        sources = parse(self.data)
        evaluation = parse(self.evaluation, evaluation=True)
        self._check()
        show_log("finetune")
        from ragcli.finetuning import job, ranks
        from ragcli.finetuning.nodes import NodeSettings

        is_trial = dry_run or show_example
        if is_trial and not ranks.is_first():
            return OK
        folder = Path(self.wish.output) if not is_trial else Path(tempfile.mkdtemp(prefix="ragcli-finetune-"))
        nodes = NodeSettings.from_environment()
        node = nodes.rank or ranks.node()
        if not is_trial:
            self._begin_together(folder, node)
        work = job.work_of(folder, node)
        with contextlib.ExitStack() as stack:
            if is_trial:
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
            elif not work.exists() and ranks.local_rank() == 0:
                stack.callback(_remove_unused, folder, work, folder.exists())
            _make(work)
            from ragcli.finetuning.data.sources import ready

            wants_stdin = any(one.path == STDIN for one in (*sources, *evaluation))
            is_kept = any(work.glob("*.input")) and (sys.stdin is None or sys.stdin.isatty())
            given = stdin("rows of training data") if wants_stdin and not is_kept else None
            request = self._request(ready(sources, work, given), ready(evaluation, work, given), nodes)
            bad = _Bad() if self.skip_bad else None
            if show_example:
                request = replace(request, first=_LOOKED_AT)
            code = self._begin(request, work, bad, dry_run=dry_run, show_example=show_example)
        if bad is not None and bad.count:
            bad.summary()
            return code or PARTIAL
        return code

    def _begin_together(self, folder: Path, node: int) -> None:
        """Meet the other processes where torchrun started this one, and remove what is to be replaced, once."""
        from ragcli.finetuning import ranks, stage

        if ranks.inside():
            from ragcli.embedding.torch import torch_device

            ranks.quiet()
            ranks.begin(ranks.world(), torch_device(self.wish.device))
        if self.overwrite and ranks.local_rank() == 0:
            stage.clear(folder, node)
        ranks.barrier()

    def _check(self) -> None:
        """Refuse what cannot be, before anything is read."""
        from importlib.util import find_spec

        if find_spec("trl") is None or find_spec("torch") is None:
            raise MissingExtraError("ragcli finetune", "finetune")
        if self.wish.method == "qlora" and find_spec("bitsandbytes") is None:
            raise MissingExtraError("--method qlora", "quantize")
        for one in self.wish.report_to:
            if find_spec(one) is None:
                raise UsageError(f"--report-to {one} needs the package {one}.", hint=f"pip install {one}")
        if self.wish.merge and self.wish.method == "full":
            raise UsageError("--merge is for adapters; --method full writes a whole model as it is.")

    def _request(self, sources: list[Source], evaluation: list[Source], nodes: NodeSettings) -> Request:
        from ragcli.finetuning.data.reading import detect_task
        from ragcli.finetuning.machine import machine_of
        from ragcli.finetuning.preparing import Request
        from ragcli.hardware.devices import devices
        from ragcli.models.folder import resolve

        wish = self.wish
        if wish.task == "auto":
            wish = replace(wish, task=detect_task(sources))
        if self.mine_from is not None and wish.task not in ("embedding", "reranker"):
            raise UsageError(f"--mine-from is for --task embedding and reranker, and the task is {wish.task}.")
        base = resolve(wish.model)
        from ragcli.finetuning.launch import processes_for

        processes = processes_for(self.gpus, wish.device)
        machine = machine_of(devices(), wish.device, processes, wish.precision)
        return Request(
            wish=replace(wish, processes=processes * nodes.count),
            nodes=nodes,
            sources=sources,
            evaluation=evaluation,
            base=base,
            machine=machine,
            mine=self._mine() if self.mine_from is not None else None,
            mined_from=f"{self.db}/{self.mine_from}:{self.negatives}" if self.mine_from is not None else "",
            guard=self.guard,
            probe=None if self.probe is None else (self.db, self.probe),
            overwrite=self.overwrite,
            command=("ragcli", *sys.argv[1:]),
        )

    def _mine(self) -> Mine:
        from ragcli.cli.options import Device, SearchMode
        from ragcli.cli.searching import SearchSettings, open_search
        from ragcli.finetuning.data.mining import mine

        assert self.mine_from is not None
        find = open_search(
            SearchSettings(
                db=self.db,
                table=self.mine_from,
                model=None,
                device=Device(self.wish.device),
                mode=SearchMode.vector,
                k=50,
                where=None,
                expand=0,
                rerank=None,
            )
        )
        negatives = self.negatives

        def mined(rows: Iterable[PairRow]) -> Iterator[PairRow]:
            return mine(rows, find, negatives=negatives)

        return mined

    def _begin(self, request: Request, work: Path, bad: OnBad | None, *, dry_run: bool, show_example: bool) -> int:
        from ragcli.finetuning import ranks, stage
        from ragcli.finetuning.preparing import prepare_together

        if not (dry_run or show_example):
            done = stage.earlier(request)
            if done is not None:
                return self._show_done(done)
        prepared = prepare_together(request, work, bad)
        if not ranks.is_first() or request.nodes.rank:  # another process tells and writes
            ended = stage.finetune(request, lambda _: None, prepared=prepared).record is not None
            return OK if ended else INTERRUPTED
        if show_example:
            return self._show_example(prepared)
        from ragcli.cli.display_finetune import View

        with output() as out:
            view = View(quiet=self.quiet, as_table=self.as_table, out=out)
            view.prepared(prepared)
            if dry_run:
                return OK
            with view:
                outcome = stage.finetune(request, view.record, prepared=prepared)
            if outcome.record is None:
                note(f"ragcli finetune: stopped after step {outcome.step}, which is saved; the same command goes on.")
                return INTERRUPTED
            view.done(outcome.record)
        if outcome.flagged and self.strict:
            return GATE
        # Also where an earlier run left them out, which this one went on with.
        return PARTIAL if prepared.statistics["rows"]["bad"] else OK

    def _show_done(self, record: Json) -> int:
        note(f"ragcli finetune: {self.wish.output} is finished already; --overwrite trains again.")
        if not self.as_table:
            with output() as out:
                out.line(dumps(record))
        flagged = bool((record.get("guard") or {}).get("failed"))
        if flagged and self.strict:
            return GATE
        return PARTIAL if record.get("bad_rows") else OK

    def _show_example(self, prepared: Prepared) -> int:
        from ragcli.cli.display_finetune import example_record, show_example

        with output() as out:
            if self.as_table:
                show_example(prepared.job)
            else:
                out.line(dumps(example_record(prepared.job)))
        return OK


def _remove_unused(folder: Path, work: Path, was_there: bool) -> None:
    """Remove the work folder where nothing was prepared in it, and the output's where it was not there before."""
    from ragcli.finetuning.preparing import is_prepared

    if work.is_dir() and not is_prepared(work):
        shutil.rmtree(work, ignore_errors=True)
        if not was_there and not any(folder.iterdir()):
            folder.rmdir()


def _make(work: Path) -> None:
    if work.parent.is_file():
        raise UsageError(f"{work.parent} is a file; -o is a folder.", hint="Give a folder that is not there yet.")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{work.parent} cannot be written: {error.strerror}.") from error


class _Bad:
    """Names bad rows on stderr, the first of them one by one."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, error: InputError) -> None:
        """Name one."""
        self.count += 1
        if self.count <= _SHOWN_BAD:
            note(f"ragcli finetune: {error.message}")

    def summary(self) -> None:
        """Say how many there were."""
        more = f", {self.count - _SHOWN_BAD} of them not shown" if self.count > _SHOWN_BAD else ""
        note(f"ragcli finetune: {self.count} bad rows were left out{more}.")
