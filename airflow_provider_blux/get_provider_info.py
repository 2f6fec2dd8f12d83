"""The provider's description for Airflow: the connection type and its form, the assets, settings and modules."""

from __future__ import annotations

from typing import Any

from airflow_provider_blux.api.endpoints import OPERATIONS
from airflow_provider_blux.hooks.connection_form import CONN_FIELDS, CONNECTION_TYPE, UI_FIELD_BEHAVIOUR

__all__ = ["get_provider_info"]

_ASSET_URIS = [
    {
        "schemes": ["blux"],
        "handler": "airflow_provider_blux.assets.blux.sanitize_uri",
        "factory": "airflow_provider_blux.assets.blux.create_asset",
        "to_openlineage_converter": "airflow_provider_blux.assets.blux.convert_asset_to_openlineage",
    },
]

_CONFIG = {
    "blux": {
        "description": "This section is for the Blux provider.",
        "options": {
            "deliveries_page": {
                "description": 'Show the page "Blux deliveries" under Browse (Airflow 3.1 and later).',
                "version_added": None,
                "type": "boolean",
                "example": None,
                "default": "True",
            },
            "docs_url": {
                "description": "URL of this provider's documentation as `make docs` builds it, for the link "
                '"Documentation" of a task.',
                "version_added": None,
                "type": "string",
                "example": "https://docs.example.com/airflow-provider-blux",
                "default": "",
            },
        },
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return this provider's description: a dict with the keys that Airflow's ``ProvidersManager`` reads."""
    return {
        "package-name": "airflow-provider-blux",
        "name": "Blux",
        "description": "Push users, events and deletions to the Blux CRM without losing a record.",
        "integrations": [
            {"integration-name": "Blux", "external-doc-url": "https://docs.blux.ai/", "tags": ["service"]},
        ],
        "hooks": [{"integration-name": "Blux", "python-modules": ["airflow_provider_blux.hooks.blux"]}],
        "operators": [{"integration-name": "Blux", "python-modules": ["airflow_provider_blux.operators.blux"]}],
        "extra-links": [
            f"airflow_provider_blux.operators.links.{name}"
            for name in ("BluxRejectsLink", "BluxReceiptsLink", "BluxDocumentationLink")
        ],
        "task-decorators": [
            {"name": f"blux_{operation}", "class-name": f"airflow_provider_blux.decorators.blux.{operation}_task"}
            for operation in OPERATIONS
        ],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": "airflow_provider_blux.hooks.blux.BluxHook",
                "hook-name": "Blux",
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
                "conn-fields": CONN_FIELDS,
            },
        ],
        "config": _CONFIG,
        "asset-uris": _ASSET_URIS,
        "dataset-uris": _ASSET_URIS,  # as Airflow 2.11 calls them
    }
