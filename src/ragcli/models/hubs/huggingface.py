"""Hugging Face through huggingface_hub: endpoint, mirror, token, proxies and time limits are the client's own.

Files come by plain HTTP from any place on. The client's own download begins anew after a kill, since it writes to a
file with a name of one process, and it does not compare the bytes with their hash.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

from ragcli.errors import HubError, UsageError
from ragcli.models.hubs.names import clean_hash, is_plain, near, network_reason, retry_after
from ragcli.models.hubs.protocol import HF, TITLES, Body, Listing, RemoteFile

_API_SECONDS = 10.0
_SEARCHED = 50


class HuggingFace:
    """The hub that HF_ENDPOINT names, huggingface.co where it names none."""

    source = HF

    def __init__(self) -> None:
        import huggingface_hub
        from huggingface_hub import constants, utils

        self._api: Any = huggingface_hub.HfApi(library_name="ragcli")
        self._utils: Any = utils
        self._constants = constants
        self._token = huggingface_hub.get_token()
        self._url = huggingface_hub.hf_hub_url
        host = urlsplit(self._api.endpoint).netloc
        self.title = TITLES[HF] if host in ("huggingface.co", "hf.co") else f"{TITLES[HF]}'s mirror {host}"

    def listing(self, repository: str, revision: str | None) -> Listing:
        """Return what a repository holds.

        Raises:
            HubError: it is not there, not for this token, or the hub does not answer.
            UsageError: the name cannot be one.
        """
        with self._errors(repository, revision):
            info = self._api.model_info(repository, revision=revision, files_metadata=True, timeout=_API_SECONDS)
            files = [_file(one.rfilename, -1 if one.size is None else one.size, one) for one in info.siblings or []]
            if any(one.size < 0 for one in files):  # a mirror that does not know the question
                files = self._tree(repository, info.sha)
            if not is_plain(str(info.sha)):
                raise ValueError(f"no commit: {info.sha!r}")
        return Listing(
            source=HF, repository=repository, name=revision or "main", commit=str(info.sha), files=tuple(files)
        )

    def _tree(self, repository: str, commit: str | None) -> list[RemoteFile]:
        found = self._api.list_repo_tree(repository, recursive=True, revision=commit)
        return [_file(one.path, int(one.size), one) for one in found if hasattr(one, "size")]  # a folder has none

    @contextmanager
    def open(self, listing: Listing, file: RemoteFile, start: int, block: int) -> Iterator[Body]:
        """Open a file's bytes from ``start`` on."""
        headers = self._utils.build_hf_headers(library_name="ragcli")
        headers["Accept-Encoding"] = "identity"  # places in a packed stream are not places in the file
        if start:
            headers["Range"] = f"bytes={start}-"
        url = self._url(listing.repository, file.path, revision=listing.commit)
        with ExitStack() as stack:
            with self._errors(listing.repository, listing.name, file.path):
                response = stack.enter_context(
                    self._utils.http_stream_backoff(
                        "GET",
                        url,
                        headers=headers,
                        timeout=self._constants.HF_HUB_DOWNLOAD_TIMEOUT,
                        follow_redirects=True,
                        retry_on_exceptions=(),
                        retry_on_status_codes=(),
                    )
                )
                self._utils.hf_raise_for_status(response)
            began = start if response.status_code == 206 else 0
            yield Body(began, self._blocks(response, listing, file))

    def _blocks(self, response: Any, listing: Listing, file: RemoteFile) -> Iterator[bytes]:
        with self._errors(listing.repository, listing.name, file.path):
            yield from response.iter_bytes()

    def nearest(self, repository: str) -> list[str]:
        """Return names like this one: of the same owner, or with the same name."""
        owner, _, name = repository.rpartition("/")
        found: list[str] = []
        with self._errors(repository, None):
            for asked in ({"search": name}, {"author": owner} if owner else None):
                if asked:
                    found += [one.id for one in self._api.list_models(**asked, limit=_SEARCHED)]
        return near(repository, found)

    @contextmanager
    def _errors(self, repository: str, revision: str | None, path: str | None = None) -> Iterator[None]:
        from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

        # The client's transport, httpx or its successor, is not ours to depend on.
        transport = sys.modules[type(self._utils.get_session()).__module__.partition(".")[0]]
        try:
            yield
        except HFValidationError as error:
            raise UsageError(f"{repository!r} cannot be the name of a model: {error}") from error
        except OfflineModeIsEnabled as error:
            raise HubError("the network is switched off (HF_HUB_OFFLINE).", "offline") from error
        except transport.HTTPError as error:
            raise self._translated(error, repository, revision, path) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = path or f"the listing of {repository}"
            raise HubError(f"{self.title} does not answer as a hub does for {what}.", "data") from error
        except (OSError, transport.InvalidURL) as error:
            raise HubError(f"{self.title} cannot be reached: {network_reason(error)}.", "network") from error

    def _translated(self, error: Exception, repository: str, revision: str | None, path: str | None) -> HubError:
        from huggingface_hub import errors

        response: Any = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        what = f"{path} of {repository}" if path else repository
        if isinstance(error, errors.GatedRepoError):
            hint = f"Accept its terms at {self._api.endpoint}/{repository}, and "
            hint += "wait to be let in." if self._token else "give your token in HF_TOKEN, or: hf auth login"
            return HubError(
                f"{repository} is gated on {self.title}: its owner decides who may have it.", "gated", hint=hint
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return self._no_revision(repository, revision)
        # What the client takes for a missing one, it sees by the address of the hub itself only; a mirror has another.
        missing = isinstance(error, errors.RepositoryNotFoundError) or (status in (401, 404) and path is None)
        if status == 401 and self._token and "Invalid credentials" in response.headers.get("X-Error-Message", ""):
            return HubError(
                f"{self.title} does not accept the token.",
                "token",
                hint="Give a valid one in HF_TOKEN, or: hf auth login",
            )
        if missing:
            closed = "or it is private to others" if self._token else "if it is private, give your token in HF_TOKEN"
            return HubError(f"{self.title} has no model {repository}; {closed}.", "missing")
        if isinstance(error, (errors.EntryNotFoundError, errors.DisabledRepoError)):
            return HubError(f"{self.title} does not deliver {what}: {_first_line(error)}.", "data")
        if status == 403:
            to = " to this token" if self._token else ""
            hint = "Give one that may read it in HF_TOKEN." if to else "Give a token that may read it in HF_TOKEN."
            return HubError(f"{self.title} refuses {what}{to}.", "gated", hint=hint)
        if status == 429 or (status is not None and status >= 500):
            return HubError(
                f"{self.title} answers {status} for {what}.",
                "busy",
                after=retry_after(response.headers.get("Retry-After")),
            )
        if status is not None:
            return HubError(f"{self.title} answers {status} for {what}.", "data")
        return HubError(f"{self.title} cannot be reached: {network_reason(error)}.", "network")

    def _no_revision(self, repository: str, revision: str | None) -> HubError:
        hint = None
        try:
            refs = self._api.list_repo_refs(repository)
            hint = "There are: " + ", ".join(one.name for one in [*refs.branches, *refs.tags][:12]) + "."
        except Exception:  # noqa: BLE001  the hint only; whatever goes wrong with it
            pass
        return HubError(f"{repository} on {self.title} has no revision {revision!r}.", "revision", hint=hint)


def _file(path: str, size: int, entry: Any) -> RemoteFile:
    sha256 = clean_hash(entry.lfs.sha256 if entry.lfs else None, 64)
    return RemoteFile(path=path, size=size, sha256=sha256, git=clean_hash(entry.blob_id, 40))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__).rstrip(".")
