"""The page "Blux deliveries" of Airflow 3.1 and later: static files, and the plugin that registers them."""
