"""Example DAGs that send the sample data in ``data``; ``python -m example_dags.demo`` runs them all."""
