"""The assets ``blux://{application}/users``, ``/deletions``, ``/events`` and ``/devices``: one for each operation.

``{application}`` is the id of the application (Application API) or of the project (Open API). Airflow stores and shows
the URI of an asset unmasked, so it holds nothing else: no key, no host, no query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_blux.api.endpoints import Operation

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.providers.common.compat.openlineage.facet import Dataset

__all__ = ["deletions", "devices", "events", "users"]

SCHEME = "blux"
KINDS: dict[Operation, str] = {
    "upsert_users": "users",
    "delete_users": "deletions",
    "send_events": "events",
    "update_devices": "devices",
}
_RIGHT = f"Write it as {SCHEME}://{{application id}}/ and one of {', '.join(KINDS.values())}."


def users(application: str) -> Asset:
    """Return the asset for the users of an application; it changes when users are created or updated.

    :param application: id of the application (Application API) or of the project (Open API).
    """
    return create_asset(application=application, kind="users")


def deletions(application: str) -> Asset:
    """Return the asset for the deletions of an application's users; it changes when users are deleted.

    :param application: id of the application (Application API) or of the project (Open API).
    """
    return create_asset(application=application, kind="deletions")


def events(application: str) -> Asset:
    """Return the asset for the events of a project.

    :param application: id of the project (Open API).
    """
    return create_asset(application=application, kind="events")


def devices(application: str) -> Asset:
    """Return the asset for the devices of a project. Devices exist only in the Open API.

    :param application: id of the project.
    """
    return create_asset(application=application, kind="devices")


def asset_of(operation: Operation, application: str) -> Asset:
    """Return the asset that an operation changes."""
    return create_asset(application=application, kind=KINDS[operation])


def create_asset(*, application: str, kind: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return an asset of an application; Airflow's hook lineage calls this for the scheme ``blux``.

    :param application: id of the application (Application API) or of the project (Open API).
    :param kind: ``users``, ``deletions``, ``events`` or ``devices``.
    :param extra: metadata that Airflow stores with the asset.
    :raises ValueError: there is no such kind, or ``application`` is not text, or is empty.
    """
    if not isinstance(application, str):
        raise ValueError(  # noqa: TRY004 - a wrong value like any other
            f"application is of type {type(application).__name__}; it must be the id of an application or a project, "
            "as text."
        )
    uri = f"{SCHEME}://{quote(application, safe='')}/{kind}"
    sanitize_uri(urlsplit(uri))  # Airflow 2.11 only warns of a wrong one
    return Asset(uri=uri, extra=extra)


def is_blux_asset(outlet: Any) -> bool:
    """Return whether an outlet is an asset in Blux."""
    return isinstance(outlet, Asset) and urlsplit(outlet.uri).scheme == SCHEME


def is_blux_reference(outlet: Any) -> bool:
    """Return whether an outlet only refers to an asset in Blux: ``Asset.ref`` (Airflow 3), or the URI as text.

    Airflow ignores text among the outlets. A reference by name counts if the name starts with ``blux://``, because
    Airflow uses the URI of an asset as its name unless another name is given.
    """
    named = outlet if isinstance(outlet, str) else getattr(outlet, "uri", None) or getattr(outlet, "name", None)
    return (
        not isinstance(outlet, Asset | AssetAlias)
        and isinstance(named, str)
        and named.lower().startswith(f"{SCHEME}://")
    )


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return the URI of an asset in Blux unchanged; Airflow calls this for every ``blux://`` URI.

    :raises ValueError: the URI is not that of an asset in Blux, or it may hold a secret. The message does not show it.
    """
    _check_only_names(uri)
    if not uri.netloc or uri.path.removeprefix("/") not in KINDS.values():
        raise ValueError(f"The URI of an asset in Blux names no application, or an unknown kind. {_RIGHT}")
    return uri


def check_asset(asset: Asset) -> None:
    """Check the URI of an asset in Blux, and its name, which is the URI as the DAG author wrote it.

    Airflow drops a password and a fragment from the URI, but keeps them in the name, which it stores and shows, too.

    :raises ValueError: see :func:`sanitize_uri`.
    """
    sanitize_uri(urlsplit(asset.uri))
    name = urlsplit(getattr(asset, "name", asset.uri))  # an asset of Airflow 2 has no name
    if name.scheme == SCHEME:
        _check_only_names(name)


def _check_only_names(uri: SplitResult) -> None:
    if "@" in uri.netloc or ":" in uri.netloc or uri.query or uri.fragment:
        raise ValueError(
            "The URI of an asset in Blux holds more than an application and a kind. It is stored and shown as plain "
            f"text, so it must hold no key, port, query or fragment. {_RIGHT}"
        )


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:  # noqa: ARG001 - Airflow's signature
    """Return the asset as an OpenLineage dataset: namespace ``blux://{application}``, and the kind as its name."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"{SCHEME}://{unquote(uri.netloc)}", name=uri.path.removeprefix("/"))
