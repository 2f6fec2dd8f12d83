"""The hook: an Airflow connection turned into deliveries."""
