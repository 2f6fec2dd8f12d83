"""Delivers records in batches within the rate limit, and counts the outcome of each. Does not import Airflow."""
