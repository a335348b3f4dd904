"""Options of cutting documents, which ``split`` and the commands that split among other things share."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.options import json_object, modules_here
from ragcli.errors import UsageError

if TYPE_CHECKING:
    from ragcli.pipeline import Splitting
    from ragcli.splitting.parser import NodeParser


class Unit(str, Enum):
    """What a chunk's size is counted in."""

    chars = "chars"
    tokens = "tokens"


SizeOption = Annotated[
    int | None, typer.Option("--size", metavar="N", envvar="RAGCLI_SIZE", help="Most a chunk may hold.")
]
OverlapOption = Annotated[
    int | None,
    typer.Option("--overlap", metavar="N", envvar="RAGCLI_OVERLAP", help="Most a chunk of running text repeats."),
]
UnitOption = Annotated[
    Unit | None,
    typer.Option(
        "--unit", envvar="RAGCLI_UNIT", help="Count characters (the default), or tokens of the embedding model."
    ),
]
SplitterOption = Annotated[
    str | None, typer.Option("--splitter", metavar="MODULE:CLASS", help="A LlamaIndex node parser that cuts instead.")
]
SplitterOptionsOption = Annotated[
    str | None, typer.Option("--splitter-options", metavar="JSON", help="What the node parser is made with.")
]


def splitting(
    context: typer.Context,
    size: int | None,
    overlap: int | None,
    unit: Unit | None,
    model: str | None,
    splitter: str | None,
    splitter_options: str | None,
    own: Sequence[str],
) -> Splitting:
    """Return what the options say of how documents are cut.

    Args:
        context: of the command.
        size: the option.
        overlap: the option.
        unit: the option.
        model: the option.
        splitter: the option.
        splitter_options: the option.
        own: parameters that are for ragcli's own splitter only.

    Raises:
        UsageError: options do not go together, or there is no such node parser.
    """
    from ragcli.pipeline import Splitting

    parser = _parser(context, splitter, splitter_options, own)
    if parser is not None:
        return Splitting(parser=parser)
    return Splitting(size=size, overlap=overlap, unit=None if unit is None else unit.value, model=model)


def _parser(context: typer.Context, place: str | None, options: str | None, own: Sequence[str]) -> NodeParser | None:
    if place is None:
        if options is not None:
            raise UsageError("--splitter-options goes with --splitter.")
        return None
    for name in own:  # what the environment or a file says is for ragcli's own splitter
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"--{name} does not go with --splitter.",
                hint="""A node parser has options of its own: --splitter-options '{"chunk_size": 256}'.""",
            )
    given = json_object(options, "--splitter-options", """'{"chunk_size": 256, "chunk_overlap": 20}'""")
    from ragcli.splitting.parser import NodeParser

    modules_here()
    return NodeParser(place, given)
