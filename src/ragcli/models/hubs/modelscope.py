"""ModelScope through modelscope_hub, the client under ``modelscope``: endpoint, token and time limits are its own."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ragcli.errors import HubError, UsageError
from ragcli.models.hubs.names import clean_hash, is_plain, near, network_reason, retry_after
from ragcli.models.hubs.protocol import MODELSCOPE, TITLES, Body, Listing, RemoteFile

_MAIN = "master"
_SEARCHED = 50


class ModelScope:
    """The hub that MODELSCOPE_ENDPOINT names, modelscope.cn where it names none."""

    source = MODELSCOPE

    def __init__(self) -> None:
        # Its own four tries take seven seconds to say that there is no network.
        os.environ.setdefault("MODELSCOPE_REPO_TREE_PAGE_MAX_ATTEMPTS", "2")
        import modelscope_hub

        self._api: Any = modelscope_hub.HubApi()
        self._client: Any = self._api.legacy
        host = urlsplit(self._client.endpoint).netloc
        known = ("modelscope.cn", "www.modelscope.cn", "modelscope.ai", "www.modelscope.ai")
        self.title = TITLES[MODELSCOPE] if host in known else f"{TITLES[MODELSCOPE]}'s mirror {host}"
        logging.getLogger("modelscope_hub").setLevel(logging.ERROR)  # its notes on retries are not for users

    def listing(self, repository: str, revision: str | None) -> Listing:
        """Return what a repository holds.

        ModelScope names the commit that last changed each file; the newest of them is the listing's.

        Raises:
            HubError: it is not there, not for this token, or the hub does not answer.
            UsageError: the name cannot be one.
        """
        if repository.count("/") != 1:
            raise UsageError(f"{repository!r} cannot be the name of a model on ModelScope: it needs an owner/name.")
        name = revision or _MAIN
        with self._errors(repository, name):
            entries = self._client.list_repo_files(repository, "model", revision=name)
            if not entries:  # what it answers for some revisions that are not there
                self._client.get_repo_info(repository, "model")
                raise self._no_revision(repository, name)
            files = [self._file(repository, name, one) for one in entries if one.get("Type") != "tree"]
            commits = sorted((int(one.get("CommittedDate") or 0), str(one.get("Revision") or "")) for one in entries)
            commit = next((one for _, one in reversed(commits) if one), name.replace("/", "--"))
            if not is_plain(commit) or ".." in name.split("/") or name.startswith("/"):
                raise ValueError(f"no commit: {commit!r}")
        return Listing(source=MODELSCOPE, repository=repository, name=name, commit=commit, files=tuple(files))

    def _file(self, repository: str, name: str, entry: Any) -> RemoteFile:
        path, size = str(entry["Path"]), entry.get("Size")
        if size is None:  # the file's own answer tells it
            response = self._client.download_stream(
                repository, "model", path, revision=name, headers={"Accept-Encoding": "identity"}
            )
            size = response.headers["Content-Length"]
            response.close()
        return RemoteFile(path=path, size=int(size), sha256=clean_hash(entry.get("Sha256"), 64))

    @contextmanager
    def open(self, listing: Listing, file: RemoteFile, start: int, block: int) -> Iterator[Body]:
        """Open a file's bytes from ``start`` on."""
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with self._errors(listing.repository, listing.name, file.path):
            response = self._client.download_stream(
                listing.repository, "model", file.path, revision=listing.name, headers=headers
            )
        try:
            began = start if response.status_code == 206 else 0
            yield Body(began, self._blocks(response, listing, file, block))
        finally:
            response.close()

    def _blocks(self, response: Any, listing: Listing, file: RemoteFile, block: int) -> Iterator[bytes]:
        with self._errors(listing.repository, listing.name, file.path):
            yield from response.iter_content(block)

    def nearest(self, repository: str) -> list[str]:
        """Return names like this one: of the same owner, or with the same name."""
        owner, _, name = repository.rpartition("/")
        found: list[str] = []
        with self._errors(repository, None):
            for asked in ({"search": name}, {"owner": owner} if owner else None):
                if asked:
                    page = self._api.list_repos("model", page_size=_SEARCHED, **asked)
                    found += [str(one.repo_id) for one in page.items]
        return near(repository, found)

    @contextmanager
    def _errors(self, repository: str, revision: str | None, path: str | None = None) -> Iterator[None]:
        import requests
        from modelscope_hub import errors

        try:
            yield
        except HubError:
            raise
        except errors.HubError as error:
            raise self._translated(error, repository, revision, path) from error
        except Exception as error:
            what = path or f"the listing of {repository}"
            if isinstance(error, (requests.exceptions.InvalidJSONError, KeyError, TypeError, AttributeError)):
                raise HubError(f"{self.title} does not answer as a hub does for {what}.", "data") from error
            if isinstance(error, (requests.RequestException, OSError)):
                raise HubError(f"{self.title} cannot be reached: {network_reason(error)}.", "network") from error
            if isinstance(error, ValueError):
                raise HubError(f"{self.title} does not answer as a hub does for {what}.", "data") from error
            raise

    def _translated(self, error: Any, repository: str, revision: str | None, path: str | None) -> HubError:
        from modelscope_hub import errors

        what = f"{path} of {repository}" if path else repository
        status = getattr(error, "status_code", None)
        if isinstance(error, errors.AuthenticationError):
            if self._client.token:
                hint = "Give a valid one in MODELSCOPE_API_TOKEN."
                return HubError(f"{self.title} does not accept the token.", "token", hint=hint)
            hint = "Give your token in MODELSCOPE_API_TOKEN."
            return HubError(f"{self.title} gives {what} only to those who log in.", "gated", hint=hint)
        if isinstance(error, errors.PermissionDeniedError):
            page = f"{self._client.endpoint}/models/{repository}"
            hint = f"Ask for it at {page}, and give your token in MODELSCOPE_API_TOKEN."
            return HubError(f"{self.title} refuses {what}: it is private, or its owner decides.", "gated", hint=hint)
        if isinstance(error, errors.NotExistError):
            if path:
                return HubError(f"{self.title} does not deliver {what}: it answers {status}.", "data")
            return self._missing(repository, revision)
        if isinstance(error, (errors.NetworkError, errors.RequestTimeoutError)):
            return HubError(f"{self.title} cannot be reached: {network_reason(error)}.", "network")
        if isinstance(error, (errors.ServerError, errors.RateLimitError)):
            after = getattr(error, "retry_after", None)
            if after is None:
                response = getattr(error, "response", None)
                after = retry_after(response.headers.get("Retry-After")) if response is not None else None
            return HubError(f"{self.title} answers {status or 'with an error'} for {what}.", "busy", after=after)
        text = str(error).strip().split("\n")[0].rstrip(".")
        return HubError(f"{self.title} does not deliver {what}: {text}.", "data")

    def _missing(self, repository: str, revision: str | None) -> HubError:
        from modelscope_hub import errors

        if revision is not None and revision != _MAIN:
            try:
                self._client.get_repo_info(repository, "model")
                return self._no_revision(repository, revision)
            except errors.HubError:
                pass
        closed = "" if self._client.token else "; if it is private, give your token in MODELSCOPE_API_TOKEN"
        return HubError(f"{self.title} has no model {repository}{closed}.", "missing")

    def _no_revision(self, repository: str, revision: str) -> HubError:
        from modelscope_hub import errors

        try:
            names = [str(one.get("Revision")) for one in self._client.list_revisions(repository, "model")]
        except errors.HubError:
            names = []
        hint = "There are: " + ", ".join(names[:12]) + "." if names else None
        return HubError(f"{repository} on {self.title} has no revision {revision!r}.", "revision", hint=hint)
