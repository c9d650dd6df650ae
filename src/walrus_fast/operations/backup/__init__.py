"""Making backups: of a live database, and of those that RocksDB made."""
