from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.api.words import LONGEST, said


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
