"""What ``--data`` names: files, folders and stdin, how often each is seen, and what its bytes were.

A source is read more than once (to see what it holds, and a weight of 2 reads it twice), so that stdin and pipes are
first written to the work folder, where a run that goes on after a kill finds them again.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from ragcli.errors import UsageError

STDIN = "-"
CORPUS = "corpus.jsonl"
QUERIES = "queries.jsonl"
TEXTS = (".txt", ".md", ".markdown")
_DATA = (".jsonl", ".ndjson", ".json", ".gz", ".parquet", ".csv", ".tsv")
_MOST_WEIGHT = 1000
_BLOCK = 1 << 20
_SHOWN = 3
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_JUDGEMENTS = {
    False: ("qrels/train.tsv", "qrels.tsv"),
    True: ("qrels/dev.tsv", "qrels/valid.tsv", "qrels/test.tsv", "qrels.tsv"),
}


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder of training data.

    Args:
        path: as the user named it; ``-`` is stdin.
        weight: how often its rows are seen in an epoch: 2 is twice, 0.3 a sample of 30 %.
        file: where its bytes lie, once `ready` has seen to it.
        sha256: of its bytes, once `ready` has seen to it.
        evaluation: it is for evaluation; of a folder in BEIR's form the judgements for testing are read.
    """

    path: str
    weight: float = 1.0
    file: Path | None = None
    sha256: str = ""
    evaluation: bool = False

    @property
    def place(self) -> Path:
        """Where its bytes lie."""
        return self.file if self.file is not None else Path(self.path)

    @property
    def is_beir(self) -> bool:
        """Whether it is a folder in BEIR's form."""
        return (self.place / CORPUS).is_file()

    def judgements(self) -> Path:
        """Return the relevance judgements of a folder in BEIR's form.

        Raises:
            UsageError: there are none for this use.
        """
        wanted = _JUDGEMENTS[self.evaluation]
        for name in wanted:
            if (path := self.place / name).is_file():
                return path
        there = [name for names in _JUDGEMENTS.values() for name in names if (self.place / name).is_file()]
        said = f"only {there[0]}, which is for --eval-data" if there else "no judgements"
        raise UsageError(
            f"{self.path} has {CORPUS} and {said}.",
            hint=f"Put {' or '.join(wanted)} there: query-id, corpus-id, score.",
        )

    def texts(self) -> list[Path]:
        """Return the text files of a folder, hidden ones left out, in the order of their names."""
        return sorted(path for path in _files(self.place) if path.suffix.lower() in TEXTS)


def parse(values: Sequence[str], *, evaluation: bool = False) -> list[Source]:
    """Return the sources that ``--data`` or ``--eval-data`` names: FILE, FILE=WEIGHT, FOLDER or ``-``.

    Args:
        values: as they stand on the command line. A file whose real name ends like a weight is that file.
        evaluation: they are of ``--eval-data``.

    Raises:
        UsageError: one is not there, named twice, or no source of data; a weight is out of range.
    """
    option = "--eval-data" if evaluation else "--data"
    out: list[Source] = []
    seen: set[str] = set()
    for value in values:
        path, weight = _split(value, option)
        source = Source(path, weight, evaluation=evaluation)
        if path != STDIN:
            _check(source, option)
        key = path if path == STDIN else str(Path(path).resolve())
        if key in seen:
            what = "stdin (-)" if path == STDIN else path
            raise UsageError(f"{option} names {what} twice.", hint=f"To see its rows twice, write {option} {path}=2.")
        seen.add(key)
        out.append(source)
    return out


def ready(sources: Sequence[Source], work: Path, stdin: IO[bytes] | None = None) -> list[Source]:
    """Return the sources with where their bytes lie and what their SHA-256 is.

    Args:
        sources: from `parse`.
        work: a folder; what can be read only once is written into it.
        stdin: read where a source is ``-``; None where an earlier run wrote it to ``work``.

    Raises:
        UsageError: a source cannot be read, or ``-`` is named and nothing came in.
    """
    out: list[Source] = []
    for number, source in enumerate(sources):
        path = source.place
        if source.path == STDIN or not (path.is_file() or path.is_dir()):
            kept = work / f"{'eval' if source.evaluation else 'data'}-{number}.input"
            path = _spooled(source, kept, stdin)
        out.append(replace(source, file=path, sha256=_digest(path, source)))
    return out


def _split(value: str, option: str) -> tuple[str, float]:
    if not value:
        raise UsageError(f"{option} is empty.", hint=f"{option} FILE, {option} FILE=0.3, or {option} - for stdin.")
    if value == STDIN or os.path.lexists(value):
        return value, 1.0
    path, sign, said = value.rpartition("=")
    if not sign or not (path == STDIN or os.path.lexists(path)):
        return value, 1.0
    try:
        weight = float(said)
    except ValueError:
        weight = math.nan
    if not 0 < weight <= _MOST_WEIGHT:
        raise UsageError(
            f"{option} {value}: the weight {said!r} is no number above 0 and up to {_MOST_WEIGHT}.",
            hint=f"{option} {path}=0.3 takes 30 % of its rows, {option} {path}=2 all of them twice.",
        )
    return path, weight


def _check(source: Source, option: str) -> None:
    path = Path(source.path)
    if _URL.match(source.path):
        raise UsageError(f"{option} {source.path} is an address.", hint="Download it first, and name the file.")
    if not path.exists():
        raise UsageError(
            f"{option}: there is no file or folder {source.path}.",
            hint="A data set of a hub must be downloaded first; a weight is a number behind =, as in train.jsonl=0.3.",
        )
    if not path.is_dir():
        return
    if source.is_beir:
        source.judgements()
        if not (path / QUERIES).is_file():
            raise UsageError(f"{option} {source.path}: there is {CORPUS}, but no {QUERIES}.")
        return
    data = sorted(one for one in _files(path) if one.suffix.lower() in _DATA)
    if data:
        names = ", ".join(str(one) for one in data[:_SHOWN]) + (" …" if len(data) > _SHOWN else "")
        raise UsageError(
            f"{option} {source.path} is a folder with files of data: {names}.",
            hint=f"Name those that are to be trained on, each with {option}.",
        )
    if not source.texts():
        raise UsageError(
            f"{option} {source.path} is a folder without data.",
            hint=f"It should hold text files (*.txt, *.md), or {CORPUS}, {QUERIES} and qrels/train.tsv (BEIR).",
        )


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root) / name
            if not name.startswith(".") and path.is_file():
                yield path


def _spooled(source: Source, kept: Path, stdin: IO[bytes] | None) -> Path:
    """Write what can be read only once to a file; return the file."""
    if source.path == STDIN and stdin is None:
        if not kept.is_file():
            raise UsageError("--data is - (stdin), and nothing comes in there.")
        return kept
    temporary = kept.with_name(kept.name + ".tmp")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with (
            stdin if source.path == STDIN and stdin else source.place.open("rb") as stream,
            temporary.open("wb") as out,
        ):
            while block := stream.read(_BLOCK):
                out.write(block)
        temporary.replace(kept)
    except OSError as error:
        raise UsageError(f"{source.path} cannot be kept as {kept}: {error.strerror}.") from error
    return kept


def _digest(path: Path, source: Source) -> str:
    """Return the SHA-256 of a file, or of the names and digests of the files that are read of a folder."""
    from ragcli.evaluation.comparing.work import file_digest

    try:
        if not path.is_dir():
            return file_digest(path)
        files = [path / CORPUS, path / QUERIES, source.judgements()] if source.is_beir else source.texts()
        lines = [f"{file_digest(one)}  {one.relative_to(path).as_posix()}\n" for one in files]
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    except OSError as error:
        raise UsageError(f"{error.filename or source.path} cannot be read: {error.strerror}.") from error
