"""Limits that are a number of records (an int), or a share of all records (a float)."""

from __future__ import annotations

from fractions import Fraction


def is_exceeded(limit: float, number: int, total: int) -> bool:
    """Return whether ``number`` of ``total`` records exceeds a limit.

    :param limit: a number of records (an int) or a share of ``total`` (a float).
    """
    # A fraction of the decimal number that the DAG author wrote is exact: with floats, 0.07 * 100 is more than 7.
    return number > (limit if isinstance(limit, int) else Fraction(str(limit)) * total)


def limit_in_words(limit: float) -> str:
    """Return the limit as text for a message: ``1,000``, or ``5% of them`` for a share."""
    return f"{limit:,}" if isinstance(limit, int) else f"{100 * limit:g}% of them"
