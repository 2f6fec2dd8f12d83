"""The demo: run every example DAG in Airflow, and compare the emulator's records with the sample data."""
