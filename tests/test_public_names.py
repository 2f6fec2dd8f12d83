"""The public modules and names. All other names may change with any release."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from airflow_provider_blux import types
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.hooks.blux import BluxHook
from tests.docs.readme import ROOT, Readme, names

PACKAGE = "airflow_provider_blux"
# Taking a name out of here, or changing what it does, is a behaviour change: CONTRIBUTING.md says how that is done.
PUBLIC = {
    "airflow_provider_blux": {"__version__"},
    "airflow_provider_blux.alerts": {"alert_text", "report_of"},
    "airflow_provider_blux.assets.blux": {"deletions", "devices", "events", "users"},
    "airflow_provider_blux.backfill": {"split_files", "split_sql", "summarize_reports"},
    "airflow_provider_blux.decorators.blux": {
        *("delete_users_task", "send_events_task", "update_devices_task", "upsert_users_task"),
    },
    "airflow_provider_blux.emulator": {"Emulator"},
    "airflow_provider_blux.emulator.pytest_plugin": {"blux_emulator"},
    "airflow_provider_blux.exceptions": {
        *("BluxAbsentError", "BluxApiError", "BluxAuthError", "BluxCheckpointError", "BluxConfigError", "BluxError"),
        *("BluxGuardError", "BluxPaceError", "BluxReceiptError", "BluxRecordError", "BluxRejectLimitError"),
        *("BluxRequestError", "BluxSnapshotError", "BluxSourceError", "BluxStopped", "BluxUnavailable"),
    },
    "airflow_provider_blux.get_provider_info": {"get_provider_info"},
    "airflow_provider_blux.hooks.blux": {"BluxHook"},
    "airflow_provider_blux.operators.blux": {
        *("BluxDeleteUsersOperator", "BluxSendEventsOperator", "BluxUpdateDevicesOperator", "BluxUpsertUsersOperator"),
    },
    "airflow_provider_blux.receipts": {"main"},
    "airflow_provider_blux.snapshot": {"main"},
    "airflow_provider_blux.types": {
        *("Absence", "AnyPath", "Api", "Counted", "DeletionOptions", "DeviceOptions", "Endpoint", "EventOptions"),
        *("Fallback", "FileFormat", "Meaning", "OnUnknown", "Operation", "Report", "Run", "Standing", "State", "Store"),
        *("Unit", "UserOptions", "Watcher"),
    },
}


@pytest.mark.parametrize("module", PUBLIC)
def test_a_public_module_lists_its_names_and_has_them(module: str) -> None:
    found = import_module(module)

    assert sorted(found.__all__) == sorted(PUBLIC[module])
    assert [name for name in found.__all__ if not hasattr(found, name)] == []


def imports_in(code: str) -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each import from the package."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == PACKAGE)


PAGES = [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")]
EXAMPLES = [path for path in (ROOT / "example_dags").glob("*.py") if path.name != "generate_sample_data.py"]


def test_what_the_documentation_and_the_examples_import_is_public() -> None:
    code = [block.code for page in PAGES for block in Readme(str(page.relative_to(ROOT))).code("python")]
    code += [path.read_text("utf-8") for path in EXAMPLES]
    imported = {found for one in code for found in imports_in(one)}

    assert len(imported) >= 8
    assert {
        (module, name)
        for module, name in imported
        if name not in PUBLIC.get(module, ()) and f"{module}.{name}" not in PUBLIC
    } == set()


def test_the_page_of_the_types_has_each_of_them() -> None:
    (table,) = Readme("docs/reference/types.md").tables
    directives = re.findall(
        r"^\.\. autoapi(?:class|data):: (\S+)", (ROOT / "docs/reference/types.md").read_text("utf-8"), re.MULTILINE
    )

    assert sorted(name for row in table for name in names(row[0])) == sorted(types.__all__)
    assert sorted(name.rpartition(".")[2] for name in directives) == sorted(types.__all__)
    for name in directives:
        module, _, attribute = name.rpartition(".")
        assert getattr(import_module(module), attribute) is getattr(types, attribute)


def test_what_the_hook_returns_and_tells_is_of_the_public_types(blux_emulator: Emulator) -> None:
    told: list[types.Standing] = []
    report = BluxHook().upsert_users([{"user_id": "1"}], watchers=[told.append], run=types.Run.unnamed())

    assert isinstance(report, types.Report)
    assert {type(standing) for standing in told} == {types.Standing}
    assert {type(standing.counted) for standing in told} == {types.Counted}
    assert {type(standing.endpoint) for standing in told} == {types.Endpoint}
    assert {standing.state for standing in told} <= set(get_args(types.State))


@pytest.mark.slow
def test_importing_the_types_imports_nothing_that_is_heavy_or_optional() -> None:
    code = (
        "import sys; from airflow.providers.common.compat.sdk import BaseHook, BaseOperator, ObjectStoragePath;"
        "before = set(sys.modules); import airflow_provider_blux.types;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    heavy = {"pandas", "polars", "pyarrow", "numpy", "redis", "msgspec", "starlette", "uvicorn", "sqlalchemy"}

    assert heavy.isdisjoint(done.stdout.split())
    assert PACKAGE in done.stdout.split()
