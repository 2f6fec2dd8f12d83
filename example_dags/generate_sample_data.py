"""Write the sample data of an invented shop to ``example_dags/data``: the same bytes on every run.

The data is valid but difficult on purpose: leading zeros and Korean letters in ids; names with quotes, commas, line
breaks, hanja and emoji; missing consents; repeated users. Nobody in it exists: names are drawn from syllables, phone
numbers are of an unassigned kind (010-0000-xxxx), and mail addresses end in ``example.com`` or ``example.kr``.

Run ``python -m example_dags.generate_sample_data`` after a change of this module: a test compares the files with it.
"""

from __future__ import annotations

import csv
import io
import json
import random
import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).parent / "data"
EVENT_DAYS = [date(2026, 10, 1) + timedelta(days=n) for n in range(6)]
EVENTS_A_DAY = 3_500
PARTITION_DAYS = [date(2026, 9, 1) + timedelta(days=n) for n in range(6)]
USERS_A_PARTITION = 100
SEOUL = timezone(timedelta(hours=9))

SURNAMES = "김이박최정강조윤장임한오서신권황안송류홍"
SYLLABLES = "가나다라마바사아자차하온별솔빛샘결봄율찬"
HANJA = ["金河娜", "李素月", "朴春山", "崔白雲"]
CONSENTS = [
    "nighttime_notification_consent",
    "marketing_notification_consent",
    "marketing_notification_sms_consent",
    "marketing_notification_email_consent",
    "marketing_notification_kakao_consent",
    "marketing_notification_push_consent",
]
GRADES = ["새싹", "실버", "골드", "VIP", "VVIP"]
ADDRESSES = [
    "가온시 나루구 다솔로 12, 301호",
    "가온시 별빛길 7",
    '다온군 "새터" 마을 3-1',
    "나래시 한결대로 100\n101동 2001호",
]
MEMOS = [
    "아주 긴 메모: " + "감사합니다, 또 오겠습니다. " * 60,
    "부재 시 문 앞에 놓아 주세요, 벨은 누르지 마세요",
    '"조용히" 배송 요청',
    "1층 경비실\n2층 사무실\n둘 다 없으면 전화",
    "생일 축하 쿠폰 🎂🎉 지급",
    "'따옴표'; 세미콜론; 100% \\역슬래시\\",
    "탭\t이 있는 메모",
    " 앞뒤에 빈칸이 있는 메모 ",
]
PRODUCTS = [
    "겨울 패딩 (롱)",
    "니트 원피스",
    '13" 노트북 파우치',
    "무선 이어폰",
    "녹차 라떼 10개입",
    "아기 양말 3켤레",
    "Café 원두 200g",
]
SEARCHES = ["겨울 패딩", '노트북 13"', "양말, 아기", "라떼☕", "🎁 선물", "원피스 & 니트"]


class Person(NamedTuple):
    """One invented user, from whom the records in all files are made."""

    user_id: str
    name: str
    phone_number: str
    email_address: str
    consents: dict[str, bool]


def sample_files() -> dict[str, str]:
    """Return the text of every sample file, by its path below ``data``."""
    rng = random.Random(20261001)  # noqa: S311 - sample data, nothing secret is drawn
    people = [_person(rng, number) for number in range(4_000)]
    files = {
        "users.csv": _users_csv(rng, people[:3_000]),
        "users/app-01.jsonl": _lines(_nested_user(rng, person) for person in people[2_500:3_000]),
        "users/app-02.jsonl": _lines(_flat_user(rng, person) for person in people[2_900:3_400]),
        "shop.sql": _shop_sql(rng) + _deletion_requests_sql(rng, people[:3_000], people[3_400::60]),
        "devices.json": _devices_json(rng, people[2_500:2_900]),
    }
    for day in EVENT_DAYS:
        files[f"events/{day}.jsonl"] = _lines(_events(rng, people, day))
    for n, day in enumerate(PARTITION_DAYS):
        members = people[3_400 + n * USERS_A_PARTITION :][:USERS_A_PARTITION]
        files[f"partitions/{day}/users.jsonl"] = _lines(_flat_user(rng, person) for person in members)
    files["corrected/crm.jsonl"] = _lines(_corrected(people[3_000:3_004]))
    return files


def _corrected(people: list[Person]) -> list[dict[str, Any]]:
    """Return the lines of a rejects file, in which all records except the last are corrected."""
    reason = "is a number and has already lost its leading zero; read the column as text (column '휴대폰')"
    lines = [
        {
            "operation": "upsert_users",
            "record_number": 1_000 * number,
            "source": f"record {1_000 * number:,} of s3://crm/export.csv",
            "outcome": "rejected",
            "field": "phone_number",
            "reason": reason,
            "record": {"회원번호": person.user_id, "휴대폰": f"0100000{number:04}", "마케팅동의": "YN"[number % 2]},
        }
        for number, person in enumerate(people, 1)
    ]
    lines[-1]["record"] = {"회원번호": people[-1].user_id, "휴대폰": 1_000_000_004, "마케팅동의": "Y"}
    return lines


def _person(rng: random.Random, number: int) -> Person:
    surname, given = rng.choice(SURNAMES), "".join(rng.choices(SYLLABLES, k=2))
    name = surname + given
    user_id = rng.choice(
        [f"U{number:06}", f"U{number:06}", f"{number:05}", f"회원-{name}-{number}", f"kakao|{number * 7919}"]
    )
    shape = rng.random()
    if shape < 0.02:
        name = rng.choice(HANJA)
    elif shape < 0.04:
        name = unicodedata.normalize("NFD", name)
    elif shape < 0.10:
        name = rng.choice(
            [f"{surname} {given}", f"{name} 🌸", f'{name} "단골"', f"{name}, Jr.", f"{surname}\u3000{given}"]
        )
    last = f"{rng.randrange(10_000):04}"
    phone = rng.choice(
        ["", f"0100000{last}", f"0100000{last}", f"010-0000-{last}", f"+82 10-0000-{last}", f"+82100000{last}"]
    )
    domain = rng.choice(["example.com", "example.kr", "Example.COM", "EXAMPLE.KR"])
    email = (
        ""
        if rng.random() < 0.15
        else f"{rng.choice(['onsaem', 'byeol', 'sol.bit', 'haru+shop', 'Gyeol'])}{number}@{domain}"
    )
    return Person(user_id, name, phone, email, _consents(rng))


def _consents(rng: random.Random) -> dict[str, bool]:
    """Return random consents: true, false, or absent if the person was never asked."""
    drawn = {consent: rng.choice([True, True, False, None]) for consent in CONSENTS}
    return {consent: given for consent, given in drawn.items() if given is not None}


def _lines(records: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in records)


def _csv(header: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def _users_csv(rng: random.Random, people: list[Person]) -> str:
    header = ["user_id", "name", "phone_number", "email_address", *CONSENTS, "grade", "joined_on", "address", "memo"]
    rows = [_csv_row(rng, person) for person in people]
    for place in sorted(rng.sample(range(2_900), 12), reverse=True):  # exported twice: the later row is the newer one
        again = _csv_row(rng, people[place]._replace(consents=_consents(rng)))
        rows.insert(rng.choice([place + 1, 2_950]), again)
    return _csv(header, rows)


def _csv_row(rng: random.Random, person: Person) -> list[str]:
    joined = date(2019, 1, 1) + timedelta(days=rng.randrange(2_800))
    address = rng.choice(ADDRESSES) if rng.random() < 0.5 else ""
    memo = rng.choice(MEMOS) if rng.random() < 0.06 else ""
    consents = ["" if person.consents.get(name) is None else str(person.consents[name]).lower() for name in CONSENTS]
    return [*person[:4], *consents, rng.choice(GRADES), str(joined), address, memo]


def _app_properties(rng: random.Random) -> dict[str, Any]:
    """Return random custom properties of every JSON type."""
    return {
        "app_version": rng.choice(["5.2.0", "5.10.1", "6.0"]),
        "install_number": 9_007_199_254_740_993 + rng.randrange(1_000),
        "points": rng.choice([0, -500, 12_500]),
        "satisfaction": rng.choice([4.5, 3.0, 0.1, None]),
        "is_beta_tester": rng.random() < 0.1,
        "favourites": rng.sample(PRODUCTS, rng.randrange(3)),
        "sizes": {"상의": rng.choice(["S", "M", "L"]), "신발": rng.choice([230, 255, 280])},
        "nickname": rng.choice(["", "봄날의 고양이 🐈", "<b>굵게</b>", "O'별", "널널", "null"]),
    }


def _nested_user(rng: random.Random, person: Person) -> dict[str, Any]:
    contacts = {"phone_number": person.phone_number, "email_address": person.email_address}
    known = {field: value for field, value in contacts.items() if value}
    return {
        "user_id": person.user_id,
        "user_properties": {**known, **person.consents},
        "custom_user_properties": _app_properties(rng),
    }


def _flat_user(rng: random.Random, person: Person) -> dict[str, Any]:
    contacts = {"phone_number": person.phone_number or None, "email_address": person.email_address or None}
    consents = {consent: person.consents.get(consent) for consent in CONSENTS}
    return {"user_id": person.user_id, "name": person.name, **contacts, **consents, **_app_properties(rng)}


def _shop_sql(rng: random.Random) -> str:
    """Return the SQL of a shop's customers (numbers as ids; consents as 1, 0 or NULL) and of their orders."""
    customers, orders = [], []
    for number in range(100_001, 101_501):
        person = _person(rng, number)
        updated = datetime(2025, 11, 1, tzinfo=UTC) + timedelta(hours=rng.randrange(8_000))
        consents = [
            person.consents.get(name) for name in ("marketing_notification_consent", "nighttime_notification_consent")
        ]
        values = [number, person.name, person.phone_number or None, person.email_address or None, *consents]
        customers.append([*values, f"{updated:%Y-%m-%d %H:%M:%S}"])
        orders += [
            [number, rng.randrange(10, 900) * 100, str(updated.date())] for _ in range(rng.choice([0, 1, 1, 2, 5]))
        ]
    return (
        "CREATE TABLE customers (\n  customer_no INTEGER PRIMARY KEY, name TEXT, phone TEXT, email TEXT,\n"
        "  marketing_ok INTEGER, night_ok INTEGER, updated_at TEXT NOT NULL\n);\n"
        "CREATE TABLE orders (customer_no INTEGER NOT NULL, amount INTEGER NOT NULL, ordered_on TEXT NOT NULL);\n"
        f"INSERT INTO customers VALUES\n{_sql_rows(customers)};\nINSERT INTO orders VALUES\n{_sql_rows(orders)};\n"
    )


def _sql_rows(rows: list[list[Any]]) -> str:
    return ",\n".join("(" + ",".join(map(_sql_value, row)) + ")" for row in rows)


def _sql_value(value: str | int | None) -> str:
    if value is None:
        return "NULL"
    return str(int(value)) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _deletion_requests_sql(rng: random.Random, people: list[Person], lately: list[Person]) -> str:
    """Return the SQL of the table of deletion requests; ``done_at`` is NULL while a request is open.

    :param people: users of whom 300 ask, five of them twice.
    :param lately: users who all ask, after the others.
    """
    reasons = ["탈퇴", "개인정보 삭제 요청", "휴면, 5년 경과"]
    asked = [
        [person.user_id, _asked_at(rng.randrange(8_000)), rng.choice(reasons)] for person in rng.sample(people, 300)
    ]
    asked += rng.sample(asked, 5)  # five people asked twice
    asked += [[person.user_id, _asked_at(8_000 + n), "탈퇴"] for n, person in enumerate(lately)]
    asked.append([f"{people[0].user_id} ", _asked_at(4_000), "탈퇴"])  # ends in a blank: nobody has this id
    done = [[f"U9{n:05}", "2026-09-28T10:00:00+09:00", "탈퇴", "2026-09-29T03:10:00+00:00"] for n in range(8)]
    rows = [*done, *([*request, None] for request in sorted(asked, key=lambda request: request[1]))]
    values = _sql_rows([[number, *row] for number, row in enumerate(rows, 1)])
    return (
        "CREATE TABLE deletion_requests (\n  request_no INTEGER PRIMARY KEY, user_id TEXT, requested_at TEXT NOT NULL,"
        f" reason TEXT, done_at TEXT\n);\nINSERT INTO deletion_requests VALUES\n{values};\n"
    )


def _asked_at(minute: int) -> str:
    return (datetime(2026, 10, 1, tzinfo=SEOUL) + timedelta(minutes=minute)).isoformat()


def _devices_json(rng: random.Random, people: list[Person]) -> str:
    devices = [
        {
            "device_id": f"device-{rng.getrandbits(64):016x}",
            "user_id": person.user_id,
            "platform": rng.choice(["ios", "android"]),
            "token": f"push-{rng.getrandbits(128):032x}",
            "properties": {"os_version": rng.choice(["17.6", "18.1", "15"]), "push_allowed": rng.random() < 0.7},
        }
        for person in people
    ]
    return "[\n" + ",\n".join(json.dumps(device, ensure_ascii=False) for device in devices) + "\n]\n"


def _events(rng: random.Random, people: list[Person], day: date) -> list[dict[str, Any]]:
    """Return random events of one day (UTC), sorted by time; some timestamps are in Korean time, the others in UTC."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    events = []
    for number, second in enumerate(sorted(rng.choices(range(86_400), k=EVENTS_A_DAY))):
        name, properties = _happening(rng)
        moment = midnight + timedelta(seconds=second, milliseconds=rng.randrange(1_000))
        timestamp = moment.astimezone(SEOUL).isoformat() if rng.random() < 0.7 else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        event = {
            "id": f"{day:%y%m%d}-{number}",
            "name": name,
            "user_id": rng.choice(people).user_id,
            "timestamp": timestamp,
        }
        events.append({**event, "properties": properties} if properties else event)
    return events


def _happening(rng: random.Random) -> tuple[str, dict[str, Any]]:
    kind = rng.choices(["visit", "page_view", "search", "장바구니_담기", "purchase"], weights=[10, 50, 15, 15, 10])[0]
    if kind == "page_view":
        return kind, {"path": f"/p/{rng.randrange(2_000)}"}
    if kind == "search":
        return kind, {"query": rng.choice(SEARCHES), "results": rng.randrange(40)}
    if kind == "장바구니_담기":
        return kind, {"product": rng.choice(PRODUCTS), "quantity": rng.randrange(1, 4)}
    if kind == "purchase":
        items = [
            {"product": product, "price": rng.randrange(50, 900) * 100}
            for product in rng.sample(PRODUCTS, rng.randrange(1, 4))
        ]
        return kind, {"amount": sum(item["price"] for item in items), "currency": "KRW", "items": items}
    return kind, {}


def main() -> None:
    """Write every sample file."""
    for name, text in sample_files().items():
        file = DATA / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
