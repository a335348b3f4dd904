"""Any endpoint that speaks OpenAI's protocol (``openai:NAME``), through the official client.

OPENAI_BASE_URL and OPENAI_API_KEY say where and as whom: vLLM, llama-server, Ollama, DashScope, DeepSeek and the rest.
It is asked again on 408, 409, 429 and 5xx and where it cannot be reached, with growing waits and as long as
``Retry-After`` says, all within the time of the answer. What servers do differently (``max_completion_tokens``, no
``stream_options``, no ``seed``) is learnt from their first refusal.
"""

from __future__ import annotations

import logging
import random
import re
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ragcli.endpoint import read_address
from ragcli.errors import RagcliError, RefusedError, RequestError, ServiceError
from ragcli.llms import estimate
from ragcli.llms.openai_stream import Reader
from ragcli.llms.protocols import Completion, ContextError, CutError, Message, Options, Sampling
from ragcli.models.hubs.names import retry_after
from ragcli.records import Json

PARALLEL = 8
TIMEOUT = 600.0  # seconds, of a whole answer
_SILENCE = 120.0  # seconds without a byte
_CONNECT = 10.0
_TRIES = 6
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds between tries; doubled at each
_END = object()

_log = logging.getLogger("ragcli")

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
_PARAMETER = re.compile(r"\b(max_tokens|temperature|seed|stop|stream_options)\b", re.IGNORECASE)
_UNKNOWN = re.compile(
    r"unsupported|unrecogni[sz]ed|unknown|unexpected|not (?:supported|permitted|allowed|valid)|does not support"
    r"|invalid (?:parameter|argument|field)|extra (?:fields|inputs)|不支持",
    re.IGNORECASE,
)


class OpenAILLM:
    """A model behind an endpoint.

    Args:
        name: the model's name there.
        window: tokens of prompt and answer together, where the user knows.
        timeout: seconds that a whole answer may take.
        options: further fields of the request, as ``{"top_p": .9}``.

    Raises:
        UsageError: the address or the key cannot be one.
        ModelError: no key is given and the endpoint is OpenAI's own.
    """

    def __init__(
        self, name: str, *, window: int | None = None, timeout: float = TIMEOUT, options: Options | None = None
    ) -> None:
        self.model = name
        self._address = read_address(name)
        self.url = self._address.shown
        self._window = window
        self._timeout = timeout
        self._options = dict(options or {})
        self._unsupported: set[str] = set()
        self._knocked = False
        self._opening = threading.Lock()
        import openai  # here, where the search goes on beside it: it takes half a second

        address = self._address
        self._client: Any = openai.OpenAI(base_url=address.url, api_key=address.key, max_retries=0)

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
        ends = time.monotonic() + self._timeout
        chunks = self._asked(messages, sampling, tools, ends)
        reader = Reader(self.url, self.model, sampling.max_tokens)
        late = threading.Event()
        # Reading waits for a whole chunk: a server that sends comments alone would never come back.
        watch = threading.Timer(max(ends - time.monotonic(), 0.01), _hang_up, (chunks.response, late))
        watch.daemon = True
        watch.start()
        try:
            if "json" in chunks.response.headers.get("content-type", "").lower():
                with self._errors(late, reading=True):
                    piece = reader.whole(self._body_of(chunks.response))
                if piece:
                    yield piece
                return reader.end()
            while not reader.too_many:
                with self._errors(late, reading=True):
                    chunk = next(chunks, _END)
                if chunk is _END:
                    break
                piece = reader.take(chunk)
                if piece:
                    yield piece
                if late.is_set():
                    raise self._late()
        finally:
            watch.cancel()
            with suppress(Exception):  # whatever closing a broken connection raises, the answer is over
                chunks.close()
        if late.is_set():
            raise self._late()
        return reader.end()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _body_of(self, response: Any) -> Any:
        response.read()
        return response.json()

    def _late(self) -> ServiceError:
        return ServiceError(
            f"{self.url}: the answer of {self.model} did not end within {self._timeout:g} seconds.",
            hint="Allow more with --timeout, or fewer tokens with --max-tokens.",
        )

    def _asked(self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json], ends: float) -> Any:
        """Send the request, again where that may help, until the time of the answer is over."""
        self._open()
        for attempt in range(1, _TRIES + 1):
            wait = min(_FIRST_WAIT * 2 ** (attempt - 1), _LONGEST_WAIT) * (0.75 + random.random() / 4)
            try:
                with self._errors(None):
                    return self._sent(messages, sampling, tools, ends)
            except _AgainError as error:
                after = error.after if error.after is not None else wait
                if attempt == _TRIES or time.monotonic() + after >= ends:
                    raise error.error from error
                time.sleep(after)
        raise RuntimeError("unreachable")

    def _open(self) -> None:
        with self._opening:
            if not self._knocked:
                self._knock()
                self._knocked = True

    def _sent(self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json], ends: float) -> Any:
        """Send the request; leave out what the server says it does not know."""
        import openai

        while True:
            left = max(ends - time.monotonic(), 0.01)
            client = self._client.with_options(timeout=openai.Timeout(min(_SILENCE, left), connect=min(_CONNECT, left)))
            body = self._body(messages, sampling, tools)
            try:
                return client.chat.completions.create(extra_body=self._options or None, **body)
            except openai.BadRequestError as error:
                named = self._not_known(error, body)
                if named is None:
                    raise
                if named not in self._unsupported:
                    self._unsupported.add(named)
                    if named in ("stop", "seed", "temperature"):
                        _log.info("%s does not know %s, which is left out from now on", self.url, named)

    def _not_known(self, error: Any, body: Json) -> str | None:
        """Return the parameter of the request that a server says it does not know."""
        said = str(error)
        if _TOO_LONG.search(said):
            return None
        told = error.body.get("param") if isinstance(error.body, dict) else None
        if isinstance(told, str) and told in body and _PARAMETER.fullmatch(told):
            return told
        if not _UNKNOWN.search(said):
            return None
        return next((m[1].lower() for m in _PARAMETER.finditer(said) if m[1].lower() in body), None)

    def _knock(self) -> None:
        """See that somebody is there, where no proxy is between: the client would try for a quarter of a minute.

        Raises:
            RefusedError: nobody listens there.
        """
        parts = urllib.parse.urlsplit(self._address.url)
        host = parts.hostname or ""
        proxies = urllib.request.getproxies()
        if (proxies.get(parts.scheme) or proxies.get("all")) and not urllib.request.proxy_bypass(host):
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
        unsupported = set(self._unsupported)
        if "max_tokens" in unsupported:
            body["max_completion_tokens"] = sampling.max_tokens
        return {key: value for key, value in body.items() if key not in unsupported}

    @contextmanager
    def _errors(self, late: threading.Event | None, *, reading: bool = False) -> Iterator[None]:
        """Turn what the client raises into the project's errors; ``reading``: the answer has begun."""
        import httpx
        import openai

        try:
            yield
        except RagcliError:
            raise
        except openai.APITimeoutError as error:
            if reading:
                raise CutError(f"{self.url}: the stream was cut: nothing came for {_SILENCE:g} seconds.") from error
            raise _AgainError(
                ServiceError(
                    f"{self.url}: no answer within the time limit.",
                    hint="Is the server running? --timeout allows more.",
                )
            ) from error
        except (openai.APIConnectionError, httpx.HTTPError, OSError) as error:
            if late is not None and late.is_set():
                raise self._late() from error
            reason = self._address.clean(str(error.__cause__ or error)).rstrip(".")
            if reading:
                raise CutError(f"{self.url}: the stream was cut: {reason}.") from error
            if "WRONG_VERSION_NUMBER" in reason or "record layer failure" in reason:
                raise RefusedError(
                    f"{self.url}: the server does not speak https: {reason}.", hint="Is it http:// in OPENAI_BASE_URL?"
                ) from error
            hint = "Check OPENAI_BASE_URL, and that the server runs."
            raise _AgainError(ServiceError(f"{self.url}: cannot be reached: {reason}.", hint=hint)) from error
        except openai.APIStatusError as error:
            refused = self._refused(error)
            if error.status_code in (408, 409, 429) or error.status_code >= 500:
                raise _AgainError(refused, retry_after(error.response.headers.get("Retry-After"))) from error
            raise refused from error
        except openai.APIError as error:
            raise CutError(f"{self.url}: the answer broke off: {self._address.clean(error.message)}") from error
        except (ValueError, AttributeError, TypeError) as error:
            said = self._address.clean(str(error))
            raise CutError(f"{self.url}: the stream holds what is no chunk: {said}.") from error

    def _refused(self, error: Any) -> RagcliError:
        said = self._address.clean(_words(error))[:500] or "no reason given"
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
        refuses_all = status in (401, 403, 404)
        kind = RefusedError if refuses_all else RequestError if status in (400, 413, 422) else ServiceError
        return kind(f"{self.url}: status {status}: {said}", hint=hint)

    def _listing(self) -> list[Json]:
        try:
            return [one.model_dump() for one in self._client.with_options(timeout=5).models.list()][:50]
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


class _AgainError(Exception):
    """What may be asked for again; ``after``: the seconds that the server asks to wait."""

    def __init__(self, error: RagcliError, after: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.after = error, after


def _hang_up(response: Any, late: threading.Event) -> None:
    """End a connection under whoever reads it: closing alone would leave him waiting."""
    late.set()
    with suppress(Exception):  # it may just have ended by itself
        connection = response.extensions["network_stream"].get_extra_info("socket")
        connection.shutdown(socket.SHUT_RDWR)


def _words(error: Any) -> str:
    """Return what a server says is wrong."""
    body = error.body
    said = body.get("message") if isinstance(body, dict) else None
    return str(said or error.response.text)
