"""Floats of four and of two bytes, as the shortest number that means the same: 1.1, not 1.100000023841858.

The libraries give Python's floats for them, which have eight bytes, and so digits that nobody wrote. Each function here
makes, of the type of a column, what corrects its values; ``None`` where there is nothing to correct.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import Struct
from typing import Any

Correction = Callable[[Any], Any]


def _shortest(form: str, fewest: int, most: int, smallest: float) -> Correction:
    """Return the correction of one size of floats.

    :param fewest: of the significant digits that every such number can need; below ``smallest`` it is one.
    :param most: digits that are enough to tell any two apart.
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
    """Return the correction of lists."""
    if item is None:
        return None
    return lambda value: list(map(item, value)) if isinstance(value, list | tuple) else value


def of_fields(fields: Mapping[str, Correction | None]) -> Correction | None:
    """Return the correction of structs, which are dicts."""
    known = {name: correction for name, correction in fields.items() if correction}

    def corrected(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return value | {name: correction(value[name]) for name, correction in known.items() if name in value}

    return corrected if known else None


def of_values(item: Correction | None) -> Correction | None:
    """Return the correction of maps, which are dicts or lists of pairs."""
    if item is None:
        return None

    def corrected(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item(held) for key, held in value.items()}
        return [(key, item(held)) for key, held in value] if isinstance(value, list) else value

    return corrected


def corrected_rows(rows: Iterable[Sequence[Any]], corrections: Sequence[Correction | None]) -> Iterable[Sequence[Any]]:
    """Return rows with the values of some of their columns corrected."""
    known = [(number, correction) for number, correction in enumerate(corrections) if correction]
    return (_corrected(row, known) for row in rows) if known else rows


def _corrected(row: Sequence[Any], known: Sequence[tuple[int, Correction]]) -> list[Any]:
    values = list(row)
    for number, correction in known:
        values[number] = correction(values[number])
    return values
