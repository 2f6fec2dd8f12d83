"""The plugin of the page "Blux deliveries" under every version of Airflow."""

from __future__ import annotations

import re

from tests.airflow.home import AirflowHome


def test_airflow_loads_the_plugin_without_complaint(migrated_home: AirflowHome) -> None:
    printed = migrated_home.command("plugins", "--verbose")

    assert "blux_deliveries" in printed
    assert [
        line
        for line in printed.splitlines()
        if re.search(r"blux", line, re.I) and re.search(r"warn|error|fail", line, re.I)
    ] == []
