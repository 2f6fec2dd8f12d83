"""The eight fields that the Application API knows; every other property is the customer's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Takes a value and the name of its field; returns what is sent, or raises BluxRecordError.
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
KNOWN = (*TEXTS, *CONSENTS)
