"""An auth manager with permissions for single DAGs, which Airflow's simple auth manager does not have."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

from tests.airflow.browser.permissions import RESTRICTED_DAG


class AuthManagerByDag(SimpleAuthManager):
    """Everybody may see every DAG, except that Bob may not see ``RESTRICTED_DAG``."""

    def is_authorized_dag(self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None) -> bool:
        if user.username == "bob" and details is not None and details.id == RESTRICTED_DAG:
            return False
        allowed: bool = super().is_authorized_dag(
            method=method, user=user, access_entity=access_entity, details=details
        )
        return allowed
