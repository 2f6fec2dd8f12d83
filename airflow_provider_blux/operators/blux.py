"""The operators: users, deletions, events and devices to Blux."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from airflow_provider_blux.delivery.settings import (
    MAX_USERS,
    OnUnknown,
    check_list_key,
    check_max_users,
    check_snapshot,
)
from airflow_provider_blux.hooks.options import on_unknown_of
from airflow_provider_blux.operators.arguments import (
    Flag,
    OperatorArguments,
    Reference,
    SnapshotOperatorArguments,
    Text,
)
from airflow_provider_blux.operators.base import TEMPLATED, BluxOperator
from airflow_provider_blux.operators.redaction import HiddenField
from airflow_provider_blux.operators.templating import is_template

__all__ = ["BluxDeleteUsersOperator", "BluxSendEventsOperator", "BluxUpdateDevicesOperator", "BluxUpsertUsersOperator"]


class _SnapshotOperator(BluxOperator):
    """Base class of operators that can send only changed records; they explain its arguments."""

    def __init__(
        self,
        *,
        snapshot_path: Text | None = None,
        full_refresh: Flag = False,
        max_absent: float | None = None,
        suppression_path: str | Sequence[str] | Reference | None = None,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        self.suppression_path = suppression_path
        self.snapshot_path = snapshot_path
        self.full_refresh = full_refresh
        self.max_absent = max_absent
        super().__init__(**kwargs)
        check_snapshot(snapshot_path, full_refresh, max_absent)


class BluxUpsertUsersOperator(_SnapshotOperator):
    """Create users, or update the properties that are given.

    The other arguments are those of :class:`~airflow_provider_blux.operators.base.BluxOperator`.

    :param users: (templated) a list of users, nested as in the API or as flat rows; an upstream task's output, a mapped
        task's outputs, or a JSON string of a list.
    :param exclude_fields: (templated) properties that are never sent; ``"consents"`` names all six consents.
    :param updated_at_field: column with the time of a record's last update. A record is rejected if this time is
        missing or not valid, or is before that of an earlier record of the same user in the source.
    :param suppression_path: (templated) files of user ids, or receipts of deletions; the users in them are not sent.
    :param snapshot_path: (templated) folder of the snapshot; a user with an unchanged row is not sent again.
    :param full_refresh: (templated) send all users, even with an unchanged row, and start a new snapshot.
    :param max_absent: how many users of the snapshot (an int), or which share of them (a float), may be missing in the
        source. If more are missing, the task fails after all records of the source are delivered; nobody is deleted.
    """

    template_fields: Sequence[str] = (
        "users",
        *TEMPLATED,
        "suppression_path",
        "exclude_fields",
        "snapshot_path",
        "full_refresh",
    )
    operation = "upsert_users"
    records_field = "users"
    users = HiddenField()

    def __init__(
        self,
        *,
        users: Any = None,
        exclude_fields: str | Sequence[str] | Reference = (),
        updated_at_field: str | None = None,
        **kwargs: Unpack[SnapshotOperatorArguments],
    ) -> None:
        self.users = users
        self.exclude_fields = exclude_fields
        self.updated_at_field = updated_at_field
        super().__init__(**kwargs)


class BluxDeleteUsersOperator(BluxOperator):
    """Delete users.

    The other arguments are those of :class:`~airflow_provider_blux.operators.base.BluxOperator`.

    :param user_ids: (templated) a list of ids, or of rows with a column ``user_id``; an upstream task's output, a
        mapped task's outputs, or a JSON string of a list.
    :param max_users: (templated) maximum number of users to delete (100,000 unless given), checked before anything
        is deleted; ``None`` for no limit.
    :param receipts_path: (templated) folder for a receipt of every accepted request.
    :param snapshot_path: (templated) snapshot folder of the task that sends users. Deleted users are removed from it,
        so that an unchanged row is sent again if the user comes back.
    """

    template_fields: Sequence[str] = ("user_ids", *TEMPLATED, "receipts_path", "max_users", "snapshot_path")
    operation = "delete_users"
    records_field = "user_ids"
    user_ids = HiddenField()

    def __init__(
        self,
        *,
        user_ids: Any = None,
        max_users: int | Text | None = MAX_USERS,
        receipts_path: Text | None = None,
        snapshot_path: Text | None = None,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        self.user_ids = user_ids
        self.max_users = max_users
        self.receipts_path = receipts_path
        self.snapshot_path = snapshot_path
        super().__init__(**kwargs)
        if not is_template(max_users):
            check_max_users(max_users)


class BluxSendEventsOperator(BluxOperator):
    """Send events.

    The other arguments are those of :class:`~airflow_provider_blux.operators.base.BluxOperator`.

    :param events: (templated) a list of events; an upstream task's output, a mapped task's outputs, or a JSON string
        of a list.
    :param on_unknown: what happens to an event that may or may not have arrived. ``resend``, the default, sends it
        again, so that each event arrives at least once. ``keep`` counts it as unknown and does not send it again, so
        that each event arrives at most once.
    :param suppression_path: (templated) files of user ids, or receipts of deletions; events of the users in them are
        not sent.
    """

    template_fields: Sequence[str] = ("events", *TEMPLATED, "suppression_path")
    operation = "send_events"
    records_field = "events"
    events = HiddenField()

    def __init__(
        self,
        *,
        events: Any = None,
        on_unknown: OnUnknown = "resend",
        suppression_path: str | Sequence[str] | Reference | None = None,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        self.events = events
        self.suppression_path = suppression_path
        self.on_unknown = on_unknown_of(on_unknown, stacklevel=4)
        super().__init__(**kwargs)


class BluxUpdateDevicesOperator(_SnapshotOperator):
    """Create devices, or update them.

    Blux's documentation does not show the request body of this endpoint, so check in your own project that devices
    arrive. The other arguments are those of :class:`~airflow_provider_blux.operators.base.BluxOperator`.

    :param devices: (templated) a list of devices; an upstream task's output, a mapped task's outputs, or a JSON
        string of a list.
    :param list_key: name of the list of devices in the request body; ``devices`` unless given.
    :param suppression_path: (templated) files of user ids, or receipts of deletions; devices of the users in them are
        not sent.
    :param snapshot_path: (templated) folder of the snapshot; a device with an unchanged row is not sent again.
    :param full_refresh: (templated) send all devices, even with an unchanged row, and start a new snapshot.
    :param max_absent: how many devices of the snapshot (an int), or which share of them (a float), may be missing in
        the source; if more are missing, the task fails.
    """

    template_fields: Sequence[str] = ("devices", *TEMPLATED, "suppression_path", "snapshot_path", "full_refresh")
    operation = "update_devices"
    records_field = "devices"
    devices = HiddenField()

    def __init__(
        self, *, devices: Any = None, list_key: str = "devices", **kwargs: Unpack[SnapshotOperatorArguments]
    ) -> None:
        self.devices = devices
        self.list_key = list_key
        super().__init__(**kwargs)
        check_list_key(list_key)
