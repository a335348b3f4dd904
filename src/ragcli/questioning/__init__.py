"""Questions from a table's own chunks, to measure with, to calibrate and to fine-tune: with a model or by rules.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.questioning.asking import ModelMaker
    from ragcli.questioning.drafts import Draft, Dropped, Maker
    from ragcli.questioning.rules import RuleMaker
    from ragcli.questioning.stage import Wanted, make_questions

_HOMES = {
    "Draft": "ragcli.questioning.drafts",
    "Dropped": "ragcli.questioning.drafts",
    "Maker": "ragcli.questioning.drafts",
    "ModelMaker": "ragcli.questioning.asking",
    "RuleMaker": "ragcli.questioning.rules",
    "Wanted": "ragcli.questioning.stage",
    "make_questions": "ragcli.questioning.stage",
}

__all__ = ["Draft", "Dropped", "Maker", "ModelMaker", "RuleMaker", "Wanted", "make_questions"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
