"""Requests, answers, and the routes from the one to the other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http.client import responses
from typing import Any
from urllib.parse import parse_qs, unquote


@dataclass(kw_only=True)
class Request:
    """One HTTP request.

    :param path: as it was sent: there a slash within an id (%2F) and one between two names (/) still differ.
    :param peer: the address that it came from.
    :param arrived: when, by the monotonic clock.
    :param read: reads the body, whose length is known; raises ``OSError`` if the client does not send all of it.
    :param parts: the names in the path that stand in braces in its route's.
    """

    method: str
    path: str
    query: str
    headers: Message
    peer: str
    arrived: float
    read: Callable[[], bytes]
    parts: Mapping[str, str] = field(default_factory=dict)
    _body: bytes | None = field(default=None, init=False, repr=False)

    def body(self) -> bytes:
        """Return the body, which is read when it is asked for first."""
        # No cached_property: before Python 3.12 a slow client would hold up all others at its lock.
        if self._body is None:
            self._body = self.read()
        return self._body

    def parameters(self, name: str) -> list[str]:
        """Return the values of a parameter in the query, in order."""
        return parse_qs(self.query, keep_blank_values=True).get(name, [])


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer.

    :param status: ``None`` for no answer at all: the connection is reset.
    :param headers: by their names in lower case.
    :param is_truncated: the headers promise all of the body, and the connection is closed in its middle.
    """

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_truncated: bool = False


RESET = Answer(status=None)


def text_answer(text: str, media_type: str, status: int, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer with a text in UTF-8; ``headers`` may name another media type."""
    given = {name.lower(): value for name, value in (headers or {}).items()}
    # Half a surrogate pair, which JSON can spell, is spelled again as JSON does.
    return Answer(
        status=status, body=text.encode(errors="backslashreplace"), headers={"content-type": media_type, **given}
    )


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer in JSON."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text_answer(text, "application/json", status, headers)


def phrase(status: int) -> str:
    """Return what a status is called."""
    return responses.get(status, f"status {status}")


class Route:
    """Leads requests to what answers them.

    :param path: with names in braces, each of which stands for a part without a slash, or with ``:path`` for any part.
    """

    def __init__(self, method: str, path: str, answer: Callable[[Request], Answer]) -> None:
        self.method = method
        self.path = path
        self.answer = answer
        parts = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
        self.pattern = re.compile(re.sub(r"\{(\w+):path\}", r"(?P<\1>.+)", parts))


def answer(routes: Sequence[Route], request: Request) -> Answer:
    """Return the answer of the first route that the request fits."""
    allowed: list[str] = []
    method = "GET" if request.method == "HEAD" else request.method
    for route in routes:
        if fit := route.pattern.fullmatch(request.path):
            if route.method == method:
                request.parts = {name: unquote(part) for name, part in fit.groupdict().items()}
                return route.answer(request)
            allowed.append(route.method)
    if allowed:
        return json_answer({"message": "Method Not Allowed"}, 405, {"allow": ", ".join(dict.fromkeys(allowed))})
    return json_answer({"message": "Not Found"}, 404)
