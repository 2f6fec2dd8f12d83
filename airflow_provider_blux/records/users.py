"""Users: nested as the API has them, or a flat row; and the ids of users to delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.properties import mapping, put, put_group
from airflow_provider_blux.records.values import consent, identifier, json_value, phone_number, text, timestamp

CONSENTS = (
    "nighttime_notification_consent",
    "marketing_notification_consent",
    "marketing_notification_sms_consent",
    "marketing_notification_email_consent",
    "marketing_notification_kakao_consent",
    "marketing_notification_push_consent",
)
# The eight fields that the Application API knows; every other property is the customer's own.
KNOWN: dict[str, Callable[[Any, str], Any]] = {
    "phone_number": phone_number,
    "email_address": text,
    **dict.fromkeys(CONSENTS, consent),
}


def user(row: Any) -> tuple[str, dict[str, Any]]:
    """Return the user id and the user of the Application API.

    :param row: ``{"user_id", "user_properties"?, "custom_user_properties"?}``, or a flat row whose columns are
        sorted into the two by name.
    :raises BluxRecordError: naming the first field at fault.
    """
    user_id, known, custom = _sorted(row)
    record: dict[str, Any] = {"user_id": user_id}
    if known:
        record["user_properties"] = known
    if custom:
        record["custom_user_properties"] = custom
    return user_id, record


def profile(row: Any) -> tuple[str, dict[str, Any]]:
    """Return the user id and the profile of the Open API, where all properties are of one kind.

    :param row: as for :func:`user`, or ``{"user_id", "properties", "timestamp"?}`` as the Open API has it.
    :raises BluxRecordError: naming the first field at fault.
    """
    moment = None
    if isinstance(row, Mapping) and isinstance(row.get("properties"), Mapping):
        for column, value in row.items():
            if column not in ("user_id", "properties", "timestamp") and value is not None:
                name = text(column, "a column name")
                raise BluxRecordError(name, "stands beside 'properties'; put it inside, or leave all rows flat")
        if row["properties"].get("user_id") is not None:
            raise BluxRecordError("properties.user_id", "stands inside 'properties'; put it beside them")
        moment = row.get("timestamp")
        row = {**row["properties"], "user_id": row.get("user_id")}
    user_id, known, custom = _sorted(row)
    record: dict[str, Any] = {"user_id": user_id, "properties": _joined(known, custom)}
    if moment is not None:
        record["timestamp"] = timestamp(moment, "timestamp")
    return user_id, record


def deletion(row: Any) -> tuple[str, str]:
    """Return the id of a user to delete, twice: as the key and as the record.

    :param row: the id itself, or a row with a column ``user_id``.
    """
    user_id = identifier(row.get("user_id") if isinstance(row, Mapping) else row, "user_id")
    return user_id, user_id


def merged(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Return one record for two of the same user: the later value of each property wins."""
    both = {**earlier, **later}
    for group in ("user_properties", "custom_user_properties", "properties"):
        if group in earlier and group in later:
            both[group] = {**earlier[group], **later[group]}
    return both


def _sorted(row: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the id, the known properties and the customer's own, each checked. A null is left out."""
    row = mapping(row)
    user_id = identifier(row.get("user_id"), "user_id")
    known: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    for column, value in row.items():
        if column == "user_id" or value is None:
            continue
        if column in KNOWN:
            put(known, column, KNOWN[column](value, column))
        elif column == "user_properties":
            put_group(known, column, value, _known_property)
        elif column == "custom_user_properties":
            put_group(custom, column, value, json_value)
        else:
            name = text(column, "a column name")
            put(custom, name, json_value(value, name))
    return user_id, known, custom


def _known_property(value: Any, field: str) -> Any:
    check = KNOWN.get(field.removeprefix("user_properties."))
    if check is None:
        raise BluxRecordError(field, "is none of the eight fields that Blux knows; put it in custom_user_properties")
    return check(value, field)


def _joined(known: dict[str, Any], custom: dict[str, Any]) -> dict[str, Any]:
    for name in known.keys() & custom.keys():
        raise BluxRecordError(name, "is given twice, as a known and as a custom property; leave one of them")
    # Here a consent among the custom properties is a consent like any other.
    return known | {name: KNOWN[name](value, name) if name in KNOWN else value for name, value in custom.items()}
