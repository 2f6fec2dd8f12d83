"""The HTTP client of Blux: endpoints, requests, retries and rate limits. Does not import Airflow."""
