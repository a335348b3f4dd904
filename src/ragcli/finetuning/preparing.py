"""Before the model is loaded: the rows are read, looked at, encoded and written, and the plan is made.

What is wrong with a row or a setting is found here. A run that goes on finds what it prepared, by the hashes of its
data, its base and its wishes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ragcli import __version__
from ragcli.errors import InputError, UsageError
from ragcli.finetuning import job, prepared, ranks
from ragcli.finetuning.data.rows import PairRow, Row
from ragcli.finetuning.data.sources import Source
from ragcli.finetuning.nodes import NodeSettings
from ragcli.finetuning.planning import LANGUAGE, Data, Machine, Plan, early, plan
from ragcli.finetuning.recipe import Job, Recipe
from ragcli.finetuning.recipes import recipe_of
from ragcli.finetuning.settings import Settings
from ragcli.finetuning.training import steps_between
from ragcli.jsonl import OnBad, dumps
from ragcli.models.folder import ModelFolder
from ragcli.records import Json

Mine = Callable[[Iterable[PairRow]], Iterator[PairRow]]
_KEY = "prepared.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asks for.

    Args:
        wish: settings, with ``auto``, 0 and None where nothing was said.
        sources: the data, from `ragcli.finetuning.data.sources.ready`.
        evaluation: data to evaluate with.
        base: the folder of the base model.
        machine: what the run has.
        mine: adds hard negatives to pairs.
        mined_from: what ``mine`` searches, for the key.
        guard: what may be forgotten is measured.
        probe: database and table from which retrieval is measured before and after.
        command: the command line, word by word, for the card.
        nodes: the machines that train together.
        first: so many rows are read, from the first on, and no more; 0 for all.
        overwrite: what an earlier run wrote is replaced.
    """

    wish: Settings
    sources: Sequence[Source]
    evaluation: Sequence[Source]
    base: ModelFolder
    machine: Machine
    mine: Mine | None = None
    mined_from: str = ""
    guard: bool = True
    probe: tuple[str, str] | None = None
    command: tuple[str, ...] = ()
    nodes: NodeSettings = field(default_factory=NodeSettings)
    first: int = 0
    overwrite: bool = False

    @property
    def node(self) -> int:
        """The number of this machine among those that train together."""
        return self.nodes.rank or ranks.node()

    def hashes(self) -> Json:
        """Return what tells the data: path, weight and hash of each source."""
        told = {"data": self.sources, "evaluation": self.evaluation}
        return {
            name: [{"source": one.path, "weight": one.weight, "sha256": one.sha256} for one in sources]
            for name, sources in told.items()
        }

    def key(self) -> str:
        """Return the hash of what the run is to learn; where it runs and what it says is not of it."""
        wish = {name: value for name, value in asdict(self.wish).items() if name not in (*job.FREE, "model")}
        data = {name: [(one["weight"], one["sha256"]) for one in told] for name, told in self.hashes().items()}
        told = {"wish": wish, "data": data, "base": self.base.hash, "mined": self.mined_from, "ragcli": __version__}
        return hashlib.sha256(dumps(told)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What stands in the work folder: the job, with the statistics and the plan for people."""

    job: Job
    statistics: Json
    warnings: list[str]
    plan: Json


def prepare(request: Request, work: Path, on_bad: OnBad | None = None) -> Prepared:
    """Read, encode and write the data, and make the plan; what an earlier run prepared is taken as it is.

    Args:
        request: what the user asks for.
        work: the run's folder, which is there.
        on_bad: takes the errors of bad rows, which then do not end it.

    Raises:
        InputError: a row is bad.
        UsageError: settings that do not go together, or no row at all.
        GateError: it does not fit.
    """
    found = earlier(request, work)
    if found is not None:
        return found
    wish = early(request.wish, request.machine)
    recipe = recipe_of(wish.task)
    from ragcli.finetuning.data.statistics import Statistics

    statistics = Statistics()
    if request.evaluation:
        held = _encode(request, recipe, wish, work, prepared.EVALUATION, statistics, on_bad)
        if not held.rows:
            raise UsageError("no row of the evaluation data can be evaluated.", hint=_none(held))
    written = _encode(request, recipe, wish, work, prepared.TRAIN, statistics, on_bad)
    if not written.rows:
        raise UsageError("no row of the data can be trained on.", hint=_none(written))
    made = _plan(request, wish, written)
    record = _cut(made, work, written, statistics.record(), bool(request.evaluation))
    warnings = [*statistics.warnings(), *_lost(record)]
    told = record["tokens"]
    made = replace(made, seconds=made.seconds * (1 - told["cut"] / max(1, told["total"])))
    settings = steps_between(made.settings, made.steps)
    extra: Json = {
        "statistics": record,
        "warnings": warnings,
        "plan": made.record(),
        "data": request.hashes(),
        "steps": made.steps,
    }
    this = Job(settings=settings, base=request.base, work=work, extra=extra)
    job.save(this)
    (work / _KEY).write_bytes(dumps({"key": request.key()}))
    return Prepared(job=this, statistics=record, warnings=warnings, plan=extra["plan"])


def prepare_together(request: Request, work: Path, on_bad: OnBad | None = None) -> Prepared:
    """Prepare; of the processes that torchrun started, which know each other by now, the first of a machine does it.

    Raises:
        RagcliError: as `prepare`.
    """
    if not ranks.inside():
        return prepare(request, work, on_bad)
    if ranks.local_rank() == 0:
        made = prepare(request, work, on_bad)
        ranks.barrier()
        return made
    ranks.barrier()
    found = earlier(request, work)
    assert found is not None
    return found


def is_prepared(work: Path) -> bool:
    """Whether a folder holds a run whose data are prepared."""
    return (work / _KEY).is_file()


def earlier(request: Request, work: Path) -> Prepared | None:
    """Return what an earlier run of the same request prepared.

    Raises:
        UsageError: the folder holds another run, which is under way.
    """
    try:
        kept = json.loads((work / _KEY).read_bytes())["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if kept != request.key():
        raise UsageError(
            f"{work.parent} holds a run with other data or settings that has not ended.",
            hint="Give the same ones to go on with it, another -o, or --overwrite to begin anew.",
        )
    this = job.load(work)
    free = {name: getattr(request.wish, name) for name in job.FREE if name in ("keep", "report_to")}
    this = replace(this, settings=replace(this.settings, **free, device=request.machine.kind))
    processes = request.wish.processes
    if processes != this.settings.processes:
        micro = max(1, this.settings.batch // (processes * this.settings.accumulation))
        while micro > 1 and this.settings.batch % (micro * processes):
            micro -= 1
        kind = request.wish.sharding if processes > 1 and request.wish.sharding != "auto" else "ddp"
        changed = replace(this.settings, processes=processes, micro_batch=micro, sharding=kind)
        this = replace(this, settings=changed)
    job.save(this)
    extra = this.extra
    return Prepared(job=this, statistics=extra["statistics"], warnings=extra["warnings"], plan=extra["plan"])


def _none(written: prepared.Written) -> str:
    if written.empty:
        return f"Nothing is left to learn from in {written.empty} rows, as in {written.empty_places[0]}."
    return "Look at what was said of its rows above." if written.rows == 0 else ""


def _encode(
    request: Request, recipe: Recipe, wish: Settings, work: Path, name: str, statistics: Any, on_bad: OnBad | None
) -> prepared.Written:
    from ragcli.finetuning.data.reading import read_rows

    is_training = name == prepared.TRAIN
    current: list[Row] = []

    def bad(error: InputError) -> None:
        if is_training:
            statistics.add_bad(error)
        if on_bad is None:
            raise error
        on_bad(error)

    rows = read_rows(
        request.sources if is_training else request.evaluation,
        wish.task,
        seed=wish.seed,
        on_bad=bad,
        on_left_out=statistics.add_left_out if is_training else None,
    )
    if request.first:
        rows = islice(rows, request.first)
    if request.mine is not None and is_training:
        rows = request.mine(row for row in rows if isinstance(row, PairRow))

    def watched() -> Iterator[Row]:
        for row in rows:
            current[:] = [row]
            if not is_training:
                statistics.add_evaluation(row)
            yield row

    def count(encoded: Json) -> None:
        if not is_training:
            return
        if encoded.get("empty"):
            statistics.add_empty(current[0])
        else:
            labels = encoded.get("labels")
            trained = None if labels is None else sum(label >= 0 for label in labels)
            statistics.add(current[0], encoded["length"], encoded.get("cut", 0), trained=trained)

    return prepared.write(recipe.encode(watched(), wish, request.base, bad), work, name, count)


def _plan(request: Request, wish: Settings, written: prepared.Written) -> Plan:
    from ragcli.errors import ModelError
    from ragcli.finetuning.recipes.language import tokenizer_of, window
    from ragcli.hardware.finding import shape

    try:
        model = shape(str(request.base.path)).architecture
    except ModelError:
        model = None
    if wish.task in LANGUAGE:
        most = window(request.base, tokenizer_of(request.base, wish))
    else:
        from ragcli.embedding.profile import profile

        most = profile(request.base).max_tokens
    data = Data(rows=written.rows, tokens=written.tokens, longest=written.longest)
    made = plan(wish, data, request.machine, model, most)
    from ragcli.finetuning import sharding

    each = [made.available] * max(1, len(request.machine.memory))
    kind = sharding.resolve(made.settings, model, each)
    if kind != made.settings.sharding:
        made = replace(made, settings=replace(made.settings, sharding=kind))
    return made


def _cut(made: Plan, work: Path, written: prepared.Written, record: Json, evaluates: bool) -> Json:
    """Cut and pack the rows as planned; return the statistics with what that lost."""
    from ragcli.finetuning.recipes import chat, preference

    settings = made.settings
    length = settings.length
    names = [prepared.TRAIN, *([prepared.EVALUATION] if evaluates else [])]
    cut = {"chat": chat.cut, "preference": preference.cut}.get(settings.task)
    if cut is not None and written.longest > length:
        for name in names:
            done = prepared.recut(work, name, lambda row: cut(row, length))
            if not done.rows:
                raise UsageError(
                    f"nothing is left to learn from in rows of {length} tokens.", hint="Give a larger --length."
                )
            if name == prepared.TRAIN:
                record = _recounted(record, length, done)
    else:
        record["cut"] = {**record["cut"], "length": length}
    if settings.packing:
        for name in names:
            sequences = prepared.pack(work, name, length, "bfd_split" if settings.task == "text" else "bfd")
            if name == prepared.TRAIN:
                record["sequences"] = sequences
    return record


def _lost(record: Json) -> list[str]:
    """Return what cutting lost, in a sentence."""
    cut, rows = record["cut"], record["rows"]
    if not cut["rows"]:
        return []
    gone = rows.get("empty_after_cut", 0)
    left_out = f"; {gone:,} of them have nothing left to learn and are left out" if gone else ""
    return [f"{cut['rows']:,} of {rows['kept']:,} rows are cut at {cut['length']:,} tokens{left_out}."]


def _recounted(record: Json, length: int, done: prepared.Written) -> Json:
    """Return the statistics with what was lost at the length that was chosen."""
    record["cut"] = {"length": length, "rows": done.cut_rows}
    record["tokens"] = {**record["tokens"], "cut": done.cut_tokens}
    if done.trained:
        record["tokens"]["trained"] = done.trained
    rows = record["rows"]
    record["rows"] = {**rows, "empty_after_cut": done.empty}
    return record
