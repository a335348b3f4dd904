"""``ragcli chat``: a conversation about a table's documents, in a terminal or, line by line, for a program."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.leaving import leaving_at_once
from ragcli.cli.modelling import (
    EXTRACTIVE,
    MAX_TOKENS,
    TIMEOUT,
    AdapterOption,
    EmbedModelOption,
    LlmOption,
    MaxTokensOption,
    Modelling,
    ModelOptionsOption,
    QuantizeOption,
    SeedOption,
    StopOption,
    SystemOption,
    TemperatureOption,
    TemplateOption,
    TimeoutOption,
    WindowOption,
)
from ragcli.cli.options import DEFAULT_DB, DbOption, Device, DeviceOption, SearchMode, TableOption
from ragcli.cli.query import ExpandOption, KOption, ModeOption, RerankOption, WhereOption
from ragcli.cli.searching import SearchSettings
from ragcli.cli.streams import is_terminal, note
from ragcli.cli.tooling import (
    MAX_STEPS,
    TOOL_TIMEOUT,
    AgentOption,
    AllowOption,
    McpOption,
    StepsOption,
    Tooling,
    ToolsOption,
    ToolTimeoutOption,
    YesOption,
)
from ragcli.errors import UsageError

if TYPE_CHECKING:
    from ragcli.chatting import Conversation


def chat(
    table: TableOption = None,
    db: DbOption = DEFAULT_DB,
    llm: LlmOption = EXTRACTIVE,
    mode: ModeOption = SearchMode.hybrid,
    k: KOption = 5,
    where: WhereOption = None,
    expand: ExpandOption = 0,
    rerank: RerankOption = None,
    embed_model: EmbedModelOption = None,
    device: DeviceOption = Device.auto,
    model_options: ModelOptionsOption = None,
    adapter: AdapterOption = None,
    quantize: QuantizeOption = None,
    window: WindowOption = None,
    timeout: TimeoutOption = TIMEOUT,
    temperature: TemperatureOption = 0.0,
    seed: SeedOption = None,
    max_tokens: MaxTokensOption = MAX_TOKENS,
    stop: StopOption = None,
    system: SystemOption = None,
    template: TemplateOption = None,
    persona: Annotated[
        str | None,
        typer.Option(
            "--persona",
            metavar="NAME",
            envvar="RAGCLI_PERSONA",
            help="Who the assistant is: service, medical, legal, or a file.",
        ),
    ] = None,
    verify: Annotated[
        int, typer.Option("--verify", metavar="N", help="Check each sentence of a model against the first N hits.")
    ] = 0,
    tools: ToolsOption = None,
    mcp: McpOption = None,
    agent: AgentOption = False,
    yes: YesOption = False,
    allow: AllowOption = None,
    tool_timeout: ToolTimeoutOption = TOOL_TIMEOUT,
    max_steps: StepsOption = MAX_STEPS,
    go_on: Annotated[
        bool, typer.Option("--continue", "-c", help="Go on with the last conversation about this table.")
    ] = False,
    conversation: Annotated[
        Path | None,
        typer.Option("--conversation", metavar="FILE", help="Keep the conversation in FILE; go on with what it has."),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Keep nothing on disk.")] = False,
    as_jsonl: Annotated[
        bool, typer.Option("--jsonl", help="A line in, a line out, for programs; so it is where there is no terminal.")
    ] = False,
) -> int:
    """Talk about the documents of a table.

    \b
    A question that follows on another is made to stand alone before it is searched for; /why shows how. In a
    terminal: /sources, /why, /model NAME, /k N, /save FILE, /load FILE, /clear, /help; Alt-Enter begins a new
    line, Ctrl-C stops an answer, Ctrl-D ends. Conversations are kept as JSON Lines.

    \b
    ragcli chat -t kb
    ragcli chat -t kb -m openai:qwen2.5 --persona service
    echo '{"question": "保修期多久？"}' | ragcli chat -t kb --jsonl
    """
    if table is None:
        raise UsageError("no table was named.", hint="Name it with -t, as in: ragcli chat -t kb")
    if private and (go_on or conversation is not None):
        raise UsageError("--private keeps nothing, and --continue and --conversation keep what is said.")
    if verify < 0:
        raise UsageError(f"--verify is {verify}; it must not be negative.")
    tooling = Tooling(tools=tools, mcp=mcp, yes=yes, allow=allow, timeout=tool_timeout, steps=max_steps, agent=agent)
    tooling.check()
    modelling = Modelling(
        llm=llm,
        options=model_options,
        adapter=adapter,
        quantize=quantize,
        device=device.value,
        window=window,
        timeout=timeout,
        temperature=temperature,
        seed=seed,
        max_tokens=max_tokens,
        stop=stop,
        system=system,
        template=template,
    )
    modelling.sampling()
    settings = SearchSettings(
        db=db,
        table=table,
        model=embed_model,
        device=device,
        mode=mode,
        k=k,
        where=where,
        expand=expand,
        rerank=rerank,
    )
    from ragcli.cli.chat_session import Session

    with ExitStack() as stack:
        with leaving_at_once():
            session = Session(settings, modelling, tooling, persona, verify, stack)
        if not private:
            _keep(session.conversation, table, go_on, conversation)
        if as_jsonl or not (is_terminal() and _stdin_is_terminal()):
            from ragcli.cli.chat_lines import talk_in_lines

            return talk_in_lines(session)
        from ragcli.cli.chat_terminal import talk

        return talk(session, _history(private))


def _stdin_is_terminal() -> bool:
    return os.isatty(0)


def folder() -> Path:
    """Return where conversations are kept: ``$XDG_STATE_HOME/ragcli/chats``."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(home, "ragcli", "chats")


def _history(private: bool) -> Path | None:
    return None if private else folder().parent / "chat_history"


def _keep(kept: Conversation, table: str, go_on: bool, given: Path | None) -> None:
    """Choose the file that a conversation is kept in, and read what it holds."""
    kept.new_file = lambda: _new(table)
    path = given
    if path is None and go_on:
        path = _last(table)
        if path is None:
            raise UsageError(f"no conversation about {table!r} was kept in {folder()}.", hint="Begin one without -c.")
    if path is not None:
        if path.exists():
            turns = kept.load(path)
            note(f"ragcli chat: going on with {path}, {turns} answers so far")
        kept.keep_in(path)
        return
    kept.keep_in_new(_new(table))


def _new(table: str) -> Path:
    """Return a file that no conversation is kept in."""
    stamp = f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid() % 1000:03}"
    path = folder() / f"{table}-{stamp}.jsonl"
    number = 1
    while path.exists():
        number += 1
        path = folder() / f"{table}-{stamp}-{number}.jsonl"
    return path


def _last(table: str) -> Path | None:
    """Return the conversation about a table that was gone on with last; other tables' names may begin alike."""
    form = re.compile(re.escape(table) + r"-\d{8}-\d{6}-\d{3}(?:-\d+)?\.jsonl")
    found = [path for path in folder().glob("*.jsonl") if form.fullmatch(path.name)]
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)
