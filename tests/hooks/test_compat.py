"""Names of Airflow that early releases of common-compat lack: CI runs this with the releases 1.12 to 1.23."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import redact

from airflow_provider_blux.hooks.compat import determine_kwargs, mask_secret


def test_a_function_gets_what_it_takes_of_the_context() -> None:
    def of_day(number: int, ds: str) -> None: ...

    assert dict(determine_kwargs(of_day, [1], {"ds": "2026-01-31", "ti": object()})) == {"ds": "2026-01-31"}


def test_a_secret_is_masked_from_then_on() -> None:
    mask_secret("m4sk-Me-compat")

    assert redact("key m4sk-Me-compat") == "key ***"
