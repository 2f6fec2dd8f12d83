"""Delivers records in batches within the rate limit, and counts the outcome of each record. Does not import Airflow."""
