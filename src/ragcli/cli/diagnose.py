"""``ragcli diagnose``: why answers are bad."""

from __future__ import annotations

from typing import Annotated

import typer

from ragcli.cli.options import (
    DEFAULT_DB,
    DbOption,
    Device,
    DeviceOption,
    FormatOption,
    ModelOption,
    TableOption,
)
from ragcli.errors import UsageError


def diagnose(
    table: TableOption = None,
    db: DbOption = DEFAULT_DB,
    check: Annotated[bool, typer.Option("--check", help="Look at the table itself; exit code 4 on a fault.")] = False,
    mend: Annotated[
        bool, typer.Option("--mend", help="With --check: first mend what can be mended from the table alone.")
    ] = False,
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", help="With --check: chunks embedded again to compare; 0: none.")
    ] = 16,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    format_: FormatOption = None,
) -> int:
    """Say what is wrong with a table.

    \b
    --check reads the table whole: its contract, vectors, rows, documents, files, model and index. Each look is pass,
    warn or fail, with the command that mends it; a fail is exit code 4. --mend makes bad vectors and indexes again,
    removes doubled rows, and then looks.

    \b
    ragcli diagnose -t kb --check
    ragcli diagnose -t kb --check --mend
    """
    if table is None:
        raise UsageError("no table was named.", hint="Name it with -t, as in: ragcli diagnose -t kb --check")
    if not check:
        raise UsageError("nothing to do was named.", hint="ragcli diagnose -t kb --check looks at the table.")
    from ragcli.cli.checking import check_table

    return check_table(db, table, model=model, device=device, sample=sample, mend=mend, format_=format_)
