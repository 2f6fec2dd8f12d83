"""The assets that Airflow knows as ``blux://``: what a URI may hold, and how lineage names them."""

from __future__ import annotations

import warnings
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_blux.assets import blux

IS_AIRFLOW_2 = metadata.version("apache-airflow").startswith("2.")
WITH_A_SECRET = [
    "blux://s3cr3t-key@my-app/users",
    "blux://my-app:s3cr3t-key@my-app/users",
    "blux://my-app/users?key=s3cr3t-key",
    "blux://my-app:8080/users",
]
UNKNOWN = ["blux://my-app", "blux://my-app/", "blux://my-app/orders", "blux://my-app/users/00123", "blux:///users"]


@pytest.mark.parametrize("kind", ["users", "deletions", "events", "devices"])
def test_each_kind_has_a_function_that_returns_its_asset(kind: str) -> None:
    asset = getattr(blux, kind)("my-app")

    assert asset == Asset(f"blux://my-app/{kind}")
    assert asset.uri == f"blux://my-app/{kind}"


def test_what_a_uri_gives_a_meaning_is_quoted_in_an_application_s_id() -> None:
    assert blux.users("a/b?c@d").uri == "blux://a%2Fb%3Fc%40d/users"


def test_an_application_is_needed() -> None:
    with pytest.raises(ValueError, match="names no application"):
        blux.users("")


@pytest.mark.parametrize("application", [None, 5])
def test_an_application_that_is_no_text_is_named(application: Any) -> None:
    with pytest.raises(ValueError, match=f"^application is of type {type(application).__name__}; it must be the id"):
        blux.users(application)


@pytest.mark.parametrize("uri", WITH_A_SECRET)
def test_a_uri_that_may_hold_a_secret_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(ValueError, match="must hold no key") as refused:
        blux.sanitize_uri(urlsplit(uri))

    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize("uri", UNKNOWN)
def test_a_uri_of_nothing_that_blux_has_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="users, deletions, events, devices"):
        blux.sanitize_uri(urlsplit(uri))


@pytest.mark.parametrize("uri", UNKNOWN[2:4])
def test_airflow_asks_the_handler_of_this_package(uri: str) -> None:
    if IS_AIRFLOW_2:
        with pytest.warns(UserWarning, match="users, deletions, events, devices"):
            Asset(uri)
    else:
        with pytest.raises(ValueError, match="users, deletions, events, devices"):
            Asset(uri)


@pytest.mark.parametrize("uri", WITH_A_SECRET[:2])
def test_an_asset_of_airflow_never_holds_who_may_reach_it(uri: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Airflow says that it drops it, or leaves it to this package
            kept = Asset(uri).uri
    except ValueError:
        kept = ""

    assert "s3cr3t" not in kept


def test_an_asset_elsewhere_is_none_in_blux() -> None:
    found = [
        blux.is_blux_asset(outlet)
        for outlet in (blux.users("my-app"), Asset("file:///data/users.csv"), "blux://a/users")
    ]

    assert found == [True, False, False]


def test_openlineage_names_an_asset_by_its_application_and_kind() -> None:
    dataset = blux.convert_asset_to_openlineage(blux.users("a/b"), None)

    assert (dataset.namespace, dataset.name) == ("blux://a/b", "users")
