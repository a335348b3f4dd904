"""Step 3: does the vector of a chunk know the answer, was it made as the contract says, is the full text there?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragcli.diagnosing.library import Library
from ragcli.diagnosing.steps import OK, Finding
from ragcli.diagnosing.texts import Text
from ragcli.embedding.stage import passage_text
from ragcli.indexing import search_text
from ragcli.records import Chunk, Json
from ragcli.store import chunk_of
from ragcli.where import one_of

if TYPE_CHECKING:
    import numpy as np

    from ragcli.embedding import Embedder
    from ragcli.retrieval import Mode

_SAME = 0.999  # cosine of two vectors of one text by one model in one way; by another way .95 to .998
_NEARLY = 0.95  # likewise by another backend or precision
_QUERY = 200  # characters of a chunk that are searched in the full-text index
_PREFIXES = (  # of families of models, which people put before the text themselves
    "query: ",
    "passage: ",
    "search_document: ",
    "search_query: ",
    "Represent this sentence for searching relevant passages: ",
    "为这个句子生成表示以用于检索相关文章：",
)
_VECTOR = ("vector_broken", "wrong_way", "other_vector", "truncated")


class Embedding:
    """Checks how chunks were embedded and indexed.

    Args:
        library: what the table holds.
        embedder: the table's model; None where only the full text is searched.
    """

    def __init__(self, library: Library, embedder: Embedder | None) -> None:
        self._library, self._table, self._embedder = library, library.table, embedder
        self._headings = bool(self._table.contract.get("headings"))
        self._made: dict[str, np.ndarray[Any, Any]] = {}
        self._counter: Any = None

    def check(self, chunk_ids: Sequence[str], answers: Sequence[str], mode: Mode) -> list[Finding]:
        """Return the worst that is wrong with each of some chunks, as far as a search in this mode uses it.

        A chunk of which nothing is wrong is ``OK``; one that differs a little is a warning.
        """
        columns = ["id", "search_text", "vector"]
        rows = {row["id"]: row for row in self._table.scan(columns, one_of("id", list(chunk_ids)))}
        out = []
        for chunk_id in chunk_ids:
            chunk, row = chunk_of(self._library.row(chunk_id)), rows[chunk_id]
            found = [self._full_text(chunk, row)] if mode != "vector" else []
            if mode != "text" and self._embedder is not None:
                vector = self._vector(chunk, row)
                found += [vector, self._truncated(chunk, answers) if vector.status != "lost" else OK]
            order = {"lost": 0, "warn": 1, "ok": 2}
            out.append(min(found, key=lambda one: order[one.status]))
        return out

    def asked(self, question: str) -> np.ndarray[Any, Any] | None:
        """Return the vector (dimension,) of a question; None without a model."""
        return None if self._embedder is None else self._embedder.encode([question], "query")[0]

    def passage(self, chunk_id: str) -> np.ndarray[Any, Any]:
        """Return the vector (dimension,) that the contract's model makes of a chunk."""
        return self._passage(chunk_of(self._library.row(chunk_id)))

    def _passage(self, chunk: Chunk) -> np.ndarray[Any, Any]:
        assert self._embedder is not None
        if chunk.id not in self._made:
            (self._made[chunk.id],) = self._embedder.encode([passage_text(chunk, headings=self._headings)], "passage")
        return self._made[chunk.id]

    def _full_text(self, chunk: Chunk, row: Json) -> Finding:
        """See whether the full-text index knows a chunk."""
        wanted = search_text(chunk)
        if (row["search_text"] or "") != wanted:
            says = f"the full text of a chunk of {chunk.source} is not what the chunk says: words do not find it"
            return Finding("lost", "full_text_missing", says, {"chunk": chunk.id, "source": chunk.source})
        if any(char.isalnum() for char in wanted[:_QUERY]) and not self._table.text_search(
            wanted[:_QUERY], 1, one_of("id", [chunk.id])
        ):
            says = f"the full-text index does not know a chunk of {chunk.source}: words do not find it"
            return Finding("lost", "full_text_missing", says, {"chunk": chunk.id, "source": chunk.source})
        return OK

    def _vector(self, chunk: Chunk, row: Json) -> Finding:
        """Compare a chunk's vector with the one that the contract's model makes of it."""
        import numpy as np

        stored = np.asarray(row["vector"] if row["vector"] is not None else [], np.float32)
        norm = float(np.linalg.norm(stored)) if stored.size else 0.0
        if not np.isfinite(norm) or norm == 0:
            what = "is missing" if not stored.size else "is zero" if norm == 0 else "holds what is no number"
            says = f"the vector of a chunk of {chunk.source} {what}"
            return Finding("lost", "vector_broken", says, {"chunk": chunk.id, "source": chunk.source})
        alike = float(stored @ self._passage(chunk)) / norm
        if alike >= _SAME:
            return OK
        ways = self._ways(chunk, stored / norm)
        name, best = max(ways.items(), key=lambda one: one[1])
        evidence: Json = {"chunk": chunk.id, "source": chunk.source, "cosine": round(alike, 4)}
        if best >= _SAME:
            says = f"the vector of a chunk of {chunk.source} was made {name}, which the contract does not say"
            return Finding("lost", "wrong_way", f"{says} (cosine {alike:.3f})", {**evidence, "made": name})
        model = self._table.contract["model"]["id"]
        if alike >= _NEARLY:
            says = f"the vector of a chunk of {chunk.source} differs a little from what {model} makes of it here"
            return Finding("warn", "other_precision", f"{says} (cosine {alike:.3f})", evidence)
        says = f"the vector of a chunk of {chunk.source} is none that {model} makes of its text (cosine {alike:.3f})"
        return Finding("lost", "other_vector", says, evidence)

    def _ways(self, chunk: Chunk, stored: np.ndarray[Any, Any]) -> dict[str, float]:
        """Return the cosine of a vector to those of other ways to embed the same text."""
        assert self._embedder is not None
        text = passage_text(chunk, headings=self._headings)
        other = passage_text(chunk, headings=not self._headings)
        prefixes = self._table.contract["model"].get("prefixes") or {}
        passages = {f"{'without' if self._headings else 'with'} title and headings": other}
        for prefix in dict.fromkeys([*prefixes.values(), *_PREFIXES]):
            passages[f"with {prefix.strip()!r} before the text"] = f"{prefix}{text}"
        out = {"with the prefix of questions": float(stored @ self._embedder.encode([text], "query")[0])}
        for name, words in passages.items():
            if words != text:
                out[name] = float(stored @ self._embedder.encode([words], "passage")[0])
        return out

    def _truncated(self, chunk: Chunk, answers: Sequence[str]) -> Finding:
        """See whether the model read a chunk as far as its answer."""
        text = passage_text(chunk, headings=self._headings)
        counter = self._tokens()
        if counter is None or len(text) <= counter.limit:  # fewer characters than it reads tokens
            return OK
        spans = counter.spans(text)
        if len(spans) <= counter.limit:
            return OK
        places = Text(text).places(answers)
        if places and places[0].end <= spans[counter.limit - 1][1]:
            return OK
        says = (
            f"a chunk of {chunk.source} has {len(spans)} tokens and the model reads {counter.limit}:"
            " its vector does not know the part with the answer"
        )
        evidence = {"chunk": chunk.id, "source": chunk.source, "tokens": len(spans), "limit": counter.limit}
        return Finding("lost", "truncated", says, evidence)

    def _tokens(self) -> Any:
        """Return what counts the model's tokens; None for one at an endpoint."""
        model = str(self._table.contract["model"]["id"])
        if self._counter is None and not model.startswith("openai:"):
            from ragcli.embedding import token_counter

            self._counter = token_counter(model)
        return self._counter


def is_of_vector(finding: Finding) -> bool:
    """Whether a finding concerns the vector, and not the full text."""
    return finding.cause in _VECTOR
