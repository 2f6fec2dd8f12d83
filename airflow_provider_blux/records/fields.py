"""The eight standard fields of the Application API; every other property is a custom property."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Takes a value and its field name; returns the value to send, or raises BluxRecordError.
Check = Callable[[Any, str], Any]

MARKETING = "marketing_notification_consent"
NIGHTTIME = "nighttime_notification_consent"
CONSENTS = (
    NIGHTTIME,
    MARKETING,
    "marketing_notification_sms_consent",
    "marketing_notification_email_consent",
    "marketing_notification_kakao_consent",
    "marketing_notification_push_consent",
)
TEXTS = ("phone_number", "email_address")
STANDARD_FIELDS = (*TEXTS, *CONSENTS)

# JSON objects may have any keys, so no more than this many names of columns are remembered.
MOST_NAMES = 4096
