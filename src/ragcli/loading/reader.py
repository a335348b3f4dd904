"""Readers from elsewhere: any class with LlamaIndex's ``load_data`` brings in what ragcli does not know.

What a reader yields becomes document records: its text, its metadata, and a page where it names one.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragcli.errors import LoadError, UsageError
from ragcli.foreign import find, plain, said
from ragcli.loading.source import Source
from ragcli.records import Document, Json

_FILE_ARGUMENTS = ("file", "file_path", "path", "input_file", "filepath", "pdf_path")
_LIST_ARGUMENTS = ("input_files", "file_paths", "files", "urls")
_TITLES = ("title", "Title")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A reader by name; made where it is used, so that it can be sent to a worker process.

    Args:
        place: ``package.module:Class``.
        options: arguments of the class.
        load_options: arguments of its ``load_data``, beside the file.
    """

    place: str
    options: Json = field(default_factory=dict)
    load_options: Json = field(default_factory=dict)

    def check(self) -> None:
        """Import the class and make one.

        Raises:
            UsageError: there is no such class, it takes other options, or it is no reader.
        """
        self._made()

    def read(self, source: Source) -> Iterator[Document]:
        """Yield what the reader makes of one file; the argument that takes the path is found by its name.

        A source that has the reader's own name stands for all that it brings by itself.

        Raises:
            LoadError: the reader failed.
        """
        load = self._load()
        given = str(source.path) if source.path is not None else source.name
        try:
            if source.name == self.place:  # one that takes no file: a database, a service
                found = load(**self.load_options)
            else:
                found = _called(load, given, dict(self.load_options))
            yield from _documents(source, found, self.place)
        except (LoadError, MemoryError):
            raise
        except Exception as error:
            raise LoadError(f"{self.place} failed: {said(error)}") from error

    def _made(self) -> Any:
        kind = find(self.place, "--reader", "llama_index.readers.file:PDFReader")
        try:
            made = kind(**self.options)
        except Exception as error:
            raise UsageError(
                f"--reader {self.place}: {type(error).__name__}: {error}", hint="See --reader-options."
            ) from error
        if not callable(getattr(made, "load_data", None)):
            raise UsageError(f"--reader {self.place} is no reader: it has no load_data.")
        return made

    def _load(self) -> Any:
        made = self._made()
        for kind in type(made).__mro__:  # LlamaIndex's base has both: what counts is which one was written for it
            if "lazy_load_data" in vars(kind):
                return made.lazy_load_data
            if "load_data" in vars(kind):
                break
        return made.load_data


def _called(load: Any, given: str, options: Json) -> Iterable[Any]:
    """Call ``load_data`` with a file, under whatever name it takes one."""
    parameters = list(inspect.signature(load).parameters.values())
    names = [parameter.name for parameter in parameters]
    for name in _FILE_ARGUMENTS:
        if name in names and name not in options:
            return load(**{name: Path(given)}, **options)  # type: ignore[no-any-return]
    for name in _LIST_ARGUMENTS:
        if name in names and name not in options:
            return load(**{name: [given]}, **options)  # type: ignore[no-any-return]
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD,
                inspect.Parameter.VAR_POSITIONAL)  # fmt: skip
    free = [one for one in parameters if one.kind in by_place]
    if free and free[0].name not in options:
        return load(Path(given), **options)  # type: ignore[no-any-return]
    raise LoadError("its load_data takes no file.", hint="Pass no PATH, and --reader-load with what it takes.")


def _documents(source: Source, found: Iterable[Any], place: str) -> Iterator[Document]:
    for number, one in enumerate(found, 1):
        text = one.text if isinstance(getattr(one, "text", None), str) else None
        if text is None and callable(getattr(one, "get_content", None)):
            text = one.get_content()
        if not isinstance(text, str):
            raise LoadError(f"{place} gave a {type(one).__name__}, which has no text.")
        if not text.strip():
            source.report.count("empty_documents")
            source.lose(f"document {number} is empty", kind="skipped")
            continue
        metadata = plain(getattr(one, "metadata", None) or {})
        if source.status is not None:  # an object: where it lay for a while is no fact about it
            metadata = {key: _placed(value, source) for key, value in metadata.items()}
        title = next((metadata[key] for key in _TITLES if isinstance(metadata.get(key), str)), None)
        page = _page(metadata)
        spans = [{"start": 0, "end": len(text), "page": page}] if page is not None else []
        yield source.document(text, format="reader", title=title, spans=spans, part=str(number),
                              metadata={**metadata, "reader": place})  # fmt: skip
        source.beat()


def _placed(value: Any, source: Source) -> Any:
    return source.name if isinstance(value, str) and value == str(source.path) else value


def _page(metadata: Json) -> int | None:
    for key in ("page_label", "page", "page_number"):
        value = metadata.get(key)
        if isinstance(value, (int, str)) and str(value).isdecimal() and 0 < int(value) < 1 << 31:
            return int(value)
    return None
