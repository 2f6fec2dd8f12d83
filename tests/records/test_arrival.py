"""Every accepted value arrives at the emulator unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.records.fields import CONSENTS, STANDARD_FIELDS
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import RowShape
from airflow_provider_blux.records.spelling import letters_of
from tests.delivery.pushing import push
from tests.records.outcomes import outcome
from tests.records.test_invariants import rows as any_rows

# As elsewhere the same rows in every run; fewer, since each is a request.
sent = settings(
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)

texts = st.text(st.characters(codec="utf-8"), max_size=12)
json_values = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(-(2**70), 2**70), texts),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
TAKEN = frozenset({"user_id", "name", "id", "timestamp", "properties", "user_properties", "custom_user_properties"})
LETTERS = {letters_of(name) for name in (*TAKEN, *STANDARD_FIELDS)}
own = st.dictionaries(texts.filter(lambda name: letters_of(name) not in LETTERS), json_values, max_size=4)
known = st.fixed_dictionaries(
    {},
    optional={"phone_number": texts, "email_address": texts, **dict.fromkeys(CONSENTS, st.booleans())},
)


def without_nulls(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value is not None}


@given(known=known, own=own, is_flat=st.booleans(), nulls=st.booleans())
@sent
def test_a_user_arrives_as_it_was(
    blux_emulator: Emulator, known: dict[str, Any], own: dict[str, Any], is_flat: bool, nulls: bool
) -> None:
    blux_emulator.reset()
    nested = {"user_properties": known, "custom_user_properties": own}
    row = {"user_id": "u", **(known | own if is_flat else nested)}

    assert push(blux_emulator, "upsert_users", [row], send_nulls=nulls, check_ids=False).delivered == 1
    assert blux_emulator.user("u") == {
        "user_id": "u",
        "user_properties": known,
        "custom_user_properties": own if nulls else without_nulls(own),
    }


@given(own=own, nulls=st.booleans())
@sent
def test_an_event_arrives_as_it_was(blux_emulator: Emulator, own: dict[str, Any], nulls: bool) -> None:
    blux_emulator.reset()
    push(
        blux_emulator,
        "send_events",
        [{"user_id": "u", "name": "n", "timestamp": "2026-01-31T09:00:00", **own}],
        naive_timezone="Asia/Seoul",
        send_nulls=nulls,
    )

    (event,) = blux_emulator.events("u")
    properties = own if nulls else without_nulls(own)
    assert event == {
        "user_id": "u",
        "name": "n",
        "timestamp": "2026-01-31T09:00:00+09:00",
        **({"properties": properties} if properties else {}),
    }


@pytest.mark.parametrize(
    ("operation", "api", "kind"),
    [
        ("upsert_users", "application", "users"),
        ("upsert_users", "open", "profiles"),
        ("update_devices", "open", "devices"),
    ],
)
@given(rows=st.lists(any_rows, min_size=1, max_size=6), nulls=st.booleans())
@sent
def test_no_record_that_was_accepted_here_is_refused_there(
    blux_emulator: Emulator, operation: Any, api: Any, kind: str, rows: list[Any], nulls: bool
) -> None:
    blux_emulator.reset()
    shape = RowShape(operation, api, Shaping(send_nulls=nulls))
    accepted = [found for found in (outcome(shape, row) for row in rows) if isinstance(found, tuple)]

    report = push(
        blux_emulator,
        operation,
        [row for row in rows if isinstance(outcome(shape, row), tuple)],
        api=api,
        send_nulls=nulls,
    )

    assert report.delivered + report.merged == len(accepted)
    assert blux_emulator.counts()[kind] == len({key for key, _ in accepted})


@given(rows=st.lists(any_rows, min_size=1, max_size=6))
@sent
def test_no_event_that_was_accepted_here_is_refused_there(blux_emulator: Emulator, rows: list[Any]) -> None:
    blux_emulator.reset()
    shape = RowShape("send_events", "open")
    accepted = [row for row in rows if isinstance(outcome(shape, row), tuple)]

    push(blux_emulator, "send_events", accepted)

    assert blux_emulator.counts()["events"] == len(accepted)
