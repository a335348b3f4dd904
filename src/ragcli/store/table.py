"""LanceDB tables: the schema, the contract, opening and reading.

A LanceDB table is a Lance dataset in ``DB/NAME.lance``. It is read and written here with Lance's own Python
package, which imports in .2 s where lancedb takes 1.3; lancedb opens the same tables (tests/test_table_cli.py).
This package is imported only by what needs a table.

The contract (`ragcli.contract`) stands in the schema's metadata under ``ragcli``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lance
import numpy as np
import pyarrow as pa

from ragcli import __version__
from ragcli.errors import TableError, UsageError
from ragcli.jsonl import dumps, loads
from ragcli.lexical import TOKENIZER
from ragcli.records import Json
from ragcli.store import remote, vector_indexes
from ragcli.store.places import lance_errors, missing, open_dataset, table_uri
from ragcli.store.remote import is_remote
from ragcli.store.schema import CHUNK_COLUMNS, CONTRACT_KEY, FORMAT, INDEX_KEY, REFUSAL_KEY, plain, schema
from ragcli.where import metadata_paths, one_of, rewrite

TEXT_INDEX = "search_text_idx"
_SCAN_ROWS = 8192
_TIES = 32  # rows beyond the limit, so that equal scores at its edge are told apart by id and not by chance


class Found(NamedTuple):
    """A row that a search found: the chunk's id, Lance's row id, and the score (higher is better)."""

    id: str
    row: int
    score: float


class Table:
    """One table, open for reading; `ragcli.indexing.Writer` writes it."""

    def __init__(self, db: str, name: str, dataset: Any) -> None:
        self.db = db
        self.name = name
        self.dataset = dataset
        self._known: dict[str, tuple[int, Any]] = {}

    @classmethod
    def open(cls, db: str, name: str) -> Table:
        """Open a table.

        Raises:
            TableError: there is no such table (the message names those there are), or it is not ragcli's.
        """
        uri = table_uri(db, name)
        if not is_remote(db) and not Path(uri).is_dir():
            raise missing(db, name)
        with lance_errors(f"cannot open the table {name!r} in {db}"):
            try:
                dataset = open_dataset(db, name)
            except ValueError as error:
                if "was not found" in str(error):
                    raise missing(db, name) from error
                raise
        table = cls(db, name, dataset)
        if table.contract.get("format", FORMAT) != FORMAT:
            raise TableError(
                f"the table {name!r} in {db} was made by ragcli {table.contract.get('ragcli')}, whose tables are"
                " of another form.",
                hint="Index the documents again, into another table (-t) or after removing this one.",
            )
        if "format" not in table.contract:
            raise TableError(
                f"the table {name!r} in {db} was not made by ragcli: it has no contract in its schema.",
                hint="Make one with: ragcli load … | ragcli split | ragcli embed -t NAME",
            )
        return table

    @classmethod
    def create(cls, db: str, name: str, contract: Mapping[str, Any]) -> Table:
        """Create an empty table with this contract, or open the one that another process has just made.

        Raises:
            TableError: the place cannot be written.
        """
        uri = table_uri(db, name)
        full = {"format": FORMAT, "ragcli": __version__, **contract}
        made = schema(int(contract["model"]["dimension"]), full)
        with lance_errors(f"cannot create the table {name!r} in {db}"):
            try:
                lance.write_dataset(made.empty_table(), uri, mode="create", storage_options=remote.options(db))
            except OSError as error:
                if "already exists" not in str(error):
                    raise
                return cls.open(db, name)
        table = cls.open(db, name)
        table.ensure_text_index()  # from the start, so that a table whose first run was killed can be searched
        return table

    def ensure_text_index(self) -> None:
        """Create the full-text index where it is missing, as after a run that was killed before it came to that."""
        with lance_errors(f"cannot index the table {self.name!r} in {self.db}"):
            if any(index.name == TEXT_INDEX for index in self.dataset.describe_indices()):
                return
            try:
                self.dataset.create_scalar_index(
                    "search_text", "INVERTED", name=TEXT_INDEX, with_position=True, **TOKENIZER
                )
            except OSError as error:  # another process may have been first
                if "conflict" not in str(error).lower():
                    raise
            self.refresh()

    @classmethod
    def exists(cls, db: str, name: str) -> bool:
        """Whether there is such a table.

        Raises:
            TableError: the store that it would lie on cannot be asked.
        """
        uri = table_uri(db, name)
        if not is_remote(db):
            versions = Path(uri, "_versions")
            return versions.is_dir() and any(versions.iterdir())
        return remote.holds(db, uri)

    @property
    def contract(self) -> Json:
        """How the table was made."""
        return self._metadata(CONTRACT_KEY)

    @property
    def refusal(self) -> Json:
        """What ``ask --calibrate`` found for this table; empty where it was not calibrated."""
        return self._metadata(REFUSAL_KEY)

    @property
    def index_wish(self) -> str:
        """The kind of vector index that is wanted: ``auto`` where nobody said."""
        return str(self._metadata(INDEX_KEY).get("kind") or vector_indexes.AUTO)

    def keep_index_wish(self, kind: str) -> None:
        """Keep which kind of vector index is wanted, for all runs to come.

        Args:
            kind: one of `ragcli.store.vector_indexes.CHOICES`.

        Raises:
            UsageError: there is no such kind.
            TableError: the table cannot be written.
        """
        if vector_indexes.check(kind) == self.index_wish:
            return
        with lance_errors(f"cannot write the table {self.name!r} in {self.db}"):
            self.dataset.update_schema_metadata({INDEX_KEY.decode(): dumps({"kind": kind}).decode()})

    def keep_refusal(self, calibration: Mapping[str, Any]) -> None:
        """Keep a calibration in the schema's metadata, instead of the one before.

        Raises:
            TableError: the table cannot be written.
        """
        with lance_errors(f"cannot write the table {self.name!r} in {self.db}"):
            self.dataset.update_schema_metadata({REFUSAL_KEY.decode(): dumps(dict(calibration)).decode()})

    def _metadata(self, key: bytes) -> Json:
        try:
            value = loads((self.dataset.schema.metadata or {}).get(key, b"{}"))
        except ValueError:
            value = {}
        return value if isinstance(value, dict) else {}

    @property
    def dimension(self) -> int:
        """The number of components of each vector."""
        return int(self.dataset.schema.field("vector").type.list_size)

    def __len__(self) -> int:
        return int(self.dataset.count_rows())

    def refresh(self) -> None:
        """See what others have written since the table was opened."""
        self.dataset.checkout_latest()

    # Searching. Each returns plain rows and scores; `ragcli.retrieval` makes hits of them.

    def text_search(self, folded: str, limit: int, where: str | None = None) -> list[Found]:
        """Return the best rows by BM25 for a folded question, best first."""
        if not folded.strip() or limit < 1:
            return []
        found = self._search(
            limit + _TIES,
            where,
            columns=["id", "_score"],
            full_text_query={"columns": ["search_text"], "query": folded},
        )
        return _ordered(found, found["_score"].to_pylist())[:limit]

    def vector_search(self, vector: np.ndarray[Any, Any], limit: int, where: str | None = None) -> list[Found]:
        """Return the best rows by cosine similarity to a vector (dimension,), best first."""
        more = limit + _TIES
        near: Json = {"column": "vector", "q": vector, "k": more, "metric": "cosine"}
        if (kind := self._vector_index()) is not None:
            near |= vector_indexes.nearest(kind, self._rows(), more)
        found = self._search(more, where, columns=["id", "_distance"], nearest=near)
        return _ordered(found, [_similarity(1.0 - distance) for distance in found["_distance"].to_pylist()])[:limit]

    def vector_search_batch(
        self, vectors: np.ndarray[Any, Any], limit: int, where: str | None = None
    ) -> list[list[Found]]:
        """Return what `vector_search` would for each of many vectors (n, dimension), in one pass over the table.

        The questions' vectors must have length 1. Memory is that of one batch of rows and of the best so far.
        """
        more = limit + _TIES
        best_scores = np.zeros((len(vectors), 0), np.float32)
        best_rows = np.zeros((len(vectors), 0), np.int64)
        names: dict[int, str] = {}
        with lance_errors(f"cannot search the table {self.name!r}"):
            batches = self.dataset.to_batches(
                columns=["id", "vector"], filter=where, with_row_id=True, batch_size=_SCAN_ROWS
            )
            for batch in batches:
                matrix = _matrix(batch.column("vector")).copy()
                rows = batch.column("_rowid").to_numpy().astype(np.int64)
                matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
                scores = np.concatenate([best_scores, vectors @ matrix.T], axis=1)
                places = np.concatenate([best_rows, np.broadcast_to(rows, (len(vectors), len(rows)))], axis=1)
                if scores.shape[1] > more:
                    top = np.argpartition(-scores, more - 1, axis=1)[:, :more]
                    scores, places = np.take_along_axis(scores, top, 1), np.take_along_axis(places, top, 1)
                best_scores, best_rows = scores, places
                kept = set(np.unique(places).tolist())
                ids = batch.column("id")
                names = {row: name for row, name in names.items() if row in kept}
                names.update({row: ids[at].as_py() for at, row in enumerate(rows.tolist()) if row in kept})
        return [
            _sorted([Found(names[row], row, _similarity(score)) for row, score in zip(some, values, strict=True)])[
                :limit
            ]
            for some, values in zip(best_rows.tolist(), best_scores.tolist(), strict=True)
        ]

    def index_parts(self) -> dict[str, list[int]]:
        """Return the rows of each part of each index, oldest part first; rows in none of them are found, too."""
        rows = {fragment.fragment_id: fragment.count_rows() for fragment in self.dataset.get_fragments()}
        return {
            index.name: [sum(rows.get(at, 0) for at in part.fragment_ids) for part in index.segments]
            for index in self.dataset.describe_indices()
        }

    def has_vector_index(self) -> bool:
        """Whether the vectors have an index, beside which the search is a scan."""
        return self._vector_index() is not None

    def _vector_index(self) -> str | None:
        return self._of_version("index", lambda: vector_indexes.existing(self))  # type: ignore[no-any-return]

    def _rows(self) -> int:
        return int(self._of_version("rows", self.dataset.count_rows))

    def _of_version(self, name: str, look: Callable[[], Any]) -> Any:
        """Return what is the same as long as the table is: looked up once for each of its versions."""
        version = self.dataset.version
        known = self._known.get(name)
        if known is None or known[0] != version:
            known = self._known[name] = (version, look())
        return known[1]

    def _search(self, limit: int, where: str | None, **options: Any) -> Any:
        with lance_errors(f"cannot search the table {self.name!r}"):
            return self.dataset.scanner(
                filter=where,
                prefilter=True,
                limit=limit,
                with_row_id=True,
                disable_scoring_autoprojection=True,
                **options,
            ).to_table()

    def vectors(self, rows: list[int]) -> dict[int, np.ndarray[Any, Any]]:
        """Return the vectors (dimension,) of these rows."""
        if not rows:
            return {}
        with lance_errors(f"cannot read the table {self.name!r}"):
            found = self.dataset.scanner(columns=["vector"], filter=of_rows(rows), with_row_id=True).to_table()
        matrix = _matrix(found["vector"].combine_chunks())
        return dict(zip(found["_rowid"].to_pylist(), matrix, strict=True))

    def rows(self, rows: list[int]) -> dict[int, Json]:
        """Return these rows' columns, without the vector."""
        if not rows:
            return {}
        with lance_errors(f"cannot read the table {self.name!r}"):
            found = self.dataset.scanner(columns=CHUNK_COLUMNS, filter=of_rows(rows), with_row_id=True).to_table()
        keys = found["_rowid"].to_pylist()
        return dict(zip(keys, plain(found.drop_columns(["_rowid"])), strict=True))

    def scan(self, columns: list[str], where: str | None = None) -> Iterator[Json]:
        """Yield these columns of every row that meets a condition, as `rows` gives them, a batch in memory."""
        with lance_errors(f"cannot read the table {self.name!r}"):
            for batch in self.dataset.to_batches(columns=columns, filter=where, batch_size=_SCAN_ROWS):
                yield from plain(batch)

    def check_where(self, where: str) -> str:
        """Return the filter as Lance understands it, after trying it.

        Raises:
            UsageError: it is not SQL on this table's columns.
        """
        rewritten = rewrite(where)
        try:
            self.dataset.scanner(columns=["id"], filter=rewritten, limit=1).to_table()
        except (ValueError, OSError, RuntimeError, pa.ArrowException) as error:
            reason = re.split(r", /\S+\.rs:\d+", str(error), maxsplit=1)[0].split("Valid fields")[0].strip(" .")
            raise UsageError(
                f"--where {where!r}: {reason}.",
                hint="Columns: id, document_id, source, format, title, text, start, end, pages, headings, metadata.KEY;"
                " as in --where \"metadata.year >= 2020 AND source LIKE 'docs/%'\".",
            ) from error
        return rewritten

    def unknown_keys(self, where: str) -> list[str]:
        """Return the metadata keys that a filter names and no row has: misspelt, most likely."""
        with lance_errors(f"cannot read the table {self.name!r}"):
            return [
                path
                for path, condition in metadata_paths(where).items()
                if not self.dataset.scanner(columns=["id"], filter=condition, limit=1).to_table().num_rows
            ]

    def chunks_of(self, document_ids: list[str]) -> dict[str, list[Json]]:
        """Return the rows of these documents, in the order of their place in it."""
        out: dict[str, list[Json]] = {key: [] for key in document_ids}
        if document_ids:
            with lance_errors(f"cannot read the table {self.name!r}"):
                found = self.dataset.scanner(
                    columns=CHUNK_COLUMNS, filter=one_of("document_id", document_ids)
                ).to_table()
            for row in plain(found):
                out[row["document_id"]].append(row)
        for rows in out.values():
            rows.sort(key=lambda row: (row["start"], row["end"]))
        return out


def of_rows(rows: list[int]) -> str:
    """Return the condition that a row is one of these."""
    return f"_rowid IN ({', '.join(map(str, rows))})"


def _similarity(value: float) -> float:
    """Round away what differs between one way of multiplying and another, so that equal vectors score the same."""
    return round(value, 6)


def _ordered(found: Any, scores: list[float]) -> list[Found]:
    return _sorted(list(map(Found, found["id"].to_pylist(), found["_rowid"].to_pylist(), scores)))


def _sorted(found: list[Found]) -> list[Found]:
    """Sort by score, then by id, so that ties come out the same on every machine."""
    return sorted(found, key=lambda one: (-one.score, one.id))


def _matrix(column: Any) -> np.ndarray[Any, Any]:
    """Return a column of vectors as an array (rows, dimension)."""
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), -1)  # type: ignore[no-any-return]
