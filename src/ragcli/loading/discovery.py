"""Inputs to files: folders in a fixed order, .gitignore, globs, each file once.

Order is that of the inputs, and inside a folder that of the names' bytes, so that it is the same on every
machine. A symbolic link inside a folder is followed where it stays in that folder, or leads out of it and the user
has said so; a folder or file that was reached before is not read again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ragcli.errors import LoadError, UsageError
from ragcli.loading.buckets import entries, is_address, unknown
from ragcli.report import Report
from ragcli.store.remote import clean

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_BLOCK = 1 << 16
Ignores = tuple[tuple[str, "GitIgnoreSpec"], ...]  # (folder, its rules), outermost first


@dataclass(frozen=True, slots=True)
class Found:
    """A file to load, or (``lost`` set) one that will not be: (kind, reason).

    Args:
        name: the source that its documents name.
        path: where it lies.
        explicit: named by the user, not found in a folder.
        regular: not a pipe or device.
        lost: why it will not be loaded.
        status: size in bytes and time of its last change in nanoseconds, of an object on object storage, whose
            ``path`` is its address; None of a file on disk.
    """

    name: str
    path: str
    explicit: bool = False
    regular: bool = True
    lost: tuple[str, str] | None = None
    status: tuple[int, int] | None = None


def paths_from(stream: IO[bytes], *, null: bool = False) -> Iterator[str]:
    """Yield the paths that a binary stream lists, one a line, or ended by NUL; empty ones are left out."""
    end = b"\0" if null else b"\n"
    rest = b""
    read = getattr(stream, "read1", stream.read)
    while block := read(_BLOCK):
        *whole, rest = (rest + block).split(end)
        for path in whole:
            if path:
                yield os.fsdecode(path)
    if rest:
        yield os.fsdecode(rest)


def _globs(patterns: Sequence[str], option: str) -> GitIgnoreSpec | None:
    if not patterns:
        return None
    if isinstance(patterns, str):
        patterns = (patterns,)
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


class Discovery:
    """Turns inputs into files; remembers what it has seen.

    Args:
        include: globs as in .gitignore; with any, only files that match one.
        exclude: globs as in .gitignore; files and folders that match are left out.
        gitignore: leave out what .gitignore files name.
        hidden: files and folders whose name starts with a dot too (``.git`` never).
        follow_links: follow links that lead out of the folder they are found in.
        outputs: files that this run writes; they are no input of it.
        report: counts what rules left out as ``ignored``.

    Raises:
        UsageError: a glob that is none.
    """

    def __init__(
        self,
        *,
        include: Sequence[str],
        exclude: Sequence[str],
        gitignore: bool,
        hidden: bool,
        report: Report,
        follow_links: bool = False,
        outputs: Sequence[Path] = (),
    ) -> None:
        self._include = _globs(include, "--include")
        self._exclude = _globs(exclude, "--exclude")
        self._gitignore = gitignore
        self._hidden = hidden
        self._follow_links = follow_links
        self._outputs = {os.path.realpath(path) for path in outputs}
        self._top = ""  # the folder that is walked, without links
        self._report = report
        self._files: dict[tuple[int, int] | str, str] = {}
        self._folders: set[tuple[int, int]] = set()

    def find(self, given: str | Path) -> Iterator[Found]:
        """Yield the files of one input: a file itself, or those below a folder, on disk or on object storage."""
        if is_address(given):
            yield from self._objects(str(given))
            return
        path = os.fspath(given)
        name = Path(path).as_posix()
        if (why := unknown(given)) is not None and not os.path.exists(path):  # noqa: PTH110
            yield Found(clean(path), path, True, lost=("failed", why))
            return
        try:
            status = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError) as error:
            yield Found(name, path, True, lost=("failed", _why(error, path)))
            return
        if stat.S_ISDIR(status.st_mode):
            self._top = os.path.realpath(path)
            yield from self._walk(path, name, "", self._rules_above(path) if self._gitignore else (), status)
            return
        if not self._wanted(os.path.basename(path)):  # noqa: PTH119
            yield Found(name, path, True, lost=("skipped", "left out by --include or --exclude"))
            return
        yield self._once(name, path, status, explicit=True)

    def _objects(self, address: str) -> Iterator[Found]:
        """Yield what lies at or below an address. No .gitignore is asked: what is in a bucket was put there."""
        try:
            held, itself = entries(address)
        except LoadError as error:
            yield Found(clean(address), address, True, lost=("failed", _said(error)))
            return
        for one in held:
            hidden = any(part.startswith(".") for part in one.below.split("/")) and not self._hidden
            if not self._wanted(one.below) or (not itself and (hidden or ".git" in one.below.split("/"))):
                if itself:
                    yield Found(address, address, True, lost=("skipped", "left out by --include or --exclude"))
                else:
                    self._report.count("ignored")
                continue
            lost = ("skipped", f"the same file as {one.address}") if one.address in self._files else None
            self._files[one.address] = one.address
            yield Found(one.address, one.address, itself, lost=lost, status=(one.size, one.modified))

    def _inside(self, path: str) -> bool:
        """Whether a link leads to something in the folder that is walked, or to nothing."""
        real = os.path.realpath(path)
        return not os.path.exists(real) or os.path.commonpath([real, self._top]) == self._top  # noqa: PTH110

    def _wanted(self, relative: str) -> bool:
        """Whether the globs leave a file in."""
        if self._exclude is not None and self._exclude.match_file(relative):
            return False
        return self._include is None or self._include.match_file(relative)

    def _once(self, name: str, path: str, status: os.stat_result, *, explicit: bool) -> Found:
        if not stat.S_ISREG(status.st_mode):
            if explicit:  # a named pipe, as from <(command)
                return Found(name, path, True, regular=False)
            return Found(name, path, lost=("skipped", "not a regular file"))
        # Hard links are files of their own; only the same path, by whatever way, is the same file.
        key = (status.st_dev, status.st_ino) if status.st_nlink == 1 else os.path.realpath(path)
        first = self._files.setdefault(key, name)
        if first is not name:
            return Found(name, path, explicit, lost=("skipped", f"the same file as {first}"))
        return Found(name, path, explicit)

    def _walk(self, path: str, name: str, relative: str, ignores: Ignores, status: os.stat_result) -> Iterator[Found]:
        key = (status.st_dev, status.st_ino)
        if key in self._folders:  # a loop of links, or a folder given twice
            self._report.count("ignored")
            return
        self._folders.add(key)
        try:
            with os.scandir(path) as found:
                entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            yield Found(name, path, lost=("failed", _why(error, path)))
            return
        if self._gitignore:
            ignores = self._with_rules(path, ignores)
        for entry in entries:
            below = f"{relative}{entry.name}"
            full = os.path.join(path, entry.name)  # noqa: PTH118
            called = entry.name if name == "." else f"{name.rstrip('/')}/{entry.name}"
            if entry.name == ".git" or (entry.name.startswith(".") and not self._hidden):
                self._report.count("ignored")
                continue
            try:
                if entry.is_symlink() and not self._follow_links and not self._inside(full):
                    if self._wanted(below) and not _ignored(ignores, full, folder=False):
                        reason = "a link that leads out of the folder; pass --follow-links"
                        yield Found(called, full, lost=("skipped", reason))
                    else:
                        self._report.count("ignored")
                    continue
                status = entry.stat()
                folder = stat.S_ISDIR(status.st_mode)
            except OSError as error:
                if not self._wanted(below) or _ignored(ignores, full, folder=False):
                    self._report.count("ignored")
                else:
                    yield Found(called, full, lost=("failed", _why(error, full)))
                continue
            if folder:
                left_out = self._exclude is not None and self._exclude.match_file(f"{below}/")
            else:
                left_out = not self._wanted(below) or (bool(self._outputs) and os.path.realpath(full) in self._outputs)
            if left_out or _ignored(ignores, full, folder=folder):
                self._report.count("ignored")
            elif folder:
                yield from self._walk(full, called, f"{below}/", ignores, status)
            else:
                yield self._once(called, full, status, explicit=False)

    def _rules_above(self, path: str) -> Ignores:
        """The rules of the folders above, up to the top of the repository, as they stand for this folder."""
        folder = Path(os.path.realpath(path))
        above = [folder, *folder.parents]
        top = next((at for at, place in enumerate(above) if (place / ".git").exists()), None)
        if top is None:
            return ()
        rules: Ignores = ()
        exclude = above[top] / ".git" / "info"
        rules = self._with_rules(str(exclude), rules, file="exclude", base=str(above[top]))
        for place in reversed(above[1 : top + 1]):
            rules = self._with_rules(str(place), rules)
        # A folder that is named is wanted, whatever the rules above say of it.
        kept = [rule for rule in rules if not rule[1].match_file(f"{os.path.relpath(folder, rule[0])}/")]
        return tuple(kept)

    def _with_rules(self, folder: str, rules: Ignores, *, file: str = ".gitignore", base: str | None = None) -> Ignores:
        try:
            content = Path(folder, file).read_bytes()
        except OSError:
            return rules
        from pathspec import GitIgnoreSpec

        lines = content.decode("utf-8-sig", "surrogateescape").splitlines()
        specs = []
        for line in lines:
            try:
                GitIgnoreSpec.from_lines([line])
            except ValueError:  # git ignores a pattern that is none
                continue
            specs.append(line)
        return (*rules, (base or folder, GitIgnoreSpec.from_lines(specs))) if specs else rules


def _ignored(rules: Ignores, path: str, *, folder: bool) -> bool:
    """Whether the rules leave a path out; the innermost folder that says something decides."""
    if not rules:
        return False
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))  # noqa: PTH118,PTH119,PTH120
    for base, spec in reversed(rules):
        relative = os.path.relpath(real, os.path.realpath(base))
        if relative.startswith(".."):
            continue
        said = spec.check_file(f"{relative}/" if folder else relative).include
        if said is not None:
            return said
    return False


def _said(error: LoadError) -> str:
    return f"{error.message} {error.hint}" if error.hint else error.message


def _why(error: OSError | ValueError, path: str) -> str:
    if isinstance(error, FileNotFoundError):
        if os.path.islink(path):  # noqa: PTH114
            return "a link to nothing"
        return "no such file or folder"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
