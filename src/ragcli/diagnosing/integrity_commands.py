"""The commands that mend a table, as a user would type them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ragcli.diagnosing.typed import (
    DEFAULT_DB,
    folders,
    model_words,
    path_word,
    settings_of,
    split_words,
    table_words,
)
from ragcli.models.builtin import named

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


class Commands:
    """Writes commands for one table.

    Args:
        db: the database.
        table: the table's name.
        contract: how the table was made.
    """

    def __init__(self, db: str, table: str, contract: Mapping[str, Any]) -> None:
        self._db = db
        self._table = table
        self._contract = contract
        model = contract.get("model")
        self._model = str(model.get("id") or "") if isinstance(model, Mapping) else ""

    def _at(self, table: str | None = None) -> str:
        return table_words(self._db, table or self._table)

    def mend(self) -> str:
        """Mend in place, from what the table holds."""
        return f"ragcli diagnose {self._at()} --check --mend"

    def check(self) -> str:
        """Look at the table again."""
        return f"ragcli diagnose {self._at()} --check"

    def check_from_elsewhere(self) -> str:
        """Look at the table from the folder in which it was made."""
        db = self._db if "://" in self._db else str(Path(self._db).resolve())
        return f"cd … && ragcli diagnose -d {shlex.quote(db)} -t {shlex.quote(self._table)} --check"

    def rebuild(self, files: Iterable[str]) -> str:
        """Put the table aside and make it again."""
        if "://" in self._db:
            return self.anew(files)
        folder = f"{self._db.rstrip('/')}/{self._table}"
        return f"mv {path_word(folder + '.lance')} {path_word(folder + '.damaged')} && {self._made(files, self._table)}"

    def without(self, files: Iterable[str]) -> str:
        """Remove what the table has of files, once they are taken away."""
        files = list(files)
        if not files:
            return ""
        roots = sorted({name.rpartition("/")[0] or "." for name in files})
        taken = " ".join(map(path_word, files))
        return f"mv {taken} … && {self.prune(roots)}"

    def encoding(self, files: Iterable[str]) -> str:
        """Load files again in another encoding."""
        return f"ragcli load --encoding … {_inputs(files)} | {self._split()} | ragcli embed {self._at()}"

    def index(self, files: Iterable[str], *, new: bool = False, prune: Iterable[str] = ()) -> str:
        """Load, split and embed these files again; what is unchanged is not embedded.

        Args:
            files: paths, or none where they are not known.
            new: the table keeps the states of its files: read only those that changed, and keep their new states.
            prune: folders under which files are gone.
        """
        new_to = f" --new-to {shlex.quote(self._table)}" if new else ""
        if new and self._db != DEFAULT_DB:
            new_to += f" -d {shlex.quote(self._db)}"
        return f"ragcli load {_inputs(files)}{new_to} | {self._split()} | ragcli embed {self._at()}{_pruned(prune)}"

    def prune(self, roots: Iterable[str]) -> str:
        """Remove what the table has of files under the roots that are gone."""
        return f"ragcli embed {self._at()}{_pruned(roots)} < /dev/null"

    def anew(self, files: Iterable[str], *, tokens: bool = False) -> str:
        """Make another table of these files.

        Args:
            files: paths, or none where they are not known.
            tokens: cut them by the tokens that the model reads.
        """
        return self._made(files, f"{self._table}-new", tokens=tokens)

    def _made(self, files: Iterable[str], table: str, *, tokens: bool = False) -> str:
        model = model_words(self._model)
        split = split_words({"unit": "tokens"}, self._model) if tokens else self._split()
        headings = " --headings" if self._contract.get("headings") else ""
        return f"ragcli load {_inputs(files)} | {split} | ragcli embed {self._at(table)}{model}{headings}"

    def other_model(self, files: Iterable[str]) -> str:
        """Make another table of these files with the built-in model, which knows Chinese and English."""
        at = self._at(f"{self._table}-new")
        return f"ragcli load {_inputs(files)} | {self._split()} | ragcli embed {at} -m builtin"

    def model(self, named_by_user: bool) -> str:
        """Get hold of the table's model.

        Args:
            named_by_user: the one that is not here was named with -m.
        """
        if named_by_user:
            return self.check()
        if named(self._model or None) is None and _HUB_NAME.fullmatch(self._model):
            return f"ragcli download {shlex.quote(self._model)}"
        return f"{self.check()} --embed-model …"

    def _split(self) -> str:
        return split_words(settings_of(self._contract), self._model)


def _pruned(roots: Iterable[str]) -> str:
    return "".join(f" --prune {path_word(root)}" for root in roots)


def _inputs(files: Iterable[str]) -> str:
    return " ".join(map(path_word, folders(files))) or "…"
