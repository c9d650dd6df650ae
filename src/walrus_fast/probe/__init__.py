"""Opens a database read-only with RocksDB, in a process of its own.

Damaged bytes may crash RocksDB; that is a verdict then, and no crash of ours.
"""
