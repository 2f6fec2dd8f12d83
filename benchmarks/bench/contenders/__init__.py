"""The programs that are compared: each a module that delivers a file and reports as JSON what that took of its process.

The peers are written as their users write them: correct, and no more than is needed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One program.

    :param module: its name in this package.
    :param needs: the module that must be installed for it.
    :param waits: whether it waits for each answer before it sends the next request.
    """

    title: str
    module: str
    needs: str
    waits: bool = False


OURS = Contender(title="this package", module="ours", needs="airflow")
HTTP_HOOK = Contender(
    title="Airflow `HttpHook` in a loop", module="http_hook", needs="airflow.providers.http", waits=True
)
AIOHTTP = Contender(title="aiohttp, evenly spaced starts", module="aiohttp_paced", needs="aiohttp")
PEERS = (
    HTTP_HOOK,
    Contender(title="`requests.Session` in a loop", module="requests_loop", needs="requests", waits=True),
    Contender(title="dlt custom destination, defaults", module="dlt_destination", needs="dlt", waits=True),
    AIOHTTP,
)
