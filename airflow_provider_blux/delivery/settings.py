"""The settings of a delivery: checks the arguments of a DAG author and fills in the limits of the endpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import tzinfo
from typing import Any, Literal, TypedDict, get_args

from airflow_provider_blux.api.endpoints import Endpoint
from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.records.options import DEFAULT, Meaning, Shaping
from airflow_provider_blux.records.shapes import check_mapping
from airflow_provider_blux.records.timestamps import Unit

OnUnknown = Literal["resend", "keep"]
"""What happens to an event that may have arrived: ``"resend"`` or ``"keep"`` (count it as unknown, do not resend it).

``"resend"`` sends each event at least once, ``"keep"`` at most once.
"""

Fallback = Literal["fail", "share"]
"""What a task does while Redis does not answer: ``"fail"``, or ``"share"``: use a fixed share of the rate limit."""

# The default: enough for answers that take a second or more. If the rate limit allows more requests in a second, the
# default is that number.
CONCURRENCY = 32
# Each request in flight needs a thread and a connection.
MOST_CONCURRENCY = 256
# So many users may be deleted if ``max_users`` does not say otherwise.
MAX_USERS = 100_000
# Options that become settings as they are.
_AS_GIVEN = ("max_rejects", "on_unknown", "full_refresh", "max_absent", "resume", "validate_only")
_SHAPING = frozenset(field.name for field in fields(Shaping))


class ShapingOptions(TypedDict, total=False):
    """How rows are read: see :class:`~airflow_provider_blux.records.options.Shaping`."""

    field_mapping: Mapping[str, str] | None
    true_values: Sequence[Meaning]
    false_values: Sequence[Meaning]
    naive_timezone: str | tzinfo | None
    send_nulls: bool
    lowercase_columns: bool
    json_columns: str | Sequence[str]
    check_ids: bool
    timestamp_unit: Unit | None
    phone_region: str | None


class PaceOptions(TypedDict, total=False):
    """The speed of a delivery.

    ``batch_size``: records per request; ``None`` for the maximum of the endpoint.
    ``rate_limit``: requests a second; ``None`` for the limit of the connection or, without one, of the endpoint.
    ``concurrency``: maximum number of requests in flight; ``None`` for one second's requests, at least 32, at most 256.
    ``rate_limit_share``: share of the rate limit for this task (above 0, at most 1); ``None`` for all of it. Without a
    Redis connection it always applies. With one, it applies only while Redis does not answer.
    ``rate_limit_fallback``: what the task does while Redis does not answer, see :data:`Fallback`.
    """

    batch_size: int | None
    rate_limit: float | None
    rate_limit_share: float | None
    rate_limit_fallback: Fallback
    concurrency: int | None


class SharedOptions(ShapingOptions, PaceOptions, total=False):
    """The delivery arguments of all operations.

    ``rate_limit_conn_id``: Airflow connection of a Redis; all tasks with this connection share the rate limit.
    ``max_rejects``: how many records (an int), or which share of them (a float), may be rejected, or have an unknown
    outcome (they may or may not have arrived).
    ``resume``: continue where the last try stopped. ``validate_only``: read, check and count all records, but send
    nothing.
    """

    rate_limit_conn_id: str | None
    max_rejects: float
    resume: bool
    validate_only: bool


class SnapshotOptions(TypedDict, total=False):
    """The arguments of ``upsert_users`` and ``update_devices`` for sending only rows that have changed.

    ``snapshot_path`` (also of ``delete_users``): folder of the snapshot, which records the last accepted row of each
    user or device. An unchanged row is not sent again. A deleted user is removed from the snapshot.
    ``full_refresh``: send everything and start a new snapshot.
    ``max_absent``: how many users of the snapshot (an int), or which share of them (a float), may be missing from the
    source.
    """

    snapshot_path: str | None
    full_refresh: bool
    max_absent: float | None


class DeliveryOptions(SharedOptions, SnapshotOptions, total=False):
    """The delivery arguments of any operation.

    ``exclude_fields`` (users): properties that are not sent, ``"consents"`` for all six consents.
    ``updated_at_field`` (users): column with the time of the last change. A record is rejected if a record of the same
    user with a later time came before it in the source.
    ``on_unknown`` (events): see :data:`OnUnknown`.
    """

    exclude_fields: str | Sequence[str]
    updated_at_field: str | None
    on_unknown: OnUnknown


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Delivery options after all defaults are filled in.

    :param rate_limit: requests a second of this task; with Redis, of all tasks that share the rate limit.
    :param rate_limit_alone: requests a second of this task while Redis does not answer; ``None`` to fail.
    """

    batch_size: int
    rate_limit: float
    rate_limit_conn_id: str | None = None
    rate_limit_alone: float | None = None
    concurrency: int = CONCURRENCY
    max_rejects: float = 0
    on_unknown: OnUnknown = "resend"
    full_refresh: bool = False
    max_absent: float | None = None
    resume: bool = True
    validate_only: bool = False
    shaping: Shaping = DEFAULT
    updated_at_field: str | None = None


def resolved_settings(options: DeliveryOptions, endpoints: Sequence[Endpoint], rate_limit: float | None) -> Settings:
    """Return the settings for an operation.

    :param endpoints: the endpoints of the operation, the one with the most records per request first.
    :param rate_limit: the rate limit of the connection, which the option ``rate_limit`` overrides; ``None`` for the
        limit of the endpoint.
    :raises BluxConfigError: naming the argument at fault.
    """
    check(options)
    shaping, updated_at = shaping_of(options), options.get("updated_at_field")
    check_mapping(endpoints[0].operation, endpoints[0].api, shaping.field_mapping)
    widest = endpoints[0]
    size = options.get("batch_size") or widest.max_records
    if size > widest.max_records:
        raise BluxConfigError(
            f"batch_size is {size}, but {widest} takes at most {widest.max_records} records a request. Lower it, or "
            "leave it out."
        )
    rate = options.get("rate_limit") or rate_limit or widest.max_rate
    own_rate, shared = rate * (options.get("rate_limit_share") or 1), options.get("rate_limit_conn_id")
    limit = rate if shared else own_rate
    as_given: dict[str, Any] = {name: value for name, value in options.items() if name in _AS_GIVEN}
    return Settings(
        batch_size=size,
        rate_limit=limit,
        rate_limit_conn_id=shared,
        rate_limit_alone=own_rate if options.get("rate_limit_fallback") == "share" else None,
        concurrency=options.get("concurrency") or min(MOST_CONCURRENCY, max(CONCURRENCY, math.ceil(limit))),
        shaping=shaping,
        updated_at_field=None if updated_at is None else shaping.column(updated_at),
        **as_given,
    )


def shaping_of(options: DeliveryOptions) -> Shaping:
    """Return the options that decide how rows are read.

    :raises BluxConfigError: naming the argument at fault.
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if name in _SHAPING}
    if given.get("field_mapping", {}) is None:
        del given["field_mapping"]
    return Shaping(**given)


def check(options: DeliveryOptions) -> None:
    """Check all that can be checked without knowing the endpoint; called when a DAG is parsed and before a delivery.

    :raises BluxConfigError: naming the argument at fault.
    """
    _check_count("batch_size", options.get("batch_size"))
    _check_count("concurrency", options.get("concurrency"))
    if (options.get("concurrency") or 0) > MOST_CONCURRENCY:
        raise BluxConfigError(f"concurrency must be at most {MOST_CONCURRENCY} requests in flight, or be left out.")
    check_rate("rate_limit", options.get("rate_limit"))
    _check_sharing(options)
    for name in ("resume", "validate_only", "full_refresh"):
        if not isinstance(options.get(name, False), bool):
            raise BluxConfigError(f"{name} must be True or False.")
    if options.get("on_unknown", "resend") not in get_args(OnUnknown):
        raise BluxConfigError("on_unknown must be 'resend' or 'keep'.")
    _check_tolerance("max_rejects", options.get("max_rejects", 0))
    if options.get("max_absent") is not None:
        _check_tolerance("max_absent", options.get("max_absent"))
    field = options.get("updated_at_field")
    if field is not None and (not isinstance(field, str) or not field):
        raise BluxConfigError("updated_at_field must be the name of a column, or be left out.")
    shaping_of(options)


def check_rejects_path(max_rejects: Any, rejects_path: Any) -> None:
    """Check that ``rejects_path`` is given if ``max_rejects`` allows rejects.

    :raises BluxConfigError: rejects are allowed, but ``rejects_path`` is missing.
    """
    if max_rejects and rejects_path is None:
        raise BluxConfigError(
            "max_rejects allows records to be left out, so rejects_path must name a folder that keeps them."
        )


def check_snapshot(snapshot_path: Any, full_refresh: Any, max_absent: Any) -> None:
    """Check that snapshot arguments are only given together with ``snapshot_path``.

    :raises BluxConfigError: ``snapshot_path`` is missing.
    """
    if snapshot_path is None and (full_refresh or max_absent is not None):
        name = "full_refresh" if full_refresh else "max_absent"
        raise BluxConfigError(f"{name} needs snapshot_path, the folder of the snapshot.")


def check_max_users(max_users: Any) -> None:
    """Check ``max_users``, the limit of users that a run may delete.

    :raises BluxConfigError: the value is neither a whole number above 0 nor ``None``.
    """
    if max_users is not None and (isinstance(max_users, bool) or not isinstance(max_users, int) or max_users < 1):
        raise BluxConfigError("max_users must be a whole number of at least 1, or None to switch the guard off.")


def check_list_key(list_key: Any) -> None:
    """Check ``list_key``, the name of the list of devices in the request body.

    :raises BluxConfigError: the value is not text, is empty, has whitespace around it, or is a template.
    """
    is_name = isinstance(list_key, str) and list_key and list_key == list_key.strip() and "{{" not in list_key
    if list_key is not None and not is_name:
        raise BluxConfigError(
            "list_key must be the name of the list in the request body, without whitespace around it and not a "
            "template, or be left out."
        )


def check_rate(name: str, value: Any) -> None:
    """Check a number of requests a second; ``None`` stands for the published limit.

    :param name: the name of the argument, for the message.
    :raises BluxConfigError: the value is not a number above 0.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise BluxConfigError(f"{name} must be a number above 0 (requests a second), or be left out.")


def _check_sharing(options: DeliveryOptions) -> None:
    connection, share = options.get("rate_limit_conn_id"), options.get("rate_limit_share")
    if connection is not None and (not isinstance(connection, str) or not connection):
        raise BluxConfigError("rate_limit_conn_id must be the id of a Redis connection, or be left out.")
    if share is not None and (isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1):
        raise BluxConfigError("rate_limit_share must be a number above 0 and at most 1, or be left out.")
    fallback = options.get("rate_limit_fallback", "fail")
    if fallback not in get_args(Fallback):
        raise BluxConfigError("rate_limit_fallback must be 'fail' or 'share'.")
    if fallback == "fail" and connection is not None and share is not None:
        raise BluxConfigError(
            "rate_limit_share would have no effect: with rate_limit_conn_id it is used only while Redis does not "
            "answer. Add rate_limit_fallback='share', or leave rate_limit_share out."
        )
    if fallback == "share" and (connection is None or share is None):
        raise BluxConfigError(
            "rate_limit_fallback='share' needs rate_limit_conn_id, and rate_limit_share: the share of the rate that "
            "this task may use while Redis does not answer. (An operator computes the share from "
            "max_active_tis_per_dag, if that is set.)"
        )


def _check_count(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BluxConfigError(f"{name} must be a whole number of at least 1, or be left out.")


def _check_tolerance(name: str, value: Any) -> None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    is_share = isinstance(value, float) and 0 <= value <= 1
    if not (is_count or is_share):
        raise BluxConfigError(
            f"{name} must be a whole number of records (an int of at least 0) or a share of them (a float from 0.0 to "
            "1.0)."
        )
