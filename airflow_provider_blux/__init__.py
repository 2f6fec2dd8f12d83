"""Push users, events and deletions from Apache Airflow to Blux, a Korean CRM."""

from __future__ import annotations

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    # Airflow imports this package whenever it looks for providers: nothing is imported before it is asked for.
    if name == "__version__":
        from importlib.metadata import version

        return version("airflow-provider-blux")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
