"""The static files of the page, as Airflow's API server serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from starlette.responses import Response


class PageFiles(StaticFiles):
    """Static files that a browser asks for again after an upgrade, and takes for nothing but what they are."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a file, or 304 when the browser has it already."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
