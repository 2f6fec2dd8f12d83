"""Records as JSON, and text that JSON in UTF-8 cannot represent."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.encoding import encode
from airflow_provider_blux.records.shapes import RowShape
from tests.delivery.pushing import held, push
from tests.records.outcomes import HALF


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"p": f"half {HALF}"}, "custom_user_properties.p"),
        ({"grade": HALF}, "custom_user_properties.grade"),
        ({"p": {"a": ["whole", {"b": f"x{HALF}"}]}}, "custom_user_properties.p.a[1].b"),
        ({"properties": {"p": HALF}}, "custom_user_properties.properties.p"),
    ],
)
def test_half_a_character_is_rejected_where_it_stands(row: dict[str, Any], field: str) -> None:
    _, record = RowShape("upsert_users", "application")({"user_id": "u", **row})

    with pytest.raises(BluxRecordError, match="half a character") as raised:
        encode(record)

    assert raised.value.field == field
    assert HALF not in str(raised.value)


def test_half_a_character_holds_no_other_record_back() -> None:
    with Emulator() as blux:
        report = push(blux, "upsert_users", [{"user_id": "a"}, {"user_id": "b", "p": HALF}], max_rejects=1)

        assert (report.delivered, report.rejected) == (1, 1)
        assert list(held(blux)) == ["a"]
