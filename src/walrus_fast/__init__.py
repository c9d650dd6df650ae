"""Hot, verified, restorable backups of a live RocksDB, taken from outside the process that owns it."""
