"""Chunks without end for benchmarks of scale: real texts first, then texts of a Zipf vocabulary, and clustered vectors.

The passages of CMRC2018 and of the English test set come as they are; behind them texts are drawn from the words of
both, as often as they stand there, and a tail of names and codes that are rare, as in real collections. A document has
a few words of its own, which its chunks repeat. Vectors lie around centres, unevenly many around each, as those of
texts do. The same number and seed give the same chunks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ragcli.lexical import TOKENIZER
from ragcli.records import Chunk, content_id

DIMENSION = 384
CHUNKS = 8  # of a document
_CENTRES = 4000
_AROUND = 25
_TAIL = 200_000
_BLOCK = 20_000
_OWN = 24  # words that a document has of its own


class Texts:
    """Texts in Chinese and English, by turns of documents.

    Args:
        cmrc: the folder of CMRC2018.
        english: JSON Lines with ``text``.
    """

    def __init__(self, cmrc: Path, english: Path) -> None:
        self._real = {
            "zh": _texts(cmrc / "corpus.jsonl"),
            "en": list(dict.fromkeys(_texts(english))),
        }
        self._words, self._weights = {}, {}
        rng = np.random.default_rng(5)
        for language, texts in self._real.items():
            counts = _counted(texts)
            names = _names(language, rng)
            words = [word for word, _ in counts.most_common()] + names
            weight = np.array([count for _, count in counts.most_common()] + [0.5] * len(names))
            weight[len(counts) :] /= np.arange(1, len(names) + 1) ** 0.5
            self._words[language] = np.array(words, dtype=object)
            self._weights[language] = np.cumsum(weight / weight.sum())

    def documents(self, count: int, seed: int = 0) -> Iterator[list[str]]:
        """Yield so many documents, each a list of `CHUNKS` texts."""
        rng = np.random.default_rng(seed)
        real = {name: iter(texts) for name, texts in self._real.items()}
        for number in range(count):
            language = ("zh", "en")[number % 2]
            own = self._draw(language, _OWN, rng)
            out = [text for text, _ in zip(real[language], range(CHUNKS), strict=False)]
            out += [self._text(language, own, rng) for _ in range(CHUNKS - len(out))]
            yield out

    def _draw(self, language: str, count: int, rng: np.random.Generator) -> list[str]:
        places = np.searchsorted(self._weights[language], rng.random(count))
        return self._words[language][np.minimum(places, len(self._words[language]) - 1)].tolist()  # type: ignore[no-any-return]

    def _text(self, language: str, own: list[str], rng: np.random.Generator) -> str:
        count = int(rng.integers(40, 120))
        words = self._draw(language, count, rng)
        for place in rng.integers(0, count, count // 4).tolist():
            words[place] = own[place % _OWN]
        ends = "。，" if language == "zh" else ". , "
        joined = ("" if language == "zh" else " ").join(
            word + (ends[:1] if at % 17 == 16 else "") for at, word in enumerate(words)
        )
        return joined + ends[0]


def _texts(path: Path) -> list[str]:
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [row["text"] for row in rows if "text" in row]


def _counted(texts: list[str]) -> Counter[str]:
    import lance

    plain = {**TOKENIZER, "stem": False}
    return Counter(token.text for text in texts for token in lance.tokenize(text, **plain))


def _names(language: str, rng: np.random.Generator) -> list[str]:
    if language == "zh":
        codes = rng.integers(0x4E00, 0x9FA0, (_TAIL, 3))
        return ["".join(map(chr, row)) for row in codes.tolist()]
    letters = rng.integers(97, 123, (_TAIL, 7))
    return ["".join(map(chr, row[: 4 + row[0] % 4])) for row in letters.tolist()]


def vectors(count: int, seed: int = 0) -> Iterator[np.ndarray[Any, Any]]:
    """Yield vectors (n, `DIMENSION`) of length 1 in float32, so many in all."""
    fixed = np.random.default_rng(1)
    centres = fixed.standard_normal((_CENTRES, DIMENSION), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    near = fixed.standard_normal((_CENTRES * _AROUND, DIMENSION), dtype=np.float32) * (0.6 / DIMENSION**0.5)
    often = 1 / np.arange(1, _CENTRES + 1) ** 0.5
    often /= often.sum()
    rng = np.random.default_rng(seed)
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        centre = rng.choice(_CENTRES, size, p=often)
        made = centres[centre] + near[centre * _AROUND + rng.integers(0, _AROUND, size)]
        made += rng.standard_normal((size, DIMENSION), dtype=np.float32) * (0.5 / DIMENSION**0.5)
        yield made / np.linalg.norm(made, axis=1, keepdims=True)


def chunks(texts: Texts, count: int, seed: int = 0) -> Iterator[Chunk]:
    """Yield so many chunks."""
    made = 0
    for number, parts in enumerate(texts.documents(-(-count // CHUNKS), seed)):
        source = f"docs/{number // 1000:04}/{seed}-{number:08}.md"
        document = content_id(source)
        place = 0
        for text in parts[: count - made]:
            yield Chunk(
                id=content_id(document, str(place)), document_id=document, source=source, text=text, start=place,
                end=place + len(text), format="markdown", splitter="structure:800:0",
            )  # fmt: skip
            place += len(text)
            made += 1
