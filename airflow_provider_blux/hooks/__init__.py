"""The hook, which reads an Airflow connection and runs deliveries."""
