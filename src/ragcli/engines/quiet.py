"""What Ray and its libraries write to stderr: nowhere, while our own notes remain."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2


@contextmanager
def only_ours() -> Iterator[None]:
    """Keep Python's ``sys.stderr`` as it is, and let what is written to its descriptor by others go nowhere.

    Ray's processes inherit the descriptor; they keep their logs on their nodes, in ``/tmp/ray``.
    """
    before = sys.stderr
    try:
        kept = os.dup(_STDERR)
    except OSError:  # it is closed: nobody reads
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    if before is not None:
        before.flush()
        sys.stderr = open(kept, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.dup2(nothing, _STDERR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries, about each other
            yield
    finally:
        if before is not None:
            sys.stderr.flush()
            sys.stderr = before
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nothing)
