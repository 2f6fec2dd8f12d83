"""The page at ``/``, for a person who wants to see what has arrived."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

# All of it is in the one file, and it talks to the control plane only.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"


async def _page(_: Request) -> Response:
    text = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return HTMLResponse(text, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"})


def routes() -> list[Route]:
    """Return the page's route."""
    return [Route("/", _page)]
