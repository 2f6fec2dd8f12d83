"""The package as a whole: the content of the wheel, the modules that an import loads, and the version."""

from __future__ import annotations

import configparser
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import HeaderParser
from importlib import import_module, metadata
from pathlib import Path

import pytest

import airflow_provider_blux

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_provider_blux"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def python(code: str) -> str:
    """Run ``code`` in a new interpreter; return its output."""
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    pytest.importorskip("hatchling.build", reason="the wheel is built on the version of Airflow that is developed on")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout)
    return zipfile.Path(next(folder.glob("*.whl")))


@pytest.fixture(scope="module")
def dist_info(wheel: zipfile.Path) -> zipfile.Path:
    return next(entry for entry in wheel.iterdir() if entry.name.endswith(".dist-info"))


@pytest.fixture(scope="module")
def headers(dist_info: zipfile.Path) -> Message:
    return HeaderParser().parsestr((dist_info / "METADATA").read_text("utf-8"))


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: zipfile.Path) -> None:
    held = {name for name in wheel.root.namelist() if ".dist-info/" not in name and not name.endswith("/")}
    made = {
        str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }

    assert held == made
    assert "airflow_provider_blux/py.typed" in held
    assert "airflow_provider_blux/emulator/page.html" in held
    assert "airflow_provider_blux/deliveries_page/static/main.js" in held
    assert "airflow_provider_blux/deliveries_page/static/words/ko.json" in held


@pytest.mark.slow
def test_the_wheel_holds_the_license(dist_info: zipfile.Path) -> None:
    assert (dist_info / "licenses" / "LICENSE").read_text("utf-8") == (ROOT / "LICENSE").read_text("utf-8")


@pytest.mark.slow
def test_the_entry_points_of_the_wheel_exist(dist_info: zipfile.Path) -> None:
    declared = configparser.ConfigParser()
    declared.read_string((dist_info / "entry_points.txt").read_text("utf-8"))

    assert set(declared.sections()) == {"airflow.plugins", "apache_airflow_provider", "pytest11"}
    for group in declared.sections():
        for target in declared[group].values():
            module, _, attribute = target.partition(":")
            assert not attribute or callable(getattr(import_module(module), attribute))


@pytest.mark.slow
def test_importing_the_package_imports_nothing_else() -> None:
    loaded = python(
        "import __future__, sys; before = set(sys.modules); import airflow_provider_blux;"
        "print(*sorted(set(sys.modules) - before))"
    )

    assert loaded.split() == ["airflow_provider_blux"]


@pytest.mark.slow
def test_importing_the_operators_and_decorators_imports_nothing_that_is_heavy_or_optional() -> None:
    # Airflow itself may import some of these: what counts is what these add.
    loaded = python(
        "import sys; from airflow.providers.common.compat.sdk import BaseHook, BaseOperator; before = set(sys.modules);"
        "import airflow_provider_blux.operators.blux, airflow_provider_blux.decorators.blux;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    heavy = {"pandas", "polars", "pyarrow", "numpy", "redis", "msgspec", "starlette", "uvicorn", "sqlalchemy"}

    assert "airflow_provider_blux" in loaded.split()
    assert heavy.isdisjoint(loaded.split())


def test_the_version_stands_once() -> None:
    version = PROJECT["version"]

    assert airflow_provider_blux.__version__ == version == metadata.version(PROJECT["name"])
    assert [path for path in PACKAGE.rglob("*.py") if f'"{version}"' in path.read_text("utf-8")] == []


@pytest.mark.slow
def test_the_metadata_of_the_wheel_is_that_of_the_project(headers: Message) -> None:
    assert (headers["Name"], headers["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert headers["Requires-Python"] == PROJECT["requires-python"]
    assert set(headers.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
