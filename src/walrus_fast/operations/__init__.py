"""The jobs: create, verify, restore, delete. The only place that joins snapshot, transfer and repository."""
