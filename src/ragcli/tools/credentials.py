"""Secrets of the environment, each bound to the one address that it is for.

A variable such as RAGCLI_TOOLS_AUTHORIZATION has no address in it, and a document may name any. So it goes to one
address only (scheme, host and port), and where several could be meant nothing is sent and the user is asked. A variable
that ends in the name of a host, such as RAGCLI_TOOLS_AUTHORIZATION_API_EXAMPLE_COM, is for that one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from ragcli.errors import UsageError

AUTHORIZATION = "RAGCLI_TOOLS_AUTHORIZATION"
API_KEY = "RAGCLI_TOOLS_API_KEY"
BASE_URL = "RAGCLI_TOOLS_BASE_URL"
MCP_AUTHORIZATION = "RAGCLI_MCP_AUTHORIZATION"

_PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(rf"^{_LABEL}(?:\.{_LABEL})*$")


def origin(url: str) -> str:
    """Return the address of a URL: scheme, host, and the port where it is not the scheme's own.

    Raises:
        ValueError: it is no http:// or https:// URL with a host.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("it is no http:// or https:// URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, _PORTS[parts.scheme]) else "")


def is_url(text: str) -> bool:
    """Return whether a text names something to be fetched, and no file or command."""
    return re.match(r"https?://", text, re.IGNORECASE) is not None


class Secret:
    """One secret of the environment.

    Args:
        variable: holds it; `variable_for` names the one that is for one address alone.

    Raises:
        UsageError: it holds what a header cannot.
    """

    def __init__(self, variable: str) -> None:
        self.variable = variable
        self.home: str | None = None  # the address that the variable is for; None where nobody has said
        self._general = _read(variable)

    def variable_for(self, address: str) -> str | None:
        """Return the variable for one address, or None where its host cannot stand in one.

        Different addresses have different variables: ``.`` and ``:`` become one ``_``, ``-`` becomes two, and a port
        is left out only for https, so that what is for https is never sent without encryption.
        """
        parts = urlsplit(address)
        host = parts.hostname or ""
        if not _HOST.match(host):
            return None
        port = parts.port or _PORTS[parts.scheme]
        name = host + ("" if (parts.scheme, port) == ("https", 443) else f":{port}")
        return f"{self.variable}_{re.sub('[.:]', '_', name.replace('-', '__')).upper()}"

    def value(self, address: str) -> str:
        """Return what is sent to an address; an empty text where that is nothing."""
        return self._own(address) or (self._general if self.home == address else "")

    def bind(self, addresses: Iterable[str], *, other: str = "") -> None:
        """Say where the variable may go: the one of the addresses that has no variable of its own.

        Args:
            addresses: all that it could be meant for.
            other: what else the user can do where these are several, as the start of the hint.

        Raises:
            UsageError: they are several.
        """
        homes = sorted({one for one in addresses if not self._own(one)})
        if self._general and len(homes) > 1:
            variables = [name for name in map(self.variable_for, homes) if name]
            instead = f"set {' and '.join(variables)} instead" if variables else "name one of them only"
            hint = f"{other}, or {instead}." if other else f"{instead[0].upper()}{instead[1:]}."
            raise UsageError(f"{self.variable} is for one service, and here are {', '.join(homes)}.", hint=hint)
        self.home = homes[0] if homes else None

    def advice(self, address: str) -> str:
        """Return why an address gets nothing, as the end of a sentence; it names the variable to set."""
        if not self._general or self.home is None:
            return f"{self.variable} is not set"
        own = self.variable_for(address)
        return f"{self.variable} goes to {self.home} only" + (f", and {own} is not set" if own else "")

    @property
    def given(self) -> bool:
        """Whether the variable is set."""
        return bool(self._general)

    def _own(self, address: str) -> str:
        variable = self.variable_for(address)
        return _read(variable) if variable else ""


def _read(variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value.isprintable() or not value.isascii():
        raise UsageError(
            f"{variable} holds what an HTTP header cannot.", hint="It is one line, such as 'Bearer TOKEN'."
        )
    return value
