from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.emulator.client import (
    DELETE_PROFILE,
    DELETE_PROFILES,
    DELETE_USERS,
    DEVICES,
    EVENTS,
    NOTHING,
    PROFILES,
    USERS,
    VALID,
    Client,
)

JSON = {"Content-Type": "application/json"}


def user(**properties: Any) -> dict[str, Any]:
    return {"users": [{"user_id": "u-1", "user_properties": properties}]}


def event(**fields: Any) -> dict[str, Any]:
    return {"events": [{"name": "visit", "user_id": "u-1", **fields}]}


ID = "must be a non-empty string"
ZONE = "must be an ISO 8601 timestamp with a time zone"

REFUSED: list[tuple[str, Any, str]] = [
    (USERS, [], "the body must be an object"),
    (USERS, {}, "users is required"),
    (USERS, {"users": {}}, "users must be a list"),
    (USERS, {"users": []}, "users must not be empty"),
    (USERS, {"users": [{"user_id": "u-1"}], "mode": "fast"}, "mode is not a known field"),
    (USERS, {"users": ["u-1"]}, "users[0] must be an object"),
    (USERS, {"users": [{"user_id": "u-1"}, {}]}, "users[1].user_id is required"),
    (USERS, {"users": [{"user_id": ""}]}, f"users[0].user_id {ID}"),
    (USERS, {"users": [{"user_id": None}]}, f"users[0].user_id {ID}"),
    (USERS, {"users": [{"user_id": 7}]}, f"users[0].user_id {ID}"),
    (USERS, {"users": [{"user_id": "u-1", "email": "x"}]}, "users[0].email is not a known field"),
    (USERS, {"users": [{"user_id": "u-1", "user_properties": None}]}, "users[0].user_properties must be an object"),
    (
        USERS,
        {"users": [{"user_id": "u-1", "custom_user_properties": []}]},
        "users[0].custom_user_properties must be an object",
    ),
    (USERS, user(phone_number=1012345678), "users[0].user_properties.phone_number must be a string"),
    (USERS, user(email_address=True), "users[0].user_properties.email_address must be a string"),
    (USERS, user(nickname="x"), "users[0].user_properties.nickname is not a known field"),
    *(
        (USERS, user(**{consent: value}), f"users[0].user_properties.{consent} must be a boolean")
        for consent in (
            "nighttime_notification_consent",
            "marketing_notification_consent",
            "marketing_notification_sms_consent",
            "marketing_notification_email_consent",
            "marketing_notification_kakao_consent",
            "marketing_notification_push_consent",
        )
        for value in ("true", 1, 0)
    ),
    (DELETE_USERS, {"user_ids": []}, "user_ids must not be empty"),
    (DELETE_USERS, {"user_ids": ["a", 5]}, f"user_ids[1] {ID}"),
    (DELETE_USERS, {"user_ids": "a"}, "user_ids must be a list"),
    (PROFILES, {"profiles": [{"properties": {}}]}, "profiles[0].user_id is required"),
    (PROFILES, {"profiles": [{"user_id": "a", "properties": "x"}]}, "profiles[0].properties must be an object"),
    (
        PROFILES,
        {"profiles": [{"user_id": "a", "user_properties": {}}]},
        "profiles[0].user_properties is not a known field",
    ),
    (PROFILES, {"profiles": [{"user_id": "a", "timestamp": "2025-01-17T05:39:22"}]}, f"profiles[0].timestamp {ZONE}"),
    (EVENTS, {"events": [{"user_id": "a"}]}, "events[0].name is required"),
    (EVENTS, {"events": [{"name": "a"}]}, "events[0].user_id is required"),
    (EVENTS, event(name=""), f"events[0].name {ID}"),
    (EVENTS, event(timestamp="2025-01-17 05:39:22"), f"events[0].timestamp {ZONE}"),
    (EVENTS, event(timestamp="2025-01-17 05:39:22+09:00"), f"events[0].timestamp {ZONE}"),
    (EVENTS, event(timestamp="yesterday"), f"events[0].timestamp {ZONE}"),
    (EVENTS, event(timestamp=1737092362), f"events[0].timestamp {ZONE}"),
    (EVENTS, event(timestamp=None), f"events[0].timestamp {ZONE}"),
    (EVENTS, event(properties=[]), "events[0].properties must be an object"),
    (EVENTS, event(id=3), f"events[0].id {ID}"),
    (EVENTS, event(price=3), "events[0].price is not a known field"),
    (DELETE_PROFILE, {"user_id": ""}, f"user_id {ID}"),
    (DELETE_PROFILE, {"user_ids": ["a"]}, "user_id is required"),
    (DELETE_PROFILE, {"user_id": "a", "reason": "x"}, "reason is not a known field"),
    (DELETE_PROFILES, {"user_ids": [None]}, f"user_ids[0] {ID}"),
    (DEVICES, {"devices": [{"user_id": "a"}]}, "devices[0].device_id is required"),
    (DEVICES, {"devices": [{"device_id": "a", "user_id": ""}]}, f"devices[0].user_id {ID}"),
    (DEVICES, {"devices": [{"device_id": "a", "token": 1}]}, "devices[0].token must be a string"),
    (DEVICES, {"devices": [{"device_id": "a", "properties": 1}]}, "devices[0].properties must be an object"),
]


@pytest.mark.parametrize(("path", "body", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_a_wrong_shape_is_400_by_index_and_field(
    blux: Emulator, client: Client, path: str, body: Any, message: str
) -> None:
    answer = client.post(path, body)
    assert (answer.status_code, answer.json()) == (400, {"message": message})
    assert blux.counts() == NOTHING


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user_id=u-1",
        '{"users": [{"user_id": "u-1"}]',
        '{"users": [{"user_id": "u-1", "custom_user_properties": {"x": NaN}}]}',
        '{"users": [{"user_id": "u-1", "custom_user_properties": {"x": -Infinity}}]}',
        '{"users": [{"user_id": "u-1", "custom_user_properties": {"x": 1e999}}]}',
        "[" * 100_000,
        '"' + "\xff",
    ],
    ids=["nothing", "form", "cut off", "NaN", "infinity", "beyond a float", "too deep", "not UTF-8"],
)
def test_what_is_not_json_is_400(client: Client, text: str) -> None:
    answer = client.post(USERS, data=text.encode("latin-1"), headers=JSON)
    assert (answer.status_code, answer.json()) == (400, {"message": "the body is not valid JSON"})


def test_half_a_surrogate_pair_is_no_id(client: Client) -> None:
    answer = client.post(DELETE_USERS, data=rb'{"user_ids": ["\ud83d"]}', headers=JSON)
    assert (answer.status_code, answer.json()) == (400, {"message": "user_ids[0] must be valid Unicode"})


@pytest.mark.parametrize(
    "media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=cp949"]
)
def test_another_content_type_is_400(client: Client, media_type: str | None) -> None:
    answer = client.post(USERS, data=b'{"users": [{"user_id": "u-1"}]}', headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()) == (400, {"message": "the Content-Type must be application/json"})


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=UTF-8"])
def test_json_may_name_its_charset(client: Client, media_type: str) -> None:
    answer = client.post(USERS, data=b'{"users": [{"user_id": "u-1"}]}', headers={"Content-Type": media_type})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            USERS,
            user(
                phone_number="01012345678", email_address="john.doe@example.com", marketing_notification_consent=False
            ),
        ),
        (USERS, user(phone_number=None, marketing_notification_push_consent=None)),
        (USERS, {"users": [{"user_id": " 00123 ", "custom_user_properties": {"": None, "a": [1, {"b": 2.5}]}}]}),
        (PROFILES, {"profiles": [{"user_id": "a", "properties": {"x": 1}, "timestamp": "2025-01-17T05:39:22Z"}]}),
        (EVENTS, event(timestamp="2025-01-17T05:39:22+09:00", properties={"price": 1.5}, id="e-1")),
        (EVENTS, event(timestamp="2025-01-17T05:39:22.123456+09:00")),
        (
            DEVICES,
            {"devices": [{"device_id": "d", "platform": "ios", "token": "t", "app_local_id": "l", "properties": {}}]},
        ),
    ],
)
def test_what_the_pages_allow_is_accepted(client: Client, path: str, body: Any) -> None:
    assert client.post(path, body).status_code in {200, 202}


def test_a_refusal_repeats_no_value(client: Client) -> None:
    body = {"users": [{"user_id": "secret-id", "user_properties": {"phone_number": 1012345678}}]}
    text = client.post(USERS, body).text
    assert "secret-id" not in text
    assert "1012345678" not in text


def test_every_endpoint_refuses_a_body_that_is_a_list(client: Client) -> None:
    assert {client.post(path, []).status_code for path in VALID} == {400}
