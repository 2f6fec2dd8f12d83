from __future__ import annotations

import html
import json
import re
import time
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.api.redaction import LONGEST, redacted_message

MOST = 65_536


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b'{"message": "users[3].user_id is required"}', "users[3].user_id is required"),
        (b'{"error": {"code": 7, "reason": "bad"}}', '{"code": 7, "reason": "bad"}'),
        (b'{"detail": "one", "more": 1}', "one"),
        (b"<html><h1>502 Bad Gateway</h1>\n\n</html>", "502 Bad Gateway"),
        (b"plain   text", "plain text"),
        (b"", ""),
        (b"{}", ""),
        (b"\xff\xfe", "��"),
    ],
)
def test_the_message_of_an_answer_is_found(answer, message):
    assert redacted_message(answer) == message


def test_a_long_message_is_cut():
    assert len(redacted_message(b"x" * 5000)) == LONGEST


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("user 홍길동 is unknown", {"name": "홍길동"}),
        ("value A-7 refused", ["A-7"]),
        ("value 7 refused", [{"user_id": "7"}]),
        ("age=31!", {"age": 31}),
        ("nested Seoul-value", {"a": [{"b": "Seoul-value"}]}),
        ("call 010-1234-5678", None),
        ("call +82 10 1234 5678", None),
        ("write to someone@example.com", None),
    ],
)
def test_no_value_of_the_request_and_no_number_or_address_is_repeated(text, sent):
    message = redacted_message(json.dumps({"message": text}, ensure_ascii=False).encode(), sent)

    assert "***" in message
    for value in ("홍길동", "A-7", " 7 ", "31", "Seoul-value", "1234", "5678", "someone"):
        assert value not in message


@given(
    value=st.text(st.characters(categories=["L", "N"]), min_size=4, max_size=40),
    around=st.sampled_from(["", "'", '"', "x"]),
)
def test_whatever_was_sent_is_redacted_in_whatever_is_answered(value, around):
    answer = json.dumps({"message": f"refused {around}{value}{around} today"}).encode()

    assert value not in redacted_message(answer, {"users": [{"user_id": value}]})


NOTE = 'say "hi" to 홍길동 & Marlowe/Ähre\\42'


@pytest.mark.parametrize(
    "careless",
    [
        lambda value: value,
        str.upper,
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: json.dumps(json.dumps({"note": value})),
        html.escape,
        lambda value: html.escape(json.dumps(value)),
        quote,
        lambda value: quote(value, safe=""),
        lambda value: "홍길동은",
        lambda value: "(Marlowe/Ähre\\42)",
        lambda value: f"{value[12:14]}…",
        lambda value: "marlo...",
    ],
)
def test_a_value_is_redacted_in_part_escaped_or_in_capitals(careless: Callable[[str], str]) -> None:
    answer = json.dumps({"message": f"bad value: {careless(NOTE)}, not stored"}).encode()
    message = redacted_message(answer, {"note": NOTE})

    assert "***" in message
    assert message.startswith("bad value: ")
    assert message.endswith(", not stored")
    for part in ("hi", "홍길", "marlo", "ähre", "%ED%99"):
        assert part.upper() not in message.removeprefix("bad value: ").upper()


def test_half_a_character_and_control_characters_do_not_reach_a_log() -> None:
    assert redacted_message(rb'{"message": "half \\ud800, \u001b[31mred, 100%"}') == "half ?, [31mred, 100%"


def test_a_word_of_the_api_that_is_only_a_part_of_a_word_that_was_sent_is_shown() -> None:
    assert redacted_message(b"users[3].user_id is required", {"user_id": "user-17", "note": "a requirement"}) == (
        "users[3].user_id is required"
    )


def customers(number: int) -> dict[str, Any]:
    """Return a request of users with 17 columns."""
    rows = [{"user_id": f"id-{row}", **{f"c{of}": f"note {row} of {of}" for of in range(16)}} for row in range(number)]
    return {"users": rows}


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps({"message": f"not stored: {json.dumps(customers(1_000))}"}).encode()[:MOST],
        (b"word noted... id-999 " * 4_000)[:MOST],
        b"x" * MOST,
        b"<" * MOST,
        b"&#" * (MOST // 2),
        b"a." * (MOST // 2),
        b"\\ " * (MOST // 2),
        b"\xff" * MOST,
    ],
    ids=["repeats the request", "cut off", "one word", "tags", "escapes", "addresses", "backslashes", "no text"],
)
def test_a_long_refusal_of_many_records_costs_little_cpu(answer: bytes) -> None:
    request = customers(1_000)
    started = time.thread_time()

    message = redacted_message(answer, request)

    assert time.thread_time() - started < 0.6
    assert message
    assert "id-" not in message


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("홍길동 서…", "*** *** is bad: ***…"),
        ("Marlowe/Äh...", "*** *** is bad: ***..."),
        ("Jo Li…", "*** *** is bad: ***…"),
    ],
)
def test_a_value_of_several_words_that_is_cut_off_is_redacted(answer: str, message: str) -> None:
    request = [{"a": "홍길동 서울시", "b": "Marlowe/Ähre", "c": "Jo Liu", "d": "user", "e": "Kim Su"}]

    assert redacted_message(f"user Kim Su is bad: {answer}".encode(), request) == message


@pytest.mark.parametrize(
    "answer",
    [
        r"\uae40\ubbfc\uc2…",
        r"\\uae40\\ubbfc\\uc2...",
        r"\uae40\ubbfc\…",
        "&#44608;&#48124;&#497...",
        "%EA%B9%80%EB%AF%BC%EC%8…",
        "김민\ufffd...",
        r"김민수\ud83d...",
    ],
)
@pytest.mark.parametrize("is_json", [True, False])
def test_a_value_that_is_cut_off_within_a_character_is_redacted(answer: str, is_json: bool) -> None:
    said = f"name {answer} is bad"

    assert redacted_message((json.dumps({"message": said}) if is_json else said).encode(), {"name": "김민수😀"}) in (
        "name ***… is bad",
        "name ***... is bad",
    )


@pytest.mark.parametrize("answer", [r"bad: 'O\'Brien \"Ed\"'", "bad: 'O'Brien \"Ed\"'"])
def test_an_escaped_apostrophe_is_no_way_around(answer: str) -> None:
    assert redacted_message(answer.encode(), {"name": 'O\'Brien "Ed"'}) == "bad: '***'"


def test_a_value_with_tags_is_redacted_in_a_page_without_them() -> None:
    assert redacted_message("<p>bad: <b>홍길동</b></p>".encode(), {"note": "<b>홍길동</b>"}) == "bad: ***"


def test_an_answer_that_breaks_off_within_a_value_does_not_show_its_beginning() -> None:
    request = {"name": "Jo Liu-Seung", "note": "무궁화 꽃이"}

    assert redacted_message(b'{"message": "bad name: Jo Liu-S', request) == '{"message": "bad name: ***…'
    assert redacted_message('{"message": "bad note: 무궁'.encode(), request) == '{"message": "bad note: ***…'
    assert redacted_message(b'{"message": "bad na', request) == '{"message": "bad na…'


@pytest.mark.parametrize(
    ("answer", "values", "message"),
    [
        ("in Seoul-value, Seoul", ["Seoul", "Seoul-value"], "in ***, ***"),
        ("user7 was refused", ["user", 7], "****** was refused"),
        ("this issue is", ["is"], "this issue ***"),
        ("No… such message...", ["note", "sage lee"], "No… such message..."),
        ("from 홍길동 김철수", ["김철수 서울", "홍길동 김철"], "from ***"),
    ],
    ids=["longest first", "behind another", "words of the API", "beginnings of nothing", "overlapping"],
)
def test_exactly_the_values_are_redacted(answer: str, values: list[Any], message: str) -> None:
    assert redacted_message(answer.encode(), values) == message


def test_a_secret_is_redacted() -> None:
    assert redacted_message(b"key m4sk-Me is unknown", {}, ["m4sk-Me"]) == "key *** is unknown"


def test_a_long_value_that_is_repeated_costs_little_cpu() -> None:
    started = time.thread_time()

    message = redacted_message(b"a" * MOST, ["aaaa", *("a" * length + "b" for length in (10_000, 11_000, 12_000))])

    assert time.thread_time() - started < 0.6
    assert message == "***"


@pytest.mark.parametrize("text", ["7은", "A-7을", "사용자7", "31세"])
def test_a_short_value_with_a_korean_particle_is_redacted(text: str) -> None:
    message = redacted_message(f"{text} bad".encode(), {"a": "A-7", "b": 7, "c": 31})

    assert "***" in message
    assert not re.search(r"\d", message)


@pytest.mark.parametrize("text", ["12345@b.example", "1 234 56@b.example", "hong@b.example", "honghong@b.example"])
def test_an_address_is_redacted_whole_whatever_else_is_in_it(text: str) -> None:
    message = redacted_message(f"to {text} not".encode(), {"a": "hong"})

    assert message.replace("***", "") == "to  not"


@pytest.mark.parametrize("answer", [b"&#" + b"9" * 5_000, b"%2525252525252541 A"])
def test_of_an_answer_whose_escapes_cannot_be_resolved_nothing_is_shown(answer: bytes) -> None:
    assert redacted_message(answer, {"user_id": "A"}) == ""


@pytest.mark.parametrize("depth", [100, 900, 990, 1_000, 10_000, 30_000])
def test_an_answer_that_is_nested_deeply_is_shown_all_the_same(depth: int) -> None:
    assert "[[[" in redacted_message(b'{"error": ' + b"[" * depth + b"]" * depth + b"}")


@pytest.mark.parametrize("value", ["100%25off", "C:\\newton", "it\\'s", "Q&amp;Alpha", "ΟΔΟΣ", "\\u0041pril\\"])
@pytest.mark.parametrize("around", ["", "x", "Σ"])
def test_a_value_that_looks_like_an_escape_is_redacted_as_it_is_and_escaped(value: str, around: str) -> None:
    for quoted in (value, json.dumps(value)[1:-1], quote(value, safe=""), html.escape(value)):
        message = redacted_message(
            json.dumps({"message": f"bad: {around}{quoted}{around}, not stored"}).encode(), {"note": value}
        )

        assert message == f"bad: {around}***{around}, not stored"


@pytest.mark.parametrize(
    ("value", "spelled_as", "left"),
    [
        ("Müller", "MU\u0308LLER", "bad name: ***, not stored"),
        ("Mu\u0308ller", "Müller", "bad name: ***, not stored"),
        ("hong gildong", "hong gildo", "bad name: *** ***, not stored"),
        ("홍길동 서울시 강남구", "홍길동 서울", "bad name: *** ***, not stored"),
        ("Weiß", "weiß", "bad name: ***, not stored"),
        ("Weiß", "WEISS", ""),
        ("Hans Weiß", "WEISS", ""),
        ("ﬁnn", "FINN", ""),
        ("İpek", "i̇pek", ""),
        ("ılgın", "ILGIN", "bad name: ***, not stored"),
        ("***", "***", "bad name: ***, not stored"),
        ("*", "**", "bad name: ******, not stored"),
    ],
)
def test_a_value_is_redacted_however_it_is_written_or_nothing_is_shown(value: str, spelled_as: str, left: str) -> None:
    answer = json.dumps({"message": f"bad name: {spelled_as}, not stored"}).encode()

    assert redacted_message(answer, {"name": value}) == left


@given(value=st.text(st.characters(categories=["L", "N"]), min_size=4, max_size=20))
def test_whatever_was_sent_is_redacted_in_capitals_and_decomposed(value: str) -> None:
    spelled = unicodedata.normalize("NFD", value.upper())
    message = redacted_message(json.dumps({"message": f"refused {spelled} today"}).encode(), {"user_id": value})

    assert message in ("", "refused *** today")
