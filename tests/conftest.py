"""Every test sees an Airflow home of its own and none of the developer's settings, proxies or credentials."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

# Airflow reads its home when it is imported, which is before any fixture.
_home = tempfile.TemporaryDirectory(prefix="airflow_home_")
for _name in list(os.environ):
    if _name.startswith("AIRFLOW_") or _name.lower().endswith("_proxy"):
        del os.environ[_name]
os.environ.update(
    AIRFLOW_HOME=_home.name,
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    NETRC=os.devnull,  # `requests` would take credentials from ~/.netrc
    NO_PROXY="*",
)


def pytest_unconfigure(config: pytest.Config) -> None:
    _home.cleanup()
