"""The contract of a table: how it was made, and what a run may therefore do with it.

An object with ``model`` (id, content hash, dimension, pooling, prefixes, most tokens, normalisation), ``metric``,
``splitter`` and ``headings`` (whether title and headings were embedded before the text). Whoever reads or writes
the table obeys it; a run that cannot is told both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from ragcli.errors import ContractError
from ragcli.records import Json, content_id

if TYPE_CHECKING:
    from ragcli.records import Chunk
    from ragcli.store import Table


def model_hash(model: Mapping[str, Any]) -> str:
    """Return a digest of what makes a model's vectors what they are: the model's part of a contract."""
    return content_id(orjson.dumps(dict(model), option=orjson.OPT_SORT_KEYS).decode())


def check_contract(table: Table, wanted: Mapping[str, Any]) -> None:
    """Compare the table's contract with what a run is about to do.

    Args:
        table: the table.
        wanted: an object with ``model``, the contract of the embedder that the run uses, and ``headings`` where
            it embeds.

    Raises:
        ContractError: they differ; the message names both sides.
    """
    old, new = table.contract.get("model"), wanted.get("model")
    if not old or not new:
        return
    # The same weights under another name (a folder, a hub's name) are the same model; an endpoint tells no hash.
    if old == new or (old.get("hash") and {**old, "id": None} == {**new, "id": None}):
        if "headings" in wanted:
            _check_headings(table, bool(wanted["headings"]))
        return
    raise ContractError(
        f"the table {table.name!r} was made with the embedding model {_model_words(old)},"
        f" and this run uses {_model_words(new)}{_difference(old, new)}.",
        hint="Leave out -m to use the table's model. To use this one, embed the documents again into another table:"
        f" ragcli load … | ragcli split | ragcli embed -t {table.name}-2 -m {new.get('id')}",
    )


def _check_headings(table: Table, wanted: bool) -> None:
    words = {True: "with", False: "without"}
    have = bool(table.contract.get("headings"))
    if have != wanted:
        raise ContractError(
            f"the table {table.name!r} was made {words[have]} title and headings before the text,"
            f" and this run embeds {words[wanted]} them.",
            hint="Leave out --headings and --no-headings to do as the table says, or embed into another table (-t).",
        )


def _model_words(model: Json) -> str:
    return f"{model.get('id')} ({model.get('dimension')} dimensions, hash {str(model.get('hash'))[:12]})"


def _difference(old: Json, new: Json) -> str:
    names = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    rest = [key for key in names if key not in ("id", "dimension", "hash")]
    if not rest or len(rest) < len(names):
        return ""
    return "; they differ in " + ", ".join(f"{key} ({old.get(key)!r}, {new.get(key)!r})" for key in rest)


def check_splitter(table: Table, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Pass chunks on, as long as they were cut as the table's were (where both say how).

    Raises:
        ContractError: a chunk comes from another splitter or other settings.
    """
    have = table.contract.get("splitter")
    for chunk in chunks:
        if have and chunk.splitter and chunk.splitter != have:
            raise ContractError(
                f"the table {table.name!r} holds chunks made with the splitter {have!r},"
                f" and the chunk {chunk.id} of {chunk.source} comes from {chunk.splitter!r}.",
                hint="Split with the table's settings, or embed into another table (-t).",
            )
        yield chunk
