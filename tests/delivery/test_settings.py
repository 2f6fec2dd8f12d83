"""What the settings of a delivery are where no argument says them."""

from __future__ import annotations

import pytest

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.delivery.settings import resolved_settings


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (20, 32)),
        ({"rate_limit": 200}, (200, 200)),
        ({"rate_limit": 200, "rate_limit_share": 0.1}, (20, 32)),
        ({"rate_limit": 200, "rate_limit_share": 0.5}, (100, 100)),
        ({"rate_limit": 1_000_000}, (1_000_000, 256)),
    ],
    ids=str,
)
def test_as_many_requests_may_be_in_flight_as_this_task_starts_in_a_second(options, expected):
    settings = resolved_settings(options, endpoints_for("upsert_users", "application"), None)

    assert (settings.rate_limit, settings.concurrency) == expected
