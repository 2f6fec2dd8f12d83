"""Sources of records: files, queries, frames, functions and values. This package does not depend on the Blux API.

A source is an iterable of rows that can be read more than once, always in the same order. In place of a row that cannot
be read, it yields a :class:`BluxRecordError`, so that the row is counted as rejected. It raises
:class:`BluxSourceError` if reading cannot continue. Neither error contains values of a record.

In all modules of this package, a parameter ``name`` is the name that messages use for the file, the table or the value
that is read.
"""
