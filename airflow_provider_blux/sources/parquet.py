"""Reads records from Parquet files, one row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from airflow_provider_blux.exceptions import BluxSourceError
from airflow_provider_blux.extras import PARQUET, library
from airflow_provider_blux.sources.arrow import batch_rows, without_index
from airflow_provider_blux.sources.rows import check_columns

_ROWS_A_BATCH = 1000


def parquet_rows(file: BinaryIO, name: str) -> Iterator[Any]:
    """Yield one record for each row; an error in place of a row with a value that Python cannot hold.

    :param file: a seekable file, since the metadata of Parquet is at the end of the file.
    :raises BluxSourceError: the file is damaged or is not Parquet, or a column name is missing or is not unique, or the
        file has rows but no columns.
    """
    parquet = _open(file, name)
    columns = without_index(parquet.schema_arrow.empty_table()).schema.names
    groups, size = parquet.num_row_groups, parquet.metadata.num_rows
    check_columns(columns, name, size)
    rows = 0
    for group in range(groups):
        batches = parquet.iter_batches(batch_size=_ROWS_A_BATCH, row_groups=[group], use_threads=False)
        try:
            for batch in batches:
                # Rows are created one by one while they are read: many new objects at once would start a full garbage
                # collection.
                yield from batch_rows(columns, without_index(batch))
                rows += batch.num_rows
        except Exception as error:  # noqa: BLE001 - an error of pyarrow, Python or the storage, which may quote a value
            raise BluxSourceError(
                f"{name} is damaged: row group {group + 1} of {groups} cannot be read after row {rows:,} "
                f"({type(error).__name__})."
            ) from None
    if rows != size:
        raise BluxSourceError(f"{name} is damaged: its footer says {size:,} rows, it has {rows:,}.")


def _open(file: BinaryIO, name: str) -> Any:
    parquet = library(PARQUET, name)
    try:
        return parquet.ParquetFile(
            file,
            page_checksum_verification=True,
            coerce_int96_timestamp_unit="us",  # INT96 counts nanoseconds, in which 9999-12-31 would be read as 1816
        )
    except Exception as error:  # noqa: BLE001 - an error of pyarrow, Python or the storage
        raise BluxSourceError(
            f"{name} is no Parquet file, or is cut off: its footer cannot be read ({type(error).__name__})."
        ) from None
