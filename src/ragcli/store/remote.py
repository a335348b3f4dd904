"""Databases on object storage: addresses, what the client is told, time limits, and errors as sentences.

Lance reads the usual variables by itself (docs/object-storage.md). Here is what it does not do: it is told that an
endpoint of http:// may be used, it waits for a store that is silent for minutes at most, and what it says of a
failure becomes one sentence with the variable to set. Nothing that is said holds a key: of an address only the host.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from ragcli.errors import TableError, UsageError

T = TypeVar("T")

SCHEMES = ("s3", "s3+ddb", "gs", "az", "abfss", "oss", "cos", "tos", "hf", "goosefs")
FIRST_ANSWER = 60.0  # seconds
_CLIENTS = ("s3", "s3+ddb", "gs", "az", "abfss")  # whose client takes the options below
_DEFAULTS = (  # option, variable that has precedence, value
    # Lance's own 3 are over in .5 s, and a store that says SlowDown means longer; more than a minute it is not asked.
    ("client_max_retries", "OBJECT_STORE_CLIENT_MAX_RETRIES", "6"),
    ("client_retry_timeout", "OBJECT_STORE_CLIENT_RETRY_TIMEOUT", "60"),
    # Two further layers try again what the client has given up: with Lance's own 3 a store that hangs does it 48 min.
    ("lance_aimd_max_retries", "LANCE_AIMD_MAX_RETRIES", "1"),
    ("download_retry_count", "DOWNLOAD_RETRY_COUNT", "1"),
)
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_S3_ENDPOINT", "AZURE_ENDPOINT")
_ALLOWING = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP", "ALLOW_HTTP")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


class Said(NamedTuple):
    """What is wrong with a store, as the end of a sentence, and what to do."""

    sentence: str
    hint: str


def is_remote(db: str) -> bool:
    """Whether the database is on object storage rather than on disk."""
    return "://" in db and not db.startswith("file://")


def place(db: str) -> str:
    """Return the address of a database as Lance takes it: of ``file://`` the folder, without a slash at the end.

    Raises:
        UsageError: it is an address, and of no store that Lance knows.
    """
    if "://" not in db:
        return db.rstrip("/") or db
    scheme, _, rest = db.partition("://")
    if scheme == "file":
        if not rest.startswith("/"):
            raise UsageError(
                f"-d {db}: a file:// address has three slashes, as in file:///srv/kb.", hint="Or name the folder."
            )
        return unquote(rest).rstrip("/") or "/"
    if scheme not in SCHEMES:
        raise UsageError(
            f"-d {clean(db)}: {scheme!r} is no store that tables can lie on.",
            hint=f"A folder, or one of: {', '.join(f'{known}://' for known in SCHEMES)}.",
        )
    if not urlsplit(db).netloc:
        raise UsageError(f"-d {db}: it names no bucket.", hint=f"As in -d {scheme}://bucket/path")
    return db.rstrip("/")


def options(db: str) -> dict[str, str] | None:
    """Return the storage options that Lance needs beside the variables that it reads; None on disk.

    Every call of Lance with an address takes them: ``lance.dataset(uri, storage_options=options(db))``.
    """
    if not is_remote(db) or db.partition("://")[0] not in _CLIENTS:
        return None
    made = {option: value for option, variable, value in _DEFAULTS if not _variable(variable)}
    plain = any((os.environ.get(name) or "").startswith("http://") for name in _ENDPOINTS)
    if plain and not any(_variable(name) for name in _ALLOWING):
        made["allow_http"] = "true"
    return made


def answered(db: str, act: Callable[[], T]) -> T:
    """Do what asks a store for the first time, and wait for it a minute at most (`first_answer`).

    Raises:
        TableError: it is silent.
    """
    if not is_remote(db):
        return act()
    limit = first_answer()
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(act())
        except BaseException as error:  # noqa: BLE001  raised below, in the thread that asked
            failed.append(error)

    asking = threading.Thread(target=run, daemon=True)
    asking.start()
    asking.join(limit)
    if failed:
        raise failed[0]
    if not done:
        raise TableError(
            f"the store of {clean(db)} has not answered for {limit:g} seconds.",
            hint=f"Check {endpoint_of(kind_of(db))} and the network. To wait longer: TIMEOUT=120s, for one request.",
        )
    return done[0]


def first_answer() -> float:
    """Return how long the first answer of a store is waited for, in seconds: a minute, or twice ``TIMEOUT``."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|)\s*", os.environ.get("TIMEOUT", ""))
    return 2 * float(found[1]) * _UNITS[found[2]] if found else FIRST_ANSWER


def names(db: str) -> list[str]:
    """Return the names of the tables in a database on object storage, in order: one request a thousand tables.

    Raises:
        TableError: the store cannot be asked.
    """
    folder = re.sub(r"^s3\+ddb://([^?]*).*", r"s3://\1", place(db))
    found = _list(folder)
    return sorted(name[: -len(".lance")] for name in found if name.endswith(".lance"))


def holds(db: str, uri: str) -> bool:
    """Whether a table has a version on object storage: one request.

    Raises:
        TableError: the store cannot be asked.
    """
    return bool(_list(re.sub(r"^s3\+ddb://([^?]*).*", r"s3://\1", uri) + "/_versions"))


def _list(folder: str) -> list[str]:
    from lance.file import LanceFileSession

    try:
        found = answered(folder, lambda: LanceFileSession(folder, options(folder)).list_with_delimiter())
    except (OSError, ValueError, RuntimeError) as error:
        said = explain(str(error), folder) or Said(short(str(error)), "")
        raise TableError(f"cannot look into {clean(folder)}: {said.sentence}.", hint=said.hint or None) from error
    return [name.rstrip("/") for name in (*found.common_prefixes, *found.objects)]


def explain(text: str, what: str = "") -> Said | None:
    """Make a sentence of what Lance says of an object store; None where it does not speak of one.

    Args:
        text: the whole text of the exception.
        what: what was done, which may hold the address; the text does not always say whose store it is.
    """
    kind = _kind_of_error(text)
    if kind is None:
        return None
    if kind == "other":
        kind = kind_of(_found(r"\b(\w[\w+]*://)", what))
    keys, where = KEYS[kind], endpoint_of(kind)
    code = _found(r"<Code>(\w+)</Code>", text)
    status = _found(r"status code: (\d{3}[\w ]*)", text).strip()
    number = int(status[:3]) if status else 0
    host = _host(text)
    at = f" at {host}" if host else ""
    named = f"{status} ({code})" if code else status
    if re.search(
        r"Failed to get AWS credentials|CredentialsNotLoaded|token request|no Azure account name|endpoint is required",
        text,
    ):
        return Said("there are no credentials for the store", f"Set {keys}.")
    if code in {"NoSuchBucket", "ContainerNotFound"} or re.search(
        r"(bucket|container) does not exist", text, re.IGNORECASE
    ):
        bucket = _found(r"<BucketName>([^<]+)</BucketName>", text)
        return Said(f"there is no bucket{f' {bucket!r}' if bucket else ''}{at}", f"Check the address, and {where}.")
    if code in _BAD_KEYS:
        return Said(f"the store{at} does not take the key ({code})", f"Check {keys}.")
    if code in _REGION or "incorrectly configured region" in text:
        return Said(f"the bucket is in another region than was asked{at}", "Set AWS_REGION to that of the bucket.")
    if number in {401, 403} or "lacked the necessary privileges" in text or "Unauthenticated" in text:
        return Said(f"access denied{at}{f': {named}' if named else ''}", f"{NEEDS[kind]} Check {keys}.")
    if number == 501:
        return Said(
            f"the store{at} does not know what was asked: {named}",
            "Tables need conditional writes (If-None-Match), so that two writers lose nothing: use a store that has"
            " them, or s3+ddb://bucket/path?ddbTableName=NAME.",
        )
    if number == 429 or number >= 500:
        return Said(
            f"the store{at} goes on answering {named}",
            "Run it again later: what has been committed is kept. To try longer:"
            " OBJECT_STORE_CLIENT_MAX_RETRIES (6) and OBJECT_STORE_CLIENT_RETRY_TIMEOUT (60, seconds).",
        )
    if "builder error" in text:
        return Said(f"plain http is switched off, and the endpoint{at} is one", "Set AWS_ALLOW_HTTP=true.")
    if re.search(r"error sending request|dns error|connect|timed out|send http request|WrappedSdkError", text):
        return Said(
            f"the store{at} cannot be reached, or does not answer in time",
            f"Check {where} and the network. To wait longer: TIMEOUT (30s) and CONNECT_TIMEOUT (5s), for a request.",
        )
    if number:
        return Said(f"the store{at} answered {named}", f"Check the address, and {where}.")
    return None


def short(text: str) -> str:
    """Return the first line of what Lance says, without the place in its own source, and without what is secret."""
    lines = re.split(r", /\S+\.rs:\d+", text, maxsplit=1)[0].strip().splitlines()
    return re.sub(r"(?i)\b(sig|x-amz-[\w-]+|token|key|secret)=[^&\s]+", r"\1=…", clean(lines[0] if lines else ""))


def clean(address: str) -> str:
    """Return an address, or a text that holds some, without user and password in them."""
    return re.sub(r"://[^/\s@]+@", "://", address)


_BAD_KEYS = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidSecurity",
    "TokenRefreshRequired", "RequestTimeTooSkewed", "AuthenticationFailed", "InvalidAuthenticationInfo",
}  # fmt: skip
_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, where there is one), or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS (a file), or GOOGLE_SERVICE_ACCOUNT_KEY",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_SAS_KEY",
    "oss": "OSS_ENDPOINT, OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
    "other": "the variables of the store",
}
NEEDS = {
    "s3": "The key needs s3:ListBucket and s3:GetObject, and to write s3:PutObject and s3:DeleteObject.",
    "gs": "The account needs storage.objects.list and get, and to write create and delete.",
    "az": "The account needs to read and list, and to write, create and delete.",
    "oss": "The key needs to list and get objects, and to write to put and delete them.",
    "other": "The account needs to list and read, and to write, create and delete.",
}


def _variable(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.lower()) or ""


def kind_of(db: str) -> str:
    """Return which kind of store an address names: one of ``KEYS``."""
    scheme = db.partition("://")[0]
    return {"s3+ddb": "s3", "abfss": "az"}.get(scheme, scheme if scheme in KEYS else "other")


def endpoint_of(kind: str) -> str:
    """Return the variable that says where a store of this kind is."""
    return {
        "s3": "AWS_ENDPOINT_URL (it is not set: Amazon's)" if not _endpoint_set() else "AWS_ENDPOINT_URL",
        "az": "AZURE_ENDPOINT",
        "oss": "OSS_ENDPOINT",
    }.get(kind, "the endpoint")


def endpoint() -> str:
    """Return the address of the store of ``s3://``, where it is another than Amazon's."""
    return next((found for name in _ENDPOINTS if name.startswith("AWS") and (found := _variable(name))), "")


def _endpoint_set() -> bool:
    return any(_variable(name) for name in _ENDPOINTS)


def _kind_of_error(text: str) -> str | None:
    if re.search(r"\bGCS\b|googleapis", text):
        return "gs"
    if re.search(r"Azure", text):
        return "az"
    if re.search(r"\bOSS\b|service: oss", text):
        return "oss"
    if re.search(r"\bS3\b|\bAWS\b", text):
        return "s3"
    if "WrappedSdkError" in text:  # DynamoDB, of s3+ddb://
        return "s3"
    return "other" if re.search(r"Error performing [A-Z]+ |necessary privileges|service: \w+, path", text) else None


def _host(text: str) -> str:
    return clean(_found(r"Error performing [A-Z]+ (https?://[^/\s?]+)", text))


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""
