"""The links of a task in Airflow's pages: to its rejects, its receipts and the documentation."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseOperatorLink, conf

from airflow_provider_blux.assets.blux import KINDS
from airflow_provider_blux.exceptions import (
    BluxAbsentError,
    BluxApiError,
    BluxCheckpointError,
    BluxError,
    BluxGuardError,
    BluxPaceError,
    BluxReceiptError,
    BluxRejectLimitError,
    BluxSnapshotError,
    BluxSourceError,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, TaskInstanceKey

    from airflow_provider_blux.api.endpoints import Operation

#: For each URL scheme, the page of the web console for an object, and its page for a folder.
_CONSOLES = {
    "s3": (
        "https://s3.console.aws.amazon.com/s3/object/{bucket}?prefix={key}",
        "https://s3.console.aws.amazon.com/s3/buckets/{bucket}?prefix={key}",
    ),
    "gs": (
        "https://console.cloud.google.com/storage/browser/_details/{bucket}/{key}",
        "https://console.cloud.google.com/storage/browser/{bucket}/{key}",
    ),
}
#: Environment variables that make the AWS SDK use another server than Amazon's.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
OPERATOR_PAGES = {operation: f"operators/{kind}.html" for operation, kind in KINDS.items()}
ERROR_PAGE = "troubleshooting.html"
#: The heading on that page for each class of errors. A class with several headings is not listed.
HEADINGS: dict[type[BluxError], str] = {
    BluxApiError: "what-blux-answers",
    BluxPaceError: "what-blux-answers",
    BluxSourceError: "what-the-records-are-read-from",
    BluxRejectLimitError: "records-that-are-rejected",
    BluxGuardError: "deletions-and-receipts",
    BluxReceiptError: "deletions-and-receipts",
    BluxSnapshotError: "snapshots",
    BluxAbsentError: "snapshots",
    BluxCheckpointError: "a-retry-that-cannot-go-on",
}

log = logging.getLogger(__name__)


class StoredLink(BaseOperatorLink):
    """A link whose URL the task stores as XCom at its end, even if it fails.

    Airflow 2 calls :meth:`get_link` in its web server. Airflow 3 calls it in the task's process at the end of the task,
    and stores the result as XCom under the same key (``xcom_key``).
    """

    xcom_key: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL; an empty text if there is nothing to link to."""
        links: Mapping[str, str] | None = getattr(operator, "links_of_this_try", None)
        if links is not None:  # Airflow 3 logs an error for every XCom that is looked for and is not there
            return links.get(self.xcom_key, "")
        try:
            from airflow.providers.common.compat.sdk import XCom

            return XCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""
        except Exception as error:  # noqa: BLE001 - a missing link must not break a page or fail a task
            log.warning("The link %s is missing (%s).", self.name, type(error).__name__)
            return ""


class BluxRejectsLink(StoredLink):
    """Link to the rejects files in the web console of their storage."""

    name = "Rejects"
    xcom_key = "blux_rejects_link"


class BluxReceiptsLink(StoredLink):
    """Link to the receipts of deletions in the web console of their storage."""

    name = "Receipts"
    xcom_key = "blux_receipts_link"


class BluxDocumentationLink(StoredLink):
    """Link to the documentation of the task's error, or of the operator if there was no error."""

    name = "Documentation"
    xcom_key = "blux_documentation_link"


def console_url(folder: str | None, files: Sequence[str] | None) -> str:
    """Return the URL of a file, or of its folder if there are several files, in the web console of the storage.

    :param folder: the path that the DAG author gave. It may name an Airflow connection (``s3://my_conn@bucket/folder``),
        which tells on which server the storage is.
    :param files: the URLs of the files; they name the same connection.
    :return: an empty text if there are no files, or no console is known.
    """
    if not files:
        return ""
    url = files[0] if len(files) == 1 else files[0].rpartition("/")[0] + "/"
    scheme, _, path = url.partition("://")
    if scheme in ("http", "https"):
        return url
    if scheme not in _CONSOLES or (scheme == "s3" and _is_elsewhere(folder)):
        return ""
    bucket, _, key = path.partition("/")
    bucket = bucket.rpartition("@")[2]
    of_object, of_folder = _CONSOLES[scheme]
    return (of_folder if url.endswith("/") else of_object).format(bucket=bucket, key=quote(key))


def _is_elsewhere(folder: Any) -> bool:
    """Return whether an S3 folder is on another server, such as MinIO, so that Amazon's console cannot show it."""
    if any(os.environ.get(name) for name in _ENDPOINTS):
        return True
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    return bool(getattr(ObjectStoragePath(folder).fs, "endpoint_url", None))


def documentation_url(operation: Operation, error: BluxError | None) -> str:
    """Return the URL of the documentation of an error, or of the operator if there is no error.

    :return: an empty text if Airflow's configuration does not say where the documentation is.
    """
    base = conf.get("blux", "docs_url", fallback="").rstrip("/")
    if not base:
        return ""
    if error is None:
        return f"{base}/{OPERATOR_PAGES[operation]}"
    heading = next((heading for kind, heading in HEADINGS.items() if isinstance(error, kind)), "")
    return f"{base}/{ERROR_PAGE}{heading and f'#{heading}'}"
