"""The pages on scale, backfills and a shared rate limit are correct.

The query by a hash is tested where PostgreSQL is, in tests/sources.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

from airflow_provider_blux import backfill
from airflow_provider_blux.api.endpoints import Operation, endpoints_for
from airflow_provider_blux.api.rate_limiter import Rules
from airflow_provider_blux.delivery.settings import Fallback
from airflow_provider_blux.hooks import connection
from airflow_provider_blux.operators import blux as operators
from tests.docs.readme import Readme, names

SCALE, BACKFILL = Readme("docs/scale.md"), Readme("docs/backfill.md")
SHARE = Readme("docs/share-the-rate.md")


def test_the_table_of_functions_is_the_module() -> None:
    table = next(table for table in BACKFILL.tables if "split_files" in table[0][0])
    shown = {names(row[0])[0] for row in table}
    signatures = set()
    for name in backfill.__all__:
        parameters = inspect.signature(getattr(backfill, name)).parameters.values()
        words = [each.name if each.default is each.empty else f"{each.name}={each.default}" for each in parameters]
        signatures.add(f"{name}({', '.join(words)})")

    assert shown == signatures


def test_the_times_at_the_published_limit_are_those_of_the_endpoints() -> None:
    table = next(table for table in SCALE.tables if "100,000 users" in table[0][0])
    for amount, requests, time in table:
        number, what = amount.split()
        operation: Operation = "upsert_users" if what == "users" else "delete_users"
        endpoint = endpoints_for(operation, "application")[0]
        needed = -(-int(number.replace(",", "")) // endpoint.max_records)
        seconds = needed * (1 + Rules.headroom) / endpoint.max_rate

        assert int(requests.replace(",", "")) == needed
        assert time in {f"{seconds:.0f} seconds", f"{seconds / 60:.1f} minutes", f"{seconds / 3600:.1f} hours"}


def test_the_snippets_make_the_tasks_that_they_show() -> None:
    given = {"path": "s3://b/users.jsonl", "parts": [["s3://b/1.jsonl"]]}
    for block in [*BACKFILL.code("python"), *SHARE.code("python")]:
        shown: dict[str, Any] = {}
        exec(f"task = {block.code}", {**vars(operators), **given}, shown)  # noqa: S102 - the docs' own text

        made = getattr(shown["task"], "operator", shown["task"])  # of a mapped task the reference to it is returned
        assert type(made).__name__ in {*operators.__all__, "MappedOperator"}


def test_the_ways_to_go_on_without_redis_are_those_of_the_argument() -> None:
    shown = {names(row[0])[0].strip('"') for row in SHARE.table_of('"fail"')}

    assert shown == set(Fallback.__args__)


def test_the_limits_that_are_shown_are_taken_by_the_connection() -> None:
    (block,) = SHARE.code("json")

    assert connection._rate_limits(json.loads(block.code)["rate_limits"]) == {"upsert_users": 40}
