"""Provokes the messages about arguments, sources and records."""

from __future__ import annotations

import gzip
import json
import sys
from typing import Any

from airflow_provider_blux.assets.blux import create_asset
from airflow_provider_blux.backfill import ranges
from airflow_provider_blux.decorators.blux import upsert_users_task
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxSendEventsOperator, BluxUpsertUsersOperator
from airflow_provider_blux.sources.files import StorageSource
from airflow_provider_blux.sources.function import FunctionSource
from airflow_provider_blux.sources.inline import InlineSource
from tests.docs.said.scene import EVENTS, USERS, Scene, says


def operator(**arguments: Any) -> BluxUpsertUsersOperator:
    return BluxUpsertUsersOperator(task_id="send", **arguments)


@says("BluxUpsertUsersOperator has no argument")
def misspelt(scene: Scene) -> None:
    BluxUpsertUsersOperator(task_id="send", users=USERS, batchsize=100)  # type: ignore[call-arg]


@says("on_unknown='reject' is now called")
def old_word(scene: Scene) -> None:
    BluxSendEventsOperator(task_id="send", events=EVENTS, on_unknown="reject")  # type: ignore[arg-type]


@says("Exactly one of")
def two_sources(scene: Scene) -> None:
    operator(users=USERS, path="users.csv")


@says("sql needs")
def no_database(scene: Scene) -> None:
    operator(sql="SELECT 1 AS user_id")


@says("… names what no record has")
def a_column_that_no_object_has(scene: Scene) -> None:
    BluxHook().upsert_users(USERS, field_mapping={"mobile": "phone_number"})


@says("… was changed while it was read")
def a_file_that_grows(scene: Scene) -> None:
    file = scene.folder / "users.jsonl"
    file.write_text('{"user_id": "a"}\n')
    records = iter(StorageSource(str(file)))
    next(records)
    with file.open("a") as writer:
        writer.write('{"user_id": "b"}\n')
    list(records)


@says("Line … of … holds several objects")
def objects_without_line_ends(scene: Scene) -> None:
    (scene.folder / "users.jsonl").write_text('{"user_id": "a"}{"user_id": "b"}\n')
    operator(path=str(scene.folder / "users.jsonl")).execute({})


@says("Record … of … is no line of a rejects file")
def no_rejects_file(scene: Scene) -> None:
    (scene.folder / "users.jsonl").write_text('{"user_id": "a"}\n')
    operator(path=str(scene.folder / "users.jsonl"), file_format="rejects").execute({})


@says("max_rejects allows")
def tolerance_without_a_folder(scene: Scene) -> None:
    operator(users=USERS, max_rejects=10)


@says("… has been rendered")
def rendered_to_something_else(scene: Scene) -> None:
    one = operator(users=USERS, validate_only="{{ params.dry_run }}")
    one.render_template_fields({"params": {"dry_run": "perhaps"}})
    one.execute({})


@says("batch_size is")
def batch_too_large(scene: Scene) -> None:
    BluxHook().upsert_users(USERS, batch_size=500)


@says("rate_limit must be")
def wrong_rate(scene: Scene) -> None:
    operator(users=USERS, rate_limit=0)


@says("rate_limit_fallback='share'")
def share_of_nothing(scene: Scene) -> None:
    operator(users=USERS, rate_limit_fallback="share")


@says("rate_limit_conn_id needs")
def missing_redis(scene: Scene) -> None:
    with scene.patch.context() as patch:  # others need it
        patch.setitem(sys.modules, "airflow.providers.redis.hooks.redis", None)  # type: ignore[arg-type]
        BluxHook().upsert_users(USERS, rate_limit_conn_id="pace")


@says("@task.… takes no")
def records_from_elsewhere(scene: Scene) -> None:
    upsert_users_task(path="users.csv")


@says("… is asynchronous")
def asynchronous_function(scene: Scene) -> None:
    async def send_users() -> None: ...

    upsert_users_task(send_users)


@says("The URI of an asset")
def unknown_kind(scene: Scene) -> None:
    create_asset(application="my-app", kind="orders")


@says("true_values must be")
def one_word(scene: Scene) -> None:
    operator(users=USERS, true_values="YES")


@says("naive_timezone:")
def unknown_zone(scene: Scene) -> None:
    operator(users=USERS, naive_timezone="Seoul")


@says("… cannot be read:")
def missing_library(scene: Scene) -> None:
    scene.patch.setitem(sys.modules, "zstandard", None)  # type: ignore[arg-type]
    operator(path=scene.file("users.jsonl.zst", b"")).execute({})


@says("There is no column")
def wrong_header(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"User ID,grade\n1,gold\n")).execute({})


@says("These columns have the name")
def columns_in_capitals(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"user_id,PHONE_NUMBER\n1,010\n")).execute({})


@says("exclude_fields names")
def an_excluded_column_in_capitals(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"user_id,SSN\n1,9\n"), exclude_fields=["ssn"]).execute({})


@says("These columns are named as parts")
def flattened_columns(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"user_id,properties.grade\n1,gold\n")).execute({})


@says("These columns are sent")
def column_nearly_a_field(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"user_id,mobile\n1,010\n")).execute({})


@says("exclude_fields:")
def nearly_all_consents(scene: Scene) -> None:
    operator(users=USERS, exclude_fields="consent")


@says("field_mapping: '…' is not one")
def nearly_a_field(scene: Scene) -> None:
    operator(users=USERS, field_mapping={"HP": "phone_numbr"})


@says("phone_region needs")
def missing_phonenumbers(scene: Scene) -> None:
    with scene.patch.context() as patch:
        patch.setitem(sys.modules, "phonenumbers", None)  # type: ignore[arg-type]
        operator(users=USERS, phone_region="KR")


@says("field_mapping names")
def wrong_mapping(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"user_id,grade\n1,gold\n"), field_mapping={"tel": "phone_number"}).execute(
        {}
    )


@says("…: there is no such file")
def missing_file(scene: Scene) -> None:
    operator(path=str(scene.folder / "*.csv")).execute({})


@says("The format of")
def unknown_format(scene: Scene) -> None:
    operator(path=scene.file("users.txt", b"1\n")).execute({})


@says("… is not csv")
def workbook(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"PK\x03\x04")).execute({})


@says("… is cut off")
def unfinished_file(scene: Scene) -> None:
    operator(path=scene.file("users.csv.gz", gzip.compress(b"user_id\n1\n" * 1000)[:-9])).execute({})


@says("line … of … is not UTF-8")
def wrong_encoding(scene: Scene) -> None:
    operator(path=scene.file("users.csv", "user_id,name\n1,영희\n".encode("cp949"))).execute({})


@says("The header of … is one column")
def wrong_delimiter(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"user_id;grade\n1;gold\n")).execute({})


@says("… is empty")
def failed_export(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"")).execute({})


@says("… begins with a JSON array")
def array_in_a_line(scene: Scene) -> None:
    operator(path=scene.file("users.jsonl", b'[{"user_id": "1"}]')).execute({})


@says("…: folders are named")
def partitioned(scene: Scene) -> None:
    (scene.folder / "grade=gold").mkdir()
    operator(path=scene.file("grade=gold/users.csv", b"user_id\n1\n")).execute({})


@says("The source has no record")
def no_record(scene: Scene) -> None:
    operator(users=[], on_empty="fail").execute({})


@says("… cannot be opened")
def unknown_storage(scene: Scene) -> None:
    operator(path="nowhere://bucket/users.csv").execute({})


@says("the query on connection", "The query on connection")
def wrong_query(scene: Scene) -> None:
    scene.patch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(scene.folder / "shop.db")}))
    operator(sql="SELECT user_id FROM nobodies", sql_conn_id="shop").execute({})


@says("… is None")
def nothing_returned(scene: Scene) -> None:
    list(InlineSource(None, "users"))


@says("… is text, but")
def rendered_text(scene: Scene) -> None:
    operator(users="[{'user_id': '1'}]").execute({})


@says("…() returned a value")
def function_without_a_return(scene: Scene) -> None:
    list(FunctionSource(lambda: None, "send_users"))


@says("…() called sys.exit")
def function_that_exits(scene: Scene) -> None:
    BluxHook().upsert_users(FunctionSource(lambda: sys.exit(0), "send_users"))


@says("… is NULL in")
def rows_without_a_key(scene: Scene) -> None:
    ranges({"first": 1, "last": 9, "number": 9, "with_key": 8}, 2, "customer_no")


@says("… is of type")
def key_of_text(scene: Scene) -> None:
    ranges({"first": "a", "last": "z", "number": 9, "with_key": 9}, 2, "user_id")


BAD = [
    {"user_id": 123.0},
    {"user_id": "123.0"},
    {"user_id": "nan"},
    {"user_id": "1\u200b23"},
    {"user_id": "123 "},
    {"user_id": "1", "phone_number": 1012345678},
    {"user_id": "2", "marketing_notification_consent": "Y"},
]


@says(
    *("Of … records", "user_id: is a decimal", "user_id: looks like a damaged", "user_id: is text that stands"),
    *("user_id: holds an invisible", "user_id: has whitespace", "phone_number: is a number", "…: is neither true"),
)
def bad_records(scene: Scene) -> None:
    operator(users=[*BAD, *USERS]).execute({})


@says("timestamp: has no zone")
def time_without_a_zone(scene: Scene) -> None:
    BluxHook().send_events([{**EVENTS[0], "timestamp": "2026-01-31T09:00:00"}])


@says("timestamp: is a number")
def numeric_time(scene: Scene) -> None:
    BluxHook().send_events([{**EVENTS[0], "timestamp": 1769817600}])


@says("…: is older than")
def older_record(scene: Scene) -> None:
    times = ["2026-01-31T09:00:00Z", "2026-01-30T09:00:00Z"]
    operator(users=[{"user_id": "1", "at": at} for at in times], updated_at_field="at").execute({})


@says("as a whole: Blux refused it")
def refused_record(scene: Scene) -> None:
    scene.blux.fault(kind="refuse", ids=["2"])
    BluxHook().upsert_users(USERS)


@says("as a whole: may or may not")
def unknown_record(scene: Scene) -> None:
    scene.blux.fault(kind="reset", processed=True, times=1)
    BluxHook().send_events(EVENTS, on_unknown="keep")
