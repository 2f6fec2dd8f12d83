"""Measurements of delivery: ``python -m benchmarks.pace``, ``benchmarks.memory``, ``benchmarks.soak``."""
