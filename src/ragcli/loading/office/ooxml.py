"""The package that DOCX and PPTX files are: parts, and the relations between them.

Read with zipfile and lxml, not with python-docx and python-pptx: these refuse the strict form of the format, and
files with a broken relation, a missing list of content types or names in another case, which Office opens.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from ragcli.errors import LoadError
from ragcli.loading.zipped import opened

if TYPE_CHECKING:
    from ragcli.loading.source import Source

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"

_PURL = b"http://purl.oclc.org/ooxml/"
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/([A-Za-z]+)/([A-Za-z]+)((?:/[A-Za-z]+)*)")
_RENAMED = {
    b"extendedProperties": b"extended-properties",
    b"customProperties": b"custom-properties",
}
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def transitional(data: bytes) -> bytes:
    """Return a part of a strict OOXML file (ISO 29500) with the namespaces that all other files have."""
    if codec := _MARKS.get(data[:2]):
        try:
            data = data.decode(codec).encode()
        except UnicodeDecodeError:
            return data
        data = re.sub(rb"^(<\?xml[^>]*?)\s+encoding=[\"'][^\"']*[\"']", rb"\1", data)
    return _STRICT.sub(_usual, data) if _PURL in data else data


def _usual(found: re.Match[bytes]) -> bytes:
    family, name, rest = found.groups()
    if rest.startswith(b"/metadata/"):
        return b"http://schemas.openxmlformats.org/package/2006/relationships" + rest
    family_year = b"http://schemas.openxmlformats.org/" + family + b"/2006/"
    head, slash, last = rest.rpartition(b"/")
    return family_year + _RENAMED.get(name, name) + head + slash + _RENAMED.get(last, last)


class Relation(NamedTuple):
    """A relation of a part: ``kind`` is the last word of its type, ``target`` a part's name or an address."""

    kind: str
    target: str
    external: bool


class Package:
    """The parts of a file. Names are found in any case; what is damaged is reported as a loss of the source.

    Args:
        source: the file.
        what: the name of its format, for messages.

    Raises:
        LoadError: it unpacks to more than 512 MiB.
        zipfile.BadZipFile: nothing in it can be read.
    """

    def __init__(self, source: Source, what: str) -> None:
        self._source = source
        self._what = what
        self._archive = opened(source.data(), source.lose)
        self._names: dict[str, str] = {}
        for name in self._archive.namelist():
            self._names.setdefault(_key(name), name)
        self._relations: dict[str, dict[str, Relation]] = {}

    def main(self, kind: str, fallback: str) -> str:
        """Return the name of the part that the file is about.

        Args:
            kind: what its relation's type ends in.
            fallback: the folder and name that it usually has.

        Raises:
            LoadError: there is none.
        """
        for relation in self.relations("").values():
            if relation.kind == kind and not relation.external and self.has(relation.target):
                return relation.target
        if self.has(fallback):
            return fallback
        raise LoadError(f"not readable as {self._what}: it has no {fallback}, which holds the text.")

    def names(self, folder: str) -> list[str]:
        """Return the names of the parts in a folder."""
        return [name for key, name in self._names.items() if key.startswith(folder)]

    def has(self, name: str) -> bool:
        """Whether a part is there."""
        return _key(name) in self._names

    def data(self, name: str) -> bytes | None:
        """Return a part's bytes; None where it is missing, or damaged, which is reported."""
        found = self._names.get(_key(name))
        if found is None:
            return None
        try:
            return self._archive.read(found)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            self._source.lose(f"{name} is damaged ({error})", part=name)
            return None

    def xml(self, name: str) -> Any:
        """Return the root of an XML part; None where it is missing, or not XML at all, which is reported."""
        from lxml import etree

        data = self.data(name)
        if data is None:
            return None
        data = transitional(data)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=len(data) > 10_000_000)
        try:
            return etree.fromstring(data, parser)
        except etree.XMLSyntaxError as error:
            said = str(error)
        except ValueError as error:  # it is empty
            said = str(error)
        try:
            root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
        except (etree.XMLSyntaxError, ValueError):
            root = None
        kept = "what can be read of it was read" if root is not None else "it was not read"
        self._source.lose(f"{name} is broken XML ({said}); {kept}", part=name)
        return root

    def relations(self, name: str) -> dict[str, Relation]:
        """Return the relations of a part by their ids; those of the whole package for an empty name."""
        key = _key(name)
        if key not in self._relations:
            folder, _, base = name.rpartition("/")
            place = f"{folder}/_rels/{base}.rels" if folder else f"_rels/{base}.rels"
            root = self.xml(place) if self.has(place) else None
            found: dict[str, Relation] = {}
            for one in root.iter("{*}Relationship") if root is not None else ():
                external = one.get("TargetMode") == "External"
                target = one.get("Target") or ""
                kind = (one.get("Type") or "").rpartition("/")[2]
                found[one.get("Id") or ""] = Relation(
                    kind, target if external else self._part(folder, target), external
                )
            self._relations[key] = found
        return self._relations[key]

    def _part(self, folder: str, target: str) -> str:
        """The name of the part that a relation means: from the folder of its part, else from the root."""
        target = target.replace("\\", "/").partition("#")[0]
        for path in (target, unquote(target)):
            for base in ("",) if path.startswith("/") else (folder, ""):
                name = posixpath.normpath(posixpath.join(base, path)).lstrip("/")
                while name.startswith("../"):
                    name = name[3:]
                if self.has(name):
                    return name
        return posixpath.normpath(posixpath.join(folder, target)).lstrip("/")

    def related(self, name: str, kind: str) -> Any:
        """Return the root of the first part that a part names by a kind of relation, or None."""
        for relation in self.relations(name).values():
            if relation.kind == kind and not relation.external:
                return self.xml(relation.target)
        return None

    def facts(self) -> dict[str, str]:
        """Return title, author, date (of the last change), subject and keywords, as far as they are there."""
        root = next(
            (self.xml(one.target) for one in self.relations("").values() if one.kind == "core-properties"), None
        )
        said = {} if root is None else {_local(one): " ".join((one.text or "").split()) for one in root.iterchildren()}
        date = said.get("modified") or said.get("created") or ""
        found = {
            "title": said.get("title", ""),
            "author": said.get("creator", ""),
            "date": date[:10] if re.match(r"\d{4}-\d\d-\d\d", date) else "",
            "subject": said.get("subject", ""),
            "keywords": said.get("keywords", ""),
        }
        return {key: value for key, value in found.items() if value}


def _key(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _local(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def number(value: str | None, default: int = 0) -> int:
    """Return a whole number that an attribute holds; the default where it holds something else."""
    try:
        return int(value) if value is not None else default
    except ValueError:
        return default


def is_on(element: Any, name: str = f"{W}val") -> bool:
    """Whether a switch is on: it is there, and does not say that it is off."""
    return element is not None and element.get(name, "true").lower() not in ("0", "false", "off", "none")
