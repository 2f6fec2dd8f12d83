"""The plugin that adds the page "Blux deliveries" to Airflow's menu."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowPlugin, conf

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.staticfiles import StaticFiles

STATIC_FILES = Path(__file__).with_name("static")
URL_PREFIX = "/blux-deliveries"
# main.js gives Airflow its component under this name.
PAGE_NAME = "Blux deliveries"

Views = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def views() -> Views:
    """Return the plugin's ``fastapi_apps`` (the server of the static files) and ``react_apps`` (the page in the menu).

    Both are empty before Airflow 3.1, and if the page is switched off (``[blux] deliveries_page``).
    """
    if not hasattr(AirflowPlugin, "react_apps") or not conf.getboolean("blux", "deliveries_page", fallback=True):
        return [], []
    # Airflow may be served below a path; the browser resolves this URL without Airflow's help.
    base_path = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    app = {"name": PAGE_NAME, "app": _static_files(), "url_prefix": URL_PREFIX}
    page = {
        "name": PAGE_NAME,
        "bundle_url": f"{base_path}{URL_PREFIX}/main.js",
        "icon": f"{base_path}{URL_PREFIX}/icon.svg",
        "icon_dark_mode": f"{base_path}{URL_PREFIX}/icon-dark.svg",
        "url_route": "blux-deliveries",
        "destination": "nav",
        "category": "browse",
    }
    return [app], [page]


def _static_files() -> StaticFiles:
    from starlette.staticfiles import StaticFiles

    class PageFiles(StaticFiles):
        """Static files for which a browser always asks whether they have changed, and never guesses the type."""

        def file_response(self, *args: Any, **kwargs: Any) -> Response:
            """Return the file, or 304 if the browser already has it, with the headers for caching and content type."""
            response = super().file_response(*args, **kwargs)
            response.headers["Cache-Control"] = "no-cache"
            response.headers["X-Content-Type-Options"] = "nosniff"
            return response

    return PageFiles(directory=STATIC_FILES)


class BluxDeliveriesPlugin(AirflowPlugin):
    """Adds the page "Blux deliveries" to Airflow's menu under Browse, on Airflow 3.1 and later."""

    name = "blux_deliveries"
    fastapi_apps, react_apps = views()
