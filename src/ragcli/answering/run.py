"""The `ask` stage: results in, answers with checked citations out, in order, whoever answers."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from ragcli.answering.citations import citations
from ragcli.answering.prompt import Template
from ragcli.answering.protocols import Answerer, Asked, OnText, Reply
from ragcli.errors import RagcliError, RefusedError, RequestError, ServiceError, UsageError
from ragcli.llms.protocols import Message, Sampling
from ragcli.records import THRESHOLD_KEY, Answer, Json, Result
from ragcli.report import Report

if TYPE_CHECKING:
    from ragcli.answering.model import ModelAnswerer

T = TypeVar("T")

EXTRACTIVE = "extractive"
_GIVE_UP = 3  # failures of the endpoint with not one answer before them; refusals one after another
_ALL_REFUSED = 20  # requests that were refused, each for itself, with not one answer before them
_OWN = frozenset(one.name for one in fields(Answer)) - {"extra"}
_GONE = 16  # failures of the endpoint one after another, whatever came before them


@dataclass(frozen=True, slots=True)
class Made:
    """An answer with what it was made from."""

    asked: Asked
    reply: Reply
    answer: Answer


OnMade = Callable[[Made], None]
OnBegin = Callable[[Result], None]


def open_answerer(
    name: str | None = None,
    *,
    template: Template | None = None,
    sampling: Sampling | None = None,
    verified: int = 0,
    wish: Any = None,
) -> Answerer:
    """Return the answerer of a name.

    Args:
        name: None or ``extractive`` for the built-in one, else a language model (`ragcli.llms.open_llm`).
        template: the prompt's.
        sampling: how a model writes.
        verified: hits against which every sentence of a model is checked.
        wish: how the model is opened (`ragcli.llms.opening.Wish`).

    Raises:
        RagcliError: there is no such model, or it cannot be opened.
    """
    if name is None or name == EXTRACTIVE:
        from ragcli.answering.extractive import Extractive

        return Extractive(template=template)
    from ragcli.answering.model import ModelAnswerer
    from ragcli.llms.opening import open_llm

    return ModelAnswerer(open_llm(name, wish), template, sampling, verified=verified)


def answer(
    results: Iterable[Result],
    answerer: Answerer,
    *,
    report: Report | None = None,
    concurrency: int = 1,
    on_text: OnText | None = None,
    on_begin: OnBegin | None = None,
    on_made: OnMade | None = None,
    answered: int = 0,
) -> Iterator[Answer]:
    """Yield one answer for every result that can be answered, in order, as each is made.

    An answer has its result's id and keeps its unknown keys. ``seconds`` is the wall time of the answer alone; in a
    batch, its part of it. The report counts ``results_in``, ``answered``, ``refused`` and ``failed``; the last three
    add up to the first. A question that cannot be answered is a loss of the report, and the next is asked.

    Args:
        results: questions with what they found.
        answerer: see `open_answerer`.
        report: takes counts and losses.
        concurrency: questions at once; a model that answers batches (`ragcli.llms.protocols.Batching`) is handed as
            many as it takes.
        on_text: is given the text of each answer in pieces; only where one is made at a time.
        on_begin: is called before each question, likewise.
        on_made: is called with each answer before it is yielded.
        answered: how many answers there are from an earlier run: the endpoint is known to answer.

    Raises:
        RefusedError: the endpoint refuses everything.
        ServiceError: the endpoint failed for the first questions, or for many, one after another.
        UsageError: the template is broken, or ``concurrency`` is below 1.
    """
    if not callable(getattr(answerer, "reply", None)):
        raise TypeError(f"an answerer has a method reply(asked); {type(answerer).__name__} has none")
    if concurrency < 1:
        raise UsageError(f"the concurrency is {concurrency}; it must be at least 1.")
    run = _Run(answerer, report or Report("ask"), on_made, answered)
    many: Any = answerer
    if getattr(answerer, "batches", False) and on_text is None and many.llm.batch > 1:
        return run.batches(results, many, many.llm.batch)
    if concurrency > 1:
        return run.concurrent(results, concurrency)
    return run.one_by_one(results, on_text, on_begin)


class _Run:
    def __init__(self, answerer: Answerer, report: Report, on_made: OnMade | None, answered: int) -> None:
        self._answerer, self._report, self._on_made = answerer, report, on_made
        self._answered = answered
        self._in_a_row: list[RagcliError] = []  # failures since the last answer

    def one_by_one(
        self, results: Iterable[Result], on_text: OnText | None, on_begin: OnBegin | None
    ) -> Iterator[Answer]:
        for result in results:
            if on_begin is not None:
                on_begin(result)
            pieces: list[str | None] = []

            def text(piece: str | None, pieces: list[str | None] = pieces) -> None:
                assert on_text is not None
                pieces.append(piece)
                on_text(piece)

            made, seconds = self._reply(result, None if on_text is None else text)
            if isinstance(made, RagcliError) and any(pieces):
                text("\n")  # what was shown of the answer stays on lines of its own
            yield from self._take(result, made, seconds)

    def concurrent(self, results: Iterable[Result], concurrency: int) -> Iterator[Answer]:
        """Hand out the questions as they come in; yield the answers in the order of the questions."""
        with _Workers(concurrency) as workers:

            def hand_out(result: Result) -> tuple[Result, Future[tuple[Reply | RagcliError, float]]]:
                return result, workers.submit(lambda: self._reply(result, None))

            with _Feed(map(hand_out, results), 2 * concurrency) as feed:
                for result, future in feed:
                    yield from self._take(result, *future.result())

    def batches(self, results: Iterable[Result], answerer: ModelAnswerer, size: int) -> Iterator[Answer]:
        """Hand over what is there, up to a batch: nobody waits for questions that are yet to come."""
        with _Feed(iter(results), size) as feed:
            while batch := feed.some(size):
                began = time.perf_counter()
                replies = answerer.replies([asked_of(result) for result in batch])
                seconds = (time.perf_counter() - began) / len(batch)
                for result, reply in zip(batch, replies, strict=True):
                    yield from self._take(result, reply, seconds)

    def _reply(self, result: Result, on_text: OnText | None) -> tuple[Reply | RagcliError, float]:
        began = time.perf_counter()
        made: Reply | RagcliError
        try:
            made = self._answerer.reply(asked_of(result), on_text)
        except UsageError:
            raise
        except RagcliError as error:
            made = error
        return made, time.perf_counter() - began

    def _take(self, result: Result, reply: Reply | RagcliError, seconds: float) -> Iterator[Answer]:
        self._report.count("results_in")
        if isinstance(reply, RagcliError):
            self._fail(result, reply)
            return
        self._in_a_row.clear()
        self._answered += 1
        made = record(result, reply, self._answerer.name, seconds)
        self._report.count("refused" if reply.refused else "answered")
        if reply.extra.get("problems"):
            self._report.count("with_problems")
        if self._on_made is not None:
            self._on_made(Made(asked_of(result), reply, made))
        yield made

    def _fail(self, result: Result, error: RagcliError) -> None:
        """Note that one question failed, or end the run where all the others would.

        Raises:
            RagcliError: nothing speaks for an answer to the next question.
        """
        self._report.count("failed")
        self._in_a_row.append(error)
        kind = _kind(error)
        alike = sum(_kind(one) is kind for one in self._in_a_row)
        if kind is RefusedError:
            ends = alike >= _GIVE_UP or not self._answered
        elif kind is RequestError:
            ends = alike >= _ALL_REFUSED and not self._answered
        else:
            ends = kind is ServiceError and (alike >= _GONE or (alike >= _GIVE_UP and not self._answered))
        if ends:
            raise error
        where = f"question {result.id} ({result.query[:60]})"
        self._report.lose("failed", where, error.message, hint=error.hint)


def _kind(error: RagcliError) -> type[RagcliError]:
    """Return whose failure it is: of all questions, of this request, of the endpoint, or of this question."""
    return next((one for one in (RefusedError, RequestError, ServiceError) if isinstance(error, one)), RagcliError)


class _Workers:
    """Threads that end with the process: whoever interrupts it does not wait for what they wait for."""

    def __init__(self, count: int) -> None:
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._count, self._started = count, 0

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for _worker in range(self._started):
            self._tasks.put(None)

    def submit(self, act: Callable[[], T]) -> Future[T]:
        """Have a function called; its future says what came of it."""
        future: Future[T] = Future()
        self._tasks.put((future, act))
        if self._started < self._count:
            self._started += 1
            threading.Thread(target=self._work, daemon=True).start()
        return future

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, act = task
            try:
                future.set_result(act())
            except BaseException as error:  # noqa: BLE001 - it is raised again where the result is wanted
                future.set_exception(error)


def asked_of(result: Result, history: Sequence[Message] = ()) -> Asked:
    """Return a result as an answerer is handed it."""
    threshold = result.extra.get(THRESHOLD_KEY)
    return Asked(
        question=result.query,
        hits=result.hits,
        threshold=float(threshold) if isinstance(threshold, (int, float)) and not isinstance(threshold, bool) else None,
        history=history,
    )


def record(result: Result, reply: Reply, name: str, seconds: float) -> Answer:
    """Return the answer record that a reply to a result makes."""
    return Answer(
        id=result.id,
        question=result.query,
        answer=reply.text,
        citations=citations(result.hits if reply.hits is None else reply.hits, reply.quotes),
        refused=reply.refused,
        model=name,
        usage=reply.usage,
        seconds=round(seconds, 6),
        extra=_extra(result, reply),
    )


def _extra(result: Result, reply: Reply) -> Json:
    """Return the keys of a question's line that the record does not know, and the answerer's own.

    Keys that the record has itself, such as a known ``answer``, are kept together under ``given``.
    """
    own = {*reply.extra, *_OWN}
    others = {key: value for key, value in result.extra.items() if key != THRESHOLD_KEY}
    given = {key: value for key, value in others.items() if key in own}
    kept = {key: value for key, value in others.items() if key not in own}
    return {**kept, **reply.extra, **({"given": given} if given else {})}


class _Feed:
    """Reads a stream in a thread of its own, a few items ahead, so that what is done need not wait for what comes."""

    _END = object()

    def __init__(self, stream: Iterator[Any], ahead: int) -> None:
        self._stream = stream
        self._items: queue.Queue[Any] = queue.Queue(maxsize=ahead)
        self._closed = threading.Event()
        self._error: BaseException | None = None
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> _Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()

    def _read(self) -> None:
        try:
            for item in self._stream:
                if not self._put(item):
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised again where the stream is read
            self._error = error
        self._put(self._END)

    def _put(self, item: Any) -> bool:
        while not self._closed.is_set():
            try:
                self._items.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def _get(self, *, wait: bool) -> Any:
        """Return the next item, or the end; the stream's error comes after what was read before it."""
        if self._ended:
            return self._END
        item = self._items.get() if wait else self._items.get_nowait()
        if item is self._END:
            self._ended = True
        return item

    def __iter__(self) -> Iterator[Any]:
        while (item := self._get(wait=True)) is not self._END:
            yield item
        if self._error is not None:
            raise self._error

    def some(self, most: int) -> list[Any]:
        """Return at least one item and as many as are there, up to ``most``; none at the end."""
        first = self._get(wait=True)
        if first is self._END:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            return []
        items = [first]
        while len(items) < most:
            try:
                item = self._get(wait=False)
            except queue.Empty:
                break
            if item is self._END:
                break
            items.append(item)
        return items
