"""Folders to files, in order of name, by the rules of --include, --exclude and .gitignore."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.errors import LoadError
from ragcli.report import Report

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    Rules = tuple[tuple[Path, GitIgnoreSpec], ...]


def _ignored(rules: Rules, path: Path, folder: bool) -> bool:
    for base, spec in reversed(rules):  # the deepest file that says anything decides
        said = spec.check_file(path.relative_to(base).as_posix() + "/" * folder).include
        if said is not None:
            return said
    return False


@dataclass
class Walker:
    """Finds files; remembers what it has seen across all inputs."""

    report: Report
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    gitignore: bool = True
    hidden: bool = False
    _files: set[tuple[int, int]] = field(default_factory=set)
    _folders: set[tuple[int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        from pathspec import GitIgnoreSpec

        self._included = GitIgnoreSpec.from_lines(self.include)
        self._excluded = GitIgnoreSpec.from_lines(self.exclude)

    def skip(self, source: str, reason: str, folder: bool = False) -> None:
        """Record what a rule leaves out."""
        self.report.count("folders_skipped" if folder else "files_skipped")
        if not folder:
            self.report.count("files_seen")
        self.report.lose("skipped", source, reason)

    def fresh(self, path: Path) -> bool:
        """Tell whether a file was not reached before."""
        stat = path.stat()
        key = (stat.st_dev, stat.st_ino)
        if key in self._files:
            return False
        self._files.add(key)
        return True

    def _read(self, folder: Path) -> Rules:
        from pathspec import GitIgnoreSpec

        file = folder / ".gitignore"
        if not self.gitignore or not file.is_file():
            return ()
        try:
            lines = file.read_bytes().decode("utf-8", "surrogateescape").splitlines()
        except OSError:
            return ()
        return ((folder, GitIgnoreSpec.from_lines(lines)),)

    def _above(self, folder: Path) -> Rules:
        above: list[Path] = []
        for parent in (folder, *folder.parents):
            above.append(parent)
            if (parent / ".git").exists():
                break
        else:
            return ()
        rules: Rules = ()
        for parent in reversed(above[1:]):
            rules += self._read(parent)
        return () if _ignored(rules, folder, True) else rules  # a folder that is named is wanted

    def files(self, given: str) -> Iterator[tuple[str, Path] | LoadError]:
        """Yield (source, path) of each file below a folder, or the error of a folder not readable."""
        top = Path(given)
        real = Path(os.path.abspath(top))  # noqa: PTH100 - resolve() would follow the links of the name given
        yield from self._walk(top, real, given.rstrip("/") or "/", "", self._above(real))

    def _walk(
        self, folder: Path, real: Path, source: str, inside: str, rules: Rules
    ) -> Iterator[tuple[str, Path] | LoadError]:
        try:
            stat = folder.stat()
            if (stat.st_dev, stat.st_ino) in self._folders:
                return
            self._folders.add((stat.st_dev, stat.st_ino))
            names = sorted(os.listdir(folder))  # noqa: PTH208
        except OSError as error:
            yield LoadError(f"{source}: {error.strerror}.")
            return
        rules += self._read(real)
        for name in names:
            path, where, below = folder / name, f"{source.rstrip('/')}/{name}", inside + name
            is_folder = path.is_dir()
            if name.startswith(".") and not self.hidden:
                self.skip(where, "hidden", is_folder)
            elif _ignored(rules, real / name, is_folder):
                self.skip(where, ".gitignore", is_folder)
            elif self._excluded.match_file(below + "/" * is_folder) or (
                not is_folder and self._excluded.match_file(name)
            ):
                self.skip(where, "--exclude", is_folder)
            elif is_folder:
                yield from self._walk(path, real / name, where, below + "/", rules)
            elif self.include and not (self._included.match_file(below) or self._included.match_file(name)):
                self.skip(where, "not in --include")
            elif path.exists() and not path.is_file():
                self.skip(where, "not a regular file")
            else:
                yield where, path
