"""The arguments that control how rows become records.

They concern column names, JSON columns, text and numbers that mean true or false, nulls, excluded properties,
timestamps, telephone numbers and the checks of ids.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cached_property, lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.records.exclusions import excluded_names, is_name, property_of
from airflow_provider_blux.records.fields import CONSENTS, MOST_NAMES, STANDARD_FIELDS, Check
from airflow_provider_blux.records.ids import present_text
from airflow_provider_blux.records.phone_numbers import check_region, phone_number
from airflow_provider_blux.records.timestamps import MICROSECONDS, Unit
from airflow_provider_blux.records.values import consent

Meaning = str | int | float | Decimal
"""A value that can be declared as true or false: text or a number."""

# Options that enter `repr` without conversion.
_AS_GIVEN = ("send_nulls", "lowercase_columns", "check_ids", "timestamp_unit", "phone_region")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True, kw_only=True, eq=False)
class Shaping:
    """The shaping arguments of every operator and hook method, checked.

    :param field_mapping: ``{source column: Blux field}``; ``user_properties.phone_number`` names a field of a group.
    :param true_values: text and numbers that mean true in a consent, in addition to true itself and the word ``true``.
    :param false_values: text and numbers that mean false, in addition to false itself and the word ``false``.
    :param naive_timezone: time zone added to timestamps without one: an IANA name or a ``tzinfo``; ``None`` to
        reject such timestamps.
    :param send_nulls: send a null property as null; otherwise it is not sent, and Blux keeps the old value.
    :param exclude_fields: properties of users that are never sent; ``"consents"`` names all six consents.
    :param lowercase_columns: convert column names to lower case and trim them, in rows and in other arguments.
    :param json_columns: names of text columns in the source that hold JSON, which is parsed.
    :param check_ids: reject ids and telephone numbers that look damaged (``123.0``), and text in any field of Blux that
        looks like a missing value (``nan``).
    :param timestamp_unit: unit of a numeric timestamp since the epoch in UTC: ``s``, ``ms`` or ``us``; ``None`` to
        reject numbers.
    :param phone_region: region such as ``KR``; telephone numbers are converted to its national format, digits only.
    :raises BluxConfigError: an argument is not valid; the error names it.
    """

    field_mapping: Mapping[str, str] = field(default_factory=dict)
    true_values: Sequence[Meaning] | AbstractSet[Meaning] = ()
    false_values: Sequence[Meaning] | AbstractSet[Meaning] = ()
    naive_timezone: str | tzinfo | None = None
    send_nulls: bool = False
    exclude_fields: str | Sequence[str] = ()
    lowercase_columns: bool = False
    json_columns: str | Sequence[str] = ()
    check_ids: bool = True
    timestamp_unit: Unit | None = None
    phone_region: str | None = None

    def __post_init__(self) -> None:
        for name in ("send_nulls", "lowercase_columns", "check_ids"):
            if not isinstance(getattr(self, name), bool):
                raise BluxConfigError(f"{name} must be True or False.")
        _check_mapping(self.field_mapping)
        mapping = {self.column(column): target for column, target in self.field_mapping.items()}
        if len(mapping) < len(self.field_mapping):
            raise BluxConfigError("field_mapping names a column twice: with lowercase_columns two names are the same.")
        object.__setattr__(self, "field_mapping", mapping)
        # Computed here so that a wrong argument fails now, not at the first record.
        _ = self.zone, self.meanings, self.excluded, self.json_names
        if self.timestamp_unit is not None and self.timestamp_unit not in list(MICROSECONDS):
            raise BluxConfigError("timestamp_unit must be 's', 'ms' or 'us', or be left out.")
        if self.phone_region is not None:
            check_region(self.phone_region)

    def __repr__(self) -> str:
        """Return all settings as text that is the same in each process.

        The digest of the settings in a checkpoint and the digests of rows in a snapshot are computed from it.
        """
        mapping = sorted(self.field_mapping.items())
        meanings = sorted((repr(value), meaning) for value, meaning in self.meanings.items())
        zone = repr(self.zone)
        if self.zone is not None and _ADDRESS.search(
            zone
        ):  # `repr` shows a memory address, which differs between processes; the offsets identify the zone
            months = [datetime(year, month, 1) for year in range(1990, 2038) for month in range(1, 13)]  # noqa: DTZ001
            zone = f"{_ADDRESS.sub('', zone)} {list(map(self.zone.utcoffset, months))}"
        others = {name: getattr(self, name) for name in _AS_GIVEN}
        names = sorted(self.excluded), self.json_names
        return f"Shaping({mapping}, {meanings}, {zone}, {names}, {others})"

    @cached_property
    def zone(self) -> tzinfo | None:
        """The time zone that is added to timestamps without one."""
        return None if self.naive_timezone is None else _zone(self.naive_timezone)

    @cached_property
    def meanings(self) -> dict[Meaning, bool]:
        """A dict with each of ``true_values`` and ``false_values`` as a key, and ``True`` or ``False`` as its value."""
        found: dict[Meaning, bool] = {}
        for argument, values, meaning in (
            ("true_values", self.true_values, True),
            ("false_values", self.false_values, False),
        ):
            for declared in _declared(argument, values):
                value = str.__str__(declared) if isinstance(declared, str) else declared
                if found.setdefault(value, meaning) is not meaning:
                    raise BluxConfigError("true_values and false_values overlap: one value cannot mean both.")
        return found

    @cached_property
    def excluded(self) -> frozenset[str]:
        """The properties that are never sent."""
        given: Any = self.exclude_fields
        if isinstance(given, str):
            given = self.lowered(given)
        elif isinstance(given, list | tuple):
            given = [self.lowered(name) if isinstance(name, str) else name for name in given]
        return excluded_names(given, self.field_mapping)

    @cached_property
    def is_excluded(self) -> Callable[[Any], bool]:
        """A function that takes the name of a property, and returns whether the property is never sent.

        That is so if ``exclude_fields`` names the property, or the group that it belongs to. The function takes the
        name of a column, or the name of a property inside a nested group, without the group.
        """

        @lru_cache(maxsize=MOST_NAMES)
        def is_excluded(name: Any) -> bool:
            if not isinstance(name, str):
                return False
            plain = property_of(self.lowered(name))
            group = "user_properties" if plain in STANDARD_FIELDS else "custom_user_properties"
            return not self.excluded.isdisjoint((name, plain, group))

        return is_excluded

    @cached_property
    def json_names(self) -> tuple[str, ...]:
        """The columns that hold JSON."""
        names = [self.json_columns] if isinstance(self.json_columns, str) else self.json_columns
        if not isinstance(names, list | tuple) or not all(is_name(name) for name in names):
            raise BluxConfigError("json_columns must be a list of columns, as in json_columns=['properties'].")
        return tuple(sorted({self.column(name) for name in names}))

    def lowered(self, name: str) -> str:
        """Return a property name in lower case if ``lowercase_columns`` is set.

        A name that is a target of ``field_mapping`` is returned unchanged.
        """
        return name if property_of(name) in self._mapped_names else self.column(name)

    @cached_property
    def _mapped_names(self) -> frozenset[str]:
        return frozenset(map(property_of, self.targets))

    def column(self, name: str) -> str:
        """Return a column name after ``lowercase_columns`` has been applied."""
        return name.strip().lower() if self.lowercase_columns else name

    @cached_property
    def targets(self) -> frozenset[str]:
        """The fields that columns are mapped to."""
        return frozenset(self.field_mapping.values())

    def column_of(self, field: str) -> str:
        """Return the column that is sent as a field."""
        return next((column for column, target in self.field_mapping.items() if target == field), field)

    @cached_property
    def standard_checks(self) -> dict[str, Check]:
        """The check function of each standard field."""
        number = partial(phone_number, region=self.phone_region, check=self.check_ids)
        return {
            "phone_number": number,
            "email_address": partial(present_text, check=self.check_ids),
            **dict.fromkeys(CONSENTS, partial(consent, meanings=self.meanings)),
        }


def _check_mapping(field_mapping: Any) -> None:
    if not isinstance(field_mapping, Mapping):
        raise BluxConfigError("field_mapping must be a dict, {source column: Blux field}.")
    for column, target in field_mapping.items():
        if not is_name(column) or not is_name(target):
            raise BluxConfigError("field_mapping maps text to text, {source column: Blux field}, neither empty.")
        if target != target.strip():
            raise BluxConfigError(f"field_mapping: the field {target!r} has whitespace around it; remove it.")


def _declared(argument: str, values: Any) -> Sequence[Meaning] | AbstractSet[Meaning]:
    if not isinstance(values, list | tuple | AbstractSet):
        raise BluxConfigError(f"{argument} must be a list of text or numbers, as in {argument}=['Y', 1].")
    other = "false" if argument == "true_values" else "true"
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal) or _is_nan(value):
            raise BluxConfigError(
                f"{argument} holds something that is neither text nor a number; do not list booleans."
            )
        if isinstance(value, str) and value.lower() == other:
            raise BluxConfigError(f"{argument} holds the word {other!r}, which always means {other}; remove it.")
    return values


def _is_nan(value: Meaning) -> bool:
    return value.is_nan() if isinstance(value, Decimal) else isinstance(value, float) and math.isnan(value)


def _zone(zone: Any) -> tzinfo:
    if isinstance(zone, str):
        try:
            return ZoneInfo(zone)
        except (KeyError, ValueError, OSError):  # an unknown or malformed name, or a folder of zones
            raise BluxConfigError(
                f"naive_timezone: there is no zone {zone!r}. Give an IANA name, as in 'Asia/Seoul'."
            ) from None
    if not isinstance(zone, tzinfo):
        raise BluxConfigError("naive_timezone must be an IANA name, as in 'Asia/Seoul', or a tzinfo.")
    if hasattr(zone, "localize") or not _has_offset(zone):  # pytz: as `tzinfo`, it gives a historical offset
        raise BluxConfigError(
            "naive_timezone: this kind of tzinfo gives no reliable offset. Give the zone's IANA name."
        )
    return zone


def _has_offset(zone: tzinfo) -> bool:
    try:
        return isinstance(datetime(2026, 1, 31, 9, tzinfo=zone).utcoffset(), timedelta)
    except NotImplementedError:
        return False


DEFAULT = Shaping()
