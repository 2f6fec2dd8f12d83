"""``execute`` of a decorated function against the emulator: its calls, their arguments, and the values it returns."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxSourceError, BluxStopped, BluxUnavailable
from tests.decorators.functions import TaskState, operator
from tests.operators.pipeline import Upstream, dag, rendered

MOMENT = "2026-01-31T09:00:00Z"
# For so long only Airflow waits: the try ends at once.
UNAVAILABLE: dict[str, Any] = {"kind": "status", "status": 503, "headers": {"Retry-After": "86400"}}
SLOWLY = {"batch_size": 2, "concurrency": 1, "rate_limit": 1000}


class Function:
    """Counts its calls; yields users whose numbers start at ``first``."""

    __name__ = "users"

    def __init__(self, count: int = 10) -> None:
        self.first = 0
        self.calls = 0
        self.is_closed = False
        self._count = count

    def __call__(self) -> Iterator[dict[str, Any]]:
        self.calls += 1
        try:
            for number in range(self.first, self.first + self._count):
                yield {"user_id": f"u{number}"}
        finally:
            self.is_closed = True


def events(function: Function) -> Iterator[dict[str, Any]]:
    for user in function():
        yield {**user, "name": "order", "timestamp": MOMENT}


def ids(blux: Emulator) -> set[str]:
    return set(dict(blux.users()))


def test_every_decorator_reaches_its_endpoint(blux_emulator: Emulator) -> None:
    def users() -> list[dict[str, str]]:
        return [{"user_id": "a"}, {"user_id": "b"}]

    def user_ids() -> Iterator[str]:
        yield from ("b", "c")

    def orders() -> str:
        return json.dumps([{"user_id": "a", "name": "order", "timestamp": MOMENT}])

    def devices() -> tuple[dict[str, str], ...]:
        return ({"device_id": "d"},)

    reports = [
        operator("blux_upsert_users", users).execute({}),
        operator("blux_delete_users", user_ids).execute({}),
        operator("blux_send_events", orders).execute({}),
        operator("blux_update_devices", devices).execute({}),
    ]

    assert [report["delivered"] for report in reports] == [2, 2, 1, 1]
    assert all(json.loads(json.dumps(report)) == report for report in reports)
    counts = blux_emulator.counts()
    assert (counts["users"], counts["events"], counts["devices"], counts["deleted_users"]) == (1, 1, 1, 2)


def test_a_function_gets_its_arguments_and_what_it_names_of_the_context(blux_emulator: Emulator) -> None:
    def users(first: str, /, second: str, *, third: str, ds: Any = None, run_id: Any = None) -> Iterator[Any]:
        yield {"user_id": "a", "all": f"{first} {second} {third} {ds} {run_id}"}

    operator("blux_upsert_users", users, "1", "2", third="3").execute({"ds": "2026-01-31", "ts": "not named"})

    assert blux_emulator.user("a")["custom_user_properties"] == {"all": "1 2 3 2026-01-31 None"}


def test_a_function_that_takes_all_of_the_context_gets_it_beside_its_arguments(blux_emulator: Emulator) -> None:
    def users(*numbers: int, **context: Any) -> list[dict[str, Any]]:
        return [{"user_id": "a", "sum": sum(numbers), "context": sorted(context)}]

    context: dict[str, Any] = {"ds": "2026-01-31", "logical_date": None}
    operator("blux_upsert_users", users, 1, 2, own="x").execute(context)

    assert blux_emulator.user("a")["custom_user_properties"] == {"sum": 3, "context": ["ds", "logical_date", "own"]}
    assert context.keys() == {"ds", "logical_date"}


def test_arguments_from_upstream_and_templates_are_what_they_say(blux_emulator: Emulator) -> None:
    def users(rows: list[dict[str, str]], day: str, file: str) -> Iterator[dict[str, str]]:
        for row in rows:
            yield {**row, "day": day, "file": file}

    with dag():
        made = operator("blux_upsert_users", users, Upstream(task_id="rows").output, day="{{ ds }}", file="users.sql")
    rendered(made, upstream=[{"user_id": "{{ 7 * 7 }}"}], ds="2026-01-31").execute({})

    assert blux_emulator.user("{{ 7 * 7 }}")["custom_user_properties"] == {"day": "2026-01-31", "file": "users.sql"}


def test_an_argument_is_handed_on_as_the_object_that_it_is(blux_emulator: Emulator) -> None:
    class Client:
        def users(self) -> list[dict[str, str]]:
            return [{"user_id": "of a client"}]

    def users(client: Client) -> list[dict[str, str]]:
        return client.users()

    operator("blux_upsert_users", users, Client()).execute({})

    assert ids(blux_emulator) == {"of a client"}


def test_records_that_are_yielded_are_not_kept(blux_emulator: Emulator) -> None:
    class User(dict[str, str]):
        __hash__ = object.__hash__  # type: ignore[assignment]

    alive: WeakSet[User] = WeakSet()
    most = 0

    def users() -> Iterator[User]:
        nonlocal most
        for number in range(5000):
            user = User(user_id=str(number))
            alive.add(user)
            most = max(most, len(alive))
            yield user

    report = operator(
        "blux_upsert_users", users, arguments={"batch_size": 10, "concurrency": 4, "rate_limit": 10_000}
    ).execute({})

    assert report["delivered"] == 5000
    assert most < 200


def test_a_record_that_is_invalid_is_rejected_and_the_others_are_delivered(blux_emulator: Emulator) -> None:
    def users() -> Iterator[Any]:
        yield {"user_id": "a"}
        yield [{"user_id": "b"}, {"user_id": "c"}]
        yield {"user_id": "d"}

    with pytest.raises(AirflowFailException, match="record 2"):
        operator("blux_upsert_users", users).execute({})
    assert ids(blux_emulator) == {"a", "d"}


def test_a_row_with_two_columns_deletes_nobody(blux_emulator: Emulator) -> None:
    def rows() -> list[tuple[str, str]]:
        return [("u-1", "u-2")]

    with pytest.raises(AirflowFailException, match="record 1, user_id"):
        operator("blux_delete_users", rows).execute({})
    assert blux_emulator.requests() == []


@pytest.mark.parametrize("after", [0, 3])
def test_what_the_function_raises_is_passed_on_as_it_is(blux_emulator: Emulator, after: int) -> None:
    error = LookupError("of the function")

    def users() -> Iterator[dict[str, str]]:
        yield from ({"user_id": str(number)} for number in range(after))
        raise error

    with pytest.raises(LookupError) as raised:
        operator("blux_upsert_users", users, arguments=SLOWLY).execute({})
    assert raised.value is error


@pytest.mark.parametrize("after", [0, 1])
def test_a_function_that_exits_does_not_end_its_task_as_a_success(blux_emulator: Emulator, after: int) -> None:
    def users() -> Any:
        yield from [{"user_id": "a"}][:after]
        sys.exit(0)

    for name in ("blux_upsert_users", "blux_delete_users"):
        with pytest.raises(BluxSourceError, match=r"^users\(\) called sys\.exit, so records may be missing"):
            operator(name, users).execute({})


def test_a_function_may_skip_its_task(blux_emulator: Emulator) -> None:
    def users() -> list[Any]:
        raise AirflowSkipException("nothing today")

    with pytest.raises(AirflowSkipException):
        operator("blux_upsert_users", users).execute({})
    assert blux_emulator.requests() == []


def test_a_function_that_returns_something_else_is_not_tried_again(blux_emulator: Emulator) -> None:
    def users() -> None:
        return None

    with pytest.raises(AirflowFailException, match=r"users\(\) returned a value of type NoneType. It must return or"):
        operator("blux_upsert_users", users).execute({})


@pytest.mark.parametrize(
    "cached", [[{"user_id": "b"}], '[{"user_id": "b"}]', {"user_id": "b"}], ids=["list", "JSON", "dict"]
)
def test_records_that_a_generator_returns_are_not_lost_in_silence(blux_emulator: Emulator, cached: Any) -> None:
    def users(is_cached: bool) -> Any:
        if is_cached:
            return cached  # the ``yield`` below makes this a generator, which Python lets return a value unseen
        yield {"user_id": "a"}
        return 1  # a number is no record

    with pytest.raises(AirflowFailException, match=r"^users\(\) yields records, so the value .* would be lost"):
        operator("blux_upsert_users", users, True).execute({})
    assert operator("blux_upsert_users", users, False).execute({})["delivered"] == 1


def test_a_function_that_returns_a_generator_twice_does_not_lose_its_records(blux_emulator: Emulator) -> None:
    records: Any = ({"user_id": one} for one in "ab")

    def users() -> Any:
        return records

    assert operator("blux_upsert_users", users).execute({})["delivered"] == 2
    with pytest.raises(AirflowFailException, match=r"yields records, but the generator ended in an earlier call"):
        operator("blux_upsert_users", users).execute({})


def test_text_that_is_no_json_may_be_better_at_the_next_try(blux_emulator: Emulator) -> None:
    def page() -> str:
        return "<h1>Bad gateway</h1>"

    with pytest.raises(BluxSourceError, match="text that is not JSON"):
        operator("blux_upsert_users", page).execute({})


def test_wrong_credentials_are_told_without_calling_the_function(
    blux_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps({"conn_type": "blux"}))
    function = Function()

    with pytest.raises(AirflowFailException, match="has no credentials"):
        operator("blux_upsert_users", function).execute({})
    assert function.calls == 0


def test_a_retry_continues_where_the_last_try_stopped(blux_emulator: Emulator) -> None:
    function, state = Function(), TaskState()
    blux_emulator.fault(**UNAVAILABLE, skip=2, times=1)

    with pytest.raises(BluxUnavailable):
        operator("blux_upsert_users", function, arguments=SLOWLY).execute({"task_state_store": state})
    assert function.is_closed
    report = operator("blux_upsert_users", function, arguments=SLOWLY).execute({"task_state_store": state})

    assert (report["read"], report["delivered"], report["resumed"]) == (10, 10, 4)
    assert function.calls == 2
    assert set(state) == {"blux_progress"}  # to look at, and nothing to continue


def test_other_records_at_a_retry_are_all_sent_and_the_function_is_called_once_more(blux_emulator: Emulator) -> None:
    function, state = Function(), TaskState()
    blux_emulator.fault(**UNAVAILABLE, skip=2, times=1)
    with pytest.raises(BluxUnavailable):
        operator("blux_upsert_users", function, arguments=SLOWLY).execute({"task_state_store": state})
    function.first = 100
    report = operator("blux_upsert_users", function, arguments=SLOWLY).execute({"task_state_store": state})

    assert (report["delivered"], report["resumed"]) == (10, 0)
    assert {f"u{number}" for number in range(100, 110)} <= ids(blux_emulator)
    assert function.calls == 3


def test_without_resume_a_function_is_called_once_a_try(blux_emulator: Emulator) -> None:
    function, state = Function(), TaskState()
    arguments = {**SLOWLY, "resume": False}
    blux_emulator.fault(**UNAVAILABLE, skip=2, times=1)
    with pytest.raises(BluxUnavailable):
        operator("blux_upsert_users", function, arguments=arguments).execute({"task_state_store": state})
    function.first = 100
    report = operator("blux_upsert_users", function, arguments=arguments).execute({"task_state_store": state})

    assert (report["delivered"], report["resumed"], function.calls) == (10, 0, 2)


def test_other_events_at_a_retry_are_not_sent(blux_emulator: Emulator) -> None:
    function, state = Function(), TaskState()
    blux_emulator.fault(**UNAVAILABLE, skip=2, times=1)
    with pytest.raises(BluxUnavailable):
        operator("blux_send_events", events, function, arguments=SLOWLY).execute({"task_state_store": state})
    function.first = 100

    with pytest.raises(AirflowFailException, match="The source has changed since an earlier try"):
        operator("blux_send_events", events, function, arguments=SLOWLY).execute({"task_state_store": state})
    assert len(list(blux_emulator.all_events())) == 4


@pytest.mark.parametrize("max_users", [10, None])
def test_a_function_that_names_users_to_delete_is_called_once(blux_emulator: Emulator, max_users: int | None) -> None:
    function = Function()
    report = operator("blux_delete_users", function, arguments={"max_users": max_users}).execute({})

    assert report["delivered"] == 10
    assert function.calls == 1


def test_the_guard_stops_a_function_before_anybody_is_deleted(blux_emulator: Emulator) -> None:
    function = Function(1000)

    with pytest.raises(
        AirflowFailException, match="More than 9 different users would be deleted; this try sent nothing"
    ):
        operator("blux_delete_users", function, arguments={"max_users": 9}).execute({})
    assert blux_emulator.requests() == []
    assert function.is_closed


@pytest.mark.parametrize("max_users", [100, None])
def test_other_ids_at_a_retry_are_all_deleted(blux_emulator: Emulator, max_users: int | None) -> None:
    function, state = Function(), TaskState()
    arguments = {**SLOWLY, "max_users": max_users}
    blux_emulator.fault(**UNAVAILABLE, skip=2, times=1)
    with pytest.raises(BluxUnavailable):
        operator("blux_delete_users", function, arguments=arguments).execute({"task_state_store": state})
    function.first = 100
    report = operator("blux_delete_users", function, arguments=arguments).execute({"task_state_store": state})

    assert (report["delivered"], report["resumed"]) == (10, 0)
    assert {f"u{number}" for number in range(100, 110)} <= set(blux_emulator.deleted_users())


def test_a_task_that_is_killed_closes_its_function_and_sends_nothing_more(blux_emulator: Emulator) -> None:
    closed: list[bool] = []

    def users() -> Iterator[dict[str, str]]:
        try:
            yield {"user_id": "a"}
            yield {"user_id": "b"}
            made.on_kill()
            yield from ({"user_id": f"late-{number}"} for number in range(100))
        finally:
            closed.append(True)

    made = operator("blux_upsert_users", users, arguments=SLOWLY)

    with pytest.raises(BluxStopped):
        made.execute({})
    assert closed == [True]
    assert "late-99" not in ids(blux_emulator)


def test_a_dry_run_calls_the_function_and_sends_nothing(blux_emulator: Emulator) -> None:
    report = operator("blux_upsert_users", Function(), arguments={"validate_only": True}).execute({})

    assert (report["valid"], report["requests"]) == (10, 0)
    assert blux_emulator.requests() == []
