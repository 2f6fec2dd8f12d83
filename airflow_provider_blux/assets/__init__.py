"""What Blux holds, as Airflow's assets."""
