"""Whether a table is what its contract says: read whole, row by row, against the model, the files and the index.

`check` yields one record a question, in a fixed order, each as soon as it is answered; `mend` puts right what can be
put right from the table alone. Memory is that of a batch of rows and of about 100 bytes a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.diagnosing import integrity_documents as documents
from ragcli.diagnosing import integrity_index as index
from ragcli.diagnosing import integrity_model as models
from ragcli.diagnosing.integrity_commands import Commands
from ragcli.diagnosing.integrity_rows import COLUMNS, Rows, read, short
from ragcli.errors import MissingExtraError, RagcliError, TableError, UsageError
from ragcli.records import Check, Json
from ragcli.store import FORMAT, Table, is_remote, open_dataset, table_uri

if TYPE_CHECKING:
    from ragcli.embedding import Embedder

SAMPLE = 16
_MODEL_KEYS = {
    "id": str,
    "hash": (str, type(None)),
    "dimension": int,
    "prefixes": dict,
    "max_tokens": (int, type(None)),
    "normalize": bool,
}
_LATER = ("rows", "ids", "vectors", "same_vectors", "copies", "text", "files", "documents", "model", "sample",
          "truncated", "vocabulary", "index", "vector_index", "keyword_chinese", "keyword_english")  # fmt: skip


def check(
    db: str, name: str, *, model: str | None = None, device: str = "auto", sample: int = SAMPLE
) -> Iterator[Check]:
    """Yield what each look at a table finds.

    Args:
        db: the database.
        name: the table.
        model: where the table's model is, if not under the name that the contract has.
        device: where the model runs.
        sample: how many chunks are embedded again; 0 for none.

    Raises:
        TableError: there is no such table.
        UsageError: the name cannot be a table's, or the sample is negative.
    """
    if sample < 0:
        raise UsageError(f"--sample is {sample}; it must not be negative.")
    return _check(_open(db, name), db, name, model, device, sample)


def _open(db: str, name: str) -> Table | TableError:
    """Open a table that may be another program's or damaged; return what is wrong where it cannot be opened."""
    uri = table_uri(db, name)
    try:
        return Table(db, name, open_dataset(db, name))
    except (ValueError, OSError, RuntimeError):
        try:
            return Table.open(db, name)  # says which tables there are
        except TableError as error:
            if is_remote(db) or not Path(uri, "data").is_dir():
                raise
            if "there is no table" in error.message:
                return TableError(f"the folder {uri} is there, and no version of a table in it (_versions)")
            return error


def _check(
    opened: Table | TableError, db: str, name: str, model: str | None, device: str, sample: int
) -> Iterator[Check]:
    contract: Json = opened.contract if isinstance(opened, Table) else {}
    commands = Commands(db, name, contract)
    if isinstance(opened, TableError):
        first = short(opened.message)
        yield Check(name="readable", status="fail", message=first, count=1, mend=commands.rebuild([]))
        return
    made = _contract(opened, commands)
    yield made
    if made.status == "fail":
        for one in ("readable", *_LATER):
            yield Check(name=one, status="skipped", message="what the rows should be is not known without a contract")
        return
    counter = models.open_counter(opened, len(opened))
    rows = read(opened, None if counter is None else counter.add)
    whole = documents.check_readable(opened, rows, commands)
    yield whole
    yield documents.check_rows(rows, commands)
    yield documents.check_ids(opened, rows, commands)
    yield documents.check_vectors(rows, commands)
    yield documents.check_same_vectors(opened, rows, commands)
    yield documents.check_copies(opened, rows, commands)
    yield documents.check_text(rows, commands)
    yield from documents.check_sources(opened, rows, commands)
    yield from _model(opened, rows, model, device, sample, commands)
    yield models.truncated(counter, rows, commands)
    if whole.status == "fail":
        message = "the table cannot be searched as long as it cannot be read"
        for one in ("vocabulary", "index", "vector_index", "keyword_chinese", "keyword_english"):
            yield Check(name=one, status="skipped", message=message)
        return
    yield models.check_vocabulary(opened, rows, counter, commands)
    yield index.check_index(opened, rows, commands)
    yield index.check_vector_index(opened, rows, commands)
    yield from index.check_words(opened, rows, commands)


def _contract(table: Table, commands: Commands) -> Check:
    contract = table.contract
    wrong = contract_faults(table)
    if wrong:
        return Check(
            name="contract",
            status="fail",
            message="; ".join(wrong),
            count=len(wrong),
            mend=_mend_contract(table, commands),
        )
    model = contract["model"]
    splitter = contract.get("splitter") or "chunks of another program"
    with_headings = ", title and headings before the text" if contract.get("headings") else ""
    message = f"{model['id']}, {model['dimension']} dimensions, {splitter}{with_headings}; ragcli {contract['ragcli']}"
    return Check(name="contract", status="pass", message=message)


def contract_faults(table: Table) -> list[str]:
    """Return what is wrong with a table's contract and columns."""
    contract = table.contract
    if not contract:
        return ["the table was not made by ragcli, or its contract was removed: there is none in its schema"]
    if contract.get("format") != FORMAT:
        return [f"the contract's format is {contract.get('format')!r}, and this ragcli reads format {FORMAT}"]
    missing = [one for one in (*COLUMNS, "search_text") if one not in table.dataset.schema.names]
    if missing:
        return [f"the table lacks the columns {', '.join(missing)}"]
    model = contract.get("model")
    if not isinstance(model, dict):
        return ["the contract does not say which model made the vectors"]
    wrong = [
        f"the contract's model has {f'{key} {model[key]!r}' if key in model else f'no {key}'}"
        for key, kind in _MODEL_KEYS.items()
        if key not in model or not isinstance(model[key], kind)  # type: ignore[arg-type]
    ]
    if not wrong and model["dimension"] != table.dimension:
        wrong.append(f"the contract says {model['dimension']} dimensions, and the vectors have {table.dimension}")
    if contract.get("metric", "cosine") != "cosine":
        wrong.append(f"the contract's metric is {contract['metric']!r}, and ragcli searches by cosine")
    if "ragcli" not in contract:
        wrong.append("the contract does not say which ragcli made it")
    return wrong


def _mend_contract(table: Table, commands: Commands) -> str:
    if not table.contract or table.contract.get("format") != FORMAT or "source" not in table.dataset.schema.names:
        return commands.anew([])
    return commands.mend()


def _model(
    table: Table, rows: Rows, model: str | None, device: str, sample: int, commands: Commands
) -> Iterator[Check]:
    contract = table.contract["model"]
    name = model if model is not None else str(contract["id"])
    if models.not_here(name):
        which = "the table's model" if model is None else "the model of --embed-model"
        message = f"{which}, {name}, is not on this machine: only a search by words works"
        yield Check(name="model", status="fail", message=message, mend=commands.model(model is not None))
        yield Check(name="sample", status="skipped", message="the model is not here")
        return
    try:
        embedder = open_model(name, device, contract)
    except RagcliError as error:
        pip = error.hint if isinstance(error, MissingExtraError) else None
        mend = pip or commands.model(model is not None)
        yield Check(name="model", status="fail", message=error.message.rstrip("."), mend=mend)
        yield Check(name="sample", status="skipped", message="the model cannot be used")
        return
    made = models.check_model(contract, embedder, commands)
    yield made
    if embedder.contract.get("dimension") != contract["dimension"]:
        yield Check(name="sample", status="skipped", message="the model that is here has another dimension")
    elif sample == 0:
        yield Check(name="sample", status="skipped", message="--sample 0")
    else:
        yield models.check_sample(table, rows, embedder, sample, commands)


def open_model(name: str, device: str, contract: Json) -> Embedder:
    """Open the model of a table.

    Raises:
        RagcliError: it is not here or cannot be used.
    """
    from ragcli.embedding import open_embedder

    return open_embedder(name, device=device, contract=contract)
