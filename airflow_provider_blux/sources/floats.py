"""Converts floats of four and two bytes to the shortest number with the same value: 1.1, not 1.100000023841858.

Libraries return such floats as Python floats of eight bytes, with additional digits. A correction is a function that
converts the values of a column; it is ``None`` if the type of the column needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import Struct
from typing import Any

Correction = Callable[[Any], Any]


def _shortest(form: str, fewest: int, most: int, smallest: float) -> Correction:
    """Return a function that converts a float to the shortest number with the same value in a smaller float type.

    The function tries more and more significant digits until a number has the same value.

    :param form: format character of the float type for :mod:`struct`.
    :param fewest: number of significant digits to try first. A number with fewer digits is found as well, since
        trailing zeros are dropped.
    :param most: number of digits that is enough for every value.
    :param smallest: smallest absolute value with full precision. For smaller values, one digit is tried first.
    """
    packed = Struct(form)

    def shortest(value: Any) -> Any:
        if type(value) is not float:
            return value
        for digits in range(fewest if abs(value) >= smallest else 1, most + 1):
            short = float(f"{value:.{digits}g}")
            if packed.unpack(packed.pack(short))[0] == value:
                return short
        return value  # NaN

    return shortest


single = _shortest("f", 6, 9, 2.0**-126)
half = _shortest("e", 3, 5, 2.0**-14)


def of_items(item: Correction | None) -> Correction | None:
    """Return the correction of a list from that of its items."""
    if item is None:
        return None
    return lambda value: list(map(item, value)) if isinstance(value, list | tuple) else value


def of_tuple(items: Sequence[Correction | None]) -> Correction | None:
    """Return the correction of a tuple, which becomes a list, from those of its items."""
    known = [(number, correction) for number, correction in enumerate(items) if correction]
    return (lambda value: value if value is None else _corrected(value, known)) if known else None


def of_fields(fields: Mapping[str, Correction | None]) -> Correction | None:
    """Return the correction of a struct (a dict) from those of its fields."""
    known = {name: correction for name, correction in fields.items() if correction}

    def corrected(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return value | {name: correction(value[name]) for name, correction in known.items() if name in value}

    return corrected if known else None


def of_values(item: Correction | None) -> Correction | None:
    """Return the correction of a map (a dict or a list of pairs, depending on the library) from that of its values."""
    if item is None:
        return None

    def corrected(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item(held) for key, held in value.items()}
        return [(key, item(held)) for key, held in value] if isinstance(value, list) else value

    return corrected


def corrected_rows(rows: Iterable[Sequence[Any]], corrections: Sequence[Correction | None]) -> Iterable[Sequence[Any]]:
    """Return the rows with corrected values.

    :param corrections: the correction of each column.
    """
    known = [(number, correction) for number, correction in enumerate(corrections) if correction]
    return (_corrected(row, known) for row in rows) if known else rows


def _corrected(row: Sequence[Any], known: Sequence[tuple[int, Correction]]) -> list[Any]:
    values = list(row)
    for number, correction in known:
        values[number] = correction(values[number])
    return values
