"""GGUF models through llama.cpp (`xllamacpp`): the fast way on CPUs, and on GPUs where its wheel was made for them.

The model runs in this process. xllamacpp gives each `Server` a port on 127.0.0.1, too, which cannot be switched off;
it is given a key that nobody else knows, and is used here to count tokens.
"""

from __future__ import annotations

import os
import queue
import secrets
import threading
import time
from collections.abc import Collection, Generator, Sequence
from itertools import takewhile
from operator import eq
from pathlib import Path
from typing import Any

from ragcli.errors import MissingExtraError, ModelError, UsageError
from ragcli.jsonl import dumps, loads
from ragcli.llms import toolprompt
from ragcli.llms.protocols import Call, Completion, ContextError, Finish, Message, Options, Sampling
from ragcli.records import Json

WINDOW = 8192  # tokens, where the model takes more and nobody asked for more: a long window costs memory
_MOST_PARALLEL = 64
_SILENT = -1
_SMALL = 1 << 30  # bytes: such a model reads a system message while the first question is searched
_SAMPLES, _BETWEEN = 4, 0.004  # of the machine's load, in seconds


class GgufLLM:
    """A GGUF file, loaded.

    Args:
        path: the file; of a model in several files, the first.
        name: what the answer record shows.
        window: tokens of prompt and answer together; by default what the model takes, at most ``WINDOW``.
        parallel: answers at once, each with a window of its own.
        adapter: a LoRA as GGUF.
        options: further fields of each request (``top_k``, ``grammar``, ``chat_template_kwargs`` …), and
            ``n_threads`` and ``n_gpu_layers`` for loading.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: the file cannot be loaded.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        *,
        window: int | None = None,
        parallel: int = 1,
        adapter: Path | None = None,
        options: Options | None = None,
    ) -> None:
        try:
            import xllamacpp
        except ImportError as error:
            raise MissingExtraError(f"The GGUF model {name}", "gguf") from error
        from ragcli.models.gguf import read_header

        header = read_header(path)
        self._name = name
        self._options = dict(options or {})
        self._parallel = max(1, min(parallel, _MOST_PARALLEL))
        self._window = min(window or WINDOW, header.window or WINDOW) if window is None else window
        self._special = header.special
        self._bytes = path.stat().st_size
        self._key = secrets.token_hex(16)
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = self._window * self._parallel
        params.n_parallel = self._parallel
        params.kv_unified = False
        params.warmup = False
        params.verbosity = _SILENT
        params.api_keys = [self._key]
        params.ui = False
        params.endpoint_slots = False
        threads = self._number("n_threads") or _threads()
        if threads is not None:
            params.cpuparams.n_threads = threads
            params.cpuparams_batch.n_threads = threads
        if (layers := self._number("n_gpu_layers")) is not None:
            params.n_gpu_layers = layers
        if not _has_gpu(xllamacpp):
            params.fit_params = False  # it loads the model once more, to see what of it a GPU can hold
        if adapter is not None:
            if not adapter.is_file():
                raise UsageError(f"--adapter {adapter}: there is no such file.")
            params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
        try:
            self._server: Any = xllamacpp.Server(params)
        except (RuntimeError, ValueError, MemoryError) as error:
            beside = f" with the adapter {adapter}" if adapter is not None else ""
            raise ModelError(
                f"{path}: llama.cpp cannot load it{beside} for a window of {params.n_ctx} tokens:"
                f" {' '.join(str(error).split()) or 'no reason given'}.",
                hint="Is it whole (ragcli download --verify), and is there memory for it (ragcli gpu-check)?",
            ) from error
        self._knows_tools: bool | None = None
        self._told("GET", "/lora-adapters")  # its loop answers: a server that is closed before that runs, hangs

    def _number(self, name: str) -> int | None:
        value = self._options.pop(name, None)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise UsageError(f"--model-options: {name} is {value!r}; it must be a whole number.")
        return value

    @property
    def name(self) -> str:
        """The model's name, as the answer record shows it."""
        return self._name

    @property
    def window(self) -> int:
        """Tokens of prompt and answer together."""
        return self._window

    @property
    def parallel(self) -> int:
        """How many answers at once."""
        return self._parallel

    @property
    def special(self) -> Sequence[str]:
        """The control tokens of the file's vocabulary."""
        return self._special

    def count(self, messages: Sequence[Message], tools: Sequence[Json] = ()) -> int:
        """Return the tokens of a prompt, template included."""
        told = self._ask("POST", "/v1/chat/completions/input_tokens", self._body(messages, tools))
        return int(told["input_tokens"])

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json] = ()
    ) -> Generator[str, None, Completion]:
        """Yield the answer in pieces; see `ragcli.llms.LLM`."""
        held = toolprompt.names_of(tools) if tools and not self._calls_tools else None
        body = self._body(messages, tools)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        body |= {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        chunks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        ended = threading.Event()

        def take(chunk: Any) -> bool:
            chunks.put(chunk)
            return ended.is_set()  # true ends the work

        def work() -> None:
            try:
                self._server.handle_chat_completions(body, take)
            except BaseException as error:  # noqa: BLE001 - it is raised again where the answer is read
                chunks.put(error)
            finally:
                chunks.put(None)

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        reader = _Reader(self, held)
        try:
            while (chunk := chunks.get()) is not None:
                piece = reader.take(chunk)
                if piece:
                    yield piece
        finally:
            ended.set()
            worker.join()
        rest, done = reader.end()
        if rest:
            yield rest
        return done

    def read_ahead(self, system: str) -> None:
        """Read a system message; see `ragcli.llms.protocols.Ahead`. A large model does not: it would take longer."""
        if self._bytes > _SMALL:
            return
        rendered = []
        for asked in "AB":
            told: list[Message] = [{"role": "system", "content": system}, {"role": "user", "content": asked}]
            rendered.append(str(self._ask("POST", "/apply-template", self._body(told, ()))["prompt"]))
        same = sum(takewhile(bool, map(eq, *rendered)))  # characters, before those of the user
        body = {"prompt": rendered[0][:same], "n_predict": 0, "cache_prompt": True}
        self._server.handle_completions(body, lambda _: False)

    def close(self) -> None:
        """Give back the memory and the port."""
        self._server = None

    @property
    def _calls_tools(self) -> bool:
        """Whether the model's own template knows tools."""
        if self._knows_tools is None:
            told = self._ask("GET", "/props").get("chat_template_caps", {})
            self._knows_tools = bool(told.get("supports_tools"))
        return self._knows_tools

    def _body(self, messages: Sequence[Message], tools: Sequence[Json]) -> Json:
        if tools and not self._calls_tools:
            return {**self._options, "messages": toolprompt.described(messages, tools)}
        return {**self._options, "messages": list(messages), **({"tools": list(tools)} if tools else {})}

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        """Ask the server's own port for an object."""
        told = self._told(method, path, body)
        if not isinstance(told, dict) or "error" in told:
            raise _error(self._name, told.get("error", told) if isinstance(told, dict) else told)
        return told

    def _told(self, method: str, path: str, body: Json | None = None) -> Any:
        import http.client

        address = str(self._server.listening_address).rpartition("/")[2]
        connection = http.client.HTTPConnection(address, timeout=60)
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request(method, path, dumps(body) if body is not None else None, headers)
            return loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ModelError(f"{self._name}: llama.cpp does not answer: {error}.") from error
        finally:
            connection.close()


def _has_gpu(library: Any) -> bool:
    cpu = library.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU
    return any(device["type"] != cpu for device in library.get_device_info())


def _threads() -> int | None:
    """Return how many threads to use on a machine where others work, or None for llama.cpp's own number.

    Its threads wait for each other at every token. On two cores of which another process takes one, two threads write
    2 to 5 tokens a second and one thread 20 to 40.
    """
    try:
        others = min(_others() for _ in range(_SAMPLES))
        cores = len(os.sched_getaffinity(0))
    except (OSError, ValueError, IndexError, AttributeError):  # not Linux
        return None
    return None if others < 1 else max(1, round(cores * (1 - others / (os.cpu_count() or 1))))


def _others() -> int:
    """Return how many threads of other processes run or wait for a core at this moment."""
    time.sleep(_BETWEEN)
    running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])
    tasks = Path("/proc/self/task").glob("*/stat")
    return running - sum(task.read_text().rpartition(")")[2].split()[0] == "R" for task in tasks)


class _Reader:
    """Puts the chunks of a stream together; the text may hold calls of ``names``, which are no answer."""

    def __init__(self, llm: GgufLLM, names: Collection[str] | None) -> None:
        self._llm = llm
        self._pieces: list[str] = []
        self._calls: dict[int, Call] = {}
        self._finish = "stop"
        self._usage: Json = {}
        self._sieve = toolprompt.Sieve(names) if names is not None else None

    def take(self, chunk: Any) -> str:
        """Return the text of a chunk.

        Raises:
            ContextError: the prompt is too long.
            ModelError: llama.cpp reports an error.
        """
        if isinstance(chunk, BaseException):
            raise ModelError(f"{self._llm.name}: llama.cpp failed: {chunk}.") from chunk
        if "error" in chunk:
            raise _error(self._llm.name, chunk["error"])
        if chunk.get("usage"):
            self._usage = {key: chunk["usage"][key] for key in ("prompt_tokens", "completion_tokens")}
        text = ""
        for choice in chunk.get("choices") or ():
            self._finish = choice.get("finish_reason") or self._finish
            delta = choice.get("delta") or {}
            for part in delta.get("tool_calls") or ():
                self._take_call(part)
            text += delta.get("content") or ""
        if self._sieve is not None:
            text = self._sieve.add(text)
        if text:
            self._pieces.append(text)
        return text

    def _take_call(self, part: Json) -> None:
        at = int(part.get("index", 0))
        empty: Call = {"id": f"call_{at}", "type": "function", "function": {"name": "", "arguments": ""}}
        call = self._calls.setdefault(at, empty)
        call["id"] = part.get("id") or call["id"]
        function = part.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""

    def end(self) -> tuple[str, Completion]:
        """Return what was held back, and the whole answer."""
        calls = [call for _, call in sorted(self._calls.items())]
        rest = ""
        if self._sieve is not None:
            rest, calls = self._sieve.end()
            self._pieces.append(rest)
        finish: Finish = "tool_calls" if calls else "length" if self._finish == "length" else "stop"
        return rest, Completion(text="".join(self._pieces), finish=finish, usage=self._usage, tool_calls=tuple(calls))


def _error(name: str, error: Any) -> ModelError:
    if isinstance(error, dict) and error.get("type") == "exceed_context_size_error":
        return ContextError(
            f"{name}: the prompt has {error.get('n_prompt_tokens')} tokens, and the window {error.get('n_ctx')}.",
            window=error.get("n_ctx"),
            tokens=error.get("n_prompt_tokens"),
        )
    said = error.get("message", error) if isinstance(error, dict) else error
    return ModelError(f"{name}: llama.cpp says: {said}")
