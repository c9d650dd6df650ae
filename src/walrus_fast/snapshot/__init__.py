"""Pins a consistent set of files of a live database, from outside the process that owns it."""
