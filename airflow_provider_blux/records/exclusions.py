"""``exclude_fields``: the properties of users that are never sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.records.fields import CONSENTS, STANDARD_FIELDS
from airflow_provider_blux.records.spelling import meant_by
from airflow_provider_blux.records.values import is_encodable

GROUPS = ("user_properties", "custom_user_properties", "properties")
_CONSENTS = "consents"
_BETWEEN_NAMES = re.compile(r"[,;\s]")
_OWN = "custom_user_properties."


def excluded_names(given: Any, field_mapping: Mapping[str, str]) -> frozenset[str]:
    """Return the properties that ``exclude_fields`` names; the word ``consents`` stands for all six consents.

    :param given: the value of ``exclude_fields``: names of properties, each with or without its group.
    :param field_mapping: ``{source column: Blux field}``; a mapped column must be named by its field.
    :raises BluxConfigError: a name is not valid, is a mapped column, or is probably a misspelt field name.
    """
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(is_name(name) for name in names) or "user_id" in names:
        raise BluxConfigError(
            "exclude_fields must be the word 'consents' or a list of properties; user_id cannot be excluded."
        )
    if isinstance(given, str) and "," in given:
        raise _several(given)
    mapped = set(map(property_of, field_mapping.values()))
    if "custom_user_properties" in names:
        _check_targets(field_mapping.values())
    for name in names:
        if property_of(name) in mapped:
            continue
        if property_of(name) == name:
            _check(name, field_mapping)
        else:
            _check_in_group(name, property_of(name))
    return frozenset(one for name in names for one in (CONSENTS if name == _CONSENTS else (property_of(name),)))


def _check_targets(targets: Iterable[str]) -> None:
    """If all custom properties are excluded, check that no target is a standard field in the group ``properties``."""
    for target in targets:
        if target.startswith("properties.") and (plain := property_of(target)) in STANDARD_FIELDS:
            raise BluxConfigError(
                f"exclude_fields leaves out all custom_user_properties, and field_mapping names the field {target!r}, "
                f"which would be left out too. Map it to 'user_properties.{plain}'."
            )


def property_of(name: str) -> str:
    """Return the name of a property without its group: ``email_address`` for ``user_properties.email_address``."""
    group, _, rest = name.partition(".")
    return rest if group in GROUPS and rest else name


def _check_in_group(name: str, plain: str) -> None:
    """Check a name of ``exclude_fields`` that is given with its group, as in ``user_properties.email``.

    In the group of custom properties, a name may look like a misspelt field.

    :param plain: the name without its group.
    """
    if name.startswith("user_properties.") and plain not in STANDARD_FIELDS:
        raise BluxConfigError(
            f"exclude_fields: user_properties has no field {plain!r}, only {', '.join(sorted(STANDARD_FIELDS))}. (A "
            f"custom property of that name is {_OWN + plain!r}.)"
        )
    if name.startswith(_OWN) and plain in STANDARD_FIELDS:
        raise BluxConfigError(
            f"exclude_fields: {name!r} has the name of a field that Blux knows, and a name is left out of all groups. "
            f"If that is meant, write {plain!r}."
        )


def _check(name: str, field_mapping: Mapping[str, str]) -> None:
    if field_mapping.get(name, name) != name:
        raise BluxConfigError(
            f"exclude_fields names the column {name!r}, which field_mapping sends as {field_mapping[name]!r}; write "
            "that name instead."
        )
    if "." in name:
        raise BluxConfigError(
            f"exclude_fields: {name!r} does not begin with a group ({', '.join(GROUPS)}), and no part of a property "
            f"can be left out. (A custom property of that name is {_OWN + name!r}.)"
        )
    parts = set(_BETWEEN_NAMES.split(name))
    if len(parts) > 1 and parts.intersection((*STANDARD_FIELDS, _CONSENTS)):
        raise _several(name)
    if meant := meant_by(name, (*STANDARD_FIELDS, *GROUPS, _CONSENTS), loosely=True):
        raise BluxConfigError(
            f"exclude_fields: {name!r} is not one of the fields that Blux knows. Did you mean {meant!r}? (A custom "
            f"property of that name is {_OWN + name!r}.)"
        )


def _several(names: str) -> BluxConfigError:
    return BluxConfigError(f"exclude_fields: {names!r} is one name; write several as a list.")


def is_name(name: Any) -> bool:
    """Return whether a value is text that can be the name of a column or a field."""
    return isinstance(name, str) and name != "" and is_encodable(name)
