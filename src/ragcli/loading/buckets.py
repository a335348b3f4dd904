"""Files on object storage (``s3://bucket/folder``): what lies below an address, with sizes and times, and its bytes.

The usual variables say who asks (docs/object-storage.md), as for tables. An address is taken as it stands: ``%``,
``?`` and ``#`` are characters of a key.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from ragcli.errors import LoadError, TableError
from ragcli.store import remote

T = TypeVar("T")

SCHEMES = ("s3", "gs", "az", "abfs", "abfss")
_ADDRESS = re.compile(rf"(?:{'|'.join(SCHEMES)})://", re.I)
_UNKNOWN = re.compile(r"([a-z][a-z0-9+.-]*)://", re.I)
_BLOCK = 8 << 20  # bytes of one request, which is tried again by itself
_TRIES = 6
_CONNECT_SECONDS = 5.0
_REQUEST_SECONDS = 30.0
_SETTLED = 3_000_000_000  # nanoseconds; times on S3 have whole seconds
_LOOK = 0.2
_MOST_SECONDS = 60.0  # that Google's client goes on trying
_BUSY = {"SLOW_DOWN", "INTERNAL_FAILURE", "SERVICE_UNAVAILABLE", "THROTTLING", "REQUEST_LIMIT_EXCEEDED"}
_BAD_KEY = {
    "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_SIGNATURE", "INVALID_CLIENT_TOKEN_ID",
    "EXPIRED_TOKEN", "UNRECOGNIZED_CLIENT", "REQUEST_TIME_TOO_SKEWED",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """An object.

    Args:
        address: its whole address.
        below: its name below the address that was asked; of an object that was itself asked for, its last part.
        size: bytes.
        modified: nanoseconds since 1970; 0 where it changed just now, or the store does not say.
    """

    address: str
    below: str
    size: int
    modified: int


def is_address(given: object) -> bool:
    """Whether an input is an address on object storage."""
    return isinstance(given, str) and _ADDRESS.match(given) is not None


def unknown(given: object) -> str | None:
    """Return why an address cannot be read; None where it is none, or may be one."""
    found = _UNKNOWN.match(given) if isinstance(given, str) else None
    if found is None or is_address(given):
        return None
    known = ", ".join(f"{scheme}://" for scheme in (*SCHEMES, "http", "https"))
    return f"{found[1]!r} is no store that files are read from; there are {known}."


def entries(address: str) -> tuple[list[Entry], bool]:
    """Return the objects at or below an address, in the order of a folder's files, and whether it is itself one.

    One that has a slash at its end is a folder.

    Raises:
        LoadError: there is nothing, or no way to it.
    """
    from pyarrow import ArrowException, fs

    try:
        system, path, found = remote.answered(address, lambda: _first(address))
        began = time.time_ns()
        if found.type is fs.FileType.File and not address.endswith("/"):
            return [Entry(address, path.rpartition("/")[2], found.size, _modified(found, began))], True
        if found.type is fs.FileType.NotFound:
            raise LoadError("no such object or folder.")
        listed = _apart(lambda: system.get_file_info(fs.FileSelector(path, recursive=True)))
    except TableError as error:  # it is silent
        raise LoadError(error.message, hint=error.hint) from error
    except (OSError, ValueError, NotImplementedError, ImportError, ArrowException) as error:
        raise failure(error, address) from error
    top, under = f"{address.rstrip('/')}/", len(path) + 1
    made = [
        Entry(top + one.path[under:], one.path[under:], one.size, _modified(one, began))
        for one in listed
        if one.type is fs.FileType.File
    ]
    if not made and found.type is fs.FileType.File:
        raise LoadError("no such folder; without the slash at its end it is an object.")
    return sorted(made, key=lambda one: [part.encode() for part in one.below.split("/")]), False


def _modified(info: Any, now: int) -> int:
    """Return when an object changed; 0 where it may change again within what the store tells apart."""
    time_ns = info.mtime_ns or 0
    return 0 if now - time_ns < _SETTLED else time_ns


def _apart(act: Callable[[], T]) -> T:
    """Do what takes long in a thread: the one that asks still hears a Ctrl-C."""
    made: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            made.append(act())
        except BaseException as error:  # noqa: BLE001  raised where it was asked
            failed.append(error)

    asking = threading.Thread(target=run, daemon=True)
    asking.start()
    while asking.is_alive():
        asking.join(_LOOK)
    if failed:
        raise failed[0]
    return made[0]


def _first(address: str) -> tuple[Any, str, Any]:
    system, path = file_system(address)
    return system, path, system.get_file_info(path)


def fetch(address: str, to: Path, wanted: Callable[[bytes], bool]) -> None:
    """Bring an object's bytes into a file.

    Args:
        address: the object's.
        to: the file.
        wanted: is told of each block (of 8 MiB); where it says no, the rest is not asked for.

    Raises:
        LoadError: it is gone, or does not come.
        OSError: the file cannot be written.
    """
    with to.open("wb") as out:
        for block in _blocks(address):
            out.write(block)
            if not wanted(block):
                return


def _blocks(address: str) -> Iterator[bytes]:
    from pyarrow import ArrowException

    try:
        system, path = file_system(address)
        with system.open_input_file(path) as stream:
            while block := stream.read(_BLOCK):
                yield block
    except (OSError, ValueError, ArrowException) as error:
        raise failure(error, address) from error


def file_system(address: str) -> tuple[Any, str]:
    """Return pyarrow's file system of an address, and the path in it.

    Raises:
        LoadError: the address names no bucket, or no variable the account.
        OSError: the region of a bucket cannot be found out.
        ValueError: a variable does not make sense.
    """
    head, path = _parts(address)
    if not path:
        raise LoadError("it names no bucket.")
    if "@" in path.partition("/")[0]:
        raise LoadError("keys do not belong in an address.", hint=f"Set {remote.KEYS[remote.kind_of(address)]}.")
    return _system(head, path.partition("/")[0]), path


def failure(error: Exception, address: str) -> LoadError:
    """Make a sentence of what a file system says."""
    text = " ".join(str(error).split())
    kind, bucket = remote.kind_of(address), address.partition("://")[2].partition("/")[0]
    named = re.search(r"AWS Error ([A-Z_]+)", text)
    code = named[1] if named else ""
    status = re.search(r"HTTP status (\d{3})", text)
    number = int(status[1]) if status else 0
    endpoint, keys = remote.endpoint_of(kind), remote.KEYS[kind]
    if isinstance(error, FileNotFoundError) or code in {"NO_SUCH_KEY", "RESOURCE_NOT_FOUND"}:
        return LoadError("no such object or folder.")
    if code == "NO_SUCH_BUCKET":
        return LoadError(f"there is no bucket {bucket!r}.", hint=f"Check the address, and {endpoint}.")
    if code in _BAD_KEY:
        return LoadError(f"the store does not take the key ({code}).", hint=f"Check {keys}.")
    if code == "ACCESS_DENIED" or number in {401, 403}:
        return LoadError("access denied.", hint=f"{remote.NEEDS[kind]} Check {keys}.")
    if code in _BUSY or number == 429 or number >= 500:
        return LoadError(f"the store goes on answering {number or code}.", hint="Run it again later.")
    if code == "NETWORK_CONNECTION" or "curl" in text or isinstance(error, TimeoutError):
        return LoadError(
            "the store cannot be reached, or does not answer in time.", hint=f"Check {endpoint} and the network."
        )
    return LoadError(f"it cannot be read: {remote.clean(text)[:300]}.")


def _parts(address: str) -> tuple[str, str]:
    """Return what says which store it is, and the path in it."""
    scheme, _, rest = address.partition("://")
    if scheme.lower().startswith("abfs"):  # abfss://container@account.dfs.core.windows.net/path
        container, _, path = rest.partition("/")
        container, _, account = container.partition("@")
        return f"az://{account.partition('.')[0]}", f"{container}/{path}".rstrip("/")
    return f"{scheme.lower()}://", rest.rstrip("/")


@lru_cache(maxsize=8)
def _system(head: str, bucket: str) -> Any:
    from pyarrow import fs

    scheme, _, account = head.partition("://")
    if scheme == "s3":
        kind, _, host = remote.endpoint().rstrip("/").rpartition("://")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return fs.S3FileSystem(
            endpoint_override=host or None,
            scheme=kind or "https",
            region=region or ("us-east-1" if host else fs.resolve_s3_region(bucket)),
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=_REQUEST_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_TRIES),
        )
    if scheme == "gs":
        return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=_MOST_SECONDS))
    account = account or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")
    if not account:
        raise LoadError("there are no credentials for the store.", hint=f"Set {remote.KEYS['az']}.")
    return fs.AzureFileSystem(account, account_key=os.environ.get("AZURE_STORAGE_ACCOUNT_KEY"))
