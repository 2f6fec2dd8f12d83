"""This package and what people would use instead, side by side: ``make bench``."""
