"""Where a plan runs: a table from names to modules, each with ``run(plan, reports, watch) -> Done``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ragcli.errors import UsageError
from ragcli.pipeline.plan import Done, Plan, Reports, Unwatched, Watch

ENGINES = {"local": "ragcli.pipeline.local", "ray": "ragcli.engines.ray_plan"}


def run(
    plan: Plan,
    *,
    reports: Reports | None = None,
    watch: Watch | None = None,
    engine: str = "local",
    options: Mapping[str, Any] | None = None,
) -> Done:
    """Load, split and embed into a table.

    Args:
        plan: what each stage does.
        reports: where counts and losses of each stage go.
        watch: is told how it gets on.
        engine: a name of ``ENGINES``.
        options: the engine's own.

    Raises:
        UsageError: there is no such engine, or settings do not make sense together.
        RagcliError: what ends a stage; what was embedded before is in the table.
    """
    check_engine(engine)
    done: Done = import_module(ENGINES[engine]).run(plan, reports or Reports(), watch or Unwatched(), **(options or {}))
    return done


def check_engine(name: str) -> None:
    """Check that there is an engine of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, 1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no engine {name!r}.", hint=f"{meant}There are: {', '.join(ENGINES)}.")
