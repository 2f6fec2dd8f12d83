"""Reads the records in rejects files, which are sent again after they have been corrected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from airflow_provider_blux.exceptions import OUTDATED, BluxConfigError, BluxRecordError, shown
from airflow_provider_blux.sources.json_text import json_lines

_KEYS = frozenset({"operation", "outcome", "field", "reason", "record"})


def rejected_records(file: BinaryIO, name: str, operation: str | None = None) -> Iterator[Any]:
    """Yield the record of each line of a rejects file, whether its outcome is ``rejected`` or ``unknown``.

    An error takes the place of a line without a usable record. Blank lines are skipped.

    :param operation: the operation that sends the records; ``None`` if it is not known.
    :raises BluxConfigError: a line does not have the keys of a rejects file, or names another operation.
    """
    for number, line in enumerate(json_lines(file, name), 1):
        if isinstance(line, BluxRecordError):
            yield line
        elif not isinstance(line, dict) or not line.keys() >= _KEYS:
            raise BluxConfigError(
                f"Record {number:,} of {name} is no line of a rejects file, which has {', '.join(sorted(_KEYS))}. Set "
                "file_format to that of the file, or narrow path to the rejects files."
            )
        elif operation and (other := line["operation"]) != operation:
            raise BluxConfigError(
                f"Record {number:,} of {name} was to be sent by {shown(str(other))}, not by {operation}. Correct path, "
                "or send the file with the operator that rejected its records."
            )
        else:
            yield _record(line)


def _record(line: dict[str, Any]) -> Any:
    """Return the record of a line of a rejects file, or a :class:`BluxRecordError` if the record cannot be sent.

    A record cannot be sent if it is null; if JSON could not represent one of its values, which is then written as text
    in the rejects file; or if it was older than another record of its user, whose values it would overwrite.
    The returned record is not a :class:`TableRow`, since a rejects file may hold rows of several tables.
    """
    field = line["field"] if isinstance(line["field"], str) else None
    if line["record"] is None:
        return BluxRecordError(field, str(line["reason"]))
    as_text = line.get("as_text") or []
    columns = [str(column) for column in as_text] if isinstance(as_text, list) else [field or "record"]
    if str(line["reason"]).startswith(OUTDATED):
        way_out = "remove the line, or set its reason to null to send it anyway"
        error = BluxRecordError(
            field, f"{OUTDATED} in the run that rejected it, and would overwrite newer values; {way_out}"
        )
    elif columns:
        error = BluxRecordError(
            columns[0],
            "is text in place of a value that JSON cannot hold; correct it, and remove as_text from the line",
        )
    else:
        return line["record"]
    error.record, error.as_text = line["record"], columns
    return error
