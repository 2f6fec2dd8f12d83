"""The connection form, as Airflow's provider discovery returns it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import airflow
import pytest
from airflow.providers_manager import ProvidersManager
from packaging import version

from airflow_provider_blux.get_provider_info import get_provider_info
from airflow_provider_blux.hooks import connection_form
from airflow_provider_blux.hooks.blux import BluxHook

# Discovery imports whatever is installed, and the code of others warns of its own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def manager() -> ProvidersManager:
    return ProvidersManager()


def test_airflow_accepts_the_provider_info(manager: ProvidersManager) -> None:
    provider = manager.providers["airflow-provider-blux"]

    assert provider.data["name"] == "Blux"
    assert provider.data["connection-types"][0]["conn-fields"] == connection_form.CONN_FIELDS


def test_airflow_finds_the_hook_by_the_connection_type(manager: ProvidersManager) -> None:
    try:
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

        found: Any = ProvidersManagerTaskRuntime().hooks["blux"]
    except ImportError:  # Airflow before 3.2
        found = manager.hooks["blux"]

    assert found is not None
    assert found.hook_class_name == "airflow_provider_blux.hooks.blux.BluxHook"
    assert found.hook_name == BluxHook.hook_name
    assert (found.connection_id_attribute_name, found.connection_type) == ("blux_conn_id", "blux")
    assert found.connection_testable


def test_airflow_relabels_the_fields(manager: ProvidersManager) -> None:
    if version.parse(airflow.__version__) < version.parse("3.2"):
        pytest.importorskip("flask_appbuilder", reason="before Airflow 3.2 the form is plain without the FAB provider")

    behaviour = manager.field_behaviours["blux"]

    assert behaviour["relabeling"] == {
        "host": "Application API URL",
        "login": "Application ID",
        "password": "Secret key",
    }
    assert "port" not in behaviour["hidden_fields" if "hidden_fields" in behaviour else "hidden-fields"]


def test_every_module_that_is_declared_exists() -> None:
    info = get_provider_info()

    for kind in ("hooks", "operators"):
        for entry in info[kind]:
            for module in entry["python-modules"]:
                import_module(module)


def test_the_hook_tells_the_same_as_the_provider_info() -> None:
    (connection_type,) = get_provider_info()["connection-types"]

    assert connection_type["connection-type"] == BluxHook.conn_type == connection_form.CONNECTION_TYPE
    assert BluxHook.get_ui_field_behaviour() == {
        name.replace("-", "_"): value for name, value in connection_type["ui-field-behaviour"].items()
    }


def test_the_secret_extras_are_password_fields() -> None:
    secret = {
        name for name, field in connection_form.CONN_FIELDS.items() if field["schema"].get("format") == "password"
    }

    # The name of the second is fixed by the design and masked by no Airflow; the hook masks its value in logs.
    assert secret == {"open_api_key", "receipt_key"}


def test_the_form_before_airflow_3_2_has_the_same_fields() -> None:
    pytest.importorskip("wtforms", reason="Airflow from 3.0 on has no widgets unless the FAB provider is there")
    pytest.importorskip("flask_appbuilder")

    widgets = BluxHook.get_connection_form_widgets()

    assert list(widgets) == list(connection_form.CONN_FIELDS)
    kinds = {name: widget.field_class.__name__ for name, widget in widgets.items()}
    assert {name for name, kind in kinds.items() if kind == "PasswordField"} == {"open_api_key", "receipt_key"}
    assert set(kinds.values()) == {"PasswordField", "StringField"}
