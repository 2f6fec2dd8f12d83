"""Checks the columns of rows, once for each set of columns; applies ``lowercase_columns`` and ``json_columns``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from unicodedata import normalize

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError
from airflow_provider_blux.json_objects import REASON, RepeatedKeyError, quick_loads
from airflow_provider_blux.records.columns import (
    alike,
    is_table_row,
    mapping_to,
    missing_column,
    missing_field,
    quoted,
    renaming,
)
from airflow_provider_blux.records.exclusions import GROUPS, property_of
from airflow_provider_blux.records.fields import MOST_NAMES, STANDARD_FIELDS
from airflow_provider_blux.records.mapping import Fields
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.properties import OBJECTS
from airflow_provider_blux.records.spelling import letters_of, meant_by_column

log = logging.getLogger(__name__)

# JSON objects may have any keys, such as the ids of products. So the remembered sets of keys, and the names that have
# been compared with fields, are limited: to this many names in all sets, and to this many names.
_MOST_NAMES_IN_SETS = 100_000
_MOST_COMPARED = 4096
_JSON = (str, bytes, bytearray)

Row = Mapping[Any, Any]


class Header:
    """Checks and reads the columns of rows. Rows with the same columns in the same order are checked once.

    :param fields: the fields of the kind of record.
    :param shaping: the arguments that control how rows are read.
    """

    def __init__(self, fields: Fields, shaping: Shaping) -> None:
        self._fields = fields
        self._shaping = shaping
        # A flattened user has columns such as `user_properties.phone_number`, which are no properties either.
        groups, names = (GROUPS, STANDARD_FIELDS) if "user_properties" in fields.groups else (tuple(fields.groups), ())
        self._groups = {letters_of(group): group for group in groups}
        inside = {letters_of(f"{group}.{name}"): name for group in groups for name in names}
        self._by_letters = inside | {letters_of(name): name for name in fields.names}
        self._excluded = {letters: name for name in shaping.excluded if (letters := letters_of(name))}
        self._mapped = {target.partition(".")[2] for target in shaping.targets}
        self._json_names = [name for name in shaping.json_names if not self._is_left_out(name)]
        self._checked: set[tuple[Any, ...]] = set()
        self._checked_groups: set[tuple[Any, ...]] = set()
        self._remembered = 0
        self._lower = lru_cache(MOST_NAMES)(lambda name: shaping.column(name) if isinstance(name, str) else name)
        self._compared: set[str] = set()
        #: The columns named by ``field_mapping`` and ``json_columns`` that no row has had so far.
        self.unread = {*shaping.field_mapping, *shaping.json_names}
        #: The properties named by ``exclude_fields`` that no row has had so far.
        self.absent = set(shaping.excluded).difference(("user_properties", "custom_user_properties"))

    def read(self, row: Row) -> Row:
        """Return the row after ``lowercase_columns`` and ``json_columns`` have been applied.

        :raises BluxConfigError: the row is from a table, and the columns of the table are wrong.
        :raises BluxRecordError: the row is a single object, and its keys are wrong; or a column in ``json_columns``
            does not hold valid JSON.
        """
        row = self.lowered(row)
        if (names := tuple(row)) not in self._checked:
            self.unread.difference_update(names)
            self._note(self._shaping.field_mapping.get(name, name) for name in names)
            self._check(row)
            self._remember(names, self._checked)
        return self._parsed(row) if self._json_names else row

    def check_groups(self, row: Row) -> None:
        """Check the property names in the nested groups of a row.

        :param row: a row whose columns have already been renamed to field names.
        :raises BluxRecordError: a property is a field, or a name in ``exclude_fields``, in another spelling, such as
            ``Phone-Number``.
        """
        for group in GROUPS:
            if isinstance(held := row.get(group), Mapping) and (names := (group, *held)) not in self._checked_groups:
                self._note(self._shaping.lowered(name) for name in held if isinstance(name, str))
                own = {name: None for name in held if name not in self._mapped}
                if self._fields.is_profile:
                    self._check_spelling(own, f"{group}.")
                self._check_excluded(own, f"{group}.")
                self._remember(names, self._checked_groups)

    def lowered(self, row: Any) -> Any:
        """Return the row with its columns trimmed and in lower case if ``lowercase_columns`` is set; else unchanged.

        :param row: an object; what is none, as an id to delete, is returned as it is.
        :raises BluxConfigError: the row is from a table, and two of its columns become equal.
        :raises BluxRecordError: the row is a single object, and two of its keys become equal.
        """
        if not self._shaping.lowercase_columns or not isinstance(row, OBJECTS):
            return row
        lower = self._lower
        lowered = {lower(name): value for name, value in row.items()}
        if len(lowered) < len(row):
            twice = next(name for name, number in Counter(map(lower, row)).items() if number > 1)
            raise _fault(row, twice, alike([name for name in row if lower(name) == twice]))
        return _kind_of(row)(lowered)

    def _is_left_out(self, column: str) -> bool:
        """Return whether a column is never sent, because of ``exclude_fields``."""
        target = self._shaping.field_mapping.get(column, column)
        if target in self._fields.own or target in self._fields.groups:
            return target in self._shaping.excluded
        return self._shaping.is_excluded(target)

    def _note(self, names: Iterable[Any]) -> None:
        self.absent.difference_update(property_of(name) for name in names if isinstance(name, str))

    def _remember(self, names: tuple[Any, ...], checked: set[tuple[Any, ...]]) -> None:
        self._remembered += len(names)
        if self._remembered > _MOST_NAMES_IN_SETS:
            self._checked.clear()
            self._checked_groups.clear()
            self._remembered = len(names)
        checked.add(names)

    def _check(self, row: Row) -> None:
        if is_table_row(row):
            self._check_table(row)
        self._check_spelling(row)
        self._check_excluded(row)
        if self._fields.properties is not None:
            self._check_flattened(row)
            self._check_forms(row)
            self._warn_of_near(row)

    def _check_table(self, row: Row) -> None:
        mapped = self._shaping.field_mapping
        for argument, columns in (("field_mapping", mapped), ("json_columns", self._shaping.json_names)):
            for column in columns:
                if column not in row:
                    raise self._reversed(row, column) or missing_column(row, column, argument, mapped)
        for field in self._fields.required:
            if not self._has(row, field):
                raise missing_field(row, field, self._misspelt_in(row, mapped), mapped)

    def _reversed(self, row: Row, column: str) -> BluxConfigError | None:
        """Return the error for a ``field_mapping`` that is the wrong way round: ``{field: column}``; else ``None``."""
        target, names = self._shaping.field_mapping.get(column), self._fields.names
        if target is None or column not in names or target not in row or target in names:
            return None
        column, target = quoted(column), quoted(target)
        return BluxConfigError(
            f"field_mapping names a column {column}, which is not there, but {target} is a column. Exchange the two "
            f"names: field_mapping={{{target}: {column}}}."
        )

    def _has(self, row: Row, field: str) -> bool:
        mapping = self._shaping.field_mapping
        return any(mapping.get(column, column) == field for column in row)

    def _check_spelling(self, row: Row, group: str = "") -> None:
        mapping: Mapping[str, str] = {} if group else self._shaping.field_mapping  # no name in an object is renamed
        own_group = self._fields.own_group
        wrong = self._misspelt_in(row, mapping)
        if self._fields.properties is None:  # a deletion: only the id is read
            wrong = {column: field for column, field in wrong.items() if not self._has(row, field)}
        if not wrong:
            return
        for column, field in wrong.items():
            same = [name for name in row if wrong.get(name, mapping.get(name, name)) == field]
            if len(same) > 1:
                raise _fault(row, f"{group}{column}", alike(same, None if group else own_group))
        column, field = next(iter(wrong.items()))
        way_out = "rename it" if group else f"rename it, or set {renaming(wrong)}"
        reason = f"is {field} in another spelling; {way_out}"
        listed = ", ".join(f"{quoted(column)} ({field})" for column, field in wrong.items())
        is_own = f" (To send it as a custom property of that name, map it to {own_group}.<name>.)" if own_group else ""
        of_table = BluxConfigError(
            "These columns have the name of a field in another spelling, and would not be sent as that field: "
            f"{listed}. Set {renaming(wrong)}.{is_own}"
        )
        raise _fault(row, f"{group}{column}", of_table, reason)

    def _check_excluded(self, row: Row, group: str = "") -> None:
        """Check that no column is a name in ``exclude_fields`` in another spelling: it would be sent.

        :param group: the group that is checked instead of a row, with a full stop.
        """
        for name in row:
            is_mapped = not group and name in self._shaping.field_mapping
            if not isinstance(name, str) or is_mapped or self._shaping.is_excluded(name):
                continue
            excluded = self._excluded.get(letters_of(property_of(name)))
            if excluded is not None and excluded not in row:
                column = f"{group}{name}"
                error = BluxConfigError(
                    f"exclude_fields names {quoted(excluded)}, and the column {quoted(column)} is the same in another "
                    "spelling, so it would be sent. Write the name as the column has it. (To send the column, map it "
                    f"to {self._fields.own_group}.<name>.)"
                )
                raise _fault(row, column, error)

    def _check_flattened(self, row: Row) -> None:
        """Check that no column is a part of a flattened group, as ``properties.price`` is."""
        parts = {column: field for column in row if (field := self._part(column))}
        if parts:
            reason = f"would be sent as a property of its whole name; nest it, or set {mapping_to(parts)}"
            error = BluxConfigError(
                "These columns are named as parts of an object, and would be sent as properties of their whole names: "
                f"{', '.join(map(quoted, parts))}. Set {mapping_to(parts)}."
            )
            raise _fault(row, next(iter(parts)), error, reason)

    def _part(self, column: Any) -> str | None:
        """Return the ``field_mapping`` target for a column that names a property in a nested object; else ``None``.

        Tools that flatten nested objects write such columns: ``custom_user_properties.price`` or ``properties.price``.
        """
        if not isinstance(column, str) or column in self._shaping.field_mapping or self._shaping.is_excluded(column):
            return None
        before, _, name = column.partition(".")
        group = self._groups.get(letters_of(before))
        if group is None or not name:
            return None
        has_any_name = self._fields.groups.get(group, frozenset()) is None
        return f"{group if has_any_name else self._fields.own_group}.{name}"

    def _check_forms(self, row: Row) -> None:
        """Check that no two columns have the same name in different Unicode forms (NFC, NFD)."""
        forms: dict[str, list[str]] = {}
        for name in row:
            if isinstance(name, str) and not name.isascii() and name not in self._shaping.field_mapping:
                forms.setdefault(normalize("NFC", name), []).append(name)
        for names in forms.values():
            if len(names) > 1:
                raise _fault(row, names[0], alike(names, self._fields.own_group))

    def _warn_of_near(self, row: Row) -> None:
        """Log a warning if custom properties are probably meant for fields that the row lacks; once for each name."""
        if len(self._compared) > _MOST_COMPARED:
            return
        groups = [held for group in self._fields.groups if isinstance(held := row.get(group), Mapping)]
        near: dict[str, str] = {}
        for name in row:
            if isinstance(name, str) and self._is_own(name) and name not in self._compared:
                self._compared.add(name)
                field = meant_by_column(name, self._fields.flat, self._fields.prefixes)
                if field and not self._has(row, field) and not any(field in held for held in groups):
                    near[name] = field
        if near:
            log.warning(
                "These columns are sent as custom properties, although their names are similar to those of fields: %s. "
                "If the fields are meant, set %s. If not, set field_mapping={%s: '%s.<name>'}.",
                ", ".join(f"{quoted(column)} ({field}?)" for column, field in near.items()),
                renaming(near),
                quoted(next(iter(near))),
                self._fields.own_group,
            )

    def _is_own(self, name: str) -> bool:
        return not (name in self._fields.names or name in self._shaping.field_mapping or name in self._shaping.excluded)

    def _misspelt_in(self, row: Row, mapping: Mapping[str, str]) -> dict[str, str]:
        return {column: field for column in row if column not in mapping and (field := self._misspelt(column))}

    def _misspelt(self, column: Any) -> str | None:
        if not isinstance(column, str) or column in self._fields.names:
            return None
        return self._by_letters.get(letters_of(column))

    def _parsed(self, row: Row) -> Row:
        parsed = {}
        for column in self._json_names:
            if isinstance(value := row.get(column), _JSON):
                try:
                    parsed[column] = quick_loads(value)
                except RepeatedKeyError as error:
                    raise BluxRecordError(f"{column}.{error.key}", REASON) from None
                except (ValueError, RecursionError):
                    raise BluxRecordError(
                        column,
                        "is not JSON although json_columns names it; correct the text, or remove it from json_columns",
                    ) from None
        return _kind_of(row)({**row, **parsed}) if parsed else row


def _fault(row: Row, name: str, error: BluxConfigError, reason: str | None = None) -> BluxConfigError | BluxRecordError:
    """Return the error for a wrong column: ``error`` for a row of a table; for a single object, one that rejects it.

    :param reason: the reason for a single object; ``None`` if it is the same as for a table.
    """
    return error if is_table_row(row) else BluxRecordError(name, reason or error.message)


def _kind_of(row: Row) -> type[dict[Any, Any]]:
    """Return the type for a copy of a row: that of the row if it is a ``TableRow`` or the like, else ``dict``."""
    return type(row) if isinstance(row, dict) and is_table_row(row) else dict
