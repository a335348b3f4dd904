"""The command line: Typer, thin, one file a subcommand.

`main` alone turns errors into sentences and exit codes; a subcommand returns its exit code or raises.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    from ragcli.cli.leaving import hear_always, leaving_at_once

    with contextlib.ExitStack() as starting:
        starting.enter_context(leaving_at_once())
        hear_always()
        from ragcli.cli.run import run

        os.environ.setdefault("LANCE_LOG", "error")  # it warns of what is none of a user's business
        code = run(sys.argv[1:], ready=starting.close)
    if code or not (_at_work() or sys.getprofile() or sys.gettrace()):
        _leave(code)
    sys.exit(code)


def _at_work() -> bool:
    """Whether a thread goes on that the process must wait for."""
    return any(not one.daemon and one is not threading.main_thread() for one in threading.enumerate())


def _leave(code: int) -> NoReturn:
    """End at once, without taking apart what the system frees anyway (.1 s of a query).

    And a thread that still loads a model would be torn from its library, which aborts the process.
    """
    files = sys.modules.get("pyarrow.fs")
    if files is not None:  # it would wait for a store that is silent
        atexit.unregister(getattr(files, "ensure_s3_finalized", print))
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
