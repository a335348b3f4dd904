"""The records that flow between the subcommands, in one place.

Each is a frozen, slotted, keyword-only dataclass that turns into a JSON object with a ``"type"`` key and
back. Keys that a record does not know survive in ``extra``, so that a user's own fields pass through every
stage. Offsets are characters (code points) of the document's text; pages count from 1.

Ids come from content: the same input gives the same ids, in any order, on any machine.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from ragcli.errors import InputError

Json = dict[str, Any]
R = TypeVar("R", bound="Record")

FILE_STATE = "file"  # of a file's last document and its last chunk: which state of the file it ends
THRESHOLD_KEY = "refuse_below"  # of a result: the support below which its table's calibration wants no answer
ID_LENGTH = 24  # hexadecimal digits: 96 bits, no clash to be expected below 10^13 records


def content_id(*parts: str) -> str:
    """Return an id made of the parts alone: the first 24 hexadecimal digits of their SHA-256.

    Parts are joined with NUL, which no path holds. Lone surrogates, which UTF-8 cannot hold, are hashed
    as they stand.
    """
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:ID_LENGTH]


_MOST = 1 << 62  # offsets fit 64 bits in a table,
_MOST_PAGE = 1 << 31  # pages 32

_CHECKS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "float": (int, float),
    "float | None": (int, float, type(None)),
    "bool": (bool,),
    "bool | None": (bool, type(None)),
    "Json": (dict,),
    "Json | None": (dict, type(None)),
}
_NAMES = {dict: "an object", list: "a list", str: "a string", int: "a whole number", float: "a number"}
_NAMES.update({bool: "true or false", type(None): "null"})


def _describe(value: object) -> str:
    return _NAMES.get(type(value), type(value).__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What all records share: the way to JSON and back, and the keys that ragcli does not know."""

    type: ClassVar[str] = "record"

    extra: Json = field(default_factory=dict)

    def to_dict(self) -> Json:
        """Return the record as a JSON object: ``type`` first, then the fields, then the unknown keys."""
        out: Json = {"type": self.type}
        for name in _field_names(type(self)):
            out[name] = getattr(self, name)
        if self.extra:
            for key, value in self.extra.items():
                out.setdefault(key, value)
        return out

    @classmethod
    def from_dict(cls: builtins.type[R], data: Mapping[str, Any]) -> R:
        """Make the record from a JSON object.

        Raises:
            InputError: the type is another one, a field is missing or holds the wrong kind of value.
        """
        kind = data.get("type", cls.type)
        if kind != cls.type:
            raise InputError(f"expected a {cls.type} record, found one of type {kind!r}")
        values: Json = {}
        known = _specs(cls)
        for name, (checks, required) in known.items():
            if name not in data:
                if required:
                    raise InputError(f"the {cls.type} record has no '{name}'")
                continue
            value = data[name]
            if checks is not None and (
                not isinstance(value, checks) or (isinstance(value, bool) and bool not in checks)
            ):
                wanted = " or ".join(_NAMES[kind] for kind in checks if kind not in (float, tuple))
                raise InputError(f"'{name}' of the {cls.type} record must be {wanted}, not {_describe(value)}")
            values[name] = value
        extra = {key: value for key, value in data.items() if key not in known and key != "type"}
        return cls(**cls._convert(values), extra=extra)

    @classmethod
    def _convert(cls, values: Json) -> Json:
        """Turn lists of objects into records; overridden where a record holds others."""
        return values


_SPECS: dict[type, dict[str, tuple[tuple[type, ...] | None, bool]]] = {}
_FIELD_NAMES: dict[type, tuple[str, ...]] = {}


def _specs(cls: type[Record]) -> dict[str, tuple[tuple[type, ...] | None, bool]]:
    spec = _SPECS.get(cls)
    if spec is None:
        spec = {}
        for item in fields(cls):
            if item.name == "extra":
                continue
            required = item.default is MISSING and item.default_factory is MISSING
            kind = str(item.type)
            checks = (list, tuple) if kind.startswith(("list", "tuple")) else _CHECKS.get(kind)
            spec[item.name] = (checks, required)
        _SPECS[cls] = spec
    return spec


def _field_names(cls: type[Record]) -> tuple[str, ...]:
    names = _FIELD_NAMES.get(cls)
    if names is None:
        names = _FIELD_NAMES[cls] = tuple(_specs(cls))
    return names


def _strings(values: Json, record: str, *names: str) -> None:
    for name in names:
        for item in values.get(name, ()):
            if not isinstance(item, str):
                raise InputError(f"'{name}' of the {record} record must hold strings, not {_describe(item)}")


def _integers(values: Json, record: str, *names: str) -> None:
    for name in names:
        for item in values.get(name, ()):
            if not isinstance(item, int) or isinstance(item, bool):
                raise InputError(f"'{name}' of the {record} record must hold whole numbers, not {_describe(item)}")
            if not -_MOST_PAGE <= item < _MOST_PAGE:
                raise InputError(f"'{name}' of the {record} record holds {item}, which is too large")


def _span(document: str, span: Json) -> None:
    for key in ("page", "slide"):
        page = span.get(key)
        if isinstance(page, int) and not -_MOST_PAGE <= page < _MOST_PAGE:
            raise InputError(f"a span of document {document} has the {key} {page}, which is too large")
    if not isinstance(span.get("headings") or [], list):
        raise InputError(f"a span of document {document} has 'headings' that are no list")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Record):
    """The text of one file, page or row, with where each part of it comes from.

    ``spans`` are objects {start, end, page | sheet | slide | headings}, in order, in characters of ``text``.
    ``sha256`` is that of the bytes the document was read from.
    """

    type: ClassVar[str] = "document"

    id: str
    text: str
    source: str
    format: str = "text"
    sha256: str = ""
    title: str | None = None
    spans: list[Json] = field(default_factory=list)
    metadata: Json = field(default_factory=dict)

    @classmethod
    def _convert(cls, values: Json) -> Json:
        size = len(values["text"])
        for span in values.get("spans", ()):
            start = span.get("start") if isinstance(span, dict) else None
            end = span.get("end") if isinstance(span, dict) else None
            if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start <= end <= size:
                raise InputError(f"a span of document {values['id']} must have 0 <= start <= end <= {size}")
            _span(values["id"], span)
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk(Record):
    """A piece of a document: ``document.text[start:end] == text``.

    ``header`` is text from elsewhere in the document that the piece cannot be read without (the header row
    of the table it continues); it is embedded, indexed and shown before ``text``, and not part of the
    offsets. ``splitter`` says how the chunk was made, ``format`` what its document was loaded from. ``after`` is
    the white space between the chunk and the next one. ``last`` says whether the document ends with it, so that
    who reads a stream knows whether a document came in to its end; None where it is not known.
    """

    type: ClassVar[str] = "chunk"

    id: str
    document_id: str
    source: str
    text: str
    start: int
    end: int
    pages: list[int] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    title: str | None = None
    header: str = ""
    splitter: str = ""
    format: str = ""
    after: str = ""
    last: bool | None = None
    metadata: Json = field(default_factory=dict)

    @classmethod
    def _convert(cls, values: Json) -> Json:
        _strings(values, cls.type, "headings")
        _integers(values, cls.type, "pages")
        if values["start"] < 0 or values["end"] >= _MOST:
            raise InputError(f"chunk {values['id']}: start {values['start']} and end {values['end']} are no offsets")
        if values["end"] - values["start"] != len(values["text"]):
            raise InputError(
                f"chunk {values['id']}: start {values['start']} and end {values['end']} do not fit"
                f" a text of {len(values['text'])} characters"
            )
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector(Chunk):
    """A chunk with its embedding: ``vector`` has the model's dimension, ``model`` names the model.

    ``model_hash`` is a digest of the model and of how it was used (prefixes, pooling, …); ``with_headings`` says
    whether title and headings were embedded before the text.
    """

    type: ClassVar[str] = "vector"

    vector: list[float] = field(default_factory=list)
    model: str = ""
    model_hash: str = ""
    with_headings: bool = False

    @classmethod
    def _convert(cls, values: Json) -> Json:
        for item in values.get("vector", ()):
            if isinstance(item, bool) or not isinstance(item, (int, float)):
                raise InputError(f"'vector' of chunk {values['id']} must hold numbers, not {_describe(item)}")
        return Chunk._convert(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit(Chunk):
    """A chunk that was found: its rank (from 1), its score and the scores of the stages that made it."""

    type: ClassVar[str] = "hit"

    rank: int
    score: float
    scores: Json = field(default_factory=dict)


def _records(values: Json, name: str, cls: type[Record]) -> None:
    items: Iterable[Any] = values.get(name, ())
    made = []
    for item in items:
        if isinstance(item, cls):
            made.append(item)
        elif isinstance(item, dict):
            made.append(cls.from_dict(item))
        else:
            raise InputError(f"'{name}' must hold {cls.type} records, not {_describe(item)}")
    values[name] = made


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Record):
    """What a question found. No hit is an empty list, never a missing record."""

    type: ClassVar[str] = "result"

    id: str
    query: str
    hits: list[Hit] = field(default_factory=list)

    def to_dict(self) -> Json:
        """Return the record as a JSON object, hits included."""
        out = Record.to_dict(self)
        out["hits"] = [hit.to_dict() for hit in self.hits]
        return out

    @classmethod
    def _convert(cls, values: Json) -> Json:
        _records(values, "hits", Hit)
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation(Record):
    """A source of an answer: ``quote`` is the exact text, ``start`` and ``end`` its place in the document."""

    type: ClassVar[str] = "citation"

    n: int
    chunk_id: str
    source: str
    quote: str
    page: int | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Record):
    """An answer with its sources; ``refused`` says that the documents do not hold one."""

    type: ClassVar[str] = "answer"

    id: str
    question: str
    answer: str
    citations: list[Citation] = field(default_factory=list)
    refused: bool = False
    model: str = ""
    usage: Json = field(default_factory=dict)
    seconds: float = 0.0

    def to_dict(self) -> Json:
        """Return the record as a JSON object, citations included."""
        out = Record.to_dict(self)
        out["citations"] = [citation.to_dict() for citation in self.citations]
        return out

    @classmethod
    def _convert(cls, values: Json) -> Json:
        _records(values, "citations", Citation)
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Record):
    """A model on disk: ``revision`` is the hub's commit, ``path`` its folder, ``bytes`` what its files take."""

    type: ClassVar[str] = "model"

    id: str
    source: str
    revision: str | None
    path: str | None
    files: int
    bytes: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Record):
    """A question with what is right: texts of which a right answer holds one, and the source that they stand in.

    ``answers`` is empty where the documents do not answer. ``source`` is None where any source will do.
    """

    type: ClassVar[str] = "case"

    id: str
    question: str
    answers: list[str] = field(default_factory=list)
    source: str | None = None

    @classmethod
    def _convert(cls, values: Json) -> Json:
        _strings(values, cls.type, "answers")
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(Record):
    """How well a table answers questions.

    ``levels`` holds ``document`` and ``chunk``, or one of them, each with ``measures`` (name -> value, low, high: the
    mean and its 95 % interval), ``queries`` (ids) and ``values`` (name -> the value of each query, in that order).
    ``settings`` says what was searched and how.
    """

    type: ClassVar[str] = "evaluation"

    questions: int
    levels: Json
    settings: Json = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis(Record):
    """What became of the answer of one case on its way from the file to the reader.

    ``lost_at`` is the first step that lost it, or None: ``gold`` (the case itself is doubtful), ``loaded``, ``split``,
    ``embedded``, ``retrieved``, ``prompted`` or ``answered``; ``cause`` is a word for why, ``says`` a sentence with the
    evidence. ``steps`` holds what was found of each step that was looked at (``status``: ok, warn, lost or skipped),
    ``advice`` what may mend it: what, command, and what came of it where it was ``tried``.
    """

    type: ClassVar[str] = "diagnosis"

    id: str
    question: str
    lost_at: str | None = None
    cause: str = ""
    says: str = ""
    answers: list[str] = field(default_factory=list)
    source: str | None = None
    answer: str | None = None
    refused: bool | None = None
    steps: Json = field(default_factory=dict)
    advice: list[Json] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnoses(Record):
    """What became of the answers of many cases: the funnel.

    ``left`` holds for each step how many answers came through it and all before it, ``causes`` how many were lost by
    each step and cause, ``advice`` what may mend most of them, with the figures before and after where it was tried.
    """

    type: ClassVar[str] = "diagnoses"

    questions: int
    right: int
    left: Json
    causes: Json = field(default_factory=dict)
    warnings: Json = field(default_factory=dict)
    advice: list[Json] = field(default_factory=list)
    settings: Json = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow(Record):
    """A row of a comparison: how one splitter, mode, model and reranker did on the same questions as all others.

    ``measures`` and ``values`` are as in an evaluation's level, ``queries`` the ids of its questions. ``latency`` is of
    single questions, with their embedding. ``against_best`` and ``against_text`` say how the row differs from the row
    ``than``, and whether by more than chance. ``unheld`` counts cases whose answers no single chunk holds;
    ``truncated`` the chunks, questions and hits that models did not read to the end. A row that failed has an
    ``error``, and nothing was measured.
    """

    type: ClassVar[str] = "comparison"

    row: int
    name: str
    mode: str
    splitter: Json
    model: str | None = None
    reranker: str | None = None
    error: str | None = None
    level: str = "document"
    questions: int = 0
    measures: Json = field(default_factory=dict)
    latency: Json = field(default_factory=dict)
    embedding: Json | None = None
    chunks: int | None = None
    bytes_per_chunk: float | None = None
    index_seconds: float | None = None
    best: bool = False
    against_best: Json | None = None
    against_text: Json | None = None
    unheld: int = 0
    truncated: Json = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    values: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation(Record):
    """What a comparison says to take: a row, why, what else may be wanted, and what its questions cannot say.

    ``row`` is None where no row finds anything; ``best`` is the row with the highest mean.
    ``smallest_difference`` is what so many questions show in four of five cases; ``documents`` counts ``all``, those
    ``used`` and those ``needed`` (that hold answers or are named).
    """

    type: ClassVar[str] = "recommendation"

    row: int | None
    name: str
    best: int
    text: str
    alternatives: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    measure: str = ""
    level: str = "document"
    questions: int = 0
    smallest_difference: float | None = None
    documents: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Record):
    """What one look at a table found.

    ``status`` is pass, warn (answers may be worse than they could be), fail (something is lost or wrong) or skipped
    (it could not be looked at). ``count`` says how many rows, documents or files the message speaks of, ``examples``
    names a few of them, and ``mend`` is the command that mends it.
    """

    type: ClassVar[str] = "check"

    name: str
    status: str
    message: str
    count: int = 0
    examples: list[str] = field(default_factory=list)
    mend: str = ""

    @classmethod
    def _convert(cls, values: Json) -> Json:
        _strings(values, cls.type, "examples")
        return values
