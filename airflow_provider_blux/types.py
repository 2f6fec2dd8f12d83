"""The types of values that a DAG passes to or receives from the operators and the hook.

They are for annotations; the classes, such as ``Report`` and ``Run``, are also for ``isinstance``. Import them only
from this module: the modules that define them may move.
"""

from __future__ import annotations

from airflow_provider_blux.api.endpoints import Api, Endpoint, Operation
from airflow_provider_blux.delivery.checkpoint_store import Store
from airflow_provider_blux.delivery.progress import Standing, State, Watcher
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.run import Run
from airflow_provider_blux.delivery.settings import Fallback, OnUnknown
from airflow_provider_blux.delivery.traffic import Counted
from airflow_provider_blux.hooks.options import DeletionOptions, DeviceOptions, EventOptions, UserOptions
from airflow_provider_blux.operators.sources import Absence
from airflow_provider_blux.records.options import Meaning
from airflow_provider_blux.records.timestamps import Unit
from airflow_provider_blux.sources.formats import FileFormat
from airflow_provider_blux.sources.paths import AnyPath

__all__ = [
    "Absence",
    "AnyPath",
    "Api",
    "Counted",
    "DeletionOptions",
    "DeviceOptions",
    "Endpoint",
    "EventOptions",
    "Fallback",
    "FileFormat",
    "Meaning",
    "OnUnknown",
    "Operation",
    "Report",
    "Run",
    "Standing",
    "State",
    "Store",
    "Unit",
    "UserOptions",
    "Watcher",
]
