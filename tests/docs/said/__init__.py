"""Provokes each message that docs/troubleshooting.md lists."""

from tests.docs.said import about_records, about_requests, about_snapshots, about_the_emulator, about_what_is_kept
from tests.docs.said.scene import PROVOCATIONS, Scene

__all__ = [
    "PROVOCATIONS",
    "Scene",
    "about_records",
    "about_requests",
    "about_snapshots",
    "about_the_emulator",
    "about_what_is_kept",
]
