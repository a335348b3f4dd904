"""What an operation wants to be called with, and what of it the environment has: OpenAPI's ``security``.

RAGCLI_TOOLS_AUTHORIZATION is the header Authorization of every request; RAGCLI_TOOLS_API_KEY is put where the
document's scheme of type apiKey says. Both go to one address, see `ragcli.tools.credentials`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ragcli.errors import UsageError
from ragcli.records import Json
from ragcli.tools.credentials import API_KEY, AUTHORIZATION, BASE_URL, Secret, is_url, origin
from ragcli.tools.openapi_schema import Document, UnusableError, mapping, sequence

_TOKEN = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")  # what HTTP takes as the name of a header or a cookie
_OTHER = f"Set {BASE_URL} to the one that it is for"


class Scheme(NamedTuple):
    """One way to say who calls.

    Args:
        name: as the document has it.
        secret: the variable that holds what is sent; empty where the scheme is of a type that is not known.
        place: header, query or cookie.
        key: the name of the header, the parameter or the cookie.
    """

    name: str
    secret: str = ""
    place: str = ""
    key: str = ""


class Sent(NamedTuple):
    """What a request carries of secrets."""

    headers: dict[str, str]
    query: list[tuple[str, str]]


class Credentials:
    """The secrets for HTTP services, and who wants them.

    Args:
        documents: files and URLs of all documents that are opened together.
        base: where the services are, if the user says so.

    Raises:
        UsageError: a secret is given, and there are several that it could be for.
    """

    def __init__(self, documents: Sequence[str], base: str | None = None) -> None:
        self.authorization, self.api_key = Secret(AUTHORIZATION), Secret(API_KEY)
        self._accesses: list[Access] = []
        base = base or os.environ.get(BASE_URL) or ""
        urls = [base] if base else [one for one in documents if is_url(one)]
        self._bound = bool(urls)
        try:
            homes = [origin(one) for one in urls]
        except ValueError as error:
            name = BASE_URL if base else "--tools"
            raise UsageError(f"{name}: {urls[0]!r} is not an address that can be called: {error}.") from error
        for secret in (self.authorization, self.api_key):
            secret.bind(homes, other=_OTHER)

    def access(self, document: str, address: str, alternatives: tuple[tuple[Scheme, ...], ...]) -> Access:
        """Return what an operation at an address is called with; what that is stands only after `settle`."""
        made = Access(document=document, address=address, alternatives=alternatives, credentials=self)
        self._accesses.append(made)
        return made

    def settle(self, note: Callable[[str], None]) -> None:
        """Bind what is not bound yet, and tell what services are called without, once each.

        Raises:
            UsageError: a secret is given, and the documents name several services.
        """
        if not self._bound:
            keyed = (one.address for one in self._accesses if one.wants_key())
            self.authorization.bind((one.address for one in self._accesses), other=_OTHER)
            self.api_key.bind(keyed, other=_OTHER)
        told: dict[str, None] = {}
        for one in self._accesses:
            lacking = one.lacking()
            for scheme, reason in lacking:
                told[f"{one.document}: {one.address} is called without its security scheme {scheme}: {reason}."] = None
            secret = self.authorization
            if not lacking and secret.given and not secret.value(one.address):
                told[f"{one.document}: {one.address} is called without a token: {secret.advice(one.address)}."] = None
        for text in told:
            note(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What one operation is called with.

    Args:
        document: that has the operation, for people.
        address: of the service: scheme, host and port.
        alternatives: one of them is enough, all schemes of it together.
        credentials: of all operations.
    """

    document: str
    address: str
    alternatives: tuple[tuple[Scheme, ...], ...] = ()
    credentials: Credentials = field(repr=False)

    def wants_key(self) -> bool:
        """Return whether a key could be sent."""
        return any(scheme.secret == API_KEY for alternative in self.alternatives for scheme in alternative)

    def sent(self) -> Sent:
        """Return what a request carries."""
        out = Sent({}, [])
        for scheme, value in self._chosen():
            if value and scheme.place == "query":
                out.query.append((scheme.key, value))
            elif value:
                cookie = scheme.place == "cookie"
                out.headers["Cookie" if cookie else scheme.key] = f"{scheme.key}={value}" if cookie else value
        authorization = self.credentials.authorization.value(self.address)
        if authorization:  # it is sent in any case: documents often do not say what a service wants
            out.headers.update({name: authorization for name in out.headers if name.lower() == "authorization"})
            if not any(name.lower() == "authorization" for name in out.headers):
                out.headers["Authorization"] = authorization
        return out

    def lacking(self) -> list[tuple[str, str]]:
        """Return the schemes that a request must do without, each with the reason."""
        return [(_shown(scheme), self._reason(scheme)) for scheme, value in self._chosen() if not value]

    def _reason(self, scheme: Scheme) -> str:
        if not scheme.secret:
            return "it is of a type that is not known"
        secret = self.credentials.api_key if scheme.secret == API_KEY else self.credentials.authorization
        if secret.value(self.address):
            return f"{secret.variable} is sent for another one already"
        return secret.advice(self.address)

    def _chosen(self) -> list[tuple[Scheme, str]]:
        """Return the schemes of the alternative that lacks least, each with what is sent for it."""
        filled = [self._filled(one) for one in self.alternatives]
        return min(filled, key=lambda one: (sum(not value for _, value in one), -len(one)), default=[])

    def _filled(self, alternative: tuple[Scheme, ...]) -> list[tuple[Scheme, str]]:
        values = {
            AUTHORIZATION: self.credentials.authorization.value(self.address),
            API_KEY: self.credentials.api_key.value(self.address),
        }
        out = []
        for scheme in alternative:
            value = values.get(scheme.secret, "")
            if scheme.secret == API_KEY:
                if scheme.place == "header" and scheme.key.lower() == "authorization" and values[AUTHORIZATION]:
                    value = values[AUTHORIZATION]
                else:
                    values[API_KEY] = ""  # one key is for one scheme
            out.append((scheme, value))
        return out


def _shown(scheme: Scheme) -> str:
    return f"{scheme.name} ({scheme.place} {scheme.key})" if scheme.place else scheme.name


def alternatives(document: Document, operation: Json) -> tuple[tuple[Scheme, ...], ...]:
    """Return what an operation wants: its own ``security``, or else the document's.

    Raises:
        UnusableError: it is not as OpenAPI has it.
    """
    listed = operation["security"] if "security" in operation else document.data.get("security")
    wanted = [mapping(one, "security") for one in sequence(listed, "security")]
    return tuple(tuple(_scheme(document, name) for name in one) for one in wanted)


def _scheme(document: Document, name: str) -> Scheme:
    components = mapping(document.data.get("components"), "security schemes")
    schemes = mapping(components.get("securitySchemes"), "security schemes")
    if name not in schemes:
        return Scheme(name)
    found = document.resolve(schemes[name])
    if found.get("type") in ("http", "oauth2", "openIdConnect"):
        return Scheme(name, AUTHORIZATION, "header", "Authorization")
    place, key = found.get("in"), found.get("name")
    if found.get("type") != "apiKey" or place not in ("header", "query", "cookie") or not isinstance(key, str):
        return Scheme(name)
    if place != "query" and not _TOKEN.match(key):
        raise UnusableError(f"its security scheme {name} is not as OpenAPI has it")
    return Scheme(name, API_KEY, place, key)
