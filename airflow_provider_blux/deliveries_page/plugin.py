"""The plugin that adds the page "Blux deliveries" to Airflow's menu."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowPlugin, conf

STATIC_FILES = Path(__file__).with_name("static")
URL_PREFIX = "/blux-deliveries"
# main.js gives Airflow its component under this name.
PAGE_NAME = "Blux deliveries"

Views = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def views() -> Views:
    """Return ``fastapi_apps`` and ``react_apps`` of the plugin: empty when switched off, and before Airflow 3.1."""
    if not hasattr(AirflowPlugin, "react_apps") or not conf.getboolean("blux", "deliveries_page", fallback=True):
        return [], []
    from airflow_provider_blux.deliveries_page.files import PageFiles

    # Airflow may be served below a path; the browser resolves this URL without Airflow's help.
    base_path = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    app = {"name": PAGE_NAME, "app": PageFiles(directory=STATIC_FILES), "url_prefix": URL_PREFIX}
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


class BluxDeliveriesPlugin(AirflowPlugin):
    """The page "Blux deliveries" under Browse."""

    name = "blux_deliveries"
    fastapi_apps, react_apps = views()
