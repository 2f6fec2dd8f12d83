"""Both APIs of Blux on this machine: for a first look, for this package's tests, and for the tests of your own DAGs.

::

    from airflow_provider_blux.emulator import Emulator

    with Emulator() as blux:
        os.environ["AIRFLOW_CONN_BLUX_DEFAULT"] = blux.connection_json()
        ...
        assert blux.user("u-1")["user_properties"]["email_address"] == "john.doe@example.com"

From the command line: ``python -m airflow_provider_blux.emulator``. In pytest: the fixture ``blux_emulator``.

The emulator follows the published API documentation and imports nothing from the client, so a mistake in the client is
not repeated in the emulator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_blux.emulator.server import Emulator

__all__ = ["Emulator"]


def __getattr__(name: str) -> Any:
    # The pytest plugin lives in this package and is loaded by every pytest run: nothing is imported before it is used.
    if name == "Emulator":
        from airflow_provider_blux.emulator.server import Emulator

        return Emulator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
