"""What Ray and its libraries write to stdout and stderr: nowhere, while our own records and notes remain."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

_STDERR = 2
_THREADS = "ray_"  # how Ray names its threads in the driver


class _WithoutRay:
    """A stream of text that takes nothing from Ray's threads, which print that a worker died, to stdout."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or do not."""
        if threading.current_thread().name.startswith(_THREADS):
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def only_ours() -> Iterator[None]:
    """Keep Python's stdout and stderr for what is not Ray's; what is written to stderr's descriptor goes nowhere.

    Ray's processes inherit the descriptor; they keep their logs on their nodes, in ``/tmp/ray``.
    """
    before, out = sys.stderr, sys.stdout
    try:
        kept = os.dup(_STDERR)
    except OSError:  # it is closed: nobody reads
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    if before is not None:
        before.flush()
        sys.stderr = open(kept, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    if out is not None:
        sys.stdout = cast("TextIO", _WithoutRay(out))
    os.dup2(nothing, _STDERR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries, about each other
            yield
    finally:
        sys.stdout = out
        if before is not None:
            sys.stderr.flush()
            sys.stderr = before
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nothing)
