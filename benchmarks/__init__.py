"""Measurements of delivery, each a command: ``python -m benchmarks.pace``, ``.memory``, ``.soak``, ``.suppression``.

The one of a distributed Airflow, ``benchmarks.cluster``, runs in an environment of its own: ``make cluster-test``.
"""
