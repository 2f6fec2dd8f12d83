"""The operators: records from a DAG, files or SQL, pushed to Blux."""
