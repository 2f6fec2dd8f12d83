"""Airflow assets for the users, deletions, events and devices in Blux."""
