"""Measurements of delivery, each a command: ``python -m benchmarks.soak``, ``.shared_pace``, ``.suppression``.

Two run in environments of their own: ``benchmarks.bench``, which compares with what others use (``make bench``), and
``benchmarks.cluster``, a distributed Airflow (``make cluster-test``).
"""
