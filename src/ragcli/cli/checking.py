"""``ragcli diagnose --check``: what is wrong with a table, look by look, and mending it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ragcli.cli.light import import_lance
from ragcli.cli.options import Device, Format, as_table
from ragcli.cli.streams import note, output, show_log
from ragcli.errors import GATE, OK

if TYPE_CHECKING:
    from ragcli.records import Check


def check_table(
    db: str, table: str, *, model: str | None, device: Device, sample: int, mend: bool, format_: Format | None
) -> int:
    """Look at a table, after mending it where that is wanted; return the exit code: 4 where a look says fail.

    Args:
        db: the database.
        table: its name.
        model: where the table's model is, if not under the name that the contract has.
        device: where the model runs.
        sample: how many chunks are embedded again.
        mend: mend first.
        format_: how stdout looks.
    """
    import_lance()
    from ragcli.diagnosing import check

    looks = check(db, table, model=model, device=device.value, sample=sample)
    show_log()
    if mend:
        _mend(db, table, model, device, sample)
        looks = check(db, table, model=model, device=device.value, sample=sample)
    failed: list[str] = []
    counted = _counted(looks, failed)
    with output() as out:
        if as_table(format_):
            from ragcli.cli.display_integrity import show

            show(counted, f"{db}/{table}")
        else:
            for look in counted:
                out.write(look)
    if failed:
        note(f"ragcli diagnose: {', '.join(failed)} failed.")
    return GATE if failed else OK


def _counted(looks: Iterable[Check], failed: list[str]) -> Iterator[Check]:
    for look in looks:
        if look.status == "fail":
            failed.append(look.name)
        yield look


def _mend(db: str, table: str, model: str | None, device: Device, sample: int) -> None:
    from ragcli.cli.progress import Progress
    from ragcli.diagnosing import mend

    with Progress("embedding") as progress:
        done = mend(db, table, model=model, device=device.value, sample=sample, progress=progress.advance)
    for what, count in done.items():
        if count:
            note(f"ragcli diagnose: {count} {what}")
    if not any(done.values()):
        note("ragcli diagnose: nothing to mend from the table alone.")
