"""Validates source rows and turns them into API records. Imports neither Airflow nor an HTTP client."""
