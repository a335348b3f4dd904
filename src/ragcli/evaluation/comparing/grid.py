"""``grid.toml``: what is compared, on which documents and questions. All of it is checked before anything is computed.

::

    documents = ["docs/"]              # as `ragcli load` takes them, or a file of document records
    cases = "cases.jsonl"              # or queries = … and qrels = …
    models = ["builtin", "BAAI/bge-small-zh-v1.5"]
    splitters = [
        {size = 400},
        {splitter = "llama_index.core.node_parser:SentenceSplitter", options = {chunk_size = 256}},
    ]
    modes = ["vector", "hybrid"]       # text is always there
    rerankers = ["none", "BAAI/bge-reranker-base"]
    sample = 500                       # documents
    measure = "nDCG@10"

Paths are relative to the file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import orjson

from ragcli.config import parse
from ragcli.errors import RagcliError, UsageError
from ragcli.evaluation.judging import Level
from ragcli.evaluation.measures import DEFAULT, canonical
from ragcli.jsonl import loads
from ragcli.records import Json
from ragcli.retrieval import Mode
from ragcli.splitting.parser import NodeParser, without_secrets

T = TypeVar("T")

NO_RERANKER = "none"
SPLITTERS = ("structure",)  # what `ragcli split` cuts by
_KEYS = (
    "documents", "cases", "queries", "qrels", "models", "splitters", "modes", "rerankers", "sample", "measure",
    "measures", "level",
)  # fmt: skip
_SPLITTER_KEYS = ("splitter", "size", "overlap", "unit", "model", "options")
_PARSER_EXAMPLE = 'As in: {splitter = "llama_index.core.node_parser:SentenceSplitter", options = {chunk_size = 256}}'
_URL = re.compile(r"https?://", re.I)
_TYPES = {
    dict: "a table",
    list: "a list",
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "a truth value",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Splitter:
    """How documents are cut: the options of ``ragcli split``; None is its default. ``name`` tells it from others.

    A ``parser`` is a node parser's class, and ``parser_options`` its options as JSON.
    """

    name: str
    size: int | None = None
    overlap: int | None = None
    unit: Literal["chars", "tokens"] = "chars"
    model: str | None = None
    parser: str | None = None
    parser_options: str = "{}"

    @property
    def shown_options(self) -> Json | None:
        """The options of the node parser, without what is secret; None without a parser."""
        return without_secrets(loads(self.parser_options.encode())) if self.parser is not None else None

    def options(self) -> Json:
        """Return what `ragcli.splitting.split` is called with, the counter of tokens or the node parser included."""
        from ragcli.embedding import token_counter

        if self.parser is not None:
            return {"parser": NodeParser(self.parser, loads(self.parser_options.encode()))}
        count = token_counter(self.model) if self.unit == "tokens" else None
        return {"size": self.size, "overlap": self.overlap, "unit": self.unit, "count": count}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A comparison that was asked for.

    Args:
        path: the file.
        inputs: the documents, as given.
        cases: the file of cases; or
        queries: that of questions, and
        qrels: that of judgements.
        models: names as ``embed -m`` takes them; None is the built-in one.
        splitters: how documents are cut.
        modes: how tables are searched, without ``text``, which is always there.
        rerankers: names as ``query --rerank`` takes them; None is none.
        sample: how many documents are taken; None for all.
        measures: names; by the first one rows are compared.
        level: what counts as found.
    """

    path: Path
    inputs: Sequence[str]
    cases: Path | None
    queries: Path | None
    qrels: Path | None
    models: Sequence[str | None]
    splitters: Sequence[Splitter]
    modes: Sequence[Mode]
    rerankers: Sequence[str | None]
    sample: int | None
    measures: Sequence[str]
    level: Level
    shown: dict[str, str] = field(default_factory=dict)  # of folders of models: as they are written in the file

    @property
    def folder(self) -> Path:
        """Where paths start from."""
        return self.path.parent


def read_grid(path: Path) -> Grid:
    """Return the comparison that a file asks for; models that are on a hub only are downloaded.

    Raises:
        UsageError: the file cannot be read, or a key, a type or a value in it is wrong; the message names it.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--compare {path} cannot be read: {error.strerror}.") from error
    return _Reader(path, parse(path, raw)).grid()


class _Reader:
    def __init__(self, path: Path, values: Json) -> None:
        self.path, self.values = path, values
        self.shown: dict[str, str] = {}

    def wrong(self, key: str, what: str, hint: str | None = None) -> UsageError:
        return UsageError(f"{self.path}: {key}: {what}", hint=hint)

    def grid(self) -> Grid:
        self._known(self.values, _KEYS, "")
        inputs = self._texts("documents", None)
        for at, one in enumerate(inputs):
            if not _URL.match(one) and not self._path(one).exists():
                raise self.wrong(_at("documents", at, inputs), f"there is no {one!r}.", self._where())
        cases, queries, qrels = (self._file(name) for name in ("cases", "queries", "qrels"))
        if (cases is None) == (queries is None and qrels is None) or (queries is None) != (qrels is None):
            given = [name for name in ("cases", "queries", "qrels") if name in self.values]
            raise self.wrong(
                " and ".join(given) or "cases", "name a file of cases, or queries with qrels; one of the two."
            )
        level = self._level(cases)
        measures = self._measures()
        sample = self.values.get("sample")
        if sample is not None and (isinstance(sample, bool) or not isinstance(sample, int) or sample < 1):
            raise self.wrong("sample", f"it must be a whole number of documents, at least 1, not {sample!r}.")
        modes = self._choices("modes", list(get_args(Mode)), ["vector", "hybrid"])
        splitters = self._splitters()
        models = self._models("models", ["builtin"]) if set(modes) != {"text"} or "models" in self.values else []
        return Grid(
            path=self.path, inputs=inputs, cases=cases, queries=queries, qrels=qrels,
            models=[None if one == "builtin" else one for one in models], splitters=splitters,
            modes=["vector" if mode == "vector" else "hybrid" for mode in modes if mode != "text"],
            rerankers=self._rerankers(), sample=sample, measures=measures, level=level, shown=self.shown,
        )  # fmt: skip

    def _known(self, values: Json, keys: Sequence[str], before: str) -> None:
        for key in values:
            if key not in keys:
                near = difflib.get_close_matches(key, keys, 1)
                hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(keys)}."
                raise self.wrong(f"{before}{key}", "there is no such key.", hint)

    def _path(self, text: str) -> Path:
        return self.path.parent / Path(text).expanduser()

    def _where(self) -> str:
        return f"Paths are relative to the folder of {self.path}: {self.path.parent.resolve()}"

    def _texts(self, key: str, default: list[str] | None) -> list[str]:
        """Return a list of texts; a text alone is a list of one."""
        if key not in self.values:
            if default is None:
                raise self.wrong(key, "it is missing.", 'For example: documents = ["docs/"]')
            return default
        value = self.values[key]
        several = [value] if isinstance(value, str) else value
        if not isinstance(several, list):
            raise self.wrong(key, f"it must be a list of texts, not {_type(value)}.")
        for at, one in enumerate(several):
            if not isinstance(one, str) or not one.strip():
                raise self.wrong(_at(key, at, several), f"it must be a text, not {_type(one)}.")
        if not several:
            raise self.wrong(key, "the list is empty.")
        twice = next((one for at, one in enumerate(several) if one in several[:at]), None)
        if twice is not None:
            raise self.wrong(key, f"{twice!r} is there twice.")
        return several

    def _choices(self, key: str, known: list[str], default: list[str]) -> list[str]:
        given = self._texts(key, default)
        for at, one in enumerate(given):
            if one not in known:
                raise self.wrong(_at(key, at, given), f"there is no {one!r}.", f"There are: {', '.join(known)}.")
        return given

    def _file(self, key: str) -> Path | None:
        if key not in self.values:
            return None
        value = self.values[key]
        if not isinstance(value, str):
            raise self.wrong(key, f"it must be the path of a file, not {_type(value)}.")
        path = self._path(value)
        try:
            with path.open("rb"):
                return path
        except OSError as error:
            raise self.wrong(key, f"{value!r} cannot be read: {error.strerror}.", self._where()) from error

    def _level(self, cases: Path | None) -> Level:
        level = self._choices("level", ["document", "chunk"], ["document"])[0]
        if level == "chunk" and cases is None:
            raise self.wrong(
                "level",
                "judgements of chunks hold for one splitter only, and rows have several.",
                "Compare documents, or write cases: a chunk is right that holds an answer.",
            )
        return "chunk" if level == "chunk" else "document"

    def _measures(self) -> list[str]:
        main = self._texts("measure", [DEFAULT[0]])
        if len(main) > 1:
            raise self.wrong("measure", "rows are compared by one; others go into measures.")
        made: list[str] = []
        for key, names in (("measure", main), ("measures", self._texts("measures", list(DEFAULT)))):
            for name in (part for one in names for part in one.split()):
                try:
                    made.append(canonical(name))
                except UsageError as error:
                    raise self.wrong(key, error.message, error.hint) from error
        return list(dict.fromkeys(made))

    def _models(self, key: str, default: list[str]) -> list[str]:
        return self._names(key, self._texts(key, default), self._model)

    def _rerankers(self) -> list[str | None]:
        given = self._texts("rerankers", [NO_RERANKER])

        def reranker(name: str) -> str:
            from ragcli.models.folder import locate

            place = self._name(name)
            locate(place)
            return place

        made = [None if one == NO_RERANKER else self._names("rerankers", [one], reranker)[0] for one in given]
        return [None, *(one for one in made if one is not None)]

    def _names(self, key: str, given: list[str], check: Callable[[str], str]) -> list[str]:
        made = []
        for at, one in enumerate(given):
            try:
                made.append(check(one))
            except RagcliError as error:
                raise self.wrong(_at(key, at, given), error.message, error.hint) from error
        return made

    def _model(self, name: str) -> str:
        if name.startswith("openai:"):
            return name
        from ragcli.models.folder import resolve

        place = self._name(name)
        resolve(None if place == "builtin" else place)
        return place

    def _name(self, name: str) -> str:
        """Return a model's name, or the path of its folder, which is relative to the file."""
        path = self._path(name)
        if not path.is_dir():
            return name
        self.shown[str(path)] = name
        return str(path)

    def _splitters(self) -> list[Splitter]:
        given = self.values.get("splitters", [{}])
        if isinstance(given, dict):
            given = [given]
        if not isinstance(given, list) or not given:
            raise self.wrong("splitters", f"it must be a list of tables, not {_type(given)}.", "As in: [{size = 400}]")
        made: list[Splitter] = []
        for at, one in enumerate(given):
            key = _at("splitters", at, given)
            if not isinstance(one, dict):
                raise self.wrong(key, f"it must be a table, not {_type(one)}.", "As in: {size = 400, overlap = 40}")
            self._known(one, _SPLITTER_KEYS, f"{key}.")
            cut = self._splitter(one, key)
            if cut in made:
                raise self.wrong(key, "it is there twice.")
            if any(cut.name == other.name for other in made):  # classes of one name
                cut = replace(cut, name=cut.name.replace(str(cut.parser).rpartition(":")[2], str(cut.parser), 1))
            made.append(cut)
        return made

    def _splitter(self, one: Json, key: str) -> Splitter:
        from ragcli.splitting import split

        kind = one.get("splitter", SPLITTERS[0])
        if isinstance(kind, str) and ":" in kind:
            return self._parser(one, kind, key)
        if kind not in SPLITTERS:
            there = f"There are: {', '.join(SPLITTERS)}, and LlamaIndex's node parsers. {_PARSER_EXAMPLE}"
            raise self.wrong(f"{key}.splitter", f"there is no {kind!r}.", there)
        if "options" in one:
            raise self.wrong(f"{key}.options", "it goes with a node parser.", _PARSER_EXAMPLE)
        model = one.get("model")
        if model is not None and (not isinstance(model, str) or not model.strip()):
            raise self.wrong(f"{key}.model", f"it must be a model's name, not {_type(model)}.")
        if model is not None and one.get("unit", "chars") != "tokens":
            raise self.wrong(f"{key}.model", "only tokens are counted with a model.", 'Add: unit = "tokens"')
        try:
            place = None if model in (None, "builtin") else self._name(str(model))
            made = Splitter(
                name="", size=one.get("size"), overlap=one.get("overlap"), unit=one.get("unit", "chars"), model=place
            )
            list(split((), **_checked(made)))
            name = _splitter_name(made, self.shown)
        except RagcliError as error:
            raise self.wrong(key, error.message, error.hint) from error
        return replace(made, name=name)

    def _parser(self, one: Json, place: str, key: str) -> Splitter:
        """Return a node parser, which is made once to see that it can be."""
        for name in ("size", "overlap", "unit", "model"):
            if name in one:
                raise self.wrong(f"{key}.{name}", "a node parser has options of its own.", _PARSER_EXAMPLE)
        options = one.get("options", {})
        if not isinstance(options, dict):
            raise self.wrong(f"{key}.options", f"it must be a table, not {_type(options)}.", _PARSER_EXAMPLE)
        try:
            text = orjson.dumps(options, option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME).decode()
        except TypeError as error:
            raise self.wrong(f"{key}.options", f"JSON cannot hold them: {error}.") from error
        try:
            NodeParser(place, options)
        except RagcliError as error:
            raise self.wrong(key, error.message, error.hint) from error
        shown = [f"{name} {_plain(value)}" for name, value in sorted(without_secrets(options).items())]
        return Splitter(name=", ".join([place.rpartition(":")[2], *shown]), parser=place, parser_options=text)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _checked(one: Splitter) -> Json:
    """Return a splitter's options; of a unit that is none, only the unit, so that it is said and no model is opened."""
    return one.options() if one.unit in ("chars", "tokens") else {"unit": one.unit}


def _splitter_name(one: Splitter, shown: dict[str, str]) -> str:
    from ragcli.splitting.stage import DEFAULT_OVERLAP, DEFAULT_SIZE, DEFAULT_TOKENS

    usual = DEFAULT_SIZE if one.unit == "chars" else min(DEFAULT_TOKENS, one.options()["count"].limit)
    parts = [f"size {one.size if one.size is not None else usual}"]
    if one.unit == "tokens":
        parts[0] += f" tokens ({shown.get(one.model, one.model)})" if one.model else " tokens"
    overlap = DEFAULT_OVERLAP if one.overlap is None else one.overlap
    return ", ".join([*parts, f"overlap {overlap}"] if overlap else parts)


def _at(key: str, at: int, of: Sequence[Any]) -> str:
    """Return what a place in a list is called; people count from 1."""
    return f"{key}, number {at + 1}" if len(of) > 1 else key


def _type(value: Any) -> str:
    return _TYPES.get(type(value), type(value).__name__) if value not in ("", [], {}) else "empty"
