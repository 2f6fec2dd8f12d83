"""Example DAGs on the sample data beside them; ``python -m example_dags.demo`` runs them all."""
