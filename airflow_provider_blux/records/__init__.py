"""What a record may look like: rows as people have them, turned into what the API takes. No Airflow, no HTTP."""
