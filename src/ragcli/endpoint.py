"""Where an OpenAI endpoint is, and with which key: OPENAI_BASE_URL and OPENAI_API_KEY, read once and checked.

No message shows the key, nor what a URL holds of secrets.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from dataclasses import dataclass

from ragcli.errors import ModelError, UsageError

URL = "https://api.openai.com/v1"
NO_KEY = "none"
_ENDS = ("/chat/completions", "/embeddings")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_HIDDEN = "(key)"


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint.

    Args:
        url: where requests go, without a slash at its end.
        key: the API key; ``NO_KEY`` where there is none, as the client wants one.
        shown: the URL as messages show it, without user, password and query.
    """

    url: str
    key: str
    shown: str

    def clean(self, said: str) -> str:
        """Return what a server or a library says, on one line, without the key and without control characters."""
        text = " ".join(_CONTROLS.sub(" ", said).split())
        secrets = [secret for secret in (self.key, *self._secrets()) if len(secret) > 5]
        for secret in secrets:
            text = text.replace(secret, _HIDDEN)
        return text

    def _secrets(self) -> list[str]:
        parts = urllib.parse.urlsplit(self.url)
        query = [value for values in urllib.parse.parse_qs(parts.query).values() for value in values]
        return [*query, *([parts.password] if parts.password else [])]


def read_address(name: str) -> Address:
    """Return the endpoint that the environment names.

    Args:
        name: the model's, for the error.

    Raises:
        UsageError: the URL is none, or the key holds what no header can.
        ModelError: no key is given and the endpoint is OpenAI's own.
    """
    given = os.environ.get("OPENAI_BASE_URL", "").strip()
    url = (given or URL).rstrip("/")
    for end in _ENDS:
        url = url.removesuffix(end).rstrip("/")
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key.isascii() or not key.isprintable():
        raise UsageError(
            "OPENAI_API_KEY holds characters that a key cannot have.", hint="Was it read from the right file?"
        )
    try:
        parts = urllib.parse.urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        is_url = False
    if not is_url or not url.isprintable():
        raise UsageError(
            "OPENAI_BASE_URL is no http:// or https:// address.", hint="As in: OPENAI_BASE_URL=http://127.0.0.1:8000/v1"
        )
    if not key and url == URL:
        raise ModelError(
            f"openai:{name} needs a key.", hint="Set OPENAI_API_KEY, or OPENAI_BASE_URL for another endpoint."
        )
    return Address(url, key or NO_KEY, f"{parts.scheme}://{host}{parts.path}")
