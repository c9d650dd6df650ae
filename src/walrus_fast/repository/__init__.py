"""The repository: RocksDB's BackupEngine layout, with our own records beside it in `.walrus-fast/`."""
