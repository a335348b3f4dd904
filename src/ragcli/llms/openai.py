"""Any endpoint that speaks OpenAI's protocol (``openai:NAME``), through the official client.

OPENAI_BASE_URL and OPENAI_API_KEY say where and as whom: vLLM, llama-server, Ollama, DashScope, DeepSeek and the rest.
The client asks again on 408, 409, 429 and 5xx, with growing waits and as long as ``Retry-After`` says. What servers do
differently (``max_completion_tokens``, no ``stream_options``, no ``seed``) is learnt from their first refusal.
"""

from __future__ import annotations

import os
import re
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ragcli.errors import ModelError, RagcliError, RefusedError, ServiceError
from ragcli.llms import estimate
from ragcli.llms.protocols import Call, Completion, ContextError, CutError, Finish, Message, Options, Sampling
from ragcli.records import Json

URL = "https://api.openai.com/v1"
PARALLEL = 8
TIMEOUT = 600.0  # seconds, of a whole answer
_SILENCE = 120.0  # seconds without a byte
_CONNECT = 10.0
_TRIES = 5

# A server that goes on beyond the tokens it was asked for: a piece is a token or more, so that these are too many.
_OVER = 64

_TOO_LONG = re.compile(
    r"context.{0,20}(?:length|size|window)|exceed_context|maximum.{0,20}(?:tokens|length)|too many tokens|上下文|"
    r"range of input length|prompt is too long|max_model_len",
    re.IGNORECASE,
)
_WINDOW = re.compile(
    r"(?:context (?:length|size|window)|max_model_len|maximum[^\d.]{0,40}|n_ctx\W{0,4}|be \[1,)"
    r"[^\d]{0,24}(\d[\d,]{2,})",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(r"['\"`]?(max_tokens|temperature|seed|stop|stream_options)['\"`]?", re.IGNORECASE)


class OpenAILLM:
    """A model behind an endpoint.

    Args:
        name: the model's name there.
        window: tokens of prompt and answer together, where the user knows.
        timeout: seconds that a whole answer may take.
        options: further fields of the request, as ``{"top_p": .9}``.

    Raises:
        ModelError: no key is given and the endpoint is OpenAI's own.
    """

    def __init__(
        self, name: str, *, window: int | None = None, timeout: float = TIMEOUT, options: Options | None = None
    ) -> None:
        self.model = name
        self.url = (os.environ.get("OPENAI_BASE_URL") or URL).rstrip("/")
        key = os.environ.get("OPENAI_API_KEY", "")
        if not key and self.url == URL:
            raise ModelError(
                f"openai:{name} needs a key.", hint="Set OPENAI_API_KEY, or OPENAI_BASE_URL for another endpoint."
            )
        self._key = key or "none"
        self._window = window
        self._timeout = timeout
        self._options = dict(options or {})
        self._unsupported: set[str] = set()
        self._client: Any = None

    @property
    def name(self) -> str:
        """The model's name, as the answer record shows it."""
        return f"openai:{self.model}"

    @property
    def window(self) -> int | None:
        """Tokens of prompt and answer together, as the user said or a refusal told."""
        return self._window

    @property
    def parallel(self) -> int:
        """How many answers at once."""
        return PARALLEL

    @property
    def special(self) -> Sequence[str]:
        """Not known of an endpoint."""
        return ()

    def count(self, messages: Sequence[Message], tools: Sequence[Json] = ()) -> int:
        """Return about how many tokens a prompt has, rather too many."""
        return estimate.most(messages, tools)

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json] = ()
    ) -> Generator[str, None, Completion]:
        """Yield the answer in pieces; see `ragcli.llms.LLM`."""
        began = time.monotonic()
        with self._errors():
            chunks = self._open(messages, sampling, tools)
        reader = _Reader(sampling.max_tokens)
        try:
            while True:
                with self._errors(reading=True):
                    chunk = next(chunks, None)
                if chunk is None:
                    break
                piece = reader.take(chunk)
                if piece:
                    yield piece
                if reader.too_many:
                    break
                if time.monotonic() - began > self._timeout:
                    raise ServiceError(
                        f"{self.url}: the answer of {self.model} did not end within {self._timeout:g} seconds.",
                        hint="Allow more with --timeout, or fewer tokens with --max-tokens.",
                    )
        finally:
            with suppress(Exception):  # whatever closing a broken connection raises, the answer is over
                chunks.close()
        return reader.end(self)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _open(self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json]) -> Any:
        """Send the request; leave out what the server says it does not know."""
        import openai

        if self._client is None:
            self._knock()
            self._client = openai.OpenAI(
                base_url=self.url,
                api_key=self._key,
                max_retries=_TRIES,
                timeout=openai.Timeout(min(_SILENCE, self._timeout), connect=_CONNECT),
            )
        while True:
            body = self._body(messages, sampling, tools)
            try:
                return self._client.chat.completions.create(extra_body=self._options or None, **body)
            except openai.BadRequestError as error:
                said = str(error)
                named = next((m[1].lower() for m in _UNSUPPORTED.finditer(said) if m[1].lower() in body), None)
                if named is None or named in self._unsupported or _TOO_LONG.search(said):
                    raise
                self._unsupported.add(named)

    def _knock(self) -> None:
        """See that somebody is there, where no proxy is between: the client would try for a quarter of a minute.

        Raises:
            RefusedError: nobody listens there.
        """
        parts = urllib.parse.urlsplit(self.url)
        host = parts.hostname or ""
        if urllib.request.getproxies().get(parts.scheme) and not urllib.request.proxy_bypass(host):
            return
        try:
            port = parts.port or {"http": 80}.get(parts.scheme, 443)
            socket.create_connection((host, port), timeout=_CONNECT).close()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RefusedError(
                f"{self.url}: cannot be reached: {reason}.", hint="Check OPENAI_BASE_URL, and that the server runs."
            ) from error

    def _body(self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json]) -> Json:
        body: Json = {
            "model": self.model,
            "messages": list(messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
        }
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if tools:
            body["tools"] = list(tools)
        if "max_tokens" in self._unsupported:
            body["max_completion_tokens"] = sampling.max_tokens
        return {key: value for key, value in body.items() if key not in self._unsupported}

    @contextmanager
    def _errors(self, *, reading: bool = False) -> Iterator[None]:
        """Turn what the client raises into the project's errors; ``reading``: the answer has begun."""
        import openai

        try:
            yield
        except RagcliError:
            raise
        except openai.APITimeoutError as error:
            raise ServiceError(
                f"{self.url}: no answer within the time limit.", hint="Is the server running? --timeout allows more."
            ) from error
        except openai.APIConnectionError as error:
            reason = str(error.__cause__ or error).rstrip(".")
            if reading:
                raise CutError(f"{self.url}: the stream was cut: {reason}.") from error
            raise ServiceError(
                f"{self.url}: cannot be reached: {reason}.", hint="Check OPENAI_BASE_URL, and that the server runs."
            ) from error
        except openai.APIStatusError as error:
            raise self._refused(error) from error
        except openai.APIError as error:
            raise CutError(f"{self.url}: the answer broke off: {error.message}") from error
        except ValueError as error:
            raise CutError(f"{self.url}: the stream holds what is no JSON: {error}.") from error

    def _refused(self, error: Any) -> RagcliError:
        said = _words(error)
        status = error.status_code
        if status in (400, 413, 422) and _TOO_LONG.search(f"{said} {error}"):
            found = _WINDOW.search(said)
            window = int(found[1].replace(",", "")) if found else self._asked_window()
            self._window = window or self._window
            return ContextError(f"{self.url}: {said}", window=self._window)
        hint = "Check OPENAI_BASE_URL, OPENAI_API_KEY and the model's name."
        if status == 404 and not self.url.endswith(("/v1", "/v1beta/openai", "/v4")):
            hint = f"Most servers have the protocol under /v1: try OPENAI_BASE_URL={self.url}/v1."
        elif status == 404:
            names = self._names()
            hint = f"It has: {', '.join(names)}." if names else hint
        elif status in (401, 403):
            hint = "Check OPENAI_API_KEY."
        elif status == 429 or status >= 500:
            hint = "Ask again later; --concurrency 1 asks more gently, and --resume goes on where this ended."
        kind = RefusedError if status in (401, 403, 404) else ServiceError
        return kind(f"{self.url}: status {status}: {said}", hint=hint)

    def _listing(self) -> list[Json]:
        try:
            return [one.model_dump() for one in self._client.with_options(max_retries=0, timeout=5).models.list()][:50]
        except Exception:  # noqa: BLE001 - only to word a hint: whatever happens, the first error is the one to tell
            return []

    def _names(self) -> list[str]:
        return [str(one.get("id")) for one in self._listing()][:12]

    def _asked_window(self) -> int | None:
        listing = self._listing()
        for one in listing:
            if one.get("id") == self.model or len(listing) == 1:
                meta = one.get("meta") or {}
                for value in (one.get("max_model_len"), one.get("context_length"), meta.get("n_ctx")):
                    if isinstance(value, int) and value > 0:
                        return value
        return None


class _Reader:
    """Puts the chunks of a stream together."""

    def __init__(self, most: int) -> None:
        self._most = most + most // 2 + _OVER
        self._pieces: list[str] = []
        self._calls: dict[int, Call] = {}
        self._places: dict[int, int] = {}  # of a server's index, the call that it stands for now
        self._ids: dict[int, str] = {}  # that the server gave
        self._finish: str | None = None
        self._usage: Json = {}

    @property
    def too_many(self) -> bool:
        """Whether the server goes on beyond what it was asked for."""
        return len(self._pieces) > self._most

    def take(self, chunk: Any) -> str:
        """Return the text of a chunk."""
        if chunk.usage is not None:
            self._usage = {
                "prompt_tokens": chunk.usage.prompt_tokens,
                "completion_tokens": chunk.usage.completion_tokens,
            }
        for choice in chunk.choices or ():
            if choice.finish_reason:
                self._finish = choice.finish_reason
            delta = choice.delta
            for call in (delta.tool_calls if delta else None) or ():
                self._take_call(call)
            if delta and delta.content:
                self._pieces.append(delta.content)
                return str(delta.content)
        return ""

    def _take_call(self, part: Any) -> None:
        """Add a part of a call; some servers give every call the index 0, and each an id of its own."""
        index = part.index if part.index is not None else len(self._calls)
        at = self._places.get(index, index)
        known = self._calls.get(at)
        if known is not None and part.id and self._ids.get(at) not in (None, part.id):
            known, at = None, max(self._calls) + 1
        self._places[index] = at
        if known is None:
            known = {"id": f"call_{at}", "type": "function", "function": {"name": "", "arguments": ""}}
            self._calls[at] = known
        if part.id:
            known["id"] = self._ids[at] = part.id
        if part.function is not None:
            name = part.function.name or ""
            if name != known["function"]["name"]:  # some repeat it with every part
                known["function"]["name"] += name
            known["function"]["arguments"] += part.function.arguments or ""

    def end(self, llm: OpenAILLM) -> Completion:
        """Return the whole answer.

        Raises:
            CutError: the server did not say that it was at its end.
            ModelError: a filter ended it.
        """
        if self._finish is None and not self.too_many:
            raise CutError(
                f"{llm.url}: the stream of {llm.model} was cut after {len(self._pieces)} pieces.",
                hint="Ask again; --resume goes on where this ended.",
            )
        if self._finish == "content_filter":
            raise ModelError(f"{llm.url}: the endpoint's content filter ended the answer of {llm.model}.")
        calls = tuple(call for _, call in sorted(self._calls.items()) if call["function"]["name"])
        finish: Finish = "tool_calls" if calls else "stop" if self._finish in ("stop", "eos", "end_turn") else "length"
        if not calls and self._finish in ("tool_calls", "function_call"):
            finish = "stop"
        return Completion(text="".join(self._pieces), finish=finish, usage=self._usage, tool_calls=calls)


def _words(error: Any) -> str:
    """Return what a server says is wrong, on one line."""
    body = error.body
    said = body.get("message") if isinstance(body, dict) else None
    if not said:
        said = error.response.text
    return " ".join(str(said).split())[:500] or "no reason given"
