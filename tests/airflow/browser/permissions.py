"""Who may see which DAG; apart from the auth manager, whose import takes seconds also where no browser is started."""

from __future__ import annotations

RESTRICTED_DAG = "crm_restricted"
# Both are viewers; only the first may see the restricted DAG.
USERS = {"ann": "password-of-ann", "bob": "password-of-bob"}
