"""Reads RocksDB's files. Never writes below a database and never opens one."""
