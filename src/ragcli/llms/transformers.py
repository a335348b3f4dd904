"""Chat models in transformers' format, in this process: streams, and batches in one pass.

`generate` of transformers does the writing and hands each token over; templates, decoding and stops are here, so that
no control token comes from a document and no character is torn.

Each model has one thread, in which it is loaded and writes. Each thread that calls torch gets a pool of OpenMP threads
of its own, and two pools on one processor cost each other a third of their speed.
"""

from __future__ import annotations

import copy
import logging
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ragcli.errors import ModelError
from ragcli.llms.chat_template import ChatTemplate
from ragcli.llms.decoding import Stops, TokenText, cut_at
from ragcli.llms.protocols import Call, Completion, ContextError, Finish, Message, Options, Sampling
from ragcli.llms.toolprompt import Sieve, names_of
from ragcli.llms.transformers_loading import is_out_of_memory, load, out_of_memory, window_of
from ragcli.models.folder import ModelFolder
from ragcli.records import Json

# Tokens of a prompt at once: a long one takes memory by the piece, as ragcli gpu-check reckons it.
PREFILL = 512
_BATCH = {"cuda": 8, "mps": 1, "cpu": 4}
_TEMPLATE_OPTIONS = "chat_template_kwargs"
# Control tokens that are shown all the same: what is around them is told apart above this seam.
_SHOWN = (
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]", "[ARGS]",
    "<|action_start|>", "<|plugin|>", "<|action_end|>",
)  # fmt: skip

_log = logging.getLogger("ragcli")


class TransformersLLM:
    """A chat model in transformers' format.

    Args:
        folder: config, weights and tokenizer.
        name: what the answer record shows.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        quantize: ``int8`` or ``int4``, by bitsandbytes.
        adapter: the folder of a LoRA.
        batch: prompts in one pass; by default what suits the device.
        window: tokens of prompt and answer together; by default what the model takes.
        options: ``chat_template_kwargs`` for the template; ``trust_remote_code``, ``dtype`` and
            ``attn_implementation`` for loading; all others are arguments of ``generate``.

    Raises:
        MissingExtraError: a package that is needed is not installed.
        UsageError: options that do not make sense together.
        ModelError: the folder cannot be loaded.
    """

    def __init__(
        self,
        folder: ModelFolder | Path,
        name: str,
        *,
        device: str = "auto",
        quantize: str | None = None,
        adapter: Path | None = None,
        batch: int | None = None,
        window: int | None = None,
        options: Options | None = None,
    ) -> None:
        path = folder.path if isinstance(folder, ModelFolder) else folder
        self._options = dict(options or {})
        template = dict(self._options.pop(_TEMPLATE_OPTIONS, None) or {})
        self._thread = ThreadPoolExecutor(1, "ragcli-generate")
        loaded = self._thread.submit(
            load, path, name, device=device, quantize=quantize, adapter=adapter, options=self._options
        ).result()
        import torch

        self._torch = torch
        self._name = name
        self._net: Any = loaded.net
        self._tokenizer: Any = loaded.tokenizer
        self._device, self._dtype = loaded.device, loaded.dtype
        self._template = ChatTemplate(loaded.tokenizer, name, template)
        self._window = window or window_of(loaded.net, loaded.tokenizer)
        self._batch = max(1, batch or _BATCH.get(loaded.device.partition(":")[0], 1))
        self._ends = _ends(loaded.net, loaded.tokenizer)
        shown = set(loaded.tokenizer.convert_tokens_to_ids([one for one in _SHOWN if one in self._template.control]))
        special = {at for at, token in loaded.tokenizer.added_tokens_decoder.items() if token.special}
        self._hidden = (special | set(loaded.tokenizer.all_special_ids) | set(self._ends)) - shown
        _log.debug("%s is on %s in %s", name, self._device, self._dtype)

    @property
    def name(self) -> str:
        """The model's name, as the answer record shows it."""
        return self._name

    @property
    def window(self) -> int | None:
        """Tokens of prompt and answer together."""
        return self._window

    @property
    def parallel(self) -> int:
        """One: several streams would only share the device; see `complete_batch`."""
        return 1

    @property
    def batch(self) -> int:
        """How many prompts at once; fewer after the memory was not enough."""
        return self._batch

    @property
    def special(self) -> Sequence[str]:
        """The control tokens of the tokenizer."""
        return self._template.control

    def count(self, messages: Sequence[Message], tools: Sequence[Json] = ()) -> int:
        """Return the tokens of a prompt, template included."""
        return len(self._template.ids(messages, tools))

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json] = ()
    ) -> Generator[str, None, Completion]:
        """Yield the answer in pieces; see `ragcli.llms.LLM`.

        A template that opens the model's thinking itself has ``<think>`` as the first piece, as if the model wrote it.
        """
        ids = self._template.ids(messages, tools)
        most = self._room(ids, sampling)
        text = _Answer(self._decode, [*sampling.stop, *self._template.stops], Sieve(names_of(tools)) if tools else None)
        if self._template.opens_thinking(ids):
            yield text.opened("<think>\n")
        count, is_ended = 0, False
        with self._writing(ids, most, sampling) as tokens:
            for token in tokens:
                count += 1
                is_ended = token in self._ends
                piece = "" if is_ended or token in self._hidden else text.add(token)
                if piece:
                    yield piece
                if is_ended or text.is_stopped:
                    break
        rest, calls = text.end()
        if rest:
            yield rest
        stopped: Finish = "stop" if is_ended or text.is_stopped else "length"
        return Completion(
            text=text.whole,
            finish="tool_calls" if calls else stopped,
            usage={"prompt_tokens": len(ids), "completion_tokens": count},
            tool_calls=tuple(calls),
        )

    def complete_batch(self, prompts: Sequence[Sequence[Message]], sampling: Sampling) -> list[Completion | ModelError]:
        """Answer every prompt, in order; one that cannot be answered is its error."""
        done: dict[int, Completion | ModelError] = {}
        ready: list[tuple[int, list[int], int]] = []  # place, tokens, room for the answer
        for place, messages in enumerate(prompts):
            try:
                ids = self._template.ids(messages)
                ready.append((place, ids, self._room(ids, sampling)))
            except ModelError as error:
                done[place] = error
        ready.sort(key=lambda one: len(one[1]))  # neighbours of about the same length need little padding
        while ready:
            some = ready[: self._batch]
            answers = self._together([(ids, most) for _, ids, most in some], sampling)
            if answers is None and len(some) > 1:
                self._batch = len(some) // 2
                _log.info("%s: the memory is not enough for %d prompts at once", self._name, len(some))
                continue
            for at, (place, _, _) in enumerate(some):
                done[place] = out_of_memory(self._name) if answers is None else answers[at]
            del ready[: len(some)]
        return [done[place] for place in range(len(prompts))]

    def close(self) -> None:
        """Give back the memory and the thread."""
        self._thread.shutdown()
        self._net = None
        if self._device.startswith("cuda"):
            self._torch.cuda.empty_cache()

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _room(self, ids: Sequence[int], sampling: Sampling) -> int:
        """Return how many tokens the answer may have.

        Raises:
            ContextError: the prompt leaves no room.
        """
        if self._window is None:
            return sampling.max_tokens
        if len(ids) >= self._window:
            raise ContextError(
                f"{self._name}: the prompt has {len(ids)} tokens, and the window {self._window}.",
                window=self._window,
                tokens=len(ids),
            )
        return min(sampling.max_tokens, self._window - len(ids))

    def _settings(self, longest: int, most: int, sampling: Sampling) -> Json:
        """Return the arguments of ``generate``: the model's own settings, what the sampling says, and the options."""
        config = copy.deepcopy(self._net.generation_config)
        config.max_length = config.min_length = None
        config.max_new_tokens = most
        config.eos_token_id = list(self._ends)
        pad = self._tokenizer.pad_token_id
        config.pad_token_id = pad if pad is not None else (self._ends or (0,))[0]
        config.do_sample = sampling.temperature > 0
        config.temperature = sampling.temperature if config.do_sample else None
        if not config.do_sample:
            for key in ("top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"):
                setattr(config, key, None)
        if longest > PREFILL and config.use_cache is not False and _reads_in_pieces(self._net):
            config.prefill_chunk_size = PREFILL
        return {"generation_config": config, **self._options}

    @contextmanager
    def _working(self, sampling: Sampling) -> Iterator[None]:
        """Random numbers of one's own, and foreign errors mapped."""
        torch = self._torch
        gpus = range(torch.cuda.device_count()) if self._device.startswith("cuda") else ()
        try:
            forked = torch.random.fork_rng(list(gpus)) if sampling.temperature > 0 else nullcontext()
            with forked, torch.inference_mode():
                if sampling.temperature > 0:  # torch itself begins each process with the same numbers
                    torch.manual_seed(
                        sampling.seed if sampling.seed is not None else int.from_bytes(os.urandom(6), "big")
                    )
                yield
        except (ValueError, TypeError) as error:
            if not self._options:
                raise
            reason = " ".join(str(error).split())
            raise ModelError(f"{self._name} cannot be run with these --model-options: {reason}") from error
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise out_of_memory(self._name) from error
            if "probability tensor contains" in str(error):
                raise ModelError(f"{self._name} gave probabilities that are no numbers.") from error
            raise

    def _submit(
        self, given: Any, mask: Any, settings: Json, sampling: Sampling, ended: threading.Event
    ) -> Future[list[list[int]]]:
        """Begin to write in the model's thread; what it gives are the tokens after the prompt, row by row.

        Args:
            given: (rows, tokens) of the prompts, padded on the left.
            mask: (rows, tokens), 0 where there is padding.
            settings: arguments of ``generate``.
            sampling: how to write.
            ended: set when nobody reads any more.
        """

        def check(*_: object) -> None:
            if ended.is_set():
                raise _EndedError

        def work() -> list[list[int]]:
            # Before each pass, also between the pieces of a long prompt, which take seconds.
            hook = self._net.register_forward_pre_hook(check)
            try:
                with self._working(sampling):
                    written = self._net.generate(
                        given.to(self._device), attention_mask=mask.to(self._device), **settings
                    )
                    rows: list[list[int]] = written[:, given.shape[1] :].tolist()
                    return rows
            except _EndedError:
                return []
            finally:
                hook.remove()

        return self._thread.submit(work)

    @contextmanager
    def _writing(self, ids: list[int], most: int, sampling: Sampling) -> Iterator[Iterator[int]]:
        """Yield the tokens as they come; the work has ended when the context has."""
        given = self._torch.tensor([ids])
        tokens: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        ended = threading.Event()
        settings = {**self._settings(len(ids), most, sampling), "streamer": _Streamer(tokens)}
        future = self._submit(given, self._torch.ones_like(given), settings, sampling, ended)
        future.add_done_callback(lambda _: tokens.put(None))

        def taken() -> Iterator[int]:
            while (token := tokens.get()) is not None:
                yield token
            future.result()  # raises what was raised there

        try:
            yield taken()
        finally:
            ended.set()
            wait([future])

    def _together(self, prompts: Sequence[tuple[list[int], int]], sampling: Sampling) -> list[Completion] | None:
        """Answer some prompts in one pass; None where the memory is not enough."""
        torch = self._torch
        longest = max(len(ids) for ids, _ in prompts)
        settings = self._settings(longest, max(most for _, most in prompts), sampling)
        pad = settings["generation_config"].pad_token_id
        given = torch.tensor([[pad] * (longest - len(ids)) + ids for ids, _ in prompts])
        mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids, _ in prompts])
        stops = [*sampling.stop, *self._template.stops]
        if stops:
            settings["stopping_criteria"] = [_BatchStops(torch, self._decode, stops, longest)]
        ended = threading.Event()
        future = self._submit(given, mask, settings, sampling, ended)
        try:
            written = future.result()
        except ModelError as error:
            if error.__cause__ is None or not is_out_of_memory(error.__cause__):
                raise
            written = None
        finally:
            ended.set()  # where the waiting was interrupted
            wait([future])
        if written is None:
            del future  # it holds the error, whose frames hold tensors
            if self._device.startswith("cuda"):
                torch.cuda.empty_cache()
            return None
        answers = []
        for (ids, most), row in zip(prompts, written, strict=True):
            while row and row[-1] == pad and pad not in self._ends:  # it waited for the longest
                row.pop()
            answers.append(self._completion(ids, row[:most], stops))
        return answers

    def _completion(self, ids: list[int], row: list[int], stops: Sequence[str]) -> Completion:
        end = next((at for at, token in enumerate(row) if token in self._ends), None)
        count = len(row) if end is None else end + 1
        text = self._decode([token for token in row[:count] if token not in self._hidden])
        cut = cut_at(text, [one for one in stops if one])
        finish: Finish = "length" if end is None and cut is None else "stop"
        opened = "<think>\n" if self._template.opens_thinking(ids) else ""
        usage = {"prompt_tokens": len(ids), "completion_tokens": count}
        return Completion(text=opened + text[:cut], finish=finish, usage=usage)


class _EndedError(Exception):
    """Ends a generation that nobody reads any more."""


class _Streamer:
    """What ``generate`` gives each token to; the first call is the prompt."""

    def __init__(self, tokens: queue.SimpleQueue[Any]) -> None:
        self._tokens = tokens
        self._is_prompt = True

    def put(self, value: Any) -> None:
        if self._is_prompt:
            self._is_prompt = False
        else:
            self._tokens.put(int(value[0]))

    def end(self) -> None:
        pass


class _BatchStops:
    """Ends the rows of a batch that hold a stop; called by ``generate`` after each step."""

    def __init__(self, torch: Any, decode: Callable[[list[int]], str], stops: Sequence[str], start: int) -> None:
        self._torch, self._decode, self._stops, self._start = torch, decode, stops, start
        self._tail = max(len(stop.encode()) for stop in stops) + 4  # tokens: each has a byte at least

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
        rows = ids[:, max(self._start, ids.shape[1] - self._tail) :].tolist()
        found = [cut_at(self._decode(row), self._stops) is not None for row in rows]
        return self._torch.tensor(found, device=ids.device)


class _Answer:
    """The text of an answer as it grows: decoded, cut at stops, with calls held back."""

    def __init__(self, decode: Callable[[list[int]], str], stops: Sequence[str], sieve: Sieve | None) -> None:
        self._text, self._stops, self._sieve = TokenText(decode), Stops(stops), sieve
        self._said: list[str] = []

    @property
    def whole(self) -> str:
        return "".join(self._said)

    @property
    def is_stopped(self) -> bool:
        return self._stops.found

    def opened(self, text: str) -> str:
        self._said.append(text)
        return text

    def add(self, token: int) -> str:
        piece = self._text.add(token)
        return self._take(self._stops.add(piece)) if piece else ""

    def end(self) -> tuple[str, list[Call]]:
        """Return what was held back, and the calls."""
        rest = "" if self.is_stopped else self._stops.add(self._text.end())
        piece = self._take(rest + self._stops.end())
        held, calls = self._sieve.end() if self._sieve is not None else ("", [])
        if held:
            self._said.append(held)
        return piece + held, calls

    def _take(self, piece: str) -> str:
        if self._sieve is not None:
            piece = self._sieve.add(piece)
        if piece:
            self._said.append(piece)
        return piece


def _ends(net: Any, tokenizer: Any) -> tuple[int, ...]:
    """Return the tokens that end an answer: the model's, and the tokenizer's where the model's files forget it."""
    told = net.generation_config.eos_token_id
    if told is None:
        told = net.config.get_text_config(decoder=True).eos_token_id
    ends = [] if told is None else [told] if isinstance(told, int) else list(told)
    own = tokenizer.eos_token_id
    return tuple(dict.fromkeys([*ends, *([] if own is None else [own])]))


def _reads_in_pieces(net: Any) -> bool:
    """Whether a prompt may be read in pieces: all layers keep keys and values, not a state of their own."""
    config = net.config.get_text_config(decoder=True)
    kinds = getattr(config, "layer_types", None) or ()
    able = getattr(net, "_supports_default_dynamic_cache", None)
    return bool(able is not None and able()) and all("attention" in kind and "linear" not in kind for kind in kinds)
