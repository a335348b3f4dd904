"""How good is retrieval, measured on one's own questions: judgements, measures, intervals, gates, comparison.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.evaluation.cases import cases
    from ragcli.evaluation.judging import Judged, from_cases, from_qrels
    from ragcli.evaluation.qrels import read_qrels
    from ragcli.evaluation.relevance import Collection
    from ragcli.evaluation.stage import evaluate

_HOMES = {
    "Collection": "ragcli.evaluation.relevance",
    "Judged": "ragcli.evaluation.judging",
    "cases": "ragcli.evaluation.cases",
    "evaluate": "ragcli.evaluation.stage",
    "from_cases": "ragcli.evaluation.judging",
    "from_qrels": "ragcli.evaluation.judging",
    "read_qrels": "ragcli.evaluation.qrels",
}

__all__ = ["Collection", "Judged", "cases", "evaluate", "from_cases", "from_qrels", "read_qrels"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
