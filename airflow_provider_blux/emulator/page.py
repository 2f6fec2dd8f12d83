"""The emulator's web page at ``/``, for a person who wants to see the received requests and records."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_blux.emulator.messages import Answer, Request, text_answer

# The page is a single file, and sends requests only to the control plane.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"


def page(_: Request) -> Answer:
    """Return the emulator's web page, which shows the requests and records that the emulator has received."""
    text = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    headers = {"content-security-policy": _POLICY, "cache-control": "no-store"}
    return text_answer(text, "text/html; charset=utf-8", 200, headers)
