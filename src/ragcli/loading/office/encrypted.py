"""Office files with a password: decrypted in memory, then read as what they are."""

from __future__ import annotations

import io
from collections.abc import Iterator

from ragcli.errors import LoadError
from ragcli.loading.office.compound import compound, intact
from ragcli.loading.parts import instead
from ragcli.loading.source import Source
from ragcli.records import Document

_DEFAULT = "VelvetSweatshop"  # Excel's own, for files that are protected against changes only
_MOST_ROUNDS = 10_000_000  # of hashing a password: Office writes 100,000
_RIGHTS = ("DRMEncryptedDataSpace", "DRMEncryptedTransform", "\tDRMDataSpace", "\tDRMContent")


def read(source: Source) -> Iterator[Document]:
    """Yield the documents of the file inside.

    Raises:
        LoadError: it needs a password, or another one; or only an account opens it.
    """
    with source.parsing("an encrypted Office file"), intact("an encrypted Office file"):
        data = _decrypted(source)
    yield from instead(source, data, suffix=source.suffix)


def _decrypted(source: Source) -> bytes:
    from msoffcrypto.format.ooxml import OOXMLFile

    with compound(source.data(), "an encrypted Office file") as container:
        if any(name in _RIGHTS for entry in container.listdir(storages=True) for name in entry):
            raise LoadError(
                "this Office file is protected by rights management (IRM): only an account that may read it opens it.",
                hint="Open it in Office and save a copy without protection.",
            )
        if not container.exists("EncryptionInfo"):
            raise LoadError("not readable as an encrypted Office file: it does not say how it was encrypted.")
    office = OOXMLFile(io.BytesIO(source.data()))
    if office.type not in ("agile", "standard"):
        raise LoadError(f"this Office file is encrypted in a way that cannot be read ({office.type}).")
    if office.type == "agile" and not 0 <= int(office.info["spinValue"]) <= _MOST_ROUNDS:
        raise LoadError("not readable as an encrypted Office file: its rounds of hashing are out of range.")
    given = source.options.password
    for password in (given, _DEFAULT):
        if password is not None and (data := _opened(office, password)) is not None:
            return data
    raise wrong_password("Office", given)


def wrong_password(kind: str, given: str | None) -> LoadError:
    """Return the error of a file that the password did not open; ``given`` is what the user passed."""
    if given is None:
        return LoadError(f"this {kind} file needs a password.", hint="Pass --password.")
    return LoadError(f"the password does not open this {kind} file.", hint="Pass another --password.")


def _opened(office: object, password: str) -> bytes | None:
    from msoffcrypto.exceptions import InvalidKeyError

    out = io.BytesIO()
    try:
        office.load_key(password=password, verify_password=True)  # type: ignore[attr-defined]
        office.decrypt(out)  # type: ignore[attr-defined]
    except InvalidKeyError:
        return None
    return out.getvalue()
