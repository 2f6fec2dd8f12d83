"""Every error of this package as a tree: the error, its cause, and what to do next.

::

    BluxError
    ├── BluxConfigError         the DAG or the connection is wrong      fix it; a retry cannot help
    ├── BluxSourceError         the records cannot be read              fix the source, or wait for it; Airflow retries,
    │                                                                   unless no retry can help
    ├── BluxRecordError         one record is not valid                 reject it, deliver the others
    ├── BluxApiError            the API did not accept a request
    │   ├── BluxAuthError       401, 403                                fix the credentials
    │   ├── BluxRequestError    a wrong request: 400, 404, 422, ...     fix the records, or the URL
    │   └── BluxUnavailable     408, 409, 423, 425, 429, 5xx,           wait, then try again
    │                       time-out, reset
    ├── BluxRejectLimitError    more rejected or unknown than allowed   fix them; the others are delivered
    ├── BluxCheckpointError     the source changed between tries        the message says how to continue
    ├── BluxSnapshotError       the snapshot cannot be read, or it is   nothing was sent; full_refresh starts a new one
    │                           of another application
    ├── BluxAbsentError         more users missing from the source      check the source; all its records are delivered
    │                           than allowed
    ├── BluxReceiptError        a receipt of deletions does not verify  find out who changed it, or use the right key
    ├── BluxPaceError           Redis does not answer (shared rate)     wait for Redis; Airflow retries
    ├── BluxGuardError          more deletions than max_users           check the source; raise max_users if intended
    └── BluxStopped             the task was told to stop               nothing; settled batches stay settled

No message contains a personal value or a secret: errors name records by number and fields by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
# Matches only at the start of a word or after a dot. Otherwise a long word would be searched again from each letter.
_ADDRESS = re.compile(r"(?<![^\s.])[^\s.]*@\S*")


class BluxError(Exception):
    """Base class of all errors of this package."""

    #: Whether a retry of the task may succeed without any change.
    retry_helps: bool = True
    #: The HTTP status of the answer that caused the error; ``None`` if no answer did.
    status: int | None = None
    #: API and operation of the request that caused the error (``application.upsert_users``); ``None`` if none did.
    endpoint: str | None = None
    #: The report of the delivery up to here, as an operator returns it; ``None`` outside of a delivery.
    report: dict[str, Any] | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def located(self, where: str) -> Self:
        """Put a place in front of the message of this error, and return this error.

        :param where: the place (``batch 12 (records 1101-1200)``).
        """
        self.message = f"{where}: {self.message}"
        self.args = (self.message,)
        return self


class BluxConfigError(BluxError):
    """The DAG or the connection is wrong: the message names the argument or the field, and the way out."""

    retry_helps = False


class BluxSourceError(BluxError):
    """The records cannot be read: the message names the file, the query or the argument, and the position in it.

    :param retry_helps: whether the next try may succeed; ``False`` if the query or the file itself is wrong.
    """

    def __init__(self, message: str, *, retry_helps: bool = True) -> None:
        super().__init__(message)
        self.retry_helps = retry_helps


OUTDATED = "is older than an earlier record of the same user"
"""How the reason begins for a record that is rejected because of ``updated_at_field``. A replay must not send it."""


class BluxRecordError(BluxError):
    """One record is not valid.

    :param field: the field at fault, dotted (``user_properties.phone_number``); ``None`` for the whole record.
        Email addresses and long numbers in the name are redacted, and it is cut off after 100 characters.
    :param reason: what is wrong and the way out, without the value.
    """

    #: For a line of a rejects file: its ``record`` and ``as_text``, which the next rejects file must have as well.
    record: Any = None
    as_text: Sequence[str] = ()

    def __init__(self, field: str | None, reason: str) -> None:
        self.field = None if field is None else shown(field)
        super().__init__(f"{self.field}: {reason}" if self.field else reason)
        self.reason = reason


def shown(name: str, longest: int = _LONGEST_NAME) -> str:
    """Return the name of a field or column with email addresses and long numbers redacted.

    A name may hold personal data, because the source may use telephone numbers as keys of an object.

    :param longest: maximum number of characters; the rest is cut off.
    """
    name = _ADDRESS.sub("***", _NUMBER.sub("***", name))
    return name if len(name) <= longest else name[: longest - 1] + "…"


def described(error: Exception) -> str:
    """Return the type of an error and the operating system's text for it: ``OSError: No space left on device``.

    The message of the error is left out, since it may quote a value.
    """
    text = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def unreadable(name: str, error: Exception, where: str = "") -> BluxError:
    """Return an error of a storage library as a :class:`BluxSourceError`; return a :class:`BluxError` unchanged.

    :param where: text for the position in the file, such as `` at byte 1,024``.
    """
    if isinstance(error, BluxError):
        return error
    return BluxSourceError(f"{name} cannot be read{where} ({described(error)}).")


class BluxApiError(BluxError):
    """The API did not accept a request.

    :param status: the HTTP status, or ``None`` when no answer arrived.
    :param endpoint: the API and the operation, as ``application.upsert_users``.
    :param api_message: the API's error message, with every value of the request redacted.
    """

    #: How many times the request was sent, including the first time; ``None`` outside of a delivery.
    attempt: int | None = None

    def __init__(
        self, message: str, *, status: int | None = None, endpoint: str | None = None, api_message: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.endpoint = endpoint
        self.api_message = api_message


class BluxAuthError(BluxApiError):
    """401 or 403: the credentials are wrong, or do not allow this request."""

    retry_helps = False
    #: Whether the same credentials had been accepted earlier in the delivery.
    after_acceptance: bool = False


class BluxRequestError(BluxApiError):
    """A 4xx of a wrong request, such as 400, 404 or 422: the same request will be refused again.

    401 and 403 are a :class:`BluxAuthError`; 408, 409, 423, 425 and 429 are a :class:`BluxUnavailable`.
    """

    retry_helps = False


class BluxUnavailable(BluxApiError):  # noqa: N818 - the name is part of the public interface
    """408, 409, 423, 425, 429, 5xx, a time-out or a broken connection: a later try may succeed.

    :param retry_after: seconds that the API asked to wait for, or ``None``.
    :param in_doubt: whether the request may have been processed: no answer arrived, or one that does not tell.
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
    """More records were rejected or unknown than ``max_rejects`` allows; the delivery of all others is complete."""

    retry_helps = False


class BluxCheckpointError(BluxError):
    """The checkpoint of an earlier try cannot be used, and nothing more was sent.

    The checkpoint is unreadable, or the source or the settings have changed since.
    """

    retry_helps = False


class BluxSnapshotError(BluxError):
    """A snapshot cannot be read, or holds the rows of another application; nothing was sent."""

    retry_helps = False


class BluxAbsentError(BluxError):
    """More users of the snapshot are missing from the source than ``max_absent`` allows; all records are delivered."""

    retry_helps = False


class BluxReceiptError(BluxError):
    """A receipt was changed, removed or inserted, or made with another key; the message names the line."""

    retry_helps = False


class BluxPaceError(BluxError):
    """Redis does not answer, so tasks cannot share one rate limit; raised if ``rate_limit_fallback`` is ``fail``."""


class BluxGuardError(BluxError):
    """More users would be deleted than ``max_users`` allows.

    As a rule nothing was sent. If the source has grown after it was counted, some users may have been deleted; the
    message says so.
    """

    retry_helps = False


class BluxStopped(BluxError):  # noqa: N818 - a state, not a fault
    """The task was told to stop; nothing more is sent."""
