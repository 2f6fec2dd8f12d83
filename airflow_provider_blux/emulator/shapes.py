"""Checks request bodies, as strictly as the published API documentation allows.

The message of a refusal names the record by its index and the field by its name. It holds no value of a record.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import Message
from typing import Any

# Takes a value and its place in the body (`where`); raises RefusedError if the API does not allow the value there.
Check = Callable[[Any, str], None]


class RefusedError(Exception):
    """A request is refused. The parameters describe the answer.

    :param message: the message in the body.
    :param status: the HTTP status.
    :param headers: additional headers; ``None`` for none.
    """

    def __init__(self, message: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.headers = headers


def check_media_type(headers: Message) -> None:
    """Check that the Content-Type is JSON in UTF-8; raise :class:`RefusedError` otherwise."""
    if headers.get_content_type() != "application/json" or headers.get_content_charset("utf-8") != "utf-8":
        raise RefusedError("the Content-Type must be application/json")


def parse(body: bytes) -> Any:
    """Return the JSON value of ``body``.

    :raises RefusedError: the body is not valid JSON in UTF-8. NaN and Infinity are not valid (RFC 8259).
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise RefusedError("the body is not valid JSON") from error


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def listed(payload: Any, list_key: str | None) -> list[Any]:
    """Return the list of the records in a body.

    :param payload: the JSON value of the body.
    :param list_key: the only key that the body may have; ``None`` for a body with a single ``user_id``, which is then
        the only record in the list.
    :raises RefusedError: the body has other keys or no list, or the list is empty.
    """
    key = list_key or "user_id"
    if not isinstance(payload, dict):
        raise RefusedError("the body must be an object")
    if key not in payload:
        raise RefusedError(f"{key} is required")
    unknown = payload.keys() - {key}
    if unknown:
        raise RefusedError(f"{min(unknown)} is not a known field")
    if list_key is None:
        return [payload[key]]
    records = payload[key]
    if not isinstance(records, list):
        raise RefusedError(f"{key} must be a list")
    if not records:
        raise RefusedError(f"{key} must not be empty")
    return records


def identifier(value: Any, where: str) -> None:
    """Check that an id is text, not empty, and valid Unicode.

    :param where: the place of the id in the body (``users[3].user_id``), for the message.
    :raises RefusedError: the id is not valid.
    """
    if not isinstance(value, str) or not value:
        raise RefusedError(f"{where} must be a non-empty string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:  # half a surrogate pair, which JSON can spell
            raise RefusedError(f"{where} must be valid Unicode") from error


def _typed(kind: Any, what: str) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, kind):
            raise RefusedError(f"{where} must be {what}")

    return check


_string = _typed(str, "a string")
_string_or_null = _typed(str | None, "a string")
_boolean_or_null = _typed(bool | None, "a boolean")
_any_object = _typed(dict, "an object")


def _timestamp(value: Any, where: str) -> None:
    try:
        # `fromisoformat` takes any character between the date and the time.
        zoned = isinstance(value, str) and "T" in value and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        zoned = False
    if not zoned:
        raise RefusedError(f"{where} must be an ISO 8601 timestamp with a time zone")


def _record(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    fields = {**required, **optional}

    def check(value: Any, where: str) -> None:
        _any_object(value, where)
        for name in required:
            if name not in value:
                raise RefusedError(f"{where}.{name} is required")
        for name, content in value.items():
            if name not in fields:
                raise RefusedError(f"{where}.{name} is not a known field")
            fields[name](content, f"{where}.{name}")

    return check


user: Check = _record(
    {"user_id": identifier},
    {
        "user_properties": _record(
            {},
            {
                "phone_number": _string_or_null,
                "email_address": _string_or_null,
                "nighttime_notification_consent": _boolean_or_null,
                "marketing_notification_consent": _boolean_or_null,
                "marketing_notification_sms_consent": _boolean_or_null,
                "marketing_notification_email_consent": _boolean_or_null,
                "marketing_notification_kakao_consent": _boolean_or_null,
                "marketing_notification_push_consent": _boolean_or_null,
            },
        ),
        "custom_user_properties": _any_object,
    },
)

profile: Check = _record({"user_id": identifier}, {"properties": _any_object, "timestamp": _timestamp})

event: Check = _record(
    {"name": identifier, "user_id": identifier},
    {"timestamp": _timestamp, "properties": _any_object, "id": identifier},
)

device: Check = _record(
    {"device_id": identifier},
    {
        "user_id": identifier,
        "platform": _string,
        "token": _string,
        "app_local_id": _string,
        "properties": _any_object,
    },
)
