"""Documents to chunks: by structure first, then by sentences, then, only where one is too long, inside it.

The public names below are imported on first use.

The defaults, 800 characters without overlap, are measured (benchmarks/split_quality.py, structure/2). Ten passages
with their titles as headings make a document; it is split, embedded and searched (hybrid). Figures: the share of
questions whose gold answer stands in the first chunk and in the first five, and the mean characters of the five.
CMRC2018: every other question of dev, 1,610; English: the project's own 47 questions.

    size overlap   CMRC2018 @1    @5  chars    English @1    @5  chars
     300    0 %          0.924 0.993   1183         0.872 0.957   1085
     300   10 %          0.926 0.993   1185         0.872 0.957   1085
     300   20 %          0.935 0.993   1211         0.851 0.957   1094
     500    0 %          0.965 0.998   1966         0.851 0.957   1897
     500   10 %          0.966 0.998   1953         0.851 0.957   1897
     500   20 %          0.969 0.996   1972         0.851 0.957   1918
     800    0 %          0.980 0.997   2529         0.957 1.000   3138
     800   10 %          0.980 0.997   2495         0.957 1.000   3156
     800   20 %          0.980 0.997   2476         0.957 1.000   3217
    1200    0 %          0.984 0.998   2684         0.936 1.000   4270
    1200   10 %          0.984 0.998   2684         0.936 1.000   4190
    1200   20 %          0.984 0.998   2684         0.957 1.000   4310

Overlap adds nothing beyond noise. 1200 is no better in English and has chunks that the built-in model does not read
to their end. A heading begins a new chunk once the chunk holds 15 % of its size (CMRC2018 @1, English @1: .983 .957
with every heading, .980 .957 at 15 %, .978 .936 at a third, .964 .915 at two thirds); below that, a section of a line
or two would stand alone. Title and headings before the embedded text (`ragcli embed --headings`) give .977 against
.978 (hybrid) and .929 against .935 (vectors) on CMRC2018, .936 against .936 and .787 against .745 in English.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.splitting.counting import HuggingFaceCounter, TokenCounter
    from ragcli.splitting.parser import NodeParser
    from ragcli.splitting.sentences import sentence_spans
    from ragcli.splitting.stage import settings_of, split, splitter_name

_HOMES = {
    "HuggingFaceCounter": "ragcli.splitting.counting",
    "NodeParser": "ragcli.splitting.parser",
    "TokenCounter": "ragcli.splitting.counting",
    "sentence_spans": "ragcli.splitting.sentences",
    "settings_of": "ragcli.splitting.stage",
    "split": "ragcli.splitting.stage",
    "splitter_name": "ragcli.splitting.stage",
}

__all__ = [
    "HuggingFaceCounter",
    "NodeParser",
    "TokenCounter",
    "sentence_spans",
    "settings_of",
    "split",
    "splitter_name",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
