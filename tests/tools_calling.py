"""Calls of tools for the tests, and what is left of processes."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from conftest import ROOT
from ragcli.tools import Outcome, Tool, run

SERVER = [sys.executable, str(ROOT / "tests" / "mcp_server.py")]


def call(tool: Tool, timeout: float = 10, most: int = 20_000, **arguments: object) -> Outcome:
    return run(tool, json.dumps(arguments), timeout=timeout, most=most)


def gone(pid: int) -> bool:
    """Whether a process ends within some seconds."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # nobody has waited for it here
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False
