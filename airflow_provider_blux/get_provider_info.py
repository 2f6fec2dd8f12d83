"""What Airflow shows of this provider: the connection type and its form, and the modules it brings."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the form that ``ProvidersManager`` reads."""
    return {
        "package-name": "airflow-provider-blux",
        "name": "Blux",
        "description": "Push users, events and deletions to the `Blux <https://www.blux.ai/>`__ CRM.",
    }
