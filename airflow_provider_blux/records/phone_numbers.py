"""Validates telephone numbers. They are sent as they are, or in the national format of a region."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from unicodedata import category, normalize

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError
from airflow_provider_blux.extras import PHONE, library
from airflow_provider_blux.records.ids import damage_of, invisible_in
from airflow_provider_blux.records.values import text
from airflow_provider_blux.scalars import python_value

# Text that is exactly one number. The library would silently take the first of two numbers and ignore words.
_ONE_NUMBER = re.compile(r"\+?[\d\s().-]+", re.ASCII)
_NO_DIGIT = re.compile(r"\D+")
# A Korean mobile number without its leading zero, which spreadsheets remove. No American number starts with 10.
_WITHOUT_ZERO = re.compile(r"10[ .-]?\d{4}[ .-]?\d{4}", re.ASCII)
# Nearly every number: only digits, and surely with its leading zero.
_is_fine = re.compile(r"(?!10)[0-9]+").fullmatch
_DASHES = str.maketrans("‐‑‒–—−", "------")


def phone_number(value: Any, field: str, *, region: str | None = None, check: bool = True) -> str:
    """Return a telephone number as text.

    :param region: region such as ``KR`` whose national format is used (digits only); ``None`` to keep the number.
    :param check: whether text that looks damaged or missing is rejected.
    :raises BluxRecordError: the value is not text, is not a valid number of the region, or is rejected because of
        ``check``.
    """
    if region is None and type(value) is str and _is_fine(value):
        return value
    value = python_value(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        raise BluxRecordError(field, "is a number and has already lost its leading zero; read the column as text")
    written = text(value, field)
    if check and (damage := damage_of(written)):
        raise BluxRecordError(field, damage)
    if region is not None:
        return _national(written, field, region)
    if check and (damage := _damage_of_number(written)):
        raise BluxRecordError(field, f"{damage} (check_ids=False sends it as it is)")
    return written


def _damage_of_number(written: str) -> str | None:
    """Return what is wrong with a telephone number and what to do about it; ``None`` if nothing is.

    Only faults that ``phone_region`` corrects are looked for.
    """
    if written != written.strip():
        return "has whitespace around it; trim it at the source, or set phone_region"
    if code := invisible_in(written):
        return f"holds an invisible character ({code}); remove it at the source, or set phone_region"
    if _WITHOUT_ZERO.fullmatch(written):
        return (
            "looks like a Korean mobile number that has lost its leading zero; read the column as text, or set "
            "phone_region='KR', which puts it back"
        )
    return None


def check_region(region: Any) -> None:
    """Check that numbers can be converted to the national format of a region.

    :raises BluxConfigError: there is no such region, or the library is not installed.
    """
    if not isinstance(region, str) or region not in library(PHONE).SUPPORTED_REGIONS:
        raise BluxConfigError("phone_region must be the code of a region in capitals, as in phone_region='KR'.")


def _national(written: str, field: str, region: str) -> str:
    phonenumbers = library(PHONE)
    # A number copied from an address book may contain invisible marks for the text direction.
    visible = "".join(character for character in written if category(character) != "Cf")
    plain = normalize("NFKC", visible).translate(_DASHES).strip()
    try:
        number = phonenumbers.parse(plain, region) if _ONE_NUMBER.fullmatch(plain) else None
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise BluxRecordError(
            field,
            "is not a valid telephone number (read with phone_region); correct it at the source, or leave it out",
        )
    if number.country_code != phonenumbers.country_code_for_region(region):
        raise BluxRecordError(
            field, "is a number of another country than phone_region; leave it out, or send it without phone_region"
        )
    return _NO_DIGIT.sub("", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))
