"""Keeps an older record of a user from overtaking a newer one: a withdrawn consent must stay withdrawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from airflow_provider_blux.delivery.ids import NewestMoments, digest_of
from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.values import timestamp


class Freshness:
    """The newest moment of each user in a run, about 24 bytes a user.

    :param field: the column of the source that says when a record was updated.
    :param zone: where a moment without a zone is at home; ``None`` rejects it.
    """

    def __init__(self, field: str, zone: tzinfo | None) -> None:
        self._field = field
        self._zone = zone
        self._newest = NewestMoments()

    def check(self, user_id: str, row: Any) -> None:
        """Remember how new a record is.

        :raises BluxRecordError: it is older than one of the same user before it, or does not say how old it is.
        """
        value = row.get(self._field) if isinstance(row, Mapping) else None
        if value is None:
            raise BluxRecordError(self._field, "is missing (null), so nobody knows whether the record is still true")
        moment = datetime.fromisoformat(timestamp(value, self._field, self._zone)).timestamp()
        if self._newest.is_overtaken(digest_of(user_id), moment):
            raise BluxRecordError(
                self._field, "is older than an earlier record of the same user in this run; sort the source by it"
            )
