"""What ``ask`` and ``chat`` share: the language model, its prompt and how it writes, as options of a shell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragcli.cli.light import import_openai
from ragcli.errors import UsageError
from ragcli.jsonl import loads

if TYPE_CHECKING:
    from ragcli.answering import Answerer, Template
    from ragcli.answering.terms import Language
    from ragcli.cli.tooling import Tooling
    from ragcli.llms import Sampling
    from ragcli.llms.opening import Wish
    from ragcli.records import Hit
    from ragcli.tools import Tool

EXTRACTIVE = "extractive"
MAX_TOKENS = 512
TIMEOUT = 600.0


class Quantize(str, Enum):
    """What weights are loaded as, beyond their own form."""

    int8 = "int8"
    int4 = "int4"


LlmOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        "--llm",
        metavar="MODEL",
        envvar="RAGCLI_LLM",
        help="Who answers: openai:NAME, a GGUF file, a folder or owner/name, llamaindex:package.Class; extractive"
        " quotes sentences.",
    ),
]
EmbedModelOption = Annotated[
    str | None,
    typer.Option(
        "--embed-model", metavar="MODEL", envvar="RAGCLI_MODEL", help="Embedding model; the table's own by default."
    ),
]
ModelOptionsOption = Annotated[
    str | None,
    typer.Option(
        "--model-options",
        metavar="JSON",
        envvar="RAGCLI_MODEL_OPTIONS",
        help="The model's own options: fields of the request, arguments of the class, …",
    ),
]
AdapterOption = Annotated[
    Path | None, typer.Option("--adapter", metavar="DIR", help="A LoRA that ragcli finetune made, on the model.")
]
QuantizeOption = Annotated[Quantize | None, typer.Option("--quantize", help="Load the weights smaller.")]
WindowOption = Annotated[
    int | None,
    typer.Option(
        "--window",
        metavar="TOKENS",
        envvar="RAGCLI_WINDOW",
        help="Tokens of prompt and answer; the model's by default.",
    ),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", envvar="RAGCLI_TIMEOUT", help="Of one answer of an endpoint.")
]
TemperatureOption = Annotated[
    float, typer.Option("--temperature", metavar="T", help="0 takes the likeliest words; more varies.")
]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="Of the sampling.")]
MaxTokensOption = Annotated[
    int, typer.Option("--max-tokens", metavar="N", envvar="RAGCLI_MAX_TOKENS", help="The most tokens of an answer.")
]
StopOption = Annotated[list[str] | None, typer.Option("--stop", metavar="TEXT", help="Ends an answer; repeatable.")]
SystemOption = Annotated[
    str | None, typer.Option("--system", metavar="TEXT", help="Stands before the rules; @FILE reads a file.")
]
TemplateOption = Annotated[
    Path | None,
    typer.Option("--template", metavar="FILE", envvar="RAGCLI_TEMPLATE", help="The prompt, as a Jinja file."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Modelling:
    """The flags of a model."""

    llm: str = EXTRACTIVE
    options: str | None = None
    adapter: Path | None = None
    quantize: Quantize | None = None
    device: str = "auto"
    window: int | None = None
    timeout: float = TIMEOUT
    concurrency: int | None = None
    temperature: float = 0.0
    seed: int | None = None
    max_tokens: int = MAX_TOKENS
    stop: list[str] | None = None
    system: str | None = None
    template: Path | None = None

    def template_of(self, persona: Mapping[Language, str] | None = None) -> Template:
        """Return the prompt's template.

        Args:
            persona: stands before the rules, in both languages.

        Raises:
            UsageError: a file cannot be read.
        """
        from ragcli.answering import Template

        system = text_or_file(self.system, "--system")
        systems = {lang: "\n\n".join(filter(None, (text, system))) for lang, text in (persona or {}).items()}
        return Template(path=self.template, system=systems or system)

    def sampling(self) -> Sampling:
        """Return how the model writes.

        Raises:
            UsageError: a number is out of range.
        """
        from ragcli.llms import Sampling

        if not 0 <= self.temperature < math.inf:
            raise UsageError(f"the temperature is {self.temperature:g}; it must not be negative.")
        if self.max_tokens < 1:
            raise UsageError(f"--max-tokens is {self.max_tokens}; it must be at least 1.")
        return Sampling(
            temperature=self.temperature,
            seed=self.seed,
            max_tokens=self.max_tokens,
            stop=tuple(text for text in self.stop or () if text),
        )

    def wish(self) -> Wish:
        """Return how the model is opened.

        Raises:
            UsageError: a number is out of range, or the options are no JSON object.
        """
        from ragcli.llms.opening import Wish

        if self.window is not None and self.window < 16:
            raise UsageError(f"--window is {self.window}; a prompt needs more tokens.")
        if not 0 < self.timeout < math.inf:
            raise UsageError(f"--timeout is {self.timeout:g}; it must be above 0.")
        if self.concurrency is not None and self.concurrency < 1:
            raise UsageError(f"--concurrency is {self.concurrency}; it must be at least 1.")
        return Wish(
            window=self.window,
            concurrency=self.concurrency,
            timeout=self.timeout,
            device=self.device,
            quantize=None if self.quantize is None else self.quantize.value,
            adapter=self.adapter,
            options=_json(self.options),
        )

    def answerer(
        self,
        persona: Mapping[Language, str] | None = None,
        *,
        verified: int = 0,
        tooling: Tooling | None = None,
        tools: Sequence[Tool] = (),
        search: Callable[[str], Sequence[Hit]] | None = None,
        show: Callable[[str], None] | None = None,
    ) -> Answerer:
        """Return who answers.

        Args:
            persona: stands before the rules.
            verified: hits against which every sentence is checked.
            tooling: the flags of tools, where any are wanted.
            tools: what the model may call.
            search: finds more hits for the model.
            show: takes a line about a call, for people.

        Raises:
            UsageError: tools are for language models, and there is none.
            RagcliError: there is no such model, or it cannot be opened.
        """
        from ragcli.answering import open_answerer
        from ragcli.cli.streams import show_log

        if not self.llm.strip():
            raise UsageError("-m names no model.", hint="Leave it out for the extractive answerer.")
        if self.llm == EXTRACTIVE:
            self.refuse_model_flags()
            if tooling is not None and tooling.wanted:
                raise UsageError("tools are for language models.", hint="Name one with -m, as in -m openai:qwen2.5.")
            return open_answerer(EXTRACTIVE, template=self.template_of(persona))
        show_log()
        if self.llm.startswith("openai:"):
            import_openai()
        if tooling is None or not tooling.wanted:
            return open_answerer(
                self.llm,
                template=self.template_of(persona),
                sampling=self.sampling(),
                verified=verified,
                wish=self.wish(),
            )
        from ragcli.answering.agent import AgentAnswerer
        from ragcli.llms import open_llm

        return AgentAnswerer(
            open_llm(self.llm, self.wish()),
            tools,
            tooling.watcher(tools, show),
            search=search,
            template=self.template_of(persona),
            sampling=self.sampling(),
            verified=verified,
            timeout=tooling.timeout,
            steps=tooling.steps,
        )

    def refuse_model_flags(self) -> None:
        """See that nothing is asked of a model where there is none.

        Raises:
            UsageError: a flag is for language models.
        """
        given: dict[str, Any] = {"--adapter": self.adapter, "--quantize": self.quantize}
        given |= {"--model-options": self.options, "--window": self.window}
        for flag, value in given.items():
            if value is not None:
                raise UsageError(f"{flag} is for language models.", hint="Name one with -m, as in -m openai:qwen2.5.")
        self.wish()  # a number out of range


def close_model(answerer: Answerer) -> None:
    """Have the model of an answerer give back its memory, ports and connections; the extractive one has none."""
    close = getattr(getattr(answerer, "llm", None), "close", None)
    if close is not None:
        close()


def text_or_file(given: str | None, option: str) -> str:
    """Return a text given as such, or as ``@FILE``."""
    if given is None or not given.startswith("@"):
        return given or ""
    try:
        return Path(given[1:]).expanduser().read_text("utf-8-sig").strip()
    except OSError as error:
        raise UsageError(f"{option} {given}: the file cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{option} {given}: the file is not UTF-8 (byte {error.start + 1}).") from error


def _json(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = loads(text.encode())
    except ValueError as error:
        raise UsageError(
            f"--model-options is no JSON: {error}.", hint="Write an object, as in '{\"top_p\": 0.9}'."
        ) from error
    if not isinstance(value, dict):
        raise UsageError("--model-options is no JSON object.", hint="Write an object, as in '{\"top_p\": 0.9}'.")
    return value
