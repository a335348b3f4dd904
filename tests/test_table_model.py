"""Any sequence of embed, change, delete, prune, optimise, tag and restore leaves the table equal to a dictionary."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ragcli.indexing import Arrived, Writer, delete, maintain, prune
from ragcli.records import Vector
from ragcli.store import Table, history
from ragcli.store.upkeep import Keep

DIMENSION = 8
NAMES = [f"{number}.md" for number in range(6)]
WORDS = ["保修", "期限", "pump", "valve", "零件"]
Content = list[str]  # of a document: the words of its chunks


def vectors(source: str, words: Content) -> list[Vector]:
    """The chunks of a document; a chunk is another one when its place or its word is."""
    shared = {"document_id": source, "source": source, "format": "markdown", "model": "m"}
    return [
        Vector(
            id=f"{source}-{at}-{word}",
            text=f"{word} {word}{at}",
            start=at * 10,
            end=at * 10 + 5,
            vector=_vector(word, at),
            **shared,  # type: ignore[arg-type]
        )
        for at, word in enumerate(words)
    ]


def _vector(word: str, at: int) -> list[float]:
    rng = np.random.default_rng(abs(hash((WORDS.index(word), at))) % 2**32)
    made = rng.standard_normal(DIMENSION)
    return (made / np.linalg.norm(made)).tolist()  # type: ignore[no-any-return]


class TableIsADictionary(RuleBasedStateMachine):
    """Documents are files of a folder, so that those that are gone can be pruned."""

    @initialize(kind=st.sampled_from(["auto", "ivf-flat", "ivf-rq"]))
    def begin(self, kind: str) -> None:
        self.place = Path(tempfile.mkdtemp())
        self.root = self.place / "docs"
        self.root.mkdir()
        model = {"id": "m", "hash": "x", "dimension": DIMENSION}
        self.table = Table.create(str(self.place / "db"), "kb", {"model": model, "metric": "cosine"})
        self.table.keep_index_wish(kind)
        self.files: dict[str, Content] = {}  # on disk
        self.held: dict[str, tuple[str, str]] = {}  # chunk -> source and text
        self.tags: dict[str, dict[str, tuple[str, str]]] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)

    def _write(self, sources: list[str], *, cut: bool = False, last: int = 3) -> Arrived:
        writer = Writer(self.table, keep=Keep(last=last))
        chunks = [vector for source in sources for vector in vectors(source, self.files[source])]
        for vector in writer.fresh(chunks):
            assert isinstance(vector, Vector)
            writer.add(vector)
        if cut:  # the run is killed here: what was committed is there, nothing else has changed
            writer.flush()
        else:
            writer.finish()
        for source in sources:
            if not cut and self.files[source]:
                self.held = {name: one for name, one in self.held.items() if one[0] != source}
            self.held |= {one.id: (source, one.text) for one in vectors(source, self.files[source])}
        return writer.arrived

    @rule(name=st.sampled_from(NAMES), words=st.lists(st.sampled_from(WORDS), max_size=12))
    def change(self, name: str, words: Content) -> None:
        source = str(self.root / name)
        Path(source).write_text(" ".join(words) or "-", "utf-8")
        self.files[source] = words

    @precondition(lambda self: self.files)
    @rule(data=st.data(), cut=st.booleans(), last=st.integers(1, 4))
    def embed(self, data: st.DataObject, cut: bool, last: int) -> None:
        sources = data.draw(st.lists(st.sampled_from(sorted(self.files)), min_size=1, unique=True))
        self._write(sources, cut=cut, last=last)

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def remove_file(self, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from(sorted(self.files)))
        Path(source).unlink()
        del self.files[source]

    @precondition(lambda self: any(source in self.files for source, _ in self.held.values()))
    @rule()
    def prune(self) -> None:
        prune(self.table, [str(self.root)])
        self.held = {name: one for name, one in self.held.items() if one[0] in self.files}

    @rule(word=st.sampled_from(WORDS))
    def delete(self, word: str) -> None:
        gone = {name for name, (_, text) in self.held.items() if text.startswith(word)}
        assert delete(self.table, self.table.check_where(f"text LIKE '{word}%'")) == len(gone)
        self.held = {name: one for name, one in self.held.items() if name not in gone}

    @rule(thorough=st.booleans(), last=st.integers(1, 3))
    def optimise(self, thorough: bool, last: int) -> None:
        maintain(self.table, thorough=thorough, keep=Keep(last=last))

    @rule(name=st.sampled_from(["a", "b"]))
    def tag(self, name: str) -> None:
        history.tag(self.table, name)
        self.tags[name] = dict(self.held)

    @precondition(lambda self: self.tags)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.tags)))
        history.restore(self.table, history.find(self.table, name))
        self.held = dict(self.tags[name])

    @invariant()
    def the_rows_are_the_dictionary(self) -> None:
        self.table.refresh()
        found = self.table.dataset.to_table(columns=["id", "source", "text"]).to_pylist()
        assert {one["id"]: (one["source"], one["text"]) for one in found} == self.held
        assert len(found) == len(self.held)

    @invariant()
    def a_search_finds_what_is_there_and_nothing_else(self) -> None:
        for word in WORDS[:3]:
            expected = {name for name, (_, text) in self.held.items() if text.startswith(f"{word} ")}
            assert {one.id for one in self.table.text_search(word, 200)} == expected, word
        for name, (_, text) in list(self.held.items())[:2]:
            word, at = text.split(" ")[0], int(name.split("-")[-2])
            near = self.table.vector_search(np.array(_vector(word, at), np.float32), 100)
            assert name in {one.id for one in near if one.score > 0.999}


TestTableIsADictionary = TableIsADictionary.TestCase
TestTableIsADictionary.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
