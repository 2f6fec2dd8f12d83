from __future__ import annotations

import html
import json
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.api.redaction import LONGEST, said


@pytest.mark.parametrize(
    ("answer", "words"),
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
def test_the_words_of_an_answer_are_found(answer, words):
    assert said(answer) == words


def test_long_words_are_cut():
    assert len(said(b"x" * 5000)) == LONGEST


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
    words = said(json.dumps({"message": text}, ensure_ascii=False).encode(), sent)

    assert "***" in words
    for value in ("홍길동", "A-7", " 7 ", "31", "Seoul-value", "1234", "5678", "someone"):
        assert value not in words


@given(
    value=st.text(st.characters(categories=["L", "N"]), min_size=4, max_size=40),
    around=st.sampled_from(["", "'", '"', "x"]),
)
def test_whatever_was_sent_is_blacked_out_of_whatever_is_said(value, around):
    answer = json.dumps({"message": f"refused {around}{value}{around} today"}).encode()

    assert value not in said(answer, {"users": [{"user_id": value}]})


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
def test_a_value_is_blacked_out_in_part_escaped_or_in_capitals(careless: Callable[[str], str]) -> None:
    answer = json.dumps({"message": f"bad value: {careless(NOTE)}, not stored"}).encode()
    words = said(answer, {"note": NOTE})

    assert "***" in words
    assert words.startswith("bad value: ")
    assert words.endswith(", not stored")
    for part in ("hi", "홍길", "marlo", "ähre", "%ED%99"):
        assert part.upper() not in words.removeprefix("bad value: ").upper()


def test_half_a_character_and_control_characters_do_not_reach_a_log() -> None:
    assert said(rb'{"message": "half \\ud800, \u001b[31mred, 100%"}') == "half ?, [31mred, 100%"


def test_words_of_the_api_that_are_a_part_of_a_word_that_was_sent_are_kept() -> None:
    assert said(b"users[3].user_id is required", {"user_id": "user-17", "note": "a requirement"}) == (
        "users[3].user_id is required"
    )


def test_many_values_and_a_long_answer_take_no_time_to_speak_of() -> None:
    sent = {"users": [{"user_id": f"id-{number}", "note": f"note {number} of many"} for number in range(5_000)]}
    started = time.process_time()
    words = said(b"word noted... id-4999 " * 3_000, sent)

    said(b"x" * 65_536)

    assert "id-" not in words
    assert time.process_time() - started < 2


@pytest.mark.parametrize("value", ["100%25off", "C:\\newton", "Q&amp;Alpha", "ΟΔΟΣ", "\\u0041pril\\"])
@pytest.mark.parametrize("around", ["", "x", "Σ"])
def test_a_value_that_looks_like_an_escape_is_blacked_out_as_it_is_and_escaped(value: str, around: str) -> None:
    for quoted in (value, json.dumps(value)[1:-1], quote(value, safe=""), html.escape(value)):
        words = said(json.dumps({"message": f"bad: {around}{quoted}{around}, not stored"}).encode(), {"note": value})

        assert words == f"bad: {around}***{around}, not stored"


@pytest.mark.parametrize(
    ("value", "said_as", "left"),
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
def test_a_value_is_blacked_out_however_it_is_written_or_nothing_is_said(value: str, said_as: str, left: str) -> None:
    answer = json.dumps({"message": f"bad name: {said_as}, not stored"}).encode()

    assert said(answer, {"name": value}) == left


@given(value=st.text(st.characters(categories=["L", "N"]), min_size=4, max_size=20))
def test_whatever_was_sent_is_blacked_out_in_capitals_and_decomposed(value: str) -> None:
    spelled = unicodedata.normalize("NFD", value.upper())
    words = said(json.dumps({"message": f"refused {spelled} today"}).encode(), {"user_id": value})

    assert words in ("", "refused *** today")
