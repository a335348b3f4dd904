"""The Typer application: the subcommands in the order in which they are used."""

from __future__ import annotations

from typing import Annotated

import typer

from ragcli import __version__
from ragcli.cli import (
    ask,
    chat,
    completion,
    diagnose,
    download,
    embed,
    eval,
    finetune,
    gpu_check,
    index,
    load,
    query,
    questions,
    split,
)

app = typer.Typer(
    name="ragcli",
    help="""Retrieval-augmented generation as Unix tools.

    \b
    ragcli load docs/ | ragcli split | ragcli embed -t kb     # offline: files to a table
    ragcli index docs/ -t kb                                  # the same in one process, and faster
    ragcli query -t kb "How long is the warranty?"            # online: what the documents say
    ragcli ask -t kb "保修期多久？"                              # online: an answer with its source
    """,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ragcli {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


app.command("download")(download.download)
app.command("gpu-check")(gpu_check.gpu_check)
app.command("load")(load.load)
app.command("split")(split.split)
app.command("embed")(embed.embed)
app.command("index")(index.index)
app.command("run")(index.run_file)
app.command("query")(query.query)
app.command("ask")(ask.ask)
app.command("chat")(chat.chat)
app.command("eval")(eval.eval_)
app.command("diagnose")(diagnose.diagnose)
app.command("questions")(questions.questions)
app.command("finetune")(finetune.finetune)
app.command("completion", hidden=True)(completion.completion)
