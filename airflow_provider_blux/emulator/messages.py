"""HTTP requests and answers, and the routes from a request to its answer."""

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

    :param path: the path without decoding, so that a slash in an id (``%2F``) differs from a slash between two parts.
    :param query: the query after the question mark, without decoding.
    :param peer: IP address of the client.
    :param arrived: time of arrival in seconds of the monotonic clock.
    :param read: reads the body from the connection; raises ``OSError`` if the client does not send all of it.
    :param parts: the decoded texts that stand in the path for the names in braces of the route's path, by name:
        ``{"id": "u-1"}`` for the path ``/users/u-1`` and the route ``/users/{id}``.
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
        """Return the body; the first call reads it from the connection."""
        # Not a cached_property: before Python 3.12 all requests share its lock, so a slow client would block them.
        if self._body is None:
            self._body = self.read()
        return self._body

    def parameters(self) -> dict[str, list[str]]:
        """Return the decoded values of each query parameter, in order."""
        return parse_qs(self.query, keep_blank_values=True)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer.

    :param status: the HTTP status; ``None`` to reset the connection without an answer.
    :param headers: the header values, by header name in lower case.
    :param is_truncated: whether to close the connection after half of the body, although the Content-Length is that of
        the whole body.
    """

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_truncated: bool = False


RESET = Answer(status=None)
NO_BODY = (204, 304)
"""The statuses of answers without a body."""


def text_answer(text: str, media_type: str, status: int, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer with text in UTF-8; a Content-Type in ``headers`` replaces ``media_type``."""
    given = {name.lower(): value for name, value in (headers or {}).items()}
    # A lone surrogate, which UTF-8 cannot represent, is written as its JSON escape.
    return Answer(
        status=status, body=text.encode(errors="backslashreplace"), headers={"content-type": media_type, **given}
    )


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer in JSON."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text_answer(text, "application/json", status, headers)


def phrase(status: int) -> str:
    """Return the reason phrase of a status."""
    return responses.get(status, f"status {status}")


class Route:
    """A method and a path, with the function that answers the requests that have both.

    :param path: may contain names in braces: ``{name}`` matches text without a slash, ``{name:path}`` any text.
    """

    def __init__(self, method: str, path: str, answer: Callable[[Request], Answer]) -> None:
        self.method = method
        self.path = path
        self.answer = answer
        parts = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
        self.pattern = re.compile(re.sub(r"\{(\w+):path\}", r"(?P<\1>.+)", parts))


def answer(routes: Sequence[Route], request: Request) -> Answer:
    """Return the answer of the first route that matches the request's method and path.

    A HEAD request matches the routes of GET. The answer is 405 if only the path matches a route, and 404 if none does.
    """
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
