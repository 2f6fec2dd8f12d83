"""Measurements of delivery, each a command: ``python -m benchmarks.pace``, ``.memory``, ``.soak``, ``.suppression``."""
