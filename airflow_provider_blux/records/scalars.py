"""Scalars and arrays of numpy as Python's values, and pandas' missing ones. Neither library is imported."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

# A double has so many bytes; of a smaller float the shortest text is meant, of a larger one all its digits.
_DOUBLE = 8
_FINER_THAN_MICROSECONDS = ("[ns]", "[ps]", "[fs]", "[as]")


def python_value(value: Any) -> Any:
    """Return a value of numpy as Python has it, an array as a list of its items; any other value as it is."""
    kind = type(value)
    if kind.__module__ != "numpy" or not hasattr(value, "dtype"):
        return value
    if kind.__name__ == "ndarray":
        return list(value) if value.ndim else python_value(value[()])
    match value.dtype.kind:
        case "b" | "i" | "u" | "U":
            return value.item()
        case "f":
            return _float(value)
        case "M":
            return _moment(value)
    return value


def missing_word(value: Any) -> str | None:
    """Return what pandas or numpy calls a missing value, as which this value is one; ``None`` for any other value."""
    if type(value).__module__.partition(".")[0] in ("numpy", "pandas") and str(value) in ("<NA>", "NaT"):
        return str(value).strip("<>")
    return None


def _float(value: Any) -> float | Decimal:
    if value.dtype.itemsize == _DOUBLE:
        return float(value)
    return float(str(value)) if value.dtype.itemsize < _DOUBLE else Decimal(str(value))


def _moment(value: Any) -> Any:
    """Return a ``datetime64`` as a date or a time, cut to microseconds; as it is where Python has no such year."""
    unit = str(value.dtype)
    found = (value.astype("datetime64[us]") if unit.endswith(_FINER_THAN_MICROSECONDS) else value).item()
    return value if found is None or isinstance(found, int) else found
