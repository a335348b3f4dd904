"""Pages behind http(s) addresses."""

from __future__ import annotations

from ragcli.errors import LoadError

LARGEST = 100 << 20  # bytes
SECONDS = 30.0


def is_url(given: str) -> bool:
    """Tell whether an input is an address."""
    return given.lower().startswith(("http://", "https://"))


def fetch(url: str) -> tuple[bytes, str | None, str]:
    """Return the bytes, the declared charset and the media type behind an address.

    Raises:
        LoadError: it cannot be fetched, or is too large.
    """
    import httpx

    try:
        with (
            httpx.Client(follow_redirects=True, timeout=SECONDS) as client,
            client.stream("GET", url, headers={"User-Agent": "ragcli"}) as response,
        ):
            response.raise_for_status()
            data = bytearray()
            for piece in response.iter_bytes():
                data += piece
                if len(data) > LARGEST:
                    raise LoadError(f"{url}: larger than {LARGEST >> 20} MiB.")
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            return bytes(data), response.charset_encoding, kind
    except httpx.HTTPStatusError as error:
        raise LoadError(f"{url}: the server answered {error.response.status_code}.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LoadError(f"{url}: {str(error) or type(error).__name__}.") from error
