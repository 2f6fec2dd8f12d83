"""Every error of this package, drawn as a tree by what to do next.

::

    BluxError
    ├── BluxConfigError         the DAG or the connection is wrong      fix it; a retry cannot help
    ├── BluxSourceError         the records cannot be read              fix the source, or wait for it; Airflow retries,
    │                                                                   but for what no retry can cure
    ├── BluxRecordError         one record is not valid                 reject it, deliver the others
    ├── BluxApiError            the API did not accept a request
    │   ├── BluxAuthError       401, 403                                fix the credentials
    │   ├── BluxRequestError    any other 4xx                           fix the records
    │   └── BluxUnavailable     429, 5xx, time-out, reset               wait, then try again
    ├── BluxRejectLimitError    more records refused than allowed       fix them; the others are delivered
    ├── BluxCheckpointError     the source changed between tries        the message says how to go on
    ├── BluxSnapshotError       the snapshot cannot be read, or it is   nothing was sent; full_refresh begins a new one
    │                           of another application
    ├── BluxAbsentError         more users missing from the source      look at the source; all it names is delivered
    │                           than allowed
    ├── BluxReceiptError        a receipt of deletions does not verify  find who changed it, or the right key
    ├── BluxPaceError           the rate that tasks share is not kept   wait for Redis; Airflow retries
    ├── BluxGuardError          more deletions than max_users           nothing was sent; raise max_users if it is meant
    └── BluxStopped             the task was told to stop               nothing; what was settled stays settled

No message contains a personal value or a secret: errors name records by number and fields by name.
"""

from __future__ import annotations

import re
from typing import Any, Self

__all__ = [
    "BluxAbsentError",
    "BluxApiError",
    "BluxAuthError",
    "BluxCheckpointError",
    "BluxConfigError",
    "BluxError",
    "BluxGuardError",
    "BluxPaceError",
    "BluxReceiptError",
    "BluxRecordError",
    "BluxRejectLimitError",
    "BluxRequestError",
    "BluxSnapshotError",
    "BluxSourceError",
    "BluxStopped",
    "BluxUnavailable",
]

_LONGEST_NAME = 100
_NUMBER = re.compile(r"\d(?:[\s()-]?\d){4,}")
# From the beginning of a word or of a key in it: else a long one would be searched from each of its letters to its end.
_ADDRESS = re.compile(r"(?<![^\s.])[^\s.]*@\S*")


class BluxError(Exception):
    """Whatever this package raises."""

    #: Whether the same task may succeed when it is tried again with nothing fixed.
    retry_helps: bool = True
    #: The HTTP status of the answer that led to it, or ``None`` when no answer did.
    status: int | None = None
    #: The API and the operation whose request led to it, as ``application.upsert_users``; ``None`` when none did.
    endpoint: str | None = None
    #: The report of the delivery up to here, as an operator returns it; ``None`` outside of a delivery.
    report: dict[str, Any] | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def located(self, where: str) -> Self:
        """Return this error with the place put in front of its message (``batch 12 (records 1101-1200)``)."""
        self.message = f"{where}: {self.message}"
        self.args = (self.message,)
        return self


class BluxConfigError(BluxError):
    """The DAG or the connection is wrong: the message names the argument or the field, and the way out."""

    retry_helps = False


class BluxSourceError(BluxError):
    """The records cannot be read: the message names the file, the query or the argument, and the position in it.

    :param retry_helps: whether the next try may find them readable; not so where the query or the file itself is wrong.
    """

    def __init__(self, message: str, *, retry_helps: bool = True) -> None:
        super().__init__(message)
        self.retry_helps = retry_helps


class BluxRecordError(BluxError):
    """One record is not valid.

    :param field: the field at fault, dotted (``user_properties.phone_number``); ``None`` for the whole record. An
        e-mail address or a long number in it is redacted, and what is longer than 100 characters is cut off.
    :param reason: what is wrong and the way out, without the value.
    """

    def __init__(self, field: str | None, reason: str) -> None:
        self.field = None if field is None else shown(field)
        super().__init__(f"{self.field}: {reason}" if self.field else reason)
        self.reason = reason


def shown(name: str, longest: int = _LONGEST_NAME) -> str:
    """Return a field's or a column's name as it may be shown: a key of an object may be a telephone number.

    :param longest: most characters; the rest is cut off.
    """
    name = _ADDRESS.sub("***", _NUMBER.sub("***", name))
    return name if len(name) <= longest else name[: longest - 1] + "…"


class BluxApiError(BluxError):
    """The API did not accept a request.

    :param status: the HTTP status, or ``None`` when no answer arrived.
    :param endpoint: the API and the operation, as ``application.upsert_users``.
    :param api_message: the API's error message, with every value of the request redacted.
    """

    #: How often the request had been sent, the first time included; ``None`` outside of a delivery.
    attempt: int | None = None

    def __init__(
        self, message: str, *, status: int | None = None, endpoint: str | None = None, api_message: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.endpoint = endpoint
        self.api_message = api_message


class BluxAuthError(BluxApiError):
    """401 or 403: the credentials are wrong, or may not do this."""

    retry_helps = False
    #: Whether the same credentials had been accepted earlier in the delivery.
    after_acceptance: bool = False


class BluxRequestError(BluxApiError):
    """Any other 4xx: the request is wrong, and the same request will be refused again."""

    retry_helps = False


class BluxUnavailable(BluxApiError):  # noqa: N818 - the name is part of the public interface
    """429, 5xx, a time-out or a broken connection: a later try may succeed.

    :param retry_after: seconds that the API asked to wait for, or ``None``.
    :param in_doubt: whether the request may have been processed although no answer arrived.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        endpoint: str | None = None,
        api_message: str = "",
        retry_after: float | None = None,
        in_doubt: bool = False,
    ) -> None:
        super().__init__(message, status=status, endpoint=endpoint, api_message=api_message)
        self.retry_after = retry_after
        self.in_doubt = in_doubt


class BluxRejectLimitError(BluxError):
    """More records were refused than allowed; every other record is delivered."""

    retry_helps = False


class BluxCheckpointError(BluxError):
    """What an earlier try left cannot be gone on with; nothing more was sent."""

    retry_helps = False


class BluxSnapshotError(BluxError):
    """A snapshot cannot be read, or holds the rows of another application; nothing was sent."""

    retry_helps = False


class BluxAbsentError(BluxError):
    """More users of the snapshot are missing from the source than ``max_absent`` allows; all others are delivered."""

    retry_helps = False


class BluxReceiptError(BluxError):
    """A receipt was changed, removed or inserted, or made with another key; the message names the line."""

    retry_helps = False


class BluxPaceError(BluxError):
    """The rate that tasks share cannot be kept without Redis, and the task may not go on alone."""


class BluxGuardError(BluxError):
    """More users would be deleted than ``max_users`` allows; nothing was sent."""

    retry_helps = False


class BluxStopped(BluxError):  # noqa: N818 - a state, not a fault
    """The task was told to stop; nothing more is sent."""
