"""Records in, report out: cut into batches, sent at the allowed pace, every record accounted for. No Airflow."""
