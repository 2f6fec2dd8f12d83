"""An Airflow home that goes with the process: the sources import Airflow, which would write to the user's own."""

from __future__ import annotations

import os
from pathlib import Path


def settle_in(home: Path) -> None:
    """Point Airflow, and every process started from here, at ``home``; call it before Airflow is imported."""
    os.environ.update(AIRFLOW_HOME=str(home), AIRFLOW__CORE__LOAD_EXAMPLES="False", NO_PROXY="*", NETRC=os.devnull)
