"""The Typer application: the subcommands in the order in which they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from ragcli import __version__

_COMMANDS = {  # in the order of --help: the module of this package, and what is called
    "download": "download:download",
    "gpu-check": "gpu_check:gpu_check",
    "load": "load:load",
    "split": "split:split",
    "embed": "embed:embed",
    "index": "index:index",
    "run": "index:run_file",
    "query": "query:query",
    "ask": "ask:ask",
    "chat": "chat:chat",
    "eval": "eval:eval_",
    "diagnose": "diagnose:diagnose",
    "questions": "questions:questions",
    "finetune": "finetune:finetune",
    "table": "table:table",
    "completion": "completion:completion",
}
_HIDDEN = ("completion",)
_ABOUT = """Retrieval-augmented generation as Unix tools.

\b
ragcli load docs/ | ragcli split | ragcli embed -t kb     # offline: files to a table
ragcli index docs/ -t kb                                  # the same in one process
ragcli query -t kb "How long is the warranty?"            # online: what the documents say
ragcli ask -t kb "保修期多久？"                              # online: an answer with its source
"""


def app_of(name: str | None = None) -> typer.Typer:
    """Return the application; with the name of a subcommand only that one is in it, which takes .1 s less to make.

    Args:
        name: what stands first on the command line. All subcommands are there where it is none of them.
    """
    app = typer.Typer(
        name="ragcli",
        help=_ABOUT,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for command in [name] if name in _COMMANDS else _COMMANDS:
        module, _, attribute = _COMMANDS[str(command)].partition(":")
        made = getattr(import_module(f"ragcli.cli.{module}"), attribute)
        if isinstance(made, typer.Typer):
            app.add_typer(made, name=command)
        else:
            app.command(command, hidden=command in _HIDDEN)(made)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ragcli {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass
