"""Node parsers: any class with LlamaIndex's ``get_nodes_from_documents`` cuts documents (``split --splitter``).

What a parser prints goes to stderr. It is handed the document's metadata, which take no room in its chunks: ragcli
does not embed them. LlamaIndex is imported when a parser is made, not before.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import re
import sys
from copy import deepcopy
from pathlib import PurePosixPath
from typing import Any

import orjson

from ragcli.errors import RagcliError, UsageError
from ragcli.foreign import find, plain, said
from ragcli.jsonl import clean
from ragcli.records import Document, Json
from ragcli.splitting.parser_options import EMBED_MODEL, OPTION, Filled, filled, version_of

EXAMPLE = "llama_index.core.node_parser:SentenceSplitter"
_OPTION = "--splitter"
_NAME = re.compile(r"(?P<place>[^\s/]+:[^\s/]+)/(?P<version>\S+) (?P<options>\{.*\})", re.DOTALL)
_SECRET = re.compile(r"(?:^|_)(?:key|secret|password|passwd|authorization|(?:auth|access|api)_?token|token)$", re.I)
_TRIED = "The first sentence. The second one.\n\n第一句。第二句。\n"


class NodeParser:
    """A node parser by name, made with options.

    Args:
        place: ``package.module:Class``.
        options: arguments of the class, or of its ``from_defaults`` where the class cannot be made with them. What
            JSON cannot hold is written ``{"class": "package.module:Class", "options": {…}}`` or
            ``{"function": "package.module:function"}``; ``embed_model`` may be a model as ``ragcli embed -m`` takes it.

    Raises:
        UsageError: there is no such class, it takes other options, is no node parser, or lacks a package or a file.
    """

    def __init__(self, place: str, options: Json | None = None) -> None:
        self.place = place
        self.options = dict(options or {})
        with _to_stderr():
            kind = find(place, _OPTION, EXAMPLE)
            if not callable(getattr(kind, "get_nodes_from_documents", None)):
                raise UsageError(
                    f"{_OPTION} {place} is no node parser: it has no get_nodes_from_documents.",
                    hint=f"One is {EXAMPLE}.",
                )
            given = filled(self.options)
            self._parser = _made(kind, place, given)
            shown = orjson.dumps(without_secrets(self.options), option=orjson.OPT_SORT_KEYS).decode()
            self.name = f"{place}/{version_of(kind, given)} {shown}"
            self._try()

    def nodes(self, document: Document) -> list[tuple[str, Json]]:
        """Return the text of each node, and the metadata that the parser adds to it.

        Raises:
            RagcliError: the parser failed.
        """
        path = PurePosixPath(document.source)
        about = {"file_path": document.source, "file_name": path.name, "extension": path.suffix}
        given = {**about, **document.metadata}
        try:
            with _to_stderr():
                return self._nodes(document.id, clean(document.text), given)
        except (MemoryError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a tokenizer written in Rust panics with an error that is no Exception
            raise RagcliError(f"{self.place} failed: {said(error)}", hint=_files(error)) from error

    def _nodes(self, name: str, text: str, given: Json) -> list[tuple[str, Json]]:
        from llama_index.core.schema import Document as LlamaDocument
        from llama_index.core.schema import MetadataMode

        document = LlamaDocument(
            id_=name,
            text=text,
            metadata=deepcopy(given),
            excluded_embed_metadata_keys=list(given),
            excluded_llm_metadata_keys=list(given),
        )
        out = []
        for node in self._parser.get_nodes_from_documents([document]):
            metadata = plain(node.metadata or {})
            added = {key: value for key, value in metadata.items() if key not in given or given[key] != value}
            out.append((node.get_content(metadata_mode=MetadataMode.NONE), added))
        return out

    def _try(self) -> None:
        """Cut a text, so that a package or a file that is not there is found out before any document is read."""
        try:
            self._nodes("a", _TRIED, {"file_path": "a.txt", "file_name": "a.txt", "extension": ".txt"})
        except ImportError as error:
            raise UsageError(f"{_OPTION} {self.place}: {said(error)}.", hint="Install it in the same place.") from error
        except Exception as error:
            hint = _files(error)
            if hint is not None:
                raise UsageError(f"{_OPTION} {self.place}: {said(error)}.", hint=hint) from error


def node_parser(name: str) -> tuple[str, str] | None:
    """Return class and options (JSON) of a chunk's ``splitter``; None where no node parser cut it."""
    match = _NAME.fullmatch(name)
    return None if match is None else (match["place"], match["options"])


def parser_words(place: str, options: str) -> list[str]:
    """Return the options of ``ragcli split`` that name a node parser."""
    return [_OPTION, place, *([OPTION, options] if options != "{}" else [])]


def sentences(text: str) -> list[str]:
    """Cut a text into sentences, Chinese and English, without loss; for parsers that take such a function."""
    from ragcli.splitting.sentences import sentence_spans

    starts = [start for start, _ in sentence_spans(text)][1:]
    return [text[start:end] for start, end in zip([0, *starts], [*starts, len(text)], strict=True)]


def _made(kind: Any, place: str, given: Filled) -> Any:
    """Make a parser of its class, or by its from_defaults where the class wants more than the options."""
    wrong: str | None = None
    known: dict[str, None] = {}
    for maker in (kind, getattr(kind, "from_defaults", None)):
        if maker is None:
            continue
        try:
            signature = inspect.signature(maker)
            known.update(dict.fromkeys(signature.parameters))
            signature.bind(**given.values)
        except TypeError as error:
            wrong = wrong or str(error)
            continue
        except ValueError:  # it does not tell its arguments
            pass
        try:
            return maker(**given.values)
        except Exception as error:
            hint = _files(error) or f"See {OPTION}, and what {place} takes."
            if EMBED_MODEL in known and EMBED_MODEL not in given.values:
                hint = f"""{OPTION} '{{"{EMBED_MODEL}": "builtin"}}' lends it ragcli's own model."""
            raise UsageError(f"{_OPTION} {place}: {said(error)}.", hint=hint) from error
    unknown = next((name for name in given.values if name not in known), None)
    if unknown is None:
        raise UsageError(f"{_OPTION} {place}: {wrong}.", hint=f"Give it with {OPTION}.")
    near = difflib.get_close_matches(unknown, known, 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"It takes: {', '.join(known)}."
    raise UsageError(f"{OPTION}: {place} takes no {unknown!r}.", hint=hint)


def without_secrets(options: Json) -> Json:
    """Return options with keys, tokens and passwords left out of them, as they may be shown and kept."""

    def hidden(key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: hidden(name, item) for name, item in value.items()}
        return "…" if _SECRET.search(key) and isinstance(value, str) else value

    return {name: hidden(name, value) for name, value in options.items()}


def _files(error: BaseException) -> str | None:
    """Return what to do where a parser's data files are not there and it would fetch them."""
    message = str(error)
    if "tiktoken" in message:
        return (
            "The tokenizer's file is not there. LlamaIndex brings that of its default (core/_static/tiktoken_cache);"
            " TIKTOKEN_CACHE_DIR, if it is set, must name a folder that holds it."
        )
    if type(error) is LookupError and "nltk" in message:
        return (
            "NLTK's punkt_tab and stopwords are not there. LlamaIndex brings them (core/_static/nltk_cache); NLTK_DATA,"
            " if it is set, must name a folder that holds them."
        )
    return None


@contextlib.contextmanager
def _to_stderr() -> Any:
    with contextlib.redirect_stdout(sys.stderr):
        yield
