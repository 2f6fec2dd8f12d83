"""The connection form, declared once: read by Airflow 3.2 and later as data, by earlier versions through the hook."""

from __future__ import annotations

from typing import Any

CONNECTION_TYPE = "blux"
APPLICATION_API_URL = "https://api.blux.ai/prod"

RELABELING = {"host": "Application API URL", "login": "Application ID", "password": "Secret key"}

UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema", "extra"],
    "relabeling": RELABELING,
    "placeholders": {
        "host": APPLICATION_API_URL,
        "login": "as Blux shows it for your application",
        "password": "as Blux issued it, without Bearer",
        # Not hidden: without one the Test button of Airflow 3.3 refuses a stored connection.
        "port": "443, for the Test button of Airflow 3.3",
    },
}

_OPEN_API, _DELIVERIES = "Open API", "Deliveries"

# The fields by name. Airflow 3.2 and later group them by their section. All versions of Airflow mask `open_api_key`,
# because of its name, but not `receipt_key`. The hook masks the value of `receipt_key` in task logs, and
# docs/receipts.md says how to mask it in the UI.
CONN_FIELDS: dict[str, dict[str, Any]] = {
    "open_api_url": {
        "label": "Open API URL",
        "description": "For events, devices and profiles: https:// and the host that Blux named to you. No default.",
        "schema": {"type": ["string", "null"], "section": _OPEN_API},
    },
    "project_id": {
        "label": "Project ID",
        "description": "Project of the Open API. Not the Application ID.",
        "schema": {"type": ["string", "null"], "section": _OPEN_API},
    },
    "open_api_key": {
        "label": "Open API key",
        "description": "Key of the Open API, without Bearer. Not the secret key of the Application API.",
        "schema": {"type": ["string", "null"], "format": "password", "section": _OPEN_API},
    },
    "receipt_key": {
        "label": "Receipt key",
        "description": (
            "32 random characters, chosen by you. Deletion receipts hold ids as hashes with this key: keep it as long "
            "as the receipts, and do not change it."
        ),
        "schema": {"type": ["string", "null"], "format": "password", "section": _DELIVERIES},
    },
    "rate_limits": {
        "label": "Requests per second",
        "description": 'JSON by operation, if your limits differ from the published ones: {"upsert_users": 40}',
        "schema": {"type": ["object", "string", "null"], "section": _DELIVERIES},
    },
    "timeout": {
        "label": "Timeout (s)",
        "description": "Seconds to wait for an answer, 30 when empty.",
        "schema": {"type": ["number", "null"], "section": _DELIVERIES},
    },
    "verify": {
        "label": "CA bundle",
        "description": "Path of a CA bundle, if a proxy uses its own CA. Verification cannot be switched off.",
        "schema": {"type": ["string", "null"], "section": _DELIVERIES},
    },
}
EXTRAS = frozenset(CONN_FIELDS)


# Placeholder in a submitted form of Airflow 2.11 that means "keep the stored value of this extra".
_AS_STORED = "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER"


def widgets() -> dict[str, Any]:
    """Return the extra fields as form widgets, for Airflow before 3.2."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from wtforms import PasswordField, StringField
    from wtforms.validators import Optional

    class StoredPasswordWidget(BS3TextFieldWidget):  # type: ignore[misc]
        """A password field that keeps the stored value of an extra.

        Airflow 2.11 removes an extra if its field is empty. So the field is filled with Airflow's placeholder for a
        stored value, if there is one.
        """

        input_type = "password"

        def __call__(self, field: Any, **attributes: Any) -> Any:
            is_stored = field.data and not field.raw_data
            return super().__call__(field, **{**attributes, "value": _AS_STORED if is_stored else ""})

    def widget(field: dict[str, Any]) -> Any:
        secret = field["schema"].get("format") == "password"
        kind, look = (PasswordField, StoredPasswordWidget) if secret else (StringField, BS3TextFieldWidget)
        return kind(field["label"], validators=[Optional()], widget=look(), description=field["description"])

    return {name: widget(field) for name, field in CONN_FIELDS.items()}
