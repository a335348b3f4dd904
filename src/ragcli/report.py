"""Loss accounting: what came in, what went out, and every loss between, so that the counts add up.

A stage is handed a `Report` and tells it each item it read, wrote, skipped or failed on. The command line
prints each failure as it happens and writes the whole with ``--report FILE``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ragcli.errors import RagcliError
from ragcli.jsonl import dumps

OnLoss = Callable[[dict[str, Any]], None]


class Report:
    """Counts of one stage, and its losses one by one.

    Args:
        stage: the name of the subcommand.
        on_loss: called with each loss as it happens: {kind, source, reason, …}; ``kind`` is ``failed``
            (it is missing from the output and should be there), ``partial`` (a part of it is), ``warning``
            (something may be) or ``skipped`` (left out by rule).
        keep: keep the losses one by one; without it a stream of any length is counted in constant memory.

    The kinds of counts are the stage's own (``files_seen``, ``files_loaded``, ``chunks_in``, …); the losses
    are kept in order, each with its kind, source and reason.
    """

    def __init__(self, stage: str, on_loss: OnLoss | None = None, *, keep: bool = True) -> None:
        self.stage = stage
        self.counts: Counter[str] = Counter()
        self.losses: list[dict[str, Any]] = []
        self.failed = False  # whether anything is missing from the output that should be there
        self._on_loss = on_loss
        self._keep = keep

    def count(self, name: str, n: int = 1) -> None:
        """Add to a count."""
        self.counts[name] += n

    def lose(self, kind: str, source: str, reason: str, **where: Any) -> None:
        """Record one loss; ``where`` may name a page, a line or a number of tokens."""
        self.failed = self.failed or kind in ("failed", "partial")
        loss = {"kind": kind, "source": source, "reason": reason, **where}
        if self._keep:
            self.losses.append(loss)
        if self._on_loss is not None:
            self._on_loss(loss)

    def beat(self) -> None:
        """Say that part of an item is done, to whoever watches the time that an item takes: here, nobody."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "type": "report",
            "stage": self.stage,
            "counts": dict(sorted(self.counts.items())),
            "losses": self.losses,
        }

    def write(self, path: Path) -> None:
        """Write the report as JSON, to a temporary name first.

        Raises:
            RagcliError: the file cannot be written.
        """
        write_report(path, self.to_dict())


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write a report as JSON, to a temporary name first.

    Raises:
        RagcliError: the file cannot be written.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(dumps(report) + b"\n")
        temporary.replace(path)
    except OSError as error:
        raise RagcliError(f"cannot write the report {path}: {error.strerror}.") from error
