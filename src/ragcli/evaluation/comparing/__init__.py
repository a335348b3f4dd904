"""Which model, splitter, search and reranker suit one's own documents: a grid of them, measured on the same questions.

`grid` reads what is asked for, `corpus` prepares documents and questions, `indexing` and `searching` do each stage once
and keep what it gave (`work`), `differences` tells chance from difference, `recommending` says what to take, `page`
draws it, and `run` is the whole.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.evaluation.comparing.grid import Grid, read_grid
    from ragcli.evaluation.comparing.run import Compared, compare_grid

_HOMES = {
    "Compared": "ragcli.evaluation.comparing.run",
    "Grid": "ragcli.evaluation.comparing.grid",
    "compare_grid": "ragcli.evaluation.comparing.run",
    "read_grid": "ragcli.evaluation.comparing.grid",
}

__all__ = ["Compared", "Grid", "compare_grid", "read_grid"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
