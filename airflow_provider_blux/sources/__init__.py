"""Records from somewhere, one after the other. Knows nothing of Blux.

A source is an iterable of rows that can be read more than once, always in the same order. It yields a
:class:`BluxRecordError` in place of a row that cannot be read, so that the row is counted as rejected; it raises
:class:`BluxSourceError` where nothing sensible can follow. Neither ever repeats what stands in a record.
"""
