"""The fixture ``blux_emulator`` for the tests of your own DAGs. Installing the package is enough to have it.

::

    from crm import crm_dag  # crm.py, in the folder of your DAGs, ends with `crm_dag = crm()`

    def test_the_dag_sends_every_user_once(blux_emulator):
        assert crm_dag.test().state == "success"
        assert blux_emulator.counts()["users"] == 3
        assert blux_emulator.user("u-1")["user_properties"]["phone_number"] == "01012345678"

    def test_the_dag_survives_two_errors(blux_emulator):
        blux_emulator.fault(kind="status", status=503, times=2)
        assert crm_dag.test().state == "success"
        assert blux_emulator.counts()["users"] == 3

``dag.test()`` needs Airflow's database (run ``airflow db migrate`` once) and ``AIRFLOW__CORE__DAGS_FOLDER``. The import
of ``crm`` needs the folder of your DAGs in ``PYTHONPATH``.

The fixture is an :class:`airflow_provider_blux.emulator.Emulator`. It is empty when a test begins. During the test, the
connection ``blux_default`` leads to it. One server serves the whole test session.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_blux.emulator import Emulator

__all__ = ["blux_emulator"]


@pytest.fixture(scope="session")
def _blux_emulator_server() -> Iterator[Emulator]:
    # Imported here, because every pytest run loads this module.
    from airflow_provider_blux.emulator import Emulator

    with Emulator() as blux:
        yield blux


@pytest.fixture
def blux_emulator(_blux_emulator_server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Give the test an empty emulator; during the test, the connection ``blux_default`` leads to it."""
    from airflow.providers.common.compat.sdk import BaseHook

    _blux_emulator_server.reset()
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", _blux_emulator_server.connection_json())
    # Airflow asks a secrets backend first. The test would send its records to Blux, and delete users there.
    if BaseHook.get_connection("blux_default").host != _blux_emulator_server.connection()["host"]:
        pytest.fail(
            "The secrets backend of Airflow has a connection blux_default, which comes before that of the emulator. "
            "Run tests without a secrets backend: set AIRFLOW__SECRETS__BACKEND and AIRFLOW__WORKERS__SECRETS_BACKEND "
            "to empty text.",
            pytrace=False,
        )
    return _blux_emulator_server
