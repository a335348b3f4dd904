"""Train and test: every document in one of them, with its copies and versions, as its first question comes.

Which part is next follows from how many questions are in each so far, so that the parts have the sizes that were asked
for at any length, and what was written stays where it is. Documents that are like those of both parts are in neither.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from ragcli.questioning.likeness import Sketch, is_alike, sketch, stem_of
from ragcli.records import Chunk

TRAIN, TEST = "train", "test"
BETWEEN = "between_parts"

Texts = Callable[[str], Iterable[str]]  # the texts of a document's chunks


class Parts:
    """Decides in which part a question is.

    Args:
        fraction: of the questions that are for the test.
        texts: returns the texts of a document by its id.
    """

    def __init__(self, fraction: float, texts: Texts) -> None:
        self._fraction, self._texts = fraction, texts
        self.counts: Counter[str] = Counter()
        self._part: dict[str, str] = {}  # document id -> part
        self._stems: dict[str, str] = {}
        self._sketches: list[tuple[Sketch, str]] = []
        self._by_hash: dict[int, list[int]] = defaultdict(list)

    def place(self, chunks: Sequence[Chunk]) -> str | None:
        """Return the part of a question that is from these chunks, or None where they are like both parts.

        Without any chunk it is in the part that is short of questions.
        """
        fresh: list[Sketch] = []
        found: set[str] = set()
        for chunk in chunks:
            fresh.append(sketch([chunk.text]))
            if (part := self._part.get(chunk.document_id)) is not None:
                found.add(part)
                continue
            fresh.append(sketch(self._texts(chunk.document_id)))
            if (part := self._stems.get(stem_of(chunk.source))) is not None:
                found.add(part)
        for made in fresh:
            found |= self._like(made)
        if len(found) > 1:
            return None
        part = found.pop() if found else self._next()
        for chunk in chunks:
            self._part[chunk.document_id] = part
            self._stems.setdefault(stem_of(chunk.source), part)
        for made in fresh:
            self._keep(made, part)
        self.counts[part] += 1
        return part

    def _next(self) -> str:
        whole = sum(self.counts.values()) + 1
        return TEST if self.counts[TEST] + 0.5 < self._fraction * whole else TRAIN

    def _like(self, made: Sketch) -> set[str]:
        """Return the parts that have a document like this one."""
        shared: Counter[int] = Counter(at for value in made.hashes for at in self._by_hash.get(value, ()))
        return {self._sketches[at][1] for at in shared if is_alike(made, self._sketches[at][0])}

    def _keep(self, made: Sketch, part: str) -> None:
        for value in made.hashes:
            self._by_hash[value].append(len(self._sketches))
        self._sketches.append((made, part))
