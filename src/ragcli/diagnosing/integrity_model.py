"""Whether a table's vectors are what its model makes: it is here, and chunks that are embedded again come out alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragcli.diagnosing.integrity_commands import Commands
from ragcli.diagnosing.integrity_rows import SHOWN, Rows, Tally
from ragcli.embedding.stage import passage_text
from ragcli.errors import ModelError, RagcliError, ServiceError
from ragcli.models.builtin import named
from ragcli.records import Check, Chunk, Json
from ragcli.store import Table, chunk_of

if TYPE_CHECKING:
    from ragcli.embedding import Embedder
    from ragcli.embedding.protocols import Kind

_OPENAI = "openai:"
# Cosines. One backend gives the same vector again; int8 against full precision .995 and more (built-in model), the
# other prefix .93 to .99, no prefix .97 to .998, another pooling .90.
SAME, ALIKE = 0.999, 0.97
_COUNTED = 4_000  # chunks whose tokens are counted; of more, a sample
_MOST_CHARACTERS = 30_000_000  # that are tokenised
_UNKNOWN = 0.1  # of the tokens
_RARE = ("\U00013000", "\U00013001")  # hieroglyphs, which no vocabulary has


def not_here(name: str) -> bool:
    """Whether a model would have to be downloaded first."""
    from ragcli.models.installed import find

    if name.startswith(_OPENAI) or named(name) is not None or Path(name).expanduser().exists() or "/" not in name:
        return False
    return all(one.fault is not None for one in find(name))


class Counter:
    """Counts what the vectors do not hold of chunks that are longer than the model reads.

    Args:
        contract: of the table.
        headings: whether title and headings were embedded, too.
        rows: how many the table has.

    Raises:
        ModelError: the model's tokenizer cannot be read.
    """

    def __init__(self, contract: Json, headings: bool, rows: int) -> None:
        from ragcli.embedding.quick import QuickTokenizer
        from ragcli.embedding.tokens import TokenIds
        from ragcli.models.folder import locate

        model = contract["model"]
        self._prefix = str((model.get("prefixes") or {}).get("passage") or "")
        self._limit = int(model["max_tokens"])
        self._headings = headings
        self.tokenizer = QuickTokenizer(locate(str(model["id"])))
        self._ids = TokenIds(self.tokenizer, self._limit)
        self.step = -(-max(rows, 1) // _COUNTED)
        self._left = _MOST_CHARACTERS
        self.counted = 0
        self.tokens = 0
        self.long = Tally()

    @property
    def limit(self) -> int:
        """The most tokens that the model reads."""
        return self._limit

    def add(self, chunk: Chunk, key: int) -> None:
        """Count a chunk, if it is one of the sample."""
        if key % self.step or self._left <= 0:
            return
        text = passage_text(chunk, headings=self._headings)
        self.counted += 1
        if len(text.encode("utf-8", "surrogatepass")) + len(self._prefix) + 8 <= self._limit:
            return  # a token is at least a byte
        self._left -= len(text)
        lost = self._ids(self._prefix + text)[1]
        if lost:
            self.tokens += lost
            self.long.add(f"{chunk.source} (chunk {chunk.id}): its last {lost} tokens", chunk.source)


def truncated(counter: Counter | None, rows: Rows, commands: Commands) -> Check:
    """Say how many chunks the vectors hold only the beginning of."""
    name = "truncated"
    if counter is None:
        return Check(name=name, status="skipped", message="the model's tokenizer is not here to count with")
    sampled = counter.counted < len(rows)
    of = f"{counter.counted} chunks of {len(rows)} that were counted" if sampled else f"{counter.counted} chunks"
    if not counter.long.count:
        return Check(name=name, status="pass", message=f"none of {of} is longer than the {counter.limit} tokens read")
    return Check(
        name=name,
        status="warn",
        message=f"{counter.long.count} of {of} are longer than the {counter.limit} tokens that the model reads:"
        f" their last {counter.tokens} tokens are in no vector (the full text has them)",
        count=counter.long.count,
        examples=counter.long.examples,
        mend=commands.anew(files_of(counter.long.sources, rows), tokens=True),
    )


def files_of(sources: Mapping[str, None] | Sequence[str], rows: Rows) -> list[str]:
    """Return the files that sources are rows of, as far as they are files."""
    known = set(rows.files)
    out: dict[str, None] = {}
    for source in sources:
        name = source
        while name not in known and "#" in name:
            name = name.rpartition("#")[0]
        if name in known or "://" in name:
            out[name] = None
    return list(out)


def differences(contract: Json, model: Json) -> list[str]:
    """Return in which keys a model differs from the table's; none where it is the same under another name."""
    names = [key for key in sorted({*contract, *model}) if contract.get(key) != model.get(key)]
    return [] if names == ["id"] and contract.get("hash") else names


def check_model(contract: Json, embedder: Embedder, commands: Commands) -> Check:
    """Say whether the model that is here is the table's."""
    now = embedder.contract
    names = differences(contract, now)
    if not names:
        return Check(name="model", status="pass", message=f"{contract.get('id')} is here, and it is the same")
    words = "; ".join(f"{key}: {_brief(contract.get(key))} in the table, {_brief(now.get(key))} here" for key in names)
    return Check(
        name="model",
        status="fail",
        message=f"the model that is here is not the one in the contract ({words})",
        count=len(names),
        mend=commands.mend(),
    )


def _brief(value: object) -> str:
    text = str(value) if isinstance(value, (str, int, float, bool)) or value is None else repr(value)
    return text if len(text) <= 40 else text[:12] + "…"


def sample_rows(rows: Rows, count: int) -> list[int]:
    """Return the row ids of some rows, the same each time, spread over the table by the hash of their ids."""
    columns = rows.columns
    bad = np.array(rows.bad_vectors, np.uint64)
    places = np.flatnonzero(~np.isin(columns["rowid"], bad))
    if len(places) > count:
        keys = columns["key"][places]
        places = places[np.argpartition(keys, count)[:count]]
    return sorted(columns["rowid"][places].tolist())


@dataclass(frozen=True, slots=True)
class Sampled:
    """Chunks that were embedded again, with the cosine of each to its vector, and what explains that they differ."""

    chunks: list[Chunk]
    cosines: list[float]
    reason: str = ""

    @property
    def status(self) -> str:
        """How it is to be judged."""
        worst = min(self.cosines, default=1.0)
        return "fail" if self.reason or not worst >= ALIKE else "warn" if worst < SAME else "pass"


def embed_again(table: Table, rows: Rows, embedder: Embedder, count: int) -> Sampled:
    """Embed some chunks again as the contract says, and where they differ also as it does not say."""
    read = table.rows(sample_rows(rows, count))
    chosen, held = list(read), table.vectors(list(read))
    if not chosen:
        return Sampled([], [])
    chunks = [chunk_of(read[row]) for row in chosen]
    headings = bool(table.contract.get("headings"))

    def cosines(kind: Kind, headings: bool) -> list[float]:
        made = embedder.encode([passage_text(chunk, headings=headings) for chunk in chunks], kind)
        return [cosine(held[row], vector) for row, vector in zip(chosen, made, strict=True)]

    found = cosines("passage", headings)
    if min(found) >= SAME:
        return Sampled(chunks, found)
    others: tuple[tuple[Kind, bool, str], ...] = (
        ("query", headings, "the vectors were made with the prefix of questions"),
        ("passage", not headings, f"the vectors were made with{'out' if headings else ''} title and headings"),
    )
    for kind, with_headings, reason in others:
        other = cosines(kind, with_headings)
        better = [new for new, old in zip(other, found, strict=True) if old < SAME]
        if min(better) >= SAME:
            return Sampled(chunks, found, reason)
    return Sampled(chunks, found)


def check_sample(table: Table, rows: Rows, embedder: Embedder, count: int, commands: Commands) -> Check:
    """Say whether chunks that are embedded again come out alike."""
    name = "sample"
    try:
        found = embed_again(table, rows, embedder, count)
    except ServiceError as error:
        return Check(name=name, status="skipped", message=f"the endpoint did not answer: {error.message.rstrip('.')}")
    except ModelError as error:
        return Check(name=name, status="fail", message=error.message.rstrip("."), mend=commands.model(False))
    if not found.chunks:
        return Check(name=name, status="skipped", message="there is no row to compare")
    worst = f"the worst cosine is {min(found.cosines):.4f}"
    of = len(found.chunks)
    if found.status == "pass":
        return Check(name=name, status="pass", message=f"{of} chunks embedded again come out the same ({worst})")
    order = sorted(range(of), key=lambda at: found.cosines[at])
    wrong = [at for at in order if not found.cosines[at] >= SAME]
    if found.status == "warn":
        message = f"{len(wrong)} of {of} chunks embedded again come out a little otherwise ({worst}): made on another"
        message += " kind of device or by another program; or with another prefix"
        mend = commands.anew(rows.files)
    else:
        reason = found.reason or "by another model, prefix or pooling, or of another text"
        message = f"{len(wrong)} of {of} chunks embedded again come out otherwise ({worst}): {reason}"
        mend = commands.mend()
    names = [f"{found.chunks[at].source} (chunk {found.chunks[at].id}): {found.cosines[at]:.4f}" for at in wrong]
    return Check(name=name, status=found.status, message=message, count=len(wrong), examples=names[:SHOWN], mend=mend)


def cosine(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Return the cosine of two vectors (dimension,); -1 where one has no direction."""
    if one.shape != other.shape:
        return -1.0
    size = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(one @ other) / size if size > 0 and np.isfinite(size) else -1.0


def check_vocabulary(table: Table, rows: Rows, counter: Counter | None, commands: Commands) -> Check:
    """Say whether the model's vocabulary knows the texts, as that of an English model does not know Chinese."""
    name = "vocabulary"
    if counter is None:
        return Check(name=name, status="skipped", message="the model's tokenizer is not here to look with")
    encode = counter.tokenizer.encode
    one, other = (encode(char, add_special_tokens=False).ids for char in _RARE)
    if not one or one != other:
        return Check(name=name, status="pass", message="the model reads every character (its tokens are bytes)")
    unknown = one[-1]
    total = lost = 0
    tally = Tally()
    for row in table.rows(sample_rows(rows, 64)).values():
        ids = encode(row["text"][:2000], add_special_tokens=False).ids
        here = ids.count(unknown)
        total, lost = total + len(ids), lost + here
        if ids and here > _UNKNOWN * len(ids):
            tally.add(f"{row['source']} (chunk {row['id']}): {here} of {len(ids)} tokens", row["source"])
    if not total or lost <= _UNKNOWN * total:
        part = lost / total if total else 0.0
        return Check(name=name, status="pass", message=f"the model knows {1 - part:.1%} of the tokens of the texts")
    return Check(
        name=name,
        status="warn",
        message=f"the model does not know {lost / total:.0%} of the tokens of the texts: it was not made for their"
        " language, and the vectors say little",
        count=tally.count,
        examples=tally.examples,
        mend=commands.other_model(files_of(tally.sources, rows)),
    )


def open_counter(table: Table, rows: int) -> Counter | None:
    """Return what counts tokens, or None where the model has none here."""
    model = table.contract["model"]
    if str(model["id"]).startswith(_OPENAI) or not_here(str(model["id"])):
        return None
    try:
        return Counter(table.contract, bool(table.contract.get("headings")), rows)
    except (RagcliError, KeyError, TypeError, ValueError):
        return None
