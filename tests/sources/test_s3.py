"""Files in S3, on a server of the tests' own, through Airflow connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from airflow_provider_blux.backfill import split_files
from airflow_provider_blux.delivery.run import Run
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError, BluxError, BluxSourceError
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.sources.files import StorageSource
from tests.sources.files import CONTENTS, USERS

boto3 = pytest.importorskip("boto3")
s3fs = pytest.importorskip("s3fs")
pytest.importorskip("airflow.providers.amazon")
server = pytest.importorskip("moto.server")

# What belongs to boto, s3fs, moto and the provider is theirs to fix.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::airflow.exceptions.AirflowProviderDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(scope="module")
def client(endpoint: str) -> Any:
    client = boto3.client("s3", endpoint_url=endpoint, **KEYS)
    client.create_bucket(Bucket="crm")
    for key, content in {
        "day=1/b.csv.gz": CONTENTS["users.csv.gz"](USERS[10:20]),
        "day=1/a.jsonl": CONTENTS["users.jsonl"](USERS[:10]),
        "day=1/_SUCCESS": b"",
        "day=2/": b"",
        "day=2/c.parquet": CONTENTS["users.parquet"](USERS[20:30]),
        "day=2/d.json.zst": CONTENTS["users.json.zst"](USERS[30:40]),
        "cut/users.jsonl.gz": CONTENTS["users.jsonl.gz"](USERS)[:-9],
        "large/users.jsonl": CONTENTS["users.jsonl"](USERS) * 400,
    }.items():
        client.put_object(Bucket="crm", Key=key, Body=content)
    return client


@pytest.fixture(autouse=True)
def connection(client: Any, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("crm/day=1/a.jsonl", USERS[:10]),
        ("crm/day=1/b.csv.gz", USERS[10:20]),
        ("crm/day=2/c.parquet", USERS[20:30]),
        ("crm/day=1", USERS[:20]),
        ("crm/day=2/", USERS[20:40]),
        ("crm/day=1/*.csv.gz", USERS[10:20]),
        ("crm/day=*/*.*", USERS[:40]),
    ],
)
def test_files_folders_and_globs_are_read_in_order(path: str, expected: list[Any]) -> None:
    assert list(StorageSource(f"s3://{path}", conn_id="lake")) == expected
    assert list(StorageSource(f"s3://lake@{path}")) == expected


def test_a_list_is_read_as_it_stands() -> None:
    paths = ["s3://crm/day=2/c.parquet", "s3://crm/day=1/a*"]

    assert list(StorageSource(paths, conn_id="lake")) == USERS[20:30] + USERS[:10]


def test_a_large_object_is_read_through_many_requests() -> None:
    assert sum(1 for _ in StorageSource("s3://lake@crm/large/users.jsonl")) == len(USERS) * 400


def test_what_has_come_meanwhile_is_read_the_next_time(client: Any) -> None:
    source = StorageSource("s3://crm/late", conn_id="lake")
    with pytest.raises(BluxSourceError, match=r"^s3://crm/late: there is no such file"):
        list(source)

    client.put_object(Bucket="crm", Key="late/users.jsonl", Body=b'"a"\n')
    assert list(source) == ["a"]


@pytest.mark.parametrize(("path", "conn_id"), [("s3://lake@crm/day=1", None), ("s3://crm/day=1", "lake")])
def test_parts_name_objects_so_that_an_operator_finds_them(path: str, conn_id: str | None) -> None:
    parts = split_files(path, 2, conn_id)

    assert [list(StorageSource(part, conn_id=conn_id)) for part in parts] == [USERS[:10], USERS[10:20]]


def test_an_object_named_like_a_glob_is_in_the_part_that_names_it(client: Any) -> None:
    names = ["u1.jsonl", "u[1].jsonl", "u*.jsonl"]
    for name in names:
        client.put_object(Bucket="crm", Key=f"globs/{name}", Body=json.dumps(name).encode())
    parts = split_files("s3://lake@crm/globs", len(names))

    assert sorted(list(StorageSource(part)) for part in parts) == sorted([name] for name in names)


def test_an_object_with_the_name_of_a_folder_is_an_error_that_names_it(client: Any) -> None:
    for key in ("both/a.jsonl", "both/a.jsonl/b.jsonl"):
        client.put_object(Bucket="crm", Key=key, Body=json.dumps(key).encode())

    with pytest.raises(BluxSourceError, match=r"^s3://lake@crm/both/a\.jsonl is both a file and a folder"):
        list(StorageSource("s3://lake@crm/both"))
    with pytest.raises(BluxSourceError, match=r"^s3://lake@crm/both/a\.jsonl is both a file and a folder"):
        list(StorageSource("s3://lake@crm/both/**"))
    assert list(StorageSource("s3://lake@crm/both/*.jsonl")) == ["both/a.jsonl"]
    assert list(StorageSource("s3://lake@crm/both/a.jsonl/")) == ["both/a.jsonl/b.jsonl"]


def test_an_object_that_was_cut_off_is_an_error_that_names_it() -> None:
    with pytest.raises(BluxSourceError, match=r"^s3://lake@crm/cut/users\.jsonl\.gz is cut off: it ends at byte"):
        list(StorageSource("s3://lake@crm/cut/*"))


@pytest.mark.parametrize("path", ["s3://nowhere/users.jsonl", "s3://crm/absent.jsonl", "s3://crm/absent-*.jsonl"])
def test_what_is_not_there_is_an_error_that_names_it(path: str) -> None:
    with pytest.raises(BluxSourceError) as raised:
        list(StorageSource(path, conn_id="lake"))
    assert str(raised.value).startswith(path)


@pytest.fixture(scope="module")
def closed(client: Any) -> Iterator[None]:
    """The same storage at another address, which refuses to list the objects in ``crm/shops/b``."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    for key in ("shops/a/users.jsonl", "shops/b/users.jsonl"):
        client.put_object(Bucket="crm", Key=key, Body=json.dumps(key).encode())
    storage = DomainDispatcherApplication(create_backend_app)

    def answer(environ: Any, start_response: Any) -> Any:
        if "prefix=shops%2Fb%2F&" not in environ["QUERY_STRING"]:
            return storage(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"]

    running = make_server("127.0.0.1", 0, answer, threaded=True)
    Thread(target=running.serve_forever, daemon=True).start()
    extra = {"endpoint_url": f"http://127.0.0.1:{running.server_port}", "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW_CONN_CLOSED", json.dumps(connection))
        yield
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize("path", ["shops/*/*.jsonl", "shops/*/users.jsonl", "shop*/*/*"])
def test_a_folder_that_a_glob_matches_and_that_cannot_be_listed_is_an_error(closed: None, path: str) -> None:
    assert len(list(StorageSource(f"s3://lake@crm/{path}", file_format="jsonl"))) == 2
    with pytest.raises(BluxSourceError, match=r"shops/b cannot be read \(PermissionError.*, so that records may be"):
        list(StorageSource(f"s3://closed@crm/{path}", file_format="jsonl"))


@pytest.mark.skipif(s3fs.__version__ < "2026.9", reason="lists the whole folder itself")
def test_only_the_names_that_begin_like_a_glob_are_listed(closed: None) -> None:
    assert list(StorageSource("s3://closed@crm/shops/b/use*.jsonl")) == ["shops/b/users.jsonl"]


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {
        "endpoint_url": "http://127.0.0.1:9",  # the port that nobody listens at
        "region_name": "us-east-1",
        "config_kwargs": {"retries": {"max_attempts": 1}, "connect_timeout": 1},
    }
    connection = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_GONE", json.dumps(connection))


def test_a_server_that_is_not_there_is_one_of_our_errors(gone: None) -> None:
    with pytest.raises(BluxError, match=r"^s3://gone@crm/users\.jsonl cannot be read \(EndpointConnectionError"):
        list(StorageSource("s3://gone@crm/users.jsonl"))


def test_files_that_a_report_names_are_read_with_the_connection_that_wrote_them(blux_emulator: Emulator) -> None:
    hook = BluxHook()
    deleted = hook.delete_users(["a"], receipts_path="s3://lake@crm/receipts")
    report = hook.upsert_users([{}], max_rejects=1, rejects_path="s3://lake@crm/rejects")

    assert hook.accepted_ids(["a", "b"], deleted.receipts) == ["a"]
    [rejected] = StorageSource(report.rejects or [], file_format="rejects")
    assert rejected == {}


def test_receipts_that_another_process_has_written_meanwhile_are_read(blux_emulator: Emulator, client: Any) -> None:
    hook = BluxHook()
    [first] = hook.delete_users(["a"], receipts_path="s3://lake@crm/meanwhile").receipts or []
    assert hook.upsert_users([{"user_id": "a"}], suppression_path="s3://lake@crm/meanwhile").suppressed == 1
    copied = first.replace("part00000001", "copy").removeprefix("s3://lake@crm/")
    client.copy_object(Bucket="crm", Key=copied, CopySource=first.removeprefix("s3://lake@"))

    assert hook.accepted_ids(["a"], [f"s3://lake@crm/{copied}"]) == ["a"]


def test_a_snapshot_is_read_written_and_merged_by_many_runs(blux_emulator: Emulator) -> None:
    hook, path = BluxHook(), "s3://lake@crm/snapshots/users"
    for number in range(4):
        changed = [{**user, "grade": number} if index == number else user for index, user in enumerate(USERS)]
        report = hook.upsert_users(changed, snapshot_path=path)
        assert report.delivered == (2 if number else len(USERS))
    assert hook.delete_users([USERS[7]["user_id"]], snapshot_path=path).delivered == 1

    assert hook.upsert_users(changed, snapshot_path=path).delivered == 1
    assert hook.upsert_users(changed, snapshot_path=path, full_refresh=True).delivered == len(USERS)
    assert hook.upsert_users(changed, snapshot_path=path).unchanged == len(USERS)


def test_who_has_a_receipt_is_suppressed_and_a_retry_goes_on(blux_emulator: Emulator) -> None:
    hook, users = BluxHook(), [{"user_id": f"u{number}"} for number in range(1, 301)]
    options: dict[str, Any] = {
        "suppression_path": "s3://lake@crm/erased",
        "checkpoint_path": "s3://lake@crm/checkpoints",
        "run": Run(dag_id="sync", task_id="push", run_id="one", map_index=-1, try_number=1),
    }
    hook.delete_users(["u1"], receipts_path="s3://lake@crm/erased")
    blux_emulator.fault(kind="status", status=401, operation="upsert_users", skip=1)
    with pytest.raises(BluxError, match="401"):
        hook.upsert_users(users, concurrency=1, **options)
    blux_emulator.clear_faults()

    report = hook.upsert_users(users, **options)

    assert (report.delivered, report.suppressed, report.resumed) == (299, 1, 100)


def test_receipts_on_a_server_that_is_not_there_are_one_of_our_errors(blux_emulator: Emulator, gone: None) -> None:
    with pytest.raises(BluxError, match=r"^s3://gone@crm/a\.jsonl cannot be read \(EndpointConnectionError"):
        BluxHook().accepted_ids(["a"], ["s3://gone@crm/a.jsonl"])


@pytest.mark.parametrize("argument", ["rejects_path", "receipts_path", "checkpoint_path", "snapshot_path"])
def test_a_folder_on_a_server_that_is_not_there_is_one_of_our_errors(
    blux_emulator: Emulator, gone: None, argument: str
) -> None:
    run = Run(dag_id="sync", task_id="push", run_id="one")
    with pytest.raises(BluxError, match=f"^{argument}: nothing can be written to s3://gone@crm/a ") as raised:
        BluxHook().delete_users(["a"], run=run, **{argument: "s3://gone@crm/a"})  # type: ignore[arg-type]

    assert raised.value.retry_helps
    assert str(raised.value).endswith("This try sent nothing. Check whether the storage answers.")
    assert not blux_emulator.requests()


def test_a_bucket_is_not_created(blux_emulator: Emulator, client: Any) -> None:
    with pytest.raises(BluxConfigError, match=r"^rejects_path: nothing can be written to s3://lake@crm-typo/rejects "):
        BluxHook().upsert_users([{}], rejects_path="s3://lake@crm-typo/rejects")

    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["crm"]
