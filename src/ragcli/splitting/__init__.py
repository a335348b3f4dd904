"""Documents to chunks: by structure first, then by sentences, then, only where one is too long, inside it.

The public names below are imported on first use.

The defaults, 800 characters without overlap, are measured (structure/1). Ten passages with their titles as
headings make a document, BM25 over Chinese bigrams and English words, headings included, finds chunks. Figures:
the share of questions whose gold answer stands in the first chunk and in the first five, and the mean characters
of the five. CMRC2018: every other question of dev, 1,610; English: the project's own 47 questions.

    size overlap   CMRC2018 @1   @5   chars    English @1   @5   chars
     300    0 %          0.877 0.991   1230         0.766 0.851   1107
     300   10 %           0.88 0.989   1232         0.766 0.851   1107
     300   20 %           0.89  0.99   1234         0.745 0.851   1112
     500    0 %          0.942 0.994   1948         0.809 0.894   1913
     500   10 %          0.944 0.993   1944         0.809 0.894   1913
     500   20 %          0.945 0.994   1954         0.787 0.894   1889
     800    0 %          0.969 0.996   2522         0.957 0.957   3245
     800   10 %          0.969 0.996   2508         0.957 0.957   3271
     800   20 %          0.968 0.996   2503         0.936 0.979   3222
    1200    0 %          0.967 0.996   3361         0.936 0.979   4688
    1200   10 %          0.967 0.996   3362         0.936 0.979   4599
    1200   20 %          0.968 0.996   3363         0.915 0.979   4415

Overlap adds nothing beyond noise: a heading begins a new chunk, and sections that fit are not cut. 800 keeps
88 % of the CMRC2018 passages (276-980 characters) whole; 1200 returns a third more text for the same answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.splitting.counting import HuggingFaceCounter, TokenCounter
    from ragcli.splitting.sentences import sentence_spans
    from ragcli.splitting.stage import split

_HOMES = {
    "HuggingFaceCounter": "ragcli.splitting.counting",
    "TokenCounter": "ragcli.splitting.counting",
    "sentence_spans": "ragcli.splitting.sentences",
    "split": "ragcli.splitting.stage",
}

__all__ = ["HuggingFaceCounter", "TokenCounter", "sentence_spans", "split"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
