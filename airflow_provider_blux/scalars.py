"""Converts numpy scalars and arrays to Python values, and detects missing values of pandas, without importing them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

# Bytes of a double. A smaller float is converted through its shortest text, a larger float with all of its digits.
_DOUBLE = 8
_FINER_THAN_MICROSECONDS = ("[ns]", "[ps]", "[fs]", "[as]")


def python_value(value: Any) -> Any:
    """Convert a numpy scalar to a Python value, an array to a list, and a memoryview, which psycopg2 returns, to bytes.

    Other values are returned unchanged.
    """
    kind = type(value)
    if kind.__module__ != "numpy" or not hasattr(value, "dtype"):
        return value.tobytes() if kind is memoryview else value
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
    """Return ``"NA"`` or ``"NaT"`` if the value is a missing value of pandas or numpy; otherwise ``None``."""
    if type(value).__module__.partition(".")[0] in ("numpy", "pandas") and str(value) in ("<NA>", "NaT"):
        return str(value).strip("<>")
    return None


def _float(value: Any) -> float | Decimal:
    if value.dtype.itemsize == _DOUBLE:
        return float(value)
    return float(str(value)) if value.dtype.itemsize < _DOUBLE else Decimal(str(value))


def _moment(value: Any) -> Any:
    """Convert a ``datetime64`` to a date or datetime in microseconds; return it unchanged if Python cannot hold it."""
    unit = str(value.dtype)
    found = (value.astype("datetime64[us]") if unit.endswith(_FINER_THAN_MICROSECONDS) else value).item()
    return value if found is None or isinstance(found, int) else found
