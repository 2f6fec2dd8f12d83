"""The demo: every example DAG under real Airflow, sent to the emulator, compared with the files record by record."""
