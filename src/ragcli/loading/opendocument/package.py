"""The package that an OpenDocument file is: its parts, damaged ones as far as they go, encrypted ones decrypted."""

from __future__ import annotations

import base64
import hashlib
import posixpath
import struct
import zipfile
import zlib
from typing import Any
from urllib.parse import unquote

from ragcli.errors import LoadError
from ragcli.loading.office.encrypted import wrong_password
from ragcli.loading.source import Source
from ragcli.loading.zipped import opened

_MANIFEST = "META-INF/manifest.xml"
_LIMIT = 1 << 29  # bytes of one part, unpacked
_MOST_ROUNDS = 10_000_000  # of hashing a password: LibreOffice writes 100,000
_BLOCK = 1 << 12
_HASHES = {"sha1": "sha1", "sha1-1k": "sha1", "sha256": "sha256", "sha256-1k": "sha256"}


class Package:
    """The parts of a file.

    Raises:
        LoadError: it unpacks to more than 512 MiB.
        zipfile.BadZipFile: nothing in it can be read.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._data = source.data()
        self._archive = opened(self._data, source.lose)
        self._names = set(self._archive.namelist())
        self._listed: set[str] = set()
        self._encrypted: dict[str, Any] = {}
        manifest = self.xml(_MANIFEST) if self.has(_MANIFEST) else None
        for entry in manifest.iter("{*}file-entry") if manifest is not None else ():
            name = _attribute(entry, "full-path")
            self._listed.add(name)
            how = entry.find("{*}encryption-data")
            if how is not None:
                self._encrypted[name] = how

    @property
    def whole(self) -> str | None:
        """The name of the part that holds the whole file, encrypted, as LibreOffice 24 writes it; or None."""
        return "encrypted-package" if "encrypted-package" in self._encrypted else None

    def has(self, name: str) -> bool:
        """Whether a part is there."""
        return name in self._names

    def missing(self, name: str) -> bool:
        """Whether the file says that it has this part, and does not have it."""
        return name in self._listed and name not in self._names

    def folder(self, reference: str) -> str:
        """Return the folder that an object refers to: ``./Object 1`` is ``Object 1/``."""
        return posixpath.normpath(unquote(reference)).lstrip("/") + "/"

    def data(self, name: str) -> bytes | None:
        """Return a part's bytes, as far as they go; None where it is missing. What is damaged is reported.

        Raises:
            LoadError: it needs a password, or another one.
        """
        if name not in self._names:
            return None
        try:
            data = self._archive.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            data = self._salvaged(self._archive.getinfo(name))
            said = " ".join(str(error).split())[:200]
            self._source.lose(f"{name} is damaged ({said}); {len(data)} bytes of it were read", part=name)
        if name in self._encrypted:
            return decrypted(data, self._encrypted[name], self._source.options.password)
        return data

    def _salvaged(self, info: zipfile.ZipInfo) -> bytes:
        """What can be unpacked of a part whose checksum is wrong, or whose end is missing."""
        data = self._data
        if info.header_offset + 30 > len(data):
            return b""
        name_length, extra = struct.unpack_from("<2H", data, info.header_offset + 26)
        start = info.header_offset + 30 + name_length + extra
        raw = data[start : start + info.compress_size]
        if info.compress_type == zipfile.ZIP_STORED:
            return raw
        engine = zlib.decompressobj(-zlib.MAX_WBITS)
        pieces: list[bytes] = []
        room = _LIMIT
        try:
            for at in range(0, len(raw), _BLOCK):
                pieces.append(engine.decompress(raw[at : at + _BLOCK], room))
                room -= len(pieces[-1])
                if room <= 0 or engine.eof:
                    break
        except zlib.error:
            pass
        return b"".join(pieces)

    def xml(self, name: str) -> Any:
        """Return the root of an XML part; None where it is missing, or not XML at all, which is reported."""
        data = self.data(name)
        return None if data is None else parsed(self._source, name, data)


def parsed(source: Source, name: str, data: bytes) -> Any:
    """Return the root of an XML part, as far as it can be read; None where it is no XML. Losses are reported."""
    from lxml import etree

    try:
        huge = len(data) > 10_000_000
        return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=huge))
    except (etree.XMLSyntaxError, ValueError) as error:  # ValueError: it is empty
        said = " ".join(str(error).split())[:200]
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
    except (etree.XMLSyntaxError, ValueError):
        root = None
    kept = "what can be read of it was read" if root is not None else "it was not read"
    source.lose(f"{name} is broken XML ({said}); {kept}", part=name)
    return root


def decrypted(data: bytes, how: Any, password: str | None) -> bytes:
    """Return an encrypted part, decrypted and unpacked.

    Args:
        data: its bytes.
        how: the ``encryption-data`` of the manifest.
        password: what the user passed.

    Raises:
        LoadError: it needs a password, or another one, or is encrypted in another way.
    """
    if password is None:
        raise wrong_password("OpenDocument", None)
    algorithm = _attribute(how.find("{*}algorithm"), "algorithm-name")
    if not algorithm.endswith(("-cbc", "-gcm")) or "aes" not in algorithm:
        raise LoadError(f"it is encrypted in a way that cannot be read ({algorithm.rpartition('#')[2] or 'unknown'}).")
    key = _key(how, password)
    vector = _bytes(how.find("{*}algorithm"), "initialisation-vector")
    if algorithm.endswith("-gcm"):
        return _inflated(_gcm(data, key, vector))
    plain = _cbc(data, key, vector)
    name = _attribute(how, "checksum-type").rpartition("#")[2].lower().replace("/", "-")
    wanted = _bytes(how, "checksum")
    if name in _HASHES and wanted:
        first = plain[:1024] if name.endswith("1k") else plain
        if hashlib.new(_HASHES[name], first, usedforsecurity=False).digest() != wanted:
            raise wrong_password("OpenDocument", password)
    return _inflated(plain)


def _key(how: Any, password: str) -> bytes:
    """The key that the password and the salt make."""
    start = how.find("{*}start-key-generation")
    made_by = _attribute(start, "start-key-generation-name").rpartition("#")[2].lower() or "sha1"
    secret = hashlib.new("sha256" if "256" in made_by else "sha1", password.encode(), usedforsecurity=False).digest()
    derivation = how.find("{*}key-derivation")
    name = _attribute(derivation, "key-derivation-name")
    size = _number(derivation, "key-size", 16)
    salt = _bytes(derivation, "salt")
    if size not in (16, 24, 32):
        raise LoadError("not readable as OpenDocument: the size of its key is out of range.")
    if name.endswith("argon2id"):
        return _argon2(derivation, secret, salt, size)
    rounds = _number(derivation, "iteration-count", 1024)
    if "pbkdf2" not in name.lower() or not 0 < rounds <= _MOST_ROUNDS:
        raise LoadError("it is encrypted in a way that cannot be read.")
    return hashlib.pbkdf2_hmac("sha1", secret, salt, rounds, size)


def _argon2(derivation: Any, secret: bytes, salt: bytes, size: int) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    rounds, lanes = _number(derivation, "argon2-iterations", 3), _number(derivation, "argon2-lanes", 4)
    memory = _number(derivation, "argon2-memory", 1 << 16)
    if not (0 < rounds <= 100 and 0 < lanes <= 64 and 0 < memory <= 1 << 20):
        raise LoadError("not readable as OpenDocument: the cost of its password is out of range.")
    try:
        engine = Argon2id(salt=salt, length=size, iterations=rounds, lanes=lanes, memory_cost=memory)
        return engine.derive(secret)
    except UnsupportedAlgorithm as error:
        raise LoadError("it is encrypted in a way that this computer cannot read (Argon2id).") from error


def _cbc(data: bytes, key: bytes, vector: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    engine = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    plain = engine.update(data[: len(data) // 16 * 16]) + engine.finalize()
    return plain[: -plain[-1]] if plain and 0 < plain[-1] <= 16 else plain


def _gcm(data: bytes, key: bytes, vector: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if data.startswith(vector):
        data = data[len(vector) :]
    try:
        return AESGCM(key).decrypt(vector, data, None)
    except InvalidTag as error:
        raise wrong_password("OpenDocument", "") from error


def _inflated(data: bytes) -> bytes:
    if data.startswith(b"PK\x03\x04"):
        return data
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        return engine.decompress(data, _LIMIT)
    except zlib.error as error:
        raise wrong_password("OpenDocument", "") from error


def _attribute(element: Any, name: str) -> str:
    """An attribute in whatever namespace; empty where there is none."""
    if element is None:
        return ""
    return next((str(value) for key, value in element.items() if key.rpartition("}")[2] == name), "")


def _number(element: Any, name: str, default: int) -> int:
    value = _attribute(element, name)
    return int(value) if value.isdecimal() and len(value) < 10 else default


def _bytes(element: Any, name: str) -> bytes:
    try:
        return base64.b64decode(_attribute(element, name))
    except ValueError:
        return b""
