"""The process's own streams: records in from stdin, records out to stdout, losses and notes to stderr."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from ragcli.errors import OK, PARTIAL, InputError, UsageError
from ragcli.jsonl import OnBad, dumps
from ragcli.records import Json, Record
from ragcli.report import OnLoss, Report

STDOUT, _STDERR = 1, 2
_BUFFER = 1 << 20
_FLUSH_SECONDS = 0.1


class PipeClosedError(Exception):
    """Whoever read stdout has gone."""


def stdin(wants: str) -> IO[bytes]:
    """Return stdin as bytes.

    Args:
        wants: what should come in, for the error.

    Raises:
        UsageError: stdin is a terminal or closed, where someone would wait for ever.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError(f"stdin is closed; it should bring {wants}.")
    if sys.stdin.isatty():
        raise UsageError(
            f"nothing comes in on stdin; it should bring {wants}.", hint="Pipe it in, or see --help for an example."
        )
    return open(sys.stdin.fileno(), "rb", buffering=_BUFFER, closefd=False)


def opened(path: Path) -> IO[bytes]:
    """Return a file to read.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


class Output:
    """Records to stdout, a line each: buffered, but never kept back for more than a tenth of a second."""

    def __init__(self, descriptor: int = STDOUT) -> None:
        self._stream = open(descriptor, "wb", buffering=_BUFFER, closefd=False)  # noqa: SIM115
        self._flushed = 0.0
        self._kept = threading.Event()  # whether something may wait in the buffer
        self._closed = False
        self._flusher: threading.Thread | None = None

    def write(self, record: Record) -> None:
        """Write one record.

        Raises:
            PipeClosedError: nobody reads any more.
        """
        self.line(dumps(record.to_dict()))

    def line(self, data: bytes) -> None:
        """Write one line of bytes; the line end is added."""
        try:
            self._stream.write(data)
            self._stream.write(b"\n")
            now = time.monotonic()
            if now - self._flushed > _FLUSH_SECONDS:
                self._stream.flush()
                self._flushed = now
            elif not self._kept.is_set():
                self._keep()
        except BrokenPipeError as error:
            raise PipeClosedError from error

    def _keep(self) -> None:
        """Have what was written flushed soon, also where the next record is long in coming."""
        if self._flusher is None:
            self._flusher = threading.Thread(target=self._flush_soon, daemon=True)
            self._flusher.start()
        self._kept.set()

    def _flush_soon(self) -> None:
        while not self._closed:
            self._kept.wait()
            time.sleep(_FLUSH_SECONDS)
            self._kept.clear()
            with contextlib.suppress(OSError, ValueError):  # the next write meets it too, and says so
                self._stream.flush()

    def flush(self) -> None:
        """Hand on what was written.

        Raises:
            PipeClosedError: nobody reads any more.
        """
        try:
            self._stream.flush()
        except BrokenPipeError as error:
            raise PipeClosedError from error

    def close(self) -> None:
        """Flush what is left.

        Raises:
            PipeClosedError: nobody reads any more.
        """
        self._closed = True
        self._kept.set()
        self.flush()


@contextlib.contextmanager
def output(descriptor: int = STDOUT) -> Iterator[Output]:
    """Open stdout for records; what has been written is delivered even if the stage then fails.

    Args:
        descriptor: what `kept_stdout` gave, where other people's code runs.
    """
    out = Output(descriptor)
    try:
        yield out
    except PipeClosedError:
        raise
    except BaseException:
        with contextlib.suppress(PipeClosedError, OSError):
            out.close()
        raise
    out.close()


@contextlib.contextmanager
def kept_stdout() -> Iterator[int]:
    """Give a descriptor of stdout for records, and let all else that is written there meanwhile go to stderr.

    Other people's code prints; so do libraries and processes that it starts.
    """
    try:
        os.fstat(_STDERR)
        other = _STDERR
    except OSError:  # it is closed
        other = os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(STDOUT)
    os.dup2(other, STDOUT)
    try:
        yield kept
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os.dup2(kept, STDOUT)
        os.close(kept)


def note(text: str) -> None:
    """Write one line to stderr, whatever characters a file name holds; where it is closed, nowhere."""
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.buffer.write((text + "\n").encode("utf-8", "backslashreplace"))
        sys.stderr.buffer.flush()


def show_log(stage: str = "") -> None:
    """Let what takes long and happens once (unpacking or downloading a model) say so on stderr.

    Args:
        stage: the name of the subcommand, where the notes are its own.
    """
    import logging

    from ragcli.models.watching import Watcher, watch_with

    name = f"ragcli {stage}".strip()

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(f"{name}: {record.getMessage()}")

    logger = logging.getLogger("ragcli")
    if not logger.handlers:
        logger.addHandler(Notes())
        logger.setLevel(logging.INFO)
        logger.propagate = False

    def bars() -> Watcher:
        from ragcli.cli.display_models import Bars

        return Bars()

    watch_with(bars)


def visible(name: str) -> str:
    """Return a name fit for one line of a terminal: what controls it is escaped, blanks of all kinds are shown as one.

    Controls are line ends, escapes, lone surrogates and marks that turn the direction of writing.
    """
    return "".join(c if c.isprintable() else _VISIBLE.get(unicodedata.category(c), _escaped)(c) for c in name)


def _escaped(char: str) -> str:
    return repr(char)[1:-1]


def _joining(char: str) -> str:
    """Return a format character as it is where it only joins or breaks: within emoji, Indic and Persian words."""
    return char if char in "\u200c\u200d" else _escaped(char)


_VISIBLE: dict[str, Callable[[str], str]] = {"Zs": lambda _: " ", "Cf": _joining}
_SAID = {"failed": "failed", "partial": "in part", "warning": "warning"}


def stage_report(
    stage: str, path: Path | None = None, also: OnLoss | None = None, *, keep: bool = False, command: str | None = None
) -> Report:
    """Return a report that says failures and warnings on stderr as they happen.

    It keeps them one by one only where a file is asked for, or ``keep`` is.

    Args:
        stage: the name of the stage.
        path: where the report is to be written.
        also: is told each loss, too.
        keep: keep the losses.
        command: the name of the subcommand, where it is another.
    """
    hints: set[str] = set()
    name = command or stage

    def on_loss(loss: Json) -> None:
        if loss["kind"] in _SAID:
            format_ = f" ({loss['format']})" if "format" in loss else ""
            note(f"ragcli {name}: {_SAID[loss['kind']]}: {visible(loss['source'])}{format_}: {loss['reason']}")
            hint = loss.get("hint")
            if hint and hint not in hints:  # once, not with each of a thousand
                hints.add(hint)
                note(f"  hint: {hint}")
        if also is not None:
            also(loss)

    return Report(stage, on_loss, keep=keep or path is not None)


def on_bad(report: Report, skip: bool) -> OnBad | None:
    """Return what takes a bad line where ``--skip-bad`` was given."""
    if not skip:
        return None

    def take(error: InputError) -> None:
        report.count("bad_lines")
        report.lose("failed", "stdin", error.message.removeprefix("stdin, "))

    return take


def finish(report: Report, path: Path | None) -> int:
    """Write the report where one was asked for; return the exit code that the losses call for."""
    if path is not None:
        report.write(path)
    return PARTIAL if report.failed else OK


def is_terminal() -> bool:
    """Whether people read stdout."""
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
