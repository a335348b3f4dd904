"""LanceDB tables: the schema, the contract, opening and reading.

A LanceDB table is a Lance dataset in ``DB/NAME.lance``. It is read and written here with Lance's own Python
package, which imports in .2 s where lancedb takes 1.3; lancedb opens the same tables (tests/test_store.py).
This module is imported only by what needs a table.

The contract is how the table was made (embedding model and its content hash, dimension, pooling, prefixes,
splitter …). It stands in the schema's metadata under ``ragcli``; whoever reads or writes obeys it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from ragcli import __version__
from ragcli.errors import ContractError, TableError, UsageError
from ragcli.jsonl import dumps, loads
from ragcli.records import Chunk, Json
from ragcli.where import one_of, rewrite

FORMAT = 1
CONTRACT_KEY = b"ragcli"
PRIMARY_KEY = {b"lance-schema:unenforced-primary-key": b"true"}
CHUNK_COLUMNS = [
    "id",
    "document_id",
    "source",
    "title",
    "text",
    "start",
    "end",
    "pages",
    "headings",
    "header",
    "splitter",
    "metadata",
    "extra",
]
TEXT_INDEX = "search_text_idx"
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def schema(dimension: int, contract: Mapping[str, Any]) -> pa.Schema:
    """Return the table's schema: the chunk, ``search_text`` (indexed), ``digest`` and ``vector`` (dimension)."""
    fields = [
        pa.field("id", pa.string(), nullable=False, metadata=PRIMARY_KEY),
        pa.field("document_id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("title", pa.string()),
        pa.field("text", pa.string()),
        pa.field("start", pa.int64()),
        pa.field("end", pa.int64()),
        pa.field("pages", pa.list_(pa.int32())),
        pa.field("headings", pa.list_(pa.string())),
        pa.field("header", pa.string()),
        pa.field("splitter", pa.string()),
        pa.field("metadata", pa.json_()),
        pa.field("extra", pa.string()),
        pa.field("search_text", pa.string()),
        pa.field("digest", pa.string()),
        pa.field("vector", pa.list_(pa.float32(), dimension)),
    ]
    return pa.schema(fields, metadata={CONTRACT_KEY: dumps(dict(contract))})


@contextmanager
def lance_errors(what: str) -> Iterator[None]:
    """Turn what Lance raises into a `TableError` of one sentence that starts with ``what``."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, pa.ArrowException) as error:
        text = str(error)
        if "No space left" in text or "os error 28" in text:
            raise TableError(f"{what}: the disk is full.", hint="Free some space and run it again.") from error
        if "Permission denied" in text or "os error 13" in text or "os error 30" in text:
            raise TableError(
                f"{what}: no permission to write there.", hint="Check who owns the folder, or choose another with -d."
            ) from error
        # Lance appends the place in its own source to every message.
        short = re.split(r", /\S+\.rs:\d+", text, maxsplit=1)[0].strip().splitlines()[0]
        raise TableError(f"{what}: {short}.") from error


def table_uri(db: str, name: str) -> str:
    """Return where the table lies.

    Raises:
        UsageError: the name cannot be a LanceDB table's.
    """
    if not _NAME.fullmatch(name) or name.strip(".") == "":
        raise UsageError(
            f"{name!r} cannot be a table's name.", hint="Use letters, digits, '_', '-' and '.', as in -t handbook."
        )
    return f"{db.rstrip('/')}/{name}.lance"


def is_remote(db: str) -> bool:
    """Whether the database is on object storage rather than on disk."""
    return "://" in db


def table_names(db: str) -> list[str]:
    """Return the names of the tables in a database on disk, in order."""
    folder = Path(db)
    if is_remote(db) or not folder.is_dir():
        return []
    return sorted(path.name[: -len(".lance")] for path in folder.iterdir() if path.name.endswith(".lance"))


class Table:
    """One table, open for reading; `ragcli.indexing.Writer` writes it."""

    def __init__(self, db: str, name: str, dataset: Any) -> None:
        self.db = db
        self.name = name
        self.dataset = dataset

    @classmethod
    def open(cls, db: str, name: str) -> Table:
        """Open a table.

        Raises:
            TableError: there is no such table (the message names those there are), or it is not ragcli's.
        """
        uri = table_uri(db, name)
        if not is_remote(db) and not Path(uri).is_dir():
            raise _missing(db, name)
        try:
            dataset = lance.dataset(uri)
        except ValueError as error:
            if "was not found" in str(error):
                raise _missing(db, name) from error
            raise TableError(f"cannot open the table {name!r} in {db}: {error}") from error
        except OSError as error:
            raise TableError(f"cannot open the table {name!r} in {db}: {error}") from error
        table = cls(db, name, dataset)
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
                dataset = lance.write_dataset(made.empty_table(), uri, mode="create")
            except OSError as error:
                if "already exists" not in str(error):
                    raise
                dataset = lance.dataset(uri)
        return cls(db, name, dataset)

    @classmethod
    def exists(cls, db: str, name: str) -> bool:
        """Whether there is such a table."""
        uri = table_uri(db, name)
        if not is_remote(db):
            return Path(uri, "_versions").is_dir()
        try:
            lance.dataset(uri)
        except ValueError:
            return False
        return True

    @property
    def contract(self) -> Json:
        """How the table was made."""
        raw = (self.dataset.schema.metadata or {}).get(CONTRACT_KEY, b"{}")
        try:
            value = loads(raw)
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

    def has_text_index(self) -> bool:
        """Whether the full-text index has been made."""
        return any(index["name"] == TEXT_INDEX for index in self.dataset.list_indices())

    # Searching. Each returns plain columns; `ragcli.retrieval` makes hits of them.

    def text_search(self, folded: str, limit: int, where: str | None = None) -> list[tuple[str, float]]:
        """Return (chunk id, BM25 score), best first, for a folded question."""
        if not folded.strip():
            return []
        found = self._search(
            limit, where, columns=["id", "_score"], full_text_query={"columns": ["search_text"], "query": folded}
        )
        return _ordered(found, "_score", descending=True)[:limit]

    def vector_search(
        self, vector: np.ndarray[Any, Any], limit: int, where: str | None = None
    ) -> list[tuple[str, float]]:
        """Return (chunk id, cosine similarity), best first, for a vector (dimension,)."""
        found = self._search(
            limit,
            where,
            columns=["id", "_distance"],
            nearest={"column": "vector", "q": vector, "k": limit, "metric": self.contract.get("metric", "cosine")},
        )
        return [(key, 1.0 - distance) for key, distance in _ordered(found, "_distance", descending=False)]

    def _search(self, limit: int, where: str | None, **options: Any) -> Any:
        with lance_errors(f"cannot search the table {self.name!r}"):
            return self.dataset.scanner(
                filter=where, prefilter=True, limit=limit, disable_scoring_autoprojection=True, **options
            ).to_table()

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
                hint="Columns: id, document_id, source, title, text, start, end, pages, headings, metadata.KEY;"
                " as in --where \"metadata.year >= 2020 AND source LIKE 'docs/%'\".",
            ) from error
        return rewritten

    def rows(self, ids: list[str], *, vectors: bool = False) -> dict[str, Json]:
        """Return the rows with these ids, keyed by id; ``vectors`` adds the vector as a numpy array."""
        if not ids:
            return {}
        columns = [*CHUNK_COLUMNS, "vector"] if vectors else CHUNK_COLUMNS
        with lance_errors(f"cannot read the table {self.name!r}"):
            found = self.dataset.scanner(columns=columns, filter=one_of("id", ids)).to_table()
        return {row["id"]: row for row in _plain(found)}

    def chunks_of(self, document_ids: list[str]) -> dict[str, list[Json]]:
        """Return the rows of these documents, in the order of their place in it."""
        out: dict[str, list[Json]] = {key: [] for key in document_ids}
        if document_ids:
            with lance_errors(f"cannot read the table {self.name!r}"):
                found = self.dataset.scanner(
                    columns=CHUNK_COLUMNS, filter=one_of("document_id", document_ids)
                ).to_table()
            for row in _plain(found):
                out[row["document_id"]].append(row)
        for rows in out.values():
            rows.sort(key=lambda row: (row["start"], row["end"]))
        return out


def _missing(db: str, name: str) -> TableError:
    names = table_names(db)
    there = f"there are: {', '.join(names)}" if names else "it holds no tables"
    return TableError(
        f"there is no table {name!r} in {db} ({there}).",
        hint=f"Make it with: ragcli load docs/ | ragcli split | ragcli embed -t {name}",
    )


def _ordered(found: Any, column: str, *, descending: bool) -> list[tuple[str, float]]:
    """Sort by score, then by id, so that ties come out the same on every machine."""
    pairs = zip(found["id"].to_pylist(), found[column].to_pylist(), strict=True)
    sign = -1.0 if descending else 1.0
    return sorted(pairs, key=lambda pair: (sign * pair[1], pair[0]))


def _plain(found: Any) -> list[Json]:
    vectors = None
    if "vector" in found.column_names:
        column = found["vector"].combine_chunks()
        vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(found), -1)
        found = found.drop_columns(["vector"])
    rows: list[Json] = found.to_pylist()
    for place, row in enumerate(rows):
        row["metadata"] = loads(row["metadata"].encode()) if row["metadata"] else {}
        row["extra"] = loads(row["extra"].encode()) if row["extra"] else {}
        if vectors is not None:
            row["vector"] = vectors[place]
    return rows


def chunk_of(row: Mapping[str, Any]) -> Chunk:
    """Make the chunk record of a row."""
    return Chunk(**{name: row[name] for name in CHUNK_COLUMNS})


def check_contract(table: Table, wanted: Mapping[str, Any]) -> None:
    """Compare the table's contract with what a run is about to do.

    Args:
        table: the table.
        wanted: the parts that the run knows: ``model`` and, where it writes, ``splitter``.

    Raises:
        ContractError: they differ; the message names both sides.
    """
    have = table.contract
    for part, new in wanted.items():
        old = have.get(part)
        if new is None or old is None or old == new:
            continue
        if part == "model":
            raise ContractError(
                f"the table {table.name!r} was made with the embedding model {_model_words(old)},"
                f" and this run uses {_model_words(new)}{_difference(old, new)}.",
                hint="Leave out -m to use the table's model, or embed into another table (-t).",
            )
        raise ContractError(
            f"the table {table.name!r} was made with the {part} {old!r}, and these chunks come from {new!r}.",
            hint="Split with the table's settings, or embed into another table (-t).",
        )


def _model_words(model: Json) -> str:
    return f"{model.get('id')} ({model.get('dimension')} dimensions, hash {str(model.get('hash'))[:12]})"


def _difference(old: Json, new: Json) -> str:
    names = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    rest = [key for key in names if key not in ("id", "dimension", "hash")]
    if not rest or len(rest) < len(names):
        return ""
    return "; they differ in " + ", ".join(f"{key} ({old.get(key)!r}, {new.get(key)!r})" for key in rest)
