"""A million users over mapped tasks on two Celery workers, one of which is killed: ``make cluster-test``."""
