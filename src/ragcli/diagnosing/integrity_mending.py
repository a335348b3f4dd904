"""Putting right what can be put right from the table alone: vectors, doubled rows, the contract and the indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ragcli import __version__
from ragcli.diagnosing import integrity_index as index
from ragcli.diagnosing import integrity_model as models
from ragcli.diagnosing.integrity_documents import doubles
from ragcli.diagnosing.integrity_rows import Rows, read
from ragcli.embedding.stage import passage_text
from ragcli.errors import TableError
from ragcli.indexing import delete, maintain, search_text
from ragcli.jsonl import dumps
from ragcli.records import Json
from ragcli.store import CONTRACT_KEY, TEXT_INDEX, Table, chunk_of, lance_errors, of_rows

if TYPE_CHECKING:
    from ragcli.embedding import Embedder

_BATCH = 64
_IN_LIST = 1000
_RETRIES = 30
Progress = Callable[[int], None]
_Change = tuple[str, pa.Array, list[bool]]  # a column, its values for some rows, and whether each row changes


def mend(
    db: str,
    name: str,
    *,
    model: str | None = None,
    device: str = "auto",
    sample: int = 16,
    progress: Progress | None = None,
) -> Counter[str]:
    """Mend a table in place; return how much of what was done.

    Doubled rows are removed. Vectors that are none, or that are not what the model makes, are made again from the
    rows' own texts. A contract that does not say what the model is gets the model's. Indexes are made and brought up
    to date. Rows that were altered lose their digest, so that the next ``embed`` of their files writes them again.

    Args:
        db: the database.
        name: the table.
        model: where the table's model is, if not under the name that the contract has.
        device: where the model runs.
        sample: how many chunks are embedded again to learn whether all must be; 0 for none.
        progress: called with the number of chunks embedded.

    Raises:
        TableError: there is no such table, or it cannot be read whole or written.
        ModelError: vectors must be made again, and the model is not here.
    """
    table = Table.open(db, name)
    rows = read(table)
    if rows.unreadable.count:
        raise TableError(
            f"the table {name!r} in {db} cannot be mended in place: {rows.unreadable.examples[0]} cannot be read.",
            hint="ragcli diagnose --check names the command that makes it anew.",
        )
    done: Counter[str] = Counter()
    gone = doubles(rows)
    for start in range(0, len(gone), _IN_LIST):
        done["doubled rows removed"] += delete(table, of_rows(gone[start : start + _IN_LIST]))
    _forget(table, rows, done)
    if gone or rows.altered_rows:
        rows = read(table)  # rows that were written again have other row ids
    _vectors(table, rows, model, device, sample, progress, done)
    _indexes(table, done)
    return done


def _forget(table: Table, rows: Rows, done: Counter[str]) -> None:
    """Take away the digests of altered rows."""
    altered = rows.altered_rows
    for start in range(0, len(altered), _IN_LIST):
        with lance_errors(f"cannot write the table {table.name!r} in {table.db}"):
            table.dataset.update({"digest": "''"}, where=of_rows(altered[start : start + _IN_LIST]))
            table.refresh()
    if altered:
        done["altered rows marked to be written again"] += len(altered)


def _vectors(
    table: Table,
    rows: Rows,
    model: str | None,
    device: str,
    sample: int,
    progress: Progress | None,
    done: Counter[str],
) -> None:
    contract = table.contract.get("model")
    contract = contract if isinstance(contract, dict) else {}
    name = model if model is not None else str(contract.get("id") or "builtin")
    if not rows.bad_vectors and not sample and contract:
        return
    from ragcli.embedding import open_embedder

    embedder = open_embedder(name, device=device, contract=contract or None)
    if embedder.contract.get("dimension") != table.dimension:
        raise TableError(
            f"the table {table.name!r} has vectors of {table.dimension} dimensions, and the model {name!r} makes"
            f" {embedder.contract.get('dimension')}.",
            hint="Name the right model with -m, or embed into another table.",
        )
    chosen = rows.bad_vectors
    if models.embed_again(table, rows, embedder, max(sample, 1)).status == "fail":
        chosen = rows.columns["rowid"].tolist()
    for start in range(0, len(chosen), _BATCH):
        done["vectors made again"] += _again(table, chosen[start : start + _BATCH], embedder)
        if progress is not None:
            progress(len(chosen[start : start + _BATCH]))
    if models.differences(contract, embedder.contract):
        _write_contract(table, embedder.contract)
        done["contract written again"] += 1


def _write_contract(table: Table, model: Json) -> None:
    full = {"ragcli": __version__, "metric": "cosine", **table.contract, "model": model}
    with lance_errors(f"cannot write the table {table.name!r} in {table.db}"):
        table.dataset.update_schema_metadata({CONTRACT_KEY.decode(): dumps(full).decode()})
        table.refresh()


def _again(table: Table, chosen: Sequence[int], embedder: Embedder) -> int:
    """Embed rows again; write those whose vector comes out otherwise, with all else as it was."""
    read_rows = table.rows(list(chosen))
    headings = bool(table.contract.get("headings"))
    texts = [passage_text(chunk_of(read_rows[row]), headings=headings) for row in chosen]
    made = dict(zip(chosen, embedder.encode(texts, "passage"), strict=True))

    def changed(raw: pa.Table, ids: list[int]) -> _Change:
        vectors = np.stack([made[row] for row in ids]).astype(np.float32)
        held = raw["vector"].to_pylist()
        differs = [
            old is None or not models.cosine(np.asarray(old, np.float32), new) >= 1 - 1e-5
            or abs(float(np.linalg.norm(np.asarray(old, np.float32))) - float(np.linalg.norm(new))) > 1e-3
            for old, new in zip(held, vectors, strict=True)
        ]  # fmt: skip
        return "vector", pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), table.dimension), differs

    return _rewrite(table, chosen, changed)


def _rewrite(table: Table, chosen: Sequence[int], change: Callable[[pa.Table, list[int]], _Change]) -> int:
    """Write rows with one column changed, and all else as it stands in the table."""
    with lance_errors(f"cannot write the table {table.name!r} in {table.db}"):
        raw = table.dataset.scanner(filter=of_rows(list(chosen)), with_row_id=True).to_table()
        ids = raw["_rowid"].to_pylist()
        raw = raw.drop_columns(["_rowid"])
        name, values, wanted = change(raw, ids)
        place = raw.schema.get_field_index(name)
        rows = raw.set_column(place, raw.schema.field(name), values).filter(pa.array(wanted))
        if rows.num_rows:
            builder = table.dataset.merge_insert("id").when_matched_update_all()
            builder.conflict_retries(_RETRIES).execute(rows)
            table.refresh()
    return int(rows.num_rows)


def _indexes(table: Table, done: Counter[str]) -> None:
    with lance_errors(f"cannot index the table {table.name!r} in {table.db}"):
        found = {one.name: one for one in table.dataset.describe_indices()}
        texts = _search_texts(table)
        done["indexed texts made again"] += texts
        if TEXT_INDEX in found and (index.wrong_settings(found[TEXT_INDEX].details) or not _searches(table)):
            table.dataset.drop_index(TEXT_INDEX)
            table.refresh()
            del found[TEXT_INDEX]
        if TEXT_INDEX not in found:
            table.ensure_text_index()
            done["full-text index made"] += 1
    late = sum(index.unindexed(table, name) for name in found)
    maintain(table)
    if late:
        done["rows added to an index"] += late


def _searches(table: Table) -> bool:
    """Whether the full-text index can be read: its files may be gone."""
    try:
        for row in table.dataset.scanner(columns=["text"], limit=20).to_table()["text"].to_pylist():
            table.text_search((row or "")[:200], 1)
    except (TableError, OSError, ValueError, RuntimeError):
        return False
    return True


def _search_texts(table: Table) -> int:
    """Make the indexed text again where it is not what this version of ragcli indexes."""
    count = 0
    rowids = table.dataset.scanner(columns=[], with_row_id=True).to_table()["_rowid"].to_pylist()
    for start in range(0, len(rowids), _IN_LIST):
        some = rowids[start : start + _IN_LIST]
        held = table.dataset.scanner(columns=["search_text"], filter=of_rows(some), with_row_id=True).to_table()
        old = dict(zip(held["_rowid"].to_pylist(), held["search_text"].to_pylist(), strict=True))
        made = {row: search_text(chunk_of(values)) for row, values in _chunks(table, some).items()}
        wrong = [row for row in made if old[row] != made[row]]
        if wrong:

            def changed(_: pa.Table, ids: list[int], made: dict[int, str] = made) -> _Change:
                return "search_text", pa.array([made[row] for row in ids], pa.string()), [True] * len(ids)

            count += _rewrite(table, wrong, changed)
    return count


def _chunks(table: Table, some: list[int]) -> dict[int, Json]:
    """Return rows as `Table.rows` does, without those that are no chunk, as after their metadata was damaged."""
    try:
        return table.rows(some)
    except (TableError, ValueError):
        out: dict[int, Json] = {}
        for row in some:
            with suppress(TableError, ValueError):
                out.update(table.rows([row]))
        return out
