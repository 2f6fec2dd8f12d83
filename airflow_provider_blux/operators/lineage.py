"""The OpenLineage data of a task: the files or tables that it read, the asset that it changed, and its counts.

This module is imported only when Airflow's OpenLineage provider calls the operators' methods. So the package does not
require that provider.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.openlineage.facet import (
    Dataset,
    OutputDataset,
    OutputStatisticsOutputDatasetFacet,
    RunFacet,
)
from airflow.providers.common.compat.sdk import BaseHook
from airflow.providers.openlineage.extractors import OperatorLineage
from attrs import define

from airflow_provider_blux.assets.blux import convert_asset_to_openlineage
from airflow_provider_blux.sources.paths import AnyPath, urls_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset

    from airflow_provider_blux.delivery.progress import Standing

_WILDCARD = re.compile(r"[*?\[]")

log = logging.getLogger(__name__)


@define
class BluxDeliveryRunFacet(RunFacet):
    """The counts of a run from its report; it holds numbers and no records."""

    api: str
    operation: str
    validate_only: bool
    read: int
    delivered: int
    rejected: int
    suppressed: int
    unchanged: int
    merged: int
    unknown: int
    resumed: int
    absent: int | None
    valid: int
    batches: int
    requests: int
    retries: int


def lineage_of(
    inputs: Sequence[Dataset], standing: Standing | None, changed: Asset | None
) -> OperatorLineage[Any, Any]:
    """Return the lineage of a finished task, successful or failed.

    :param inputs: the files or tables that the task read.
    :param standing: the last progress of its delivery; ``None`` if there was no delivery.
    :param changed: the asset that the task changes; ``None`` if it is unknown, or the task changes nothing.
    """
    outputs, facets = [], {}
    if standing is not None:
        facets["blux_delivery"] = _facet(standing)
        if changed is not None:
            outputs.append(_output(changed, standing.report.delivered - standing.report.resumed))
    return OperatorLineage(inputs=list(inputs), outputs=outputs, run_facets=facets)


def files(path: AnyPath | Sequence[AnyPath]) -> list[Dataset]:
    """Return each path as an OpenLineage dataset; for a glob, the folder that contains all possible matches."""
    return [_file(str(one)) for one in urls_of(path)]


def tables(sql: str, conn_id: str) -> list[Dataset]:
    """Return the tables that a query reads; an empty list if the database's hook does not support OpenLineage.

    The text of the query is not passed on, since it may contain values.
    """
    from airflow.providers.openlineage.sqlparser import get_openlineage_facets_with_sql

    hook: Any = BaseHook.get_hook(conn_id)
    lineage = get_openlineage_facets_with_sql(hook, sql, conn_id, database=None, use_connection=False)
    return list(lineage.inputs) if lineage else []


def _file(path: str) -> Dataset:
    scheme, has_scheme, place = path.rpartition("://")  # `urlsplit` would treat the wildcard ? as the start of a query
    if not has_scheme or scheme == "file":
        return Dataset(namespace="file", name=_before_wildcard(place))
    bucket, _, key = place.partition("/")
    bucket = bucket.rpartition("@")[2]  # the part before the @ is the Airflow connection
    return Dataset(namespace=f"{scheme}://{bucket}", name=_before_wildcard(key))


def _before_wildcard(path: str) -> str:
    parts = PurePosixPath(path).parts
    fixed = next((number for number, part in enumerate(parts) if _WILDCARD.search(part)), len(parts))
    return str(PurePosixPath(*parts[:fixed])) if fixed else "/"


def _output(asset: Asset, rows: int) -> OutputDataset:
    named = convert_asset_to_openlineage(asset, None)
    statistics = OutputStatisticsOutputDatasetFacet(rowCount=rows)
    return OutputDataset(namespace=named.namespace, name=named.name, outputFacets={"outputStatistics": statistics})


def _facet(standing: Standing) -> BluxDeliveryRunFacet:
    report = standing.report.as_dict()
    names = [name for name in BluxDeliveryRunFacet.__annotations__ if name in report]
    return BluxDeliveryRunFacet(
        api=standing.endpoint.api,
        operation=standing.endpoint.operation,
        **{name: report[name] for name in names},
    )
