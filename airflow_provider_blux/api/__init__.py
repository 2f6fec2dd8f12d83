"""Blux over HTTP: the endpoints as data, one request at a time, retries and pace. Knows nothing of Airflow."""
