"""The error if a library is missing."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from airflow_provider_blux import extras
from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.sources.files import StorageSource

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
ALL = [extras.PARQUET, extras.ZSTD, extras.PHONE]


@pytest.mark.parametrize(("name", "extra"), [("z.parquet", extras.PARQUET), ("z.jsonl.zst", extras.ZSTD)])
def test_a_missing_library_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: tuple[str, str, str]
) -> None:
    module, extra_name, _ = extra
    monkeypatch.setitem(sys.modules, module, None)  # what Python itself takes for "cannot be imported"
    (tmp_path / "a.jsonl").write_text('"a"\n')
    (tmp_path / name).write_bytes(b"")

    with pytest.raises(BluxConfigError) as raised:
        next(iter(StorageSource(str(tmp_path))))
    assert str(raised.value).startswith(f"{tmp_path}/{name} cannot be read: ")
    assert str(raised.value).endswith(f"pip install 'airflow-provider-blux[{extra_name}]'")


@pytest.mark.parametrize(("module", "extra", "purpose"), ALL)
def test_every_extra_that_is_named_exists_and_brings_its_library(module: str, extra: str, purpose: str) -> None:
    offered = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]

    assert any(requirement.startswith(module.partition(".")[0]) for requirement in offered[extra])
