"""The command line: Typer, thin, one file a subcommand.

`main` alone turns errors into sentences and exit codes; a subcommand returns its exit code or raises.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    from ragcli.cli.leaving import leaving_at_once

    with contextlib.ExitStack() as starting:
        starting.enter_context(leaving_at_once())
        from ragcli.cli.run import run
        from ragcli.errors import INTERRUPTED

        os.environ.setdefault("LANCE_LOG", "error")  # it warns of what is none of a user's business
        code = run(sys.argv[1:], ready=starting.close)
    if code == INTERRUPTED:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End at once: a thread that still loads a model would be torn from its library, which aborts the process."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
