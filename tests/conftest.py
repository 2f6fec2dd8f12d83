"""Every test sees an Airflow home of its own and none of the developer's settings, proxies or credentials."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from hypothesis import settings

if TYPE_CHECKING:
    import pytest

# How long an example takes is no matter of a test: on a busy machine it would fail now and then.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

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
