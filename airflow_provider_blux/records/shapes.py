"""For each operation and API: the fields of its records, and the function that turns a row into such a record."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError
from airflow_provider_blux.records import devices, events, users
from airflow_provider_blux.records.fields import CONSENTS, STANDARD_FIELDS
from airflow_provider_blux.records.header import Header
from airflow_provider_blux.records.ids import identifier
from airflow_provider_blux.records.mapping import Fields, Mapped, Shape, check_targets
from airflow_provider_blux.records.options import DEFAULT, Shaping
from airflow_provider_blux.records.properties import OBJECTS

RULES_VERSION = 7
"""Version of the rules that turn a row into a record; to be increased if the same row is sent differently. The digests
of rows in a snapshot depend on it, so the next run then sends everything."""

_GROUPS: dict[str, frozenset[str] | None] = {
    "user_properties": frozenset(STANDARD_FIELDS),
    "custom_user_properties": None,
}
_USER = ("user", "customer", "member")
_DELETION = Fields(shape=users.deletion, required=("user_id",), own=frozenset({"user_id"}))
FIELDS: dict[tuple[str, str], Fields] = {
    ("upsert_users", "application"): Fields(
        shape=users.user,
        required=("user_id",),
        own=frozenset({"user_id"}),
        groups=_GROUPS,
        properties="custom_user_properties",
        prefixes=_USER,
    ),
    ("upsert_users", "open"): Fields(
        shape=users.profile,
        required=("user_id",),
        own=frozenset({"user_id", "timestamp"}),
        groups={**_GROUPS, "properties": None},
        properties="properties",
        by_mapping=frozenset({"timestamp"}),
        prefixes=_USER,
    ),
    ("delete_users", "application"): _DELETION,
    ("delete_users", "open"): _DELETION,
    ("send_events", "open"): Fields(
        shape=events.event,
        required=("user_id", "name"),
        own=events.FIELDS,
        groups={"properties": None},
        properties="properties",
        prefixes=("event",),
    ),
    ("update_devices", "open"): Fields(
        shape=devices.device,
        required=("device_id",),
        own=devices.FIELDS,
        groups={"properties": None},
        properties="properties",
        prefixes=("device",),
    ),
}


class RowShape:
    """Turns rows of one operation and API into their keys (user or device ids) and API records.

    :raises BluxConfigError: ``field_mapping`` names a field that the records of this operation and API do not have.
    """

    def __init__(self, operation: str, api: str, shaping: Shaping = DEFAULT) -> None:
        fields = FIELDS[operation, api]
        self._shape: Shape = partial(fields.shape, shaping=shaping)
        self._shaping = shaping
        shape = self._with_checked_groups if shaping.excluded or fields.is_profile else self._shape
        if shaping.field_mapping:
            shape = Mapped(shape, shaping.field_mapping, fields)
        self._mapped = shape
        self.header = Header(fields, shaping)

    def __call__(self, row: Any) -> tuple[str, Any]:
        """Return the key of a row and the record to send.

        :raises BluxRecordError: the row is not valid.
        :raises BluxConfigError: the columns of the row's table are wrong.
        """
        if not isinstance(row, OBJECTS):  # an id to delete; for any other operation an error
            return self._shape(row)
        return self._mapped(self.header.read(row))

    def user_of(self, row: Any) -> str | None:
        """Return the user id of a row that may be invalid otherwise; ``None`` if the id cannot be read.

        :param row: a row, or the error of a line of a rejects file, which has the record of the line.
        """
        if isinstance(row, BluxRecordError):
            row = row.record
        if not isinstance(row, OBJECTS):
            return None
        try:
            given = self.header.lowered(row).get(self._shaping.column_of("user_id"))
            return identifier(given, "user_id", check=self._shaping.check_ids)
        except BluxRecordError:
            return None

    def unused(self) -> dict[str, list[str]]:
        """Return the names in ``exclude_fields``, ``field_mapping`` and ``json_columns`` that no row has had so far.

        :return: the sorted names of each of these arguments that has such names. The six consents are among them only
            if ``exclude_fields`` names all of them and no row had any of them.
        """
        unread, absent = self.header.unread, self.header.absent
        found = {
            "exclude_fields": sorted(absent if absent.issuperset(CONSENTS) else absent.difference(CONSENTS)),
            "field_mapping": sorted(unread.intersection(self._shaping.field_mapping)),
            "json_columns": sorted(unread.intersection(self._shaping.json_names)),
        }
        return {argument: names for argument, names in found.items() if names}

    def _with_checked_groups(self, row: Mapping[str, Any]) -> tuple[str, Any]:
        self.header.check_groups(row)
        return self._shape(row)


def never_sent(operation: str, api: str, shaping: Shaping) -> frozenset[str]:
    """Return the source columns that are never sent because ``exclude_fields`` names them.

    A snapshot ignores changes in these columns. A column that ``exclude_fields`` names is not among them if it may be
    sent nevertheless: if ``field_mapping`` renames it; or if it holds a nested group, as ``user_properties``.
    """
    fields = FIELDS[operation, api]
    return shaping.excluded - shaping.field_mapping.keys() - fields.groups.keys()


def check_mapping(operation: str, api: str | None, field_mapping: Mapping[str, str]) -> None:
    """Check ``field_mapping`` when a DAG is parsed; the API may not be known yet.

    :raises BluxConfigError: no API of the operation has the fields that the mapping names.
    """
    possible = [fields for kind, fields in FIELDS.items() if kind[0] == operation and api in (None, kind[1])]
    refused: BluxConfigError | None = None
    for fields in possible:
        try:
            check_targets(field_mapping, fields)
        except BluxConfigError as error:
            refused = error
        else:
            return
    if refused is not None:
        raise refused
