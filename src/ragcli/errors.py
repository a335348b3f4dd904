"""Every error that a user can cause, with the sentence, the hint and the exit code it ends in.

The tree::

    RagcliError                 1   something that the user can act on
    ├── UsageError              2   wrong options or arguments
    ├── InputError              1   bad data: names the stream or file, the line, what was expected
    ├── LoadError               1   one file that cannot be read (the run goes on; exit code 3)
    ├── ModelError              1   a model that is missing, broken or not what the task needs
    ├── OutOfMemoryError        1   a device, or a process, that has no memory left; less at once may go
    ├── MissingExtraError       1   a package that an extra brings
    ├── TableError              1   a table that is missing, broken or not writable
    │   └── ContractError       1   a table made with another model or splitter
    ├── ServiceError            1   an endpoint that does not answer
    │   ├── RefusedError        1   an endpoint that refuses whatever is asked: key, address, model's name
    │   ├── RequestError        1   an endpoint that refuses one request, and may take the next
    │   └── HubError            1   a model hub that does not have the model, or does not deliver it
    └── GateError               4   a check that was asked for said no

Anything else that is raised is a bug and stays a traceback.
"""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
PARTIAL = 3
GATE = 4
INTERRUPTED = 130

# What a hub can say: there is no such model, or not for everyone; no such revision; the token is refused; there is no
# way to it; it is busy or broken; the bytes are not what they should be; the network is switched off.
HUB_KINDS = ("missing", "gated", "revision", "token", "network", "busy", "data", "offline")


class RagcliError(Exception):
    """An error that ends as one sentence on stderr.

    Args:
        message: what happened, and where (file, line, record).
        hint: what to do about it; printed on a line of its own.
    """

    exit_code = FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RagcliError):
    """Options or arguments that do not make sense together."""

    exit_code = USAGE


class InputError(RagcliError):
    """Data on a stream or in a file that is not what it should be."""


class LoadError(RagcliError):
    """One file that cannot be read as a document."""


class ModelError(RagcliError):
    """A model that is missing, broken or not what the task needs."""


class OutOfMemoryError(RagcliError):
    """A device, or a process, that has no memory left: the same with less at once may go."""


class MissingExtraError(RagcliError):
    """A feature whose package is not installed.

    Args:
        feature: what was asked for, as the start of a sentence.
        extra: the extra that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the extra '{extra}', which is not installed.",
            hint=f"pip install 'ragcli[{extra}]'",
        )
        self.extra = extra


class TableError(RagcliError):
    """A table that is missing, broken or not writable."""


class ContractError(TableError):
    """A table that was made in another way than it is now asked to be used."""


class ServiceError(RagcliError):
    """An endpoint that does not answer, or answers with an error."""


class RefusedError(ServiceError):
    """An endpoint that refuses whatever is asked of it: the key, the address or the model's name is wrong."""


class RequestError(ServiceError):
    """An endpoint that refuses one request (its length, its form, a filter), and may take the next."""


class HubError(ServiceError):
    """A model hub that does not have what was asked for, or does not deliver it.

    Args:
        message: what happened, and where.
        kind: one of ``HUB_KINDS``.
        hint: what to do about it.
        after: seconds that the hub asks to wait.
    """

    def __init__(self, message: str, kind: str, *, hint: str | None = None, after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.after = after


class GateError(RagcliError):
    """A check that the user asked for said no."""

    exit_code = GATE
