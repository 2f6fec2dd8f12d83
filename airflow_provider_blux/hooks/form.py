"""The connection form, declared once: read by Airflow 3.2 and later as data, by earlier versions through the hook."""

from __future__ import annotations

from typing import Any

CONNECTION_TYPE = "blux"
APPLICATION_API_URL = "https://api.blux.ai/prod"

RELABELING = {"host": "Application API URL", "login": "Application ID", "password": "Secret key"}

# Not hidden: port, without which the Test button of Airflow 3.3 refuses a stored connection.
UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema", "extra"],
    "relabeling": RELABELING,
    "placeholders": {
        "host": APPLICATION_API_URL,
        "login": "the application's ID, as in the console",
        "password": "the secret key that Blux issued",
        "port": "only when it is not part of the URL",
    },
}

# Field name -> label, help, JSON schema. Airflow masks `open_api_key` by its name on every version. `receipt_key` it
# does not; the hook masks its value in task logs, and docs/deletion.md says how to mask it in the UI.
CONN_FIELDS: dict[str, dict[str, Any]] = {
    "open_api_url": {
        "label": "Open API URL",
        "description": "Base URL of the Open API (events, devices, profiles). There is no default.",
        "schema": {"type": ["string", "null"]},
    },
    "project_id": {
        "label": "Project ID",
        "description": "Project of the Open API.",
        "schema": {"type": ["string", "null"]},
    },
    "open_api_key": {
        "label": "Open API key",
        "description": "Sent as a bearer token.",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "receipt_key": {
        "label": "Receipt key",
        "description": "Key of the hashes that stand for ids in deletion receipts. Keep it as long as the receipts.",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "rate_limits": {
        "label": "Requests per second",
        "description": 'By operation, as JSON: {"upsert_users": 40}. Only when Blux has raised your limit.',
        "schema": {"type": ["object", "string", "null"]},
    },
    "timeout": {
        "label": "Timeout (s)",
        "description": "Seconds to wait for an answer; 30 when empty.",
        "schema": {"type": ["number", "null"]},
    },
    "verify": {
        "label": "CA bundle",
        "description": "Path of a CA bundle, when a proxy signs with its own. Verification cannot be switched off.",
        "schema": {"type": ["string", "null"]},
    },
}
EXTRAS = frozenset(CONN_FIELDS)


def widgets() -> dict[str, Any]:
    """Return the extra fields as form widgets, as Airflow before 3.2 wants them."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from wtforms import PasswordField, StringField

    def widget(field: dict[str, Any]) -> Any:
        secret = field["schema"].get("format") == "password"
        kind, look = (PasswordField, BS3PasswordFieldWidget) if secret else (StringField, BS3TextFieldWidget)
        return kind(field["label"], widget=look(), description=field["description"])

    return {name: widget(field) for name, field in CONN_FIELDS.items()}


def behaviour() -> dict[str, Any]:
    """Return the behaviour of the standard fields, as Airflow before 3.2 wants it."""
    return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}
