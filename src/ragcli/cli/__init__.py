"""The command line: Typer, thin, one file a subcommand.

`main` alone turns errors into sentences and exit codes; a subcommand returns its exit code or raises.
"""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    from ragcli.cli.run import run

    sys.exit(run(sys.argv[1:]))
