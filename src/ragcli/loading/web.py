"""One http(s) address to its bytes: redirects, time-outs, a limit on the size."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ragcli.errors import LoadError

LIMIT = 100 << 20  # bytes
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
TOTAL_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sent: bytes, and the media type and encoding it named."""

    data: bytes
    media_type: str | None
    charset: str | None


def without_password(address: str) -> str:
    """Return the address without user name and password, which must not travel with every chunk."""
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def fetch(address: str) -> Answer:
    """Fetch an address.

    Raises:
        LoadError: it does not answer, answers with an error, or sends more than 100 MiB.
    """
    import httpx

    end = time.monotonic() + TOTAL_SECONDS
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    headers = {"User-Agent": "ragcli", "Accept": "text/html,text/markdown,text/plain,*/*;q=0.8"}
    try:
        with httpx.stream("GET", address, follow_redirects=True, timeout=timeout, headers=headers) as response:
            if response.status_code >= 400:
                raise LoadError(f"the server answers {response.status_code} {response.reason_phrase}.")
            data = bytearray()
            for block in response.iter_bytes():
                data += block
                if len(data) > LIMIT:
                    raise LoadError(f"it is larger than {LIMIT >> 20} MiB; fetch it to a file first.")
                if time.monotonic() > end:
                    raise LoadError(f"it took longer than {TOTAL_SECONDS:.0f} s.")
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            return Answer(bytes(data), kind or None, response.charset_encoding)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError, ValueError) as error:
        said = str(error) or type(error).__name__
        raise LoadError(f"it cannot be fetched: {said}.") from error
