"""``chat`` in a terminal: prompt_toolkit reads the questions, rich shows the answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from rich.text import Text

from ragcli.answering.run import Made
from ragcli.cli.chat_session import Session
from ragcli.cli.display import View
from ragcli.cli.display_answers import AnswerView
from ragcli.cli.run import complain
from ragcli.cli.streams import visible
from ragcli.errors import OK, RagcliError

_HELP = """\
/sources       the passages of the last answer, whole
/why           what was searched for, what was found, and why it was answered so
/model NAME    answer with another model; extractive is the one without
/k N           find N passages for each question
/save FILE     save the conversation
/load FILE     go on with a saved one
/clear         forget what was said
/help          this
/exit          end (or Ctrl-D)
Alt-Enter or Esc Enter begins a new line; Ctrl-C stops an answer; the arrow keys go through what was asked before."""
_HOW = {
    "alone": "it stands alone",
    "model": "the model made it stand alone",
    "terms": "it leans on the last question, whose words it was given",
}


def talk(session: Session, history: Path | None) -> int:
    """Read and answer until the end; return the exit code."""
    return _Terminal(session, history).run()


class _Terminal:
    def __init__(self, session: Session, history: Path | None) -> None:
        self._session = session
        self._console = View()
        self._view = AnswerView(streams=session.streams)
        session.show = lambda line: self._view.call(line)
        self._last: Made | None = None
        self._commands: dict[str, Callable[[str], None]] = {
            "/sources": self._sources,
            "/why": self._why,
            "/model": self._model,
            "/k": self._k,
            "/save": self._save,
            "/load": self._load,
            "/clear": self._clear,
            "/help": lambda _: self._say(_HELP),
        }
        self._prompt: PromptSession[str] = PromptSession(
            history=_history(history),
            multiline=True,
            key_bindings=_keys(),
            completer=WordCompleter([*self._commands, "/exit"], sentence=True),
            complete_while_typing=False,
            prompt_continuation="… ",
        )

    def run(self) -> int:
        model = self._session.conversation.answerer.name
        self._say(f"{self._session.table}, answered by {model}. /help shows the commands; Ctrl-D ends.")
        while True:
            try:
                said = self._prompt.prompt(HTML("<b>&gt; </b>")).strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return OK
            if said in ("/exit", "/quit"):
                return OK
            if said:
                try:
                    self._take(said)
                except KeyboardInterrupt:
                    self._view.stopped()
                except RagcliError as error:
                    complain(error.message, error.hint, ["chat"])

    def _take(self, said: str) -> None:
        if said.startswith("/"):
            name, _, rest = said.partition(" ")
            command = self._commands.get(name)
            if command is None:
                self._say(f"there is no command {name}; /help shows them")
            else:
                command(rest.strip())
            return
        self._view = AnswerView(streams=self._session.streams)
        self._last = self._session.conversation.ask(said, self._view.text)
        self._view.end(self._last)
        caution = self._last.answer.extra.get("caution")
        if caution:
            self._console.print(Text(f"  {visible(str(caution))}", style="yellow"), soft_wrap=True)

    def _sources(self, _: str) -> None:
        if self._last is None or not self._last.answer.citations:
            self._say("the last answer has no sources")
            return
        hits = {hit.id: hit for hit in self._last.reply.hits or self._last.asked.hits}
        for citation in self._last.answer.citations:
            hit = hits.get(citation.chunk_id)
            place = citation.source + (f":{citation.page}" if citation.page is not None else "")
            self._console.print(Text(f"[{citation.n}] {visible(place)}", style="bold"), soft_wrap=True)
            text = citation.quote if hit is None else hit.text
            self._console.print(Text("\n".join(f"    {visible(line)}" for line in text.split("\n"))), soft_wrap=True)

    def _why(self, _: str) -> None:
        turns = self._session.conversation.turns
        if not turns:
            self._say("nothing was asked yet")
            return
        turn = turns[-1]
        extra = turn.answer.extra
        self._say(f"asked:        {turn.question}")
        self._say(f"searched for: {turn.standalone}   ({_HOW[turn.how]})")
        if "support" in extra:
            refused = f"; refused below {extra['threshold']:.3f}" if "threshold" in extra else ""
            self._say(f"support:      {extra['support']:.3f}{refused}")
        if extra.get("refused_by") == "model":
            self._say(f"the model said: {extra.get('said', '')}")
        prompt = extra.get("prompt", {})
        if prompt:
            left_out = len(prompt.get("left_out", ()))
            tokens = f", {prompt['tokens']} tokens of {prompt['window']}" if "tokens" in prompt else ""
            self._say(f"prompt:       {prompt['contexts']} passages{tokens}; {left_out} left out")
        for hit in turn.hits:
            scores = "  ".join(f"{name} {value:.3f}" for name, value in hit["scores"].items())
            pages = f":{hit['pages'][0]}" if hit.get("pages") else ""
            self._say(f"  {hit['rank']:>2} {hit['source']}{pages}  {hit['score']:.3f}  ({scores})")

    def _model(self, name: str) -> None:
        if not name:
            self._say(f"answered by {self._session.conversation.answerer.name}; /model NAME takes another")
            return
        self._say(f"answered by {self._session.use_model(name)}")

    def _k(self, text: str) -> None:
        if text:
            self._session.use_k(text)
        self._say(f"{self._session.settings.k} passages for each question")

    def _save(self, path: str) -> None:
        where = self._session.save(path)
        self._say(f"saved to {where}: {len(self._session.conversation.turns)} answers")

    def _load(self, path: str) -> None:
        self._say(f"going on after {self._session.load(path)} answers")
        self._last = None

    def _clear(self, _: str) -> None:
        self._session.conversation.clear()
        self._last = None
        self._say("forgotten")

    def _say(self, text: str) -> None:
        shown = "\n".join(visible(line) for line in text.split("\n"))
        self._console.print(Text(shown, style="dim"), soft_wrap=True)


def _history(path: Path | None) -> History:
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:  # a home that cannot be written only costs the history
        return InMemoryHistory()
    return FileHistory(str(path))


def _keys() -> KeyBindings:
    """Enter sends; Alt-Enter (Esc Enter) begins a new line."""
    keys = KeyBindings()

    @keys.add("enter")  # type: ignore[untyped-decorator]
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")  # type: ignore[untyped-decorator]
    def line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
